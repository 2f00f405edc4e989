package intake

import (
	"context"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vedette/inline/sequence"
)

// waitingGate answers only when its caller gives up.
type waitingGate struct{}

// Submit implements sequence.Gate.
func (waitingGate) Submit(ctx context.Context, as []sequence.Arrival) []sequence.Outcome {
	<-ctx.Done()
	return failed(len(as), ctx.Err())
}

func TestNobodyWaitsLongerThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Config{Limit: 300 * time.Millisecond}, func(d *Deps) { d.Gate, d.Now = waitingGate{}, time.Now })
		began := time.Now()
		body := strings.Replace(line("account.seen", ""), "2026-11-25T12:00:00Z", began.Format(time.RFC3339), 1)
		w := h.post("/v1/decide", body)
		if took := time.Since(began); w.Code != 503 || took != 300*time.Millisecond {
			t.Errorf("%d after %s, want 503 after 300ms", w.Code, took)
		}
		if n := h.metric(t, "vedette_intake_late_answers_total"); n != 1 {
			t.Errorf("late answers = %v, want 1", n)
		}
	})
}

// A gate that gave no answer in time still works on what it was given, so the door must not use that memory again.
func TestWhatWasSubmittedIsNotTouchedAgain(t *testing.T) {
	h := open(t, Config{})
	var mu sync.Mutex
	var held [][]sequence.Arrival
	h.gate.before = func(as []sequence.Arrival) error {
		mu.Lock()
		defer mu.Unlock()
		held = append(held, as)
		return context.DeadlineExceeded
	}
	var body strings.Builder
	for i := range 3 * chunk {
		body.WriteString(nth(i) + "\n")
	}
	h.post("/v1/events", body.String())
	h.post("/v1/decide", nth(3*chunk))
	h.post("/v1/decide", nth(3*chunk+1))
	i := 0
	for _, as := range held {
		for j := range as {
			if want := h.seal.EventID("e" + strconv.Itoa(i)); as[j].Event.ID != want {
				t.Fatalf("event %d of those that the gate still holds was changed", i)
			}
			i++
		}
	}
	if i != 3*chunk+2 {
		t.Errorf("the gate holds %d events, want %d", i, 3*chunk+2)
	}
}

// A hung-up sender's event is decided and kept all the same.
func TestHangingUpStopsNothing(t *testing.T) {
	h := open(t, Config{})
	ctx, hangUp := context.WithCancel(t.Context())
	h.gate.before = func([]sequence.Arrival) error { hangUp(); return nil }
	h.do(h.request("POST", "/v1/decide", example).WithContext(ctx))
	h.do(h.request("POST", "/v1/events", nth(1)+"\n"+nth(2)).WithContext(ctx))
	if n := len(h.gate.ids()); n != 3 {
		t.Errorf("%d events kept, want 3", n)
	}
}

func TestBatchesWaitForRoomAndSingleEventsDoNotWaitForBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Config{Pending: 4})
		release := make(chan bool)
		h.gate.before = func(as []sequence.Arrival) error {
			if len(as) > 1 {
				<-release
			}
			return nil
		}
		var first, second *httptest.ResponseRecorder
		var wg sync.WaitGroup
		wg.Go(func() { first = h.post("/v1/events", nth(1)+"\n"+nth(2)+"\n") })
		synctest.Wait()
		wg.Go(func() { second = h.post("/v1/events", nth(3)+"\n"+nth(4)+"\n") })
		synctest.Wait()
		if w := h.post("/v1/decide", example); w.Code != 200 {
			t.Errorf("a single event beside batches that wait: %d, want 200", w.Code)
		}
		time.Sleep(time.Minute) // the bubble's: the second batch has given up
		close(release)
		wg.Wait()
		if got, want := told(resultsOf(t, first.Body.String())), "1:200 2:200"; got != want {
			t.Errorf("the batch in the queue: %s, want %s", got, want)
		}
		if got, want := told(resultsOf(t, second.Body.String())), "1:429 2:429"; got != want {
			t.Errorf("the batch without room: %s, want %s", got, want)
		}
	})
}
