package sequence_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vedette"
	"vedette/inline/decision"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tally is a memory that counts: four segments, each with the number of its actor's events and a running sum that depends on their order.
type tally struct {
	seg [4]struct {
		at  journal.Position
		n   uint64
		sum uint64
	}
}

func (t *tally) Measure(ev *vedette.Event, dst []vedette.Measures) []vedette.Measures {
	var m vedette.Measures
	m.Set(vedette.MeasureAccountMessages, int64(t.seg[ev.Actor[0]%4].n))
	return append(dst, m)
}

func (t *tally) Apply(ev *vedette.Event, d *vedette.Decision, at journal.Position) {
	s := &t.seg[ev.Actor[0]%4]
	if !s.at.Less(at) {
		return
	}
	s.at = at
	s.n++
	s.sum = s.sum*31 + uint64(ev.ID[0]) + uint64(d.Would)
}

func (t *tally) Segments() int { return len(t.seg) }

func (t *tally) SaveSegment(i int, dst []byte) []byte {
	dst = append(dst, byte(i))
	dst = binary.BigEndian.AppendUint64(dst, t.seg[i].n)
	return binary.BigEndian.AppendUint64(dst, t.seg[i].sum)
}

func (t *tally) LoadSegment(at journal.Position, b []byte) error {
	if len(b) != 17 {
		return fmt.Errorf("segment of %d bytes: %w", len(b), vedette.ErrInvalid)
	}
	s := &t.seg[b[0]]
	s.at, s.n, s.sum = at, binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:])
	return nil
}

func (t *tally) all() []byte {
	var b []byte
	for i := range t.seg {
		b = t.SaveSegment(i, b)
	}
	return b
}

// counter judges by what was measured, so that a wrong memory shows in the verdicts.
type counter byte

func (c counter) ID() vedette.GenerationID { return vedette.GenerationID{byte(c)} }

func (c counter) Decide(in *decision.Input) vedette.Decision {
	n, _ := in.Measures[0].Get(vedette.MeasureAccountMessages)
	return vedette.Decision{Would: vedette.Verdict(n % 4), Degraded: in.Missing, Generation: c.ID()}
}

func event(n int) vedette.Event {
	at := time.UnixMilli(1_800_000_000_000 + int64(n)).UTC()
	ev := vedette.Event{Tenant: "main", Platform: "test", At: at, Seen: at, Body: &vedette.AccountSeen{}}
	binary.BigEndian.PutUint64(ev.ID[:], uint64(n)*0x9e3779b97f4a7c15+1)
	binary.BigEndian.PutUint64(ev.Bytes[:], uint64(n))
	ev.Actor[0], ev.Actor[1] = byte(n*7), 1
	return ev
}

func arrivals(from, to int) []sequence.Arrival {
	var as []sequence.Arrival
	for n := from; n < to; n++ {
		as = append(as, sequence.Arrival{Event: event(n)})
	}
	return as
}

// flaky fails appends when told to.
type flaky struct {
	journal.Journal
	fail atomic.Int32 // appends that fail from now on; negative: all
}

func (f *flaky) Append(ctx context.Context, frames ...[]journal.Entry) error {
	if n := f.fail.Load(); n != 0 {
		if n > 0 {
			f.fail.Add(-1)
		}
		return fmt.Errorf("disk full: %w", vedette.ErrUnavailable)
	}
	return f.Journal.Append(ctx, frames...)
}

type gate struct {
	*sequence.Sequencer
	memory *tally
	stop   context.CancelFunc
	done   chan error
}

