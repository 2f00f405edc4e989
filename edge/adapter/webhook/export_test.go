package webhook

import "net/http"

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Through answers requests without a socket, since sockets know no made-up clock.
func Through(s *Sender, f func(*http.Request) (*http.Response, error)) {
	s.client.Transport = roundTripper(f)
}

// Reach is reach.
var Reach = reach
