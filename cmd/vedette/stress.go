package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/sim"
)

// stressed is what a stress run prints.
type stressed struct {
	Mode    string         `json:"mode"` // decide: one event a request; events: batches
	Batch   int            `json:"batch"`
	Clients int            `json:"clients"`
	Sent    int            `json:"sent"`    // events
	Decided int            `json:"decided"` // events with a verdict
	Dropped int            `json:"dropped"` // events without one
	Drop    float64        `json:"drop"`    // share
	ByState map[string]int `json:"by_status"`
	Seconds float64        `json:"seconds"`
	Rate    float64        `json:"events_per_second"`
	P50     float64        `json:"p50_ms"` // of a request
	P95     float64        `json:"p95_ms"`
	P99     float64        `json:"p99_ms"`
	P999    float64        `json:"p999_ms"`
	Max     float64        `json:"max_ms"`
}

func (g *global) stress() *cobra.Command {
	var url, key, mode string
	var clients, batch, events int
	var limit time.Duration
	var maxDrop float64
	cmd := &cobra.Command{
		Use:   "stress",
		Short: "Put load on a running server and measure rate, drops and waiting",
		Long: `Sends made-up events to a running server on this machine and measures from outside: rate, drops, and how long a request waits.
It stops by itself after --events or --for, whichever comes first, and exits with 3 when more than --max-drop were dropped.
Only loopback addresses are taken: load on somebody else's machine is an attack.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !strings.HasPrefix(url, "http://127.0.0.1:") && !strings.HasPrefix(url, "http://[::1]:") && !strings.HasPrefix(url, "http://localhost:") {
				return usage(cmd, "--url %s: only a server on this machine (http://127.0.0.1:…)", url)
			}
			if mode != "decide" && mode != "events" {
				return usage(cmd, "--mode %s: decide or events", mode)
			}
			if clients < 1 || clients > 1024 || batch < 1 || batch > 10000 || events < 1 || limit <= 0 || limit > time.Hour {
				return usage(cmd, "--clients 1 to 1024, --batch 1 to 10000, --events at least 1, --for up to 1h")
			}
			if key == "" {
				if key = os.Getenv("VEDETTE_KEY"); key == "" {
					return usage(cmd, "--key is needed (or VEDETTE_KEY): make one with \"vedette key create --scope decide,events\"")
				}
			}
			out, err := stress(cmd.Context(), url, key, mode, clients, batch, events, limit)
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				out.print(cmd.OutOrStdout())
			}
			if err == nil && out.Drop > maxDrop {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&url, "url", "http://127.0.0.1:8480", "the server, on this machine")
	f.StringVar(&key, "key", "", "API key with scopes decide and events (environment: VEDETTE_KEY)")
	f.StringVar(&mode, "mode", "decide", "decide (one event a request) or events (batches)")
	f.IntVar(&clients, "clients", 16, "requests at the same time")
	f.IntVar(&batch, "batch", 1000, "events in a batch, with --mode events")
	f.IntVar(&events, "events", 100_000, "events at most")
	f.DurationVar(&limit, "for", 30*time.Second, "time at most")
	f.Float64Var(&maxDrop, "max-drop", 0, "share of events that may be dropped")
	return cmd
}

func stress(ctx context.Context, url, key, mode string, clients, batch, events int, limit time.Duration) (*stressed, error) {
	if mode == "decide" {
		batch = 1
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	bodies := make(chan []byte, clients) // one waiting for each client
	begin := time.Now()
	go func() {
		defer close(bodies)
		var b bytes.Buffer
		n := 0
		// A seed of its own for each run, or every event would be a known one.
		for line := range sim.TrafficFrom(uint64(begin.UnixNano()), 20_000, events, begin, time.Microsecond) {
			b.Write(line)
			if n++; n%batch == 0 || n == events {
				select {
				case bodies <- bytes.Clone(b.Bytes()):
					b.Reset()
				case <-ctx.Done():
					return
				}
				continue
			}
			b.WriteByte('\n')
		}
	}()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	path, kind := url+"/v1/decide", "application/json"
	if mode == "events" {
		path, kind = url+"/v1/events", "application/x-ndjson"
	}
	var mu sync.Mutex
	out := &stressed{Mode: mode, Batch: batch, Clients: clients, ByState: map[string]int{}}
	var waits []time.Duration
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			var own []time.Duration
			states := map[string]int{}
			sent, decided := 0, 0
			for body := range bodies {
				n := bytes.Count(body, []byte{'\n'}) + 1
				if body[len(body)-1] == '\n' {
					n--
				}
				t := time.Now()
				ok, state, err := send(ctx, client, path, kind, key, body, mode)
				if ctx.Err() != nil {
					continue
				}
				own = append(own, time.Since(t))
				sent += n
				decided += ok
				states[state]++
				if err != nil {
					failed.Store(&err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, own...)
			out.Sent += sent
			out.Decided += decided
			for k, v := range states {
				out.ByState[k] += v
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if out.Sent == 0 || out.Decided == 0 {
		if p := failed.Load(); p != nil {
			return nil, fmt.Errorf("no event was decided: %w: %w", *p, vedette.ErrUnavailable)
		}
		return nil, fmt.Errorf("no event was decided; answers were %v: %w", out.ByState, vedette.ErrUnavailable)
	}
	slices.Sort(waits)
	at := func(q float64) float64 {
		return float64(waits[min(len(waits)-1, int(q*float64(len(waits))))]) / float64(time.Millisecond)
	}
	out.P50, out.P95, out.P99, out.P999, out.Max = at(.5), at(.95), at(.99), at(.999), at(1)
	out.Dropped = out.Sent - out.Decided
	out.Drop = float64(out.Dropped) / float64(out.Sent)
	out.Seconds = took.Seconds()
	out.Rate = float64(out.Decided) / out.Seconds
	return out, nil
}

// send returns how many events got a verdict, and the status as a word.
func send(ctx context.Context, client *http.Client, path, kind, key string, body []byte, mode string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return 0, "none", err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		return 0, "none", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	state := fmt.Sprint(resp.StatusCode)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return 0, state, err
	case resp.StatusCode != http.StatusOK:
		return 0, state, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(answer[:min(len(answer), 300)]))
	case mode == "decide":
		return 1, state, nil
	}
	return bytes.Count(answer, []byte(`"status":200`)), state, nil
}

func (s *stressed) print(w io.Writer) {
	fmt.Fprintf(w, "%s events/s over %.1f s: %s sent, %s decided, %s dropped (%.2f %%)\n",
		count(int(s.Rate)), s.Seconds, count(s.Sent), count(s.Decided), count(s.Dropped), 100*s.Drop)
	fmt.Fprintf(w, "a request of %d waited: p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, longest %.2f ms\n", s.Batch, s.P50, s.P95, s.P99, s.P999, s.Max)
	for _, k := range byCount(s.ByState) {
		fmt.Fprintf(w, "  %s: %s requests\n", k, count(s.ByState[k]))
	}
}
