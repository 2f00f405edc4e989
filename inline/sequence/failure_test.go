package sequence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vedette"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

// TestNoDecisionCarriesAGenerationThatIsNotRecorded loses the very first append, and those of swaps.
func TestNoDecisionCarriesAGenerationThatIsNotRecorded(t *testing.T) {
	for _, lost := range []int32{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			j := &flaky{Journal: journal.NewMemory()}
			j.fail.Store(lost)
			g := start(t, j, sequence.Config{}, 1)
			synctest.Wait()
			for n := range 40 {
				g.Submit(t.Context(), arrivals(n, n+1))
				time.Sleep(time.Second)
				if n%10 == 5 {
					j.fail.Store(lost)
					if err := g.Swap(t.Context(), counter(2+n/10), event(n).At); err == nil {
						t.Errorf("a swap whose record was lost said that it is in force")
					}
				}
				if n%10 == 8 {
					if err := g.Swap(t.Context(), counter(2+n/10), event(n).At); err != nil {
						t.Errorf("swap: %v", err)
					}
				}
			}
			g.end(t)
			_, all := replayed(t, j)
			var in vedette.GenerationID
			for _, e := range all {
				if made, ok := e.Event.Body.(*vedette.GenerationMade); ok {
					in = made.ID
				}
				if e.Decision.Generation != in {
					t.Fatalf("%s was decided by %s, on record is %s", e.Position, e.Decision.Generation, in)
				}
			}
			if len(all) < 20 {
				t.Errorf("%d entries were kept, want most of 40: the gate did not recover", len(all))
			}
		})
	}
}

// counted counts how often memory is read from the journal.
type counted struct {
	flaky
	reads atomic.Int32
}

func (c *counted) LoadStates(ctx context.Context, prefix string) ([]journal.State, error) {
	c.reads.Add(1)
	return c.Journal.LoadStates(ctx, prefix)
}

// TestAFullDiskIsNotReadForEveryEventThatItRefuses fills the disk for a minute, in both ways: one that says so at once, and one that says so
// only when there is something to keep.
func TestAFullDiskIsNotReadForEveryEventThatItRefuses(t *testing.T) {
	for _, sly := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := &counted{flaky: flaky{Journal: journal.NewMemory()}}
			var j journal.Journal = c
			if sly {
				j = &slyDisk{c}
			}
			g := start(t, j, sequence.Config{}, 1)
			g.Submit(t.Context(), arrivals(0, 10))
			before := c.reads.Load()
			c.fail.Store(-1)
			for n := range 6000 {
				if out := g.Submit(t.Context(), arrivals(100+n, 101+n)); !errors.Is(out[0].Err, vedette.ErrUnavailable) {
					t.Fatalf("on a full disk: %+v", out[0])
				}
				time.Sleep(10 * time.Millisecond)
			}
			if n := c.reads.Load() - before; n > 150 {
				t.Errorf("memory was read %d times in a minute on a full disk", n)
			}
			if !sly && g.Ready() == nil {
				t.Error("ready on a full disk")
			}
			c.fail.Store(0)
			time.Sleep(5 * time.Second) // nobody sends: whoever asks Ready first must be told
			if err := g.Ready(); err != nil {
				t.Errorf("after there is room: %v", err)
			}
			if out := g.Submit(t.Context(), arrivals(9000, 9001)); out[0].Err != nil {
				t.Errorf("after there is room: %v", out[0].Err)
			}
			g.end(t)
			want, _ := replayed(t, c)
			if !bytes.Equal(want.all(), g.memory.all()) {
				t.Error("memory differs from what the journal says")
			}
		})
	}
}

// slyDisk takes an empty append also when it is full.
type slyDisk struct{ *counted }

func (s *slyDisk) Append(ctx context.Context, frames ...[]journal.Entry) error {
	if len(frames) == 0 {
		return nil
	}
	return s.counted.Append(ctx, frames...)
}

// TestASwapToThePendingGenerationWaitsForItsRecord asks twice for the same while the disk is slow and then fails.
func TestASwapToThePendingGenerationWaitsForItsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{Journal: journal.NewMemory()}
		j := &slow{Journal: f, hold: make(chan struct{}, 1)}
		j.hold <- struct{}{}
		g := start(t, j, sequence.Config{}, 1)
		synctest.Wait()
		errs := make(chan error, 2)
		for range 2 {
			go func() { errs <- g.Swap(t.Context(), counter(2), event(1).At) }()
			synctest.Wait()
		}
		f.fail.Store(2)
		close(j.hold)
		for range 2 {
			if err := <-errs; !errors.Is(err, vedette.ErrUnavailable) {
				t.Errorf("Swap = %v, though its record was lost", err)
			}
		}
		g.end(t)
	})
}