func start(t *testing.T, j journal.Journal, cfg sequence.Config, g counter) *gate {
	t.Helper()
	x := &gate{done: make(chan error, 1)}
	s, err := sequence.New(cfg, sequence.Deps{
		Journal: j,
		Memory:  func() (sequence.Memory, error) { x.memory = &tally{}; return x.memory, nil },
		Now:     time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	x.Sequencer = s
	if _, err := s.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	x.stop = cancel
	go func() { x.done <- s.Run(ctx, g, time.UnixMilli(1_800_000_000_000).UTC()) }()
	return x
}

func (x *gate) end(t *testing.T) {
	t.Helper()
	x.stop()
	if err := <-x.done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

// replayed is the memory that the journal says there must be.
func replayed(t *testing.T, j journal.Journal) (*tally, []journal.Entry) {
	t.Helper()
	m := &tally{}
	var all []journal.Entry
	for e, err := range j.Read(t.Context(), j.First()) {
		if err != nil {
			t.Fatal(err)
		}
		m.Apply(&e.Event, &e.Decision, e.Position)
		all = append(all, e)
	}
	return m, all
}

func TestEveryAnswerIsInTheJournalInItsCallersOrder(t *testing.T) {
	j := journal.NewMemory()
	g := start(t, j, sequence.Config{}, 1)
	const callers, each, batch = 8, 600, 37
	got := make([][]sequence.Outcome, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for from := 0; from < each; from += batch {
				as := arrivals(c*each+from, c*each+min(from+batch, each))
				got[c] = append(got[c], g.Submit(t.Context(), as)...)
			}
		})
	}
	wg.Wait()
	g.end(t)
	want, all := replayed(t, j)
	if !bytes.Equal(want.all(), g.memory.all()) {
		t.Error("memory differs from what the journal says")
	}
	byPosition := map[journal.Position]journal.Entry{}
	for _, e := range all {
		byPosition[e.Position] = e
	}
	if len(all) != callers*each+1 {
		t.Errorf("journal holds %d entries, want %d events and one generation", len(all), callers*each)
	}
	for c := range got {
		last := journal.Position{}
		for i, out := range got[c] {
			if out.Err != nil {
				t.Fatalf("caller %d event %d: %v", c, i, out.Err)
			}
			if !last.Less(out.Position) {
				t.Fatalf("caller %d: event %d stands at %s, after %s", c, i, out.Position, last)
			}
			last = out.Position
			e := byPosition[out.Position]
			if e.Event.ID != event(c*each+i).ID || e.Decision.Would != out.Decision.Would {
				t.Fatalf("caller %d event %d: answered %v, journal has %v of %s", c, i, out.Decision.Would, e.Decision.Would, e.Event.ID)
			}
		}
	}
}

func TestOneRequestMayBeLargerThanEverythingThatMayWait(t *testing.T) {
	j := journal.NewMemory()
	g := start(t, j, sequence.Config{Queue: 1 << 16}, 1)
	const n = 20_000
	for i, out := range g.Submit(t.Context(), arrivals(0, n)) {
		if out.Err != nil {
			t.Fatalf("event %d: %v", i, out.Err)
		}
	}
	g.end(t)
	if _, all := replayed(t, j); len(all) != n+1 {
		t.Errorf("journal holds %d entries, want %d", len(all), n+1)
	}
}

func TestAKnownEventGetsTheRecordedDecisionAndOtherBytesAConflict(t *testing.T) {
	j := journal.NewMemory()
	g := start(t, j, sequence.Config{}, 1)
	first := g.Submit(t.Context(), arrivals(0, 10))
	other := event(3)
	other.Bytes[31] = 9
	again := g.Submit(t.Context(), append(append(arrivals(0, 10), sequence.Arrival{Event: other}), arrivals(100, 101)...))
	for i := range first {
		if !again[i].Duplicate || again[i].Position != first[i].Position || again[i].Decision.Would != first[i].Decision.Would {
			t.Errorf("event %d again: %+v, want the recorded %+v", i, again[i], first[i])
		}
	}
	if !errors.Is(again[10].Err, vedette.ErrConflict) {
		t.Errorf("same id, other bytes: %v, want a conflict", again[10].Err)
	}
	if again[11].Err != nil || again[11].Duplicate {
		t.Errorf("a new event beside known ones: %+v", again[11])
	}
	twice := g.Submit(t.Context(), append(arrivals(200, 202), append(arrivals(200, 202), sequence.Arrival{Event: func() vedette.Event {
		ev := event(200)
		ev.Bytes[31] = 9
		return ev
	}()})...))
	if twice[2].Position != twice[0].Position || !twice[3].Duplicate || !errors.Is(twice[4].Err, vedette.ErrConflict) {
		t.Errorf("twice in one batch: %+v", twice)
	}
	g.end(t)
	if _, all := replayed(t, j); len(all) != 1+10+1+2 {
		t.Errorf("journal holds %d entries, want 14", len(all))
	}
}

func TestAFailedAppendGivesNoVerdictAndLeavesNoTraceInMemory(t *testing.T) {
	j := &flaky{Journal: journal.NewMemory()}
	g := start(t, j, sequence.Config{Checkpoint: 1024}, 1)
	kept := 0
	for round := range 60 {
		if round%3 == 1 {
			j.fail.Store(1)
		}
		var wg sync.WaitGroup
		var ok atomic.Int32
		for c := range 4 {
			wg.Go(func() {
				for _, out := range g.Submit(t.Context(), arrivals(round*1000+c*100, round*1000+c*100+50)) {
					switch {
					case out.Err == nil:
						ok.Add(1)
					case !errors.Is(out.Err, vedette.ErrUnavailable):
						t.Errorf("failed append: %v", out.Err)
					}
				}
			})
		}
		wg.Wait()
		kept += int(ok.Load())
	}
	g.end(t)
	want, all := replayed(t, j)
	if !bytes.Equal(want.all(), g.memory.all()) {
		t.Error("memory differs from what the journal says")
	}
	if len(all) != kept+1 {
		t.Errorf("journal holds %d entries, %d were answered", len(all), kept)
	}
	// Each verdict depends on how many came before: any trace of a lost event would show.
	m := &tally{}
	for _, e := range all {
		if _, own := e.Event.Body.(*vedette.GenerationMade); !own {
			if n := m.seg[e.Event.Actor[0]%4].n; e.Decision.Would != vedette.Verdict(n%4) {
				t.Fatalf("%s was judged %v, with %d events before it", e.Position, e.Decision.Would, n)
			}
		}
		m.Apply(&e.Event, &e.Decision, e.Position)
	}
}

func TestAfterRestartMemoryIsWhatItWas(t *testing.T) {
	j := journal.NewMemory()
	n := 0
	for round := range 8 {
		g := start(t, j, sequence.Config{Checkpoint: 1024}, counter(1+round/4))
		before, _ := replayed(t, j)
		_ = before
		for range 5 {
			for _, out := range g.Submit(t.Context(), arrivals(n, n+333)) {
				if out.Err != nil {
					t.Fatal(out.Err)
				}
			}
			n += 333
		}
		g.end(t)
		want, _ := replayed(t, j)
		if !bytes.Equal(want.all(), g.memory.all()) {
			t.Fatalf("round %d: memory differs from what the journal says", round)
		}
	}
	_, all := replayed(t, j)
	generations := 0
	for _, e := range all {
		if e.Event.Kind() == vedette.KindGeneration {
			generations++
		}
	}
	if generations != 2 {
		t.Errorf("%d generation records, want 2: the one in force is not recorded again", generations)
	}
}

func TestASwapIsAnEntryOfTheOrder(t *testing.T) {
	j := journal.NewMemory()
	g := start(t, j, sequence.Config{}, 1)
	g.Submit(t.Context(), arrivals(0, 5))
	if err := g.Swap(t.Context(), counter(2), time.UnixMilli(1_800_000_001_000).UTC()); err != nil {
		t.Fatal(err)
	}
	g.Submit(t.Context(), arrivals(5, 10))
	if err := g.Tick(t.Context(), time.UnixMilli(1_800_000_002_000).UTC()); err != nil {
		t.Fatal(err)
	}
	g.end(t)
	_, all := replayed(t, j)
	var in vedette.GenerationID
	for _, e := range all {
		if made, ok := e.Event.Body.(*vedette.GenerationMade); ok {
			in = made.ID
		}
		if e.Decision.Generation != in {
			t.Errorf("%s %s: decided by %s, in force is %s", e.Position, e.Event.Kind(), e.Decision.Generation, in)
		}
	}
	if all[len(all)-1].Event.Kind() != vedette.KindTick {
		t.Errorf("last entry is %s, want the tick", all[len(all)-1].Event.Kind())
	}
}

// slow holds appends until it is let go.
type slow struct {
	journal.Journal
	hold chan struct{}
}

func (s *slow) Append(ctx context.Context, frames ...[]journal.Entry) error {
	<-s.hold
	return s.Journal.Append(ctx, frames...)
}

func TestAFullQueueSaysBusyAndTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{Journal: journal.NewMemory(), hold: make(chan struct{})}
		g := start(t, j, sequence.Config{Queue: 100}, 1)
		var wg sync.WaitGroup
		wg.Go(func() { g.Submit(t.Context(), arrivals(0, 60)) })
		synctest.Wait()
		for _, out := range g.Submit(t.Context(), arrivals(100, 160)) {
			if !errors.Is(out.Err, vedette.ErrBusy) {
				t.Errorf("over the limit: %v, want busy", out.Err)
			}
		}
		close(j.hold)
		wg.Wait()
		if out := g.Submit(t.Context(), arrivals(100, 160)); out[0].Err != nil || out[0].Duplicate {
			t.Errorf("after the queue has emptied: %+v", out[0])
		}
		g.end(t)
	})
}

