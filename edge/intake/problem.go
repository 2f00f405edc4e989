package intake

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"unicode/utf8"

	"vedette"
	"vedette/edge/access"
)

// refused is an answer that HTTP itself asks for: no kind of error has its status.
type refused struct {
	status int
	kind   string
	detail string
}

func (e *refused) Error() string { return e.detail }
func (e *refused) Unwrap() error { return vedette.ErrInvalid }

var (
	errWantJSON   = &refused{http.StatusUnsupportedMediaType, "media-type", "Content-Type: want application/json"}
	errWantNDJSON = &refused{http.StatusUnsupportedMediaType, "media-type", "Content-Type: want application/x-ndjson, one event on each line"}
	errEncoding   = &refused{http.StatusUnsupportedMediaType, "media-type", "Content-Encoding: want gzip, or none"}
	errSlow       = &refused{http.StatusRequestTimeout, "too-slow", "the body did not arrive in time; nothing of it was taken"}
	errSlowLine   = &refused{http.StatusRequestTimeout, "too-slow", "the batch stopped within or before this line; send it and all that follow again"}
	errCut        = &refused{http.StatusBadRequest, "invalid", "the body ended before its announced end; nothing of it was taken"}
	errCutLine    = &refused{http.StatusBadRequest, "invalid", "the batch broke off within or before this line; send it and all that follow again"}
	errNotGzip    = &refused{http.StatusBadRequest, "invalid", "the body is not whole gzip, as its Content-Encoding says"}
	errTooMany    = &refused{http.StatusRequestEntityTooLarge, "too-large", "more than 10,000 lines; this and all that follow were not taken: send them as another batch"}
	errBatchSize  = &refused{http.StatusRequestEntityTooLarge, "too-large", "the batch is over 32 MiB; this and all that follow were not taken: send them as another batch"}
	errFull       = &refused{http.StatusTooManyRequests, "busy", "the queue is full; nothing was taken: try again after Retry-After"}
	errNoRoute    = &refused{http.StatusNotFound, "not-found", "no such address; see /docs"}
)

// problem is what an answer says of an error.
type problem struct {
	status int
	kind   string
	detail string
	field  string
	retry  int // seconds; 0: not told
}

// explain turns an error into what may be told outside. Statuses come from the one table in edge/access; texts that could tell of our inside
// are replaced by what helps the caller.
func explain(err error) problem {
	if e, ok := errors.AsType[*refused](err); ok {
		p := problem{status: e.status, kind: e.kind, detail: e.detail}
		if e.status == http.StatusTooManyRequests {
			p.retry = 1
		}
		return p
	}
	d := access.Explain(err)
	p := problem{status: d.Status, kind: d.Kind, detail: d.Detail, retry: access.Wait(err)}
	if r, ok := errors.AsType[*Refusal](err); ok {
		p.field = r.Field
		return p
	}
	if _, ours := errors.AsType[*access.Busy](err); ours {
		p.detail = "the key is over its rate; try again after Retry-After"
		return p
	}
	switch d.Status {
	case http.StatusUnauthorized:
		p.detail = "Authorization: want Bearer and a live key, vdk_…" // whether it is unknown, ended or revoked is for its owner to look up
	case http.StatusConflict:
		p.field, p.detail = "id", `"id": known with other bytes; the first decision stands: give another event an id of its own`
	case http.StatusTooManyRequests:
		p.detail = errFull.detail
	case http.StatusServiceUnavailable:
		p.detail = "the event could not be kept, so there is no verdict; take your fallback, and send it again after Retry-After"
	case http.StatusNotFound:
		p.detail = "no decision is kept for this id"
	case http.StatusInternalServerError:
		p.detail = "our fault; it was counted and a person is told: take your fallback"
	}
	return p
}

// appendTo writes the problem as RFC 9457 has it.
func (p *problem) appendTo(b []byte) []byte {
	b = append(b, `{"type":"/docs#problem-`...)
	b = append(b, p.kind...)
	b = append(b, `","title":`...)
	b = appendString(b, http.StatusText(p.status))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"kind":"`...)
	b = append(b, p.kind...)
	b = append(b, '"')
	if p.detail != "" {
		b = append(b, `,"detail":`...)
		b = appendString(b, p.detail)
	}
	if p.field != "" {
		b = append(b, `,"field":`...)
		b = appendString(b, p.field)
	}
	return append(b, '}')
}

// fail answers a request with a problem. A fault of ours is logged: the text of its error stays inside.
func (d *Door) fail(w http.ResponseWriter, r *http.Request, err error) {
	d.failAs(w, r, err, explain(err))
}

func (d *Door) failAs(w http.ResponseWriter, r *http.Request, err error, p problem) {
	if p.status >= http.StatusInternalServerError {
		d.tell(r, err)
	}
	h := w.Header()
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	switch p.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="vedette"`)
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip")
	}
	b := p.appendTo(nil)
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // the other side hung up: nobody is left to tell
	}
}

// tell logs what a person must look at, at most one line a second: the metrics count them all. No error of the rooms below holds anything
// about a person.
func (d *Door) tell(r *http.Request, err error) {
	level, which := slog.LevelError, 0
	if errors.Is(err, vedette.ErrUnavailable) {
		level, which = slog.LevelWarn, 1 // the part that is down tells of itself; here it mends itself with the next event
	}
	d.seldom[which].Do(func() {
		d.log.LogAttrs(r.Context(), level, "event not answered", slog.String("door", r.Pattern), slog.Any("err", err))
	})
}

// appendString writes a JSON string. s is UTF-8; what is not becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(append(b, s[from:i]...), `\ufffd`...)
		} else {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			default:
				const hex = "0123456789abcdef"
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