// TestAnIdMayComeAgainAfterItsDayWhereverFramesEnd plays one id at the given hours, with and without frames between.
func TestAnIdMayComeAgainAfterItsDayWhereverFramesEnd(t *testing.T) {
	at := func(hours float64) sequence.Arrival {
		ev := event(1)
		ev.At = ev.At.Add(time.Duration(hours * float64(time.Hour)))
		ev.Seen = ev.At
		return sequence.Arrival{Event: ev}
	}
	for _, tt := range []struct {
		hours []float64
		known []bool
	}{
		{[]float64{0, 23.9, 24.1}, []bool{false, true, false}},
		{[]float64{0, 24, 24.1}, []bool{false, true, false}},
		{[]float64{0, 25, 26, 48.9, 49.1}, []bool{false, false, true, true, false}},
	} {
		for _, together := range []bool{true, false} {
			g := start(t, journal.NewMemory(), sequence.Config{}, 1)
			var outs []sequence.Outcome
			if together {
				var as []sequence.Arrival
				for _, h := range tt.hours {
					as = append(as, at(h))
				}
				outs = g.Submit(t.Context(), as)
			} else {
				for _, h := range tt.hours {
					outs = append(outs, g.Submit(t.Context(), []sequence.Arrival{at(h)})...)
				}
			}
			for i, out := range outs {
				if out.Err != nil || out.Duplicate != tt.known[i] {
					t.Errorf("hours %v, together %t: the one at %v: known %t, error %v; want known %t", tt.hours, together, tt.hours[i], out.Duplicate, out.Err, tt.known[i])
				}
			}
			g.end(t)
		}
	}
}

// fragile breaks on some events, before or in the middle of changing.
type fragile struct {
	tally
}

func (f *fragile) Measure(ev *vedette.Event, dst []vedette.Measures) []vedette.Measures {
	if ev.Bytes[0] == 'm' {
		panic("measure: " + ev.ID.String())
	}
	return f.tally.Measure(ev, dst)
}

func (f *fragile) Apply(ev *vedette.Event, d *vedette.Decision, at journal.Position) {
	if ev.Bytes[0] == 'a' {
		f.seg[ev.Actor[0]%4].n += 1000
		panic("apply: " + ev.ID.String())
	}
	f.tally.Apply(ev, d, at)
}

// TestAnEventOnWhichAPartBreaksCostsOnlyItself submits such events among good ones.
func TestAnEventOnWhichAPartBreaksCostsOnlyItself(t *testing.T) {
	j := journal.NewMemory()
	var mem *fragile
	s, err := sequence.New(sequence.Config{}, sequence.Deps{
		Journal: j, Memory: func() (sequence.Memory, error) { mem = &fragile{}; return mem, nil }, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, counter(1), event(0).At) }()
	answered := 0
	for round := range 20 {
		as := arrivals(round*100, round*100+30)
		as[10].Event.Bytes[0] = "ma"[round%2]
		as[29].Event.Bytes[0] = "am"[round%2]
		for i, out := range s.Submit(t.Context(), as) {
			switch bad := as[i].Event.Bytes[0] != 0; {
			case bad && !errors.Is(out.Err, sequence.ErrBroke):
				t.Errorf("the event that breaks: %+v", out)
			case out.Err == nil:
				answered++
			case !bad && !errors.Is(out.Err, vedette.ErrUnavailable):
				t.Errorf("a good event: %v", out.Err)
			}
		}
	}
	if out := s.Submit(t.Context(), arrivals(90_000, 90_001)); out[0].Err != nil {
		t.Errorf("afterwards: %v", out[0].Err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	want, all := replayed(t, j)
	if !bytes.Equal(want.all(), mem.all()) {
		t.Error("memory differs from what the journal says")
	}
	if len(all) != answered+2 {
		t.Errorf("journal holds %d entries, %d were answered", len(all), answered+1)
	}
	if answered == 0 {
		t.Error(fmt.Errorf("no good event was answered"))
	}
}