func TestACallerWhoGoesAwayLosesTheAnswerNotTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{Journal: journal.NewMemory(), hold: make(chan struct{})}
		g := start(t, j, sequence.Config{}, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		out := g.Submit(ctx, arrivals(0, 1))
		if !errors.Is(out[0].Err, vedette.ErrUnavailable) || !errors.Is(out[0].Err, context.DeadlineExceeded) {
			t.Errorf("gone away: %v", out[0].Err)
		}
		close(j.hold)
		if again := g.Submit(t.Context(), arrivals(0, 1)); again[0].Err != nil || !again[0].Duplicate {
			t.Errorf("asked again: %+v, want the recorded decision", again[0])
		}
		g.end(t)
	})
}

func TestAnEventThatWaitedTooLongIsAnsweredAsDegraded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{Journal: journal.NewMemory(), hold: make(chan struct{})}
		g := start(t, j, sequence.Config{Budget: 20 * time.Millisecond, Queue: 1 << 16}, 1)
		var wg sync.WaitGroup
		wg.Go(func() { g.Submit(t.Context(), arrivals(0, 20_000)) }) // more than may wait: the order stands still
		synctest.Wait()
		var late []sequence.Outcome
		wg.Go(func() { late = g.Submit(t.Context(), arrivals(30_000, 30_001)) })
		synctest.Wait()
		time.Sleep(30 * time.Millisecond)
		close(j.hold)
		wg.Wait()
		if late[0].Err != nil || late[0].Decision.Degraded != vedette.DegradedOverload || late[0].Decision.Took != 30*time.Millisecond {
			t.Errorf("waited 30 ms of 20: %+v", late[0])
		}
		g.end(t)
	})
}

func TestConfigNamesTheKeyThatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		cfg  sequence.Config
		want string
	}{
		{sequence.Config{Queue: -1}, "sequence.queue: -1 is not within 1 to 1048576: invalid"},
		{sequence.Config{Budget: 2 * time.Hour}, "sequence.budget: 2h0m0s is not within 1ms to 1s: invalid"},
		{sequence.Config{Checkpoint: 3}, "sequence.checkpoint: 3 is not within 1024 to 16777216: invalid"},
	} {
		if err := tt.cfg.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("Validate(%+v) = %v, want %s", tt.cfg, err, tt.want)
		}
	}
}
