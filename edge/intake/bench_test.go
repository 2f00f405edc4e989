package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"vedette"
	"vedette/inline/sequence"
)

// constantGate decides at once and keeps nothing, so that what is measured is the door.
type constantGate struct{}

// Submit implements sequence.Gate.
func (constantGate) Submit(_ context.Context, as []sequence.Arrival) []sequence.Outcome {
	return make([]sequence.Outcome, len(as))
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct {
	header http.Header
	n      int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(int)             {}
func (w *nowhere) Write(b []byte) (int, error) { w.n += len(b); return len(b), nil }

// bare is the handler to compare with: it decodes the same JSON into a struct and answers a constant.
func bare(w http.ResponseWriter, r *http.Request) {
	var e wireEvent
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"verdict":"allow"}`)
}

func compact(s string) string { return strings.ReplaceAll(s, "\n", "") }

// BenchmarkDecideHandler calls the handlers directly: all that HTTP costs is left out, on both sides.
func BenchmarkDecideHandler(b *testing.B) {
	h := open(b, Config{}, func(d *Deps) { d.Gate = constantGate{}; d.Logger = nil })
	b.Run("bare", func(b *testing.B) { benchHandler(b, h, http.HandlerFunc(bare)) })
	b.Run("door", func(b *testing.B) { benchHandler(b, h, h.Door) })
}

func benchHandler(b *testing.B, h *house, handler http.Handler) {
	one := compact(example)
	body := strings.NewReader(one)
	r := h.request(http.MethodPost, "/v1/decide", "")
	r.ContentLength = int64(len(one))
	w := &nowhere{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(one)
		r.Body = io.NopCloser(body)
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
}

// BenchmarkDecideServer asks through a real socket, one request after another on one connection for each of four callers.
func BenchmarkDecideServer(b *testing.B) {
	h := open(b, Config{}, func(d *Deps) { d.Gate = constantGate{}; d.Logger = nil })
	one := compact(example)
	run := func(b *testing.B, handler http.Handler) {
		s := httptest.NewServer(handler)
		defer s.Close()
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
		defer client.CloseIdleConnections()
		b.SetParallelism(2)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r, _ := http.NewRequest(http.MethodPost, s.URL+"/v1/decide", strings.NewReader(one))
				r.Header.Set("Authorization", "Bearer "+h.key)
				r.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != 200 {
					b.Error(resp.Status)
					return
				}
			}
		})
	}
	b.Run("bare", func(b *testing.B) { run(b, http.HandlerFunc(bare)) })
	b.Run("door", func(b *testing.B) { run(b, h.Door) })
}

// BenchmarkEvents compares a batch of 5,000 lines with decoding its lines alone, by encoding/json and by Decode.
func BenchmarkEvents(b *testing.B) {
	const lines = 5000
	var sb strings.Builder
	for i := range lines {
		sb.WriteString(strings.Replace(compact(example), "$h3xq", "$"+strconv.Itoa(i), 1) + "\n")
	}
	all := sb.String()
	perEvent := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/event") }
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			for l := range bytes.Lines([]byte(all)) {
				var e wireEvent
				if err := json.Unmarshal(l, &e); err != nil {
					b.Fatal(err)
				}
			}
		}
		perEvent(b)
	})
	b.Run("decode", func(b *testing.B) {
		s := &plainSealer{}
		for b.Loop() {
			for l := range bytes.Lines([]byte(all)) {
				if _, err := Decode(l, s, live); err != nil {
					b.Fatal(err)
				}
			}
		}
		perEvent(b)
	})
	b.Run("door", func(b *testing.B) {
		h := open(b, Config{}, func(d *Deps) { d.Gate = constantGate{}; d.Logger = nil })
		for b.Loop() {
			w := &nowhere{header: make(http.Header)}
			h.ServeHTTP(w, h.request(http.MethodPost, "/v1/events", all))
			if w.n < lines*100 {
				b.Fatal("too few results")
			}
		}
		perEvent(b)
	})
}

// BenchmarkAnswer writes one answer with two reasons.
func BenchmarkAnswer(b *testing.B) {
	d := decisionFor(&vedette.Event{Body: &vedette.LinkSent{Links: make([]vedette.Link, 1)}})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendAnswer(buf[:0], "$h3xq", vedette.EventID{1}, &d)
	}
}
