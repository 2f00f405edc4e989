// Package storetest holds the suites that every implementation of a store's interface must pass.
//
// In:     a function that opens an empty store, and one that opens the same store again.
// Out:    subtests.
// Keeps:  nothing.
// Fails:  a test, by name.
// Source: docs/decisions/0003-journal.md
package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
)

var exact = cmp.Exporter(func(reflect.Type) bool { return true })

// Journal tests an implementation of journal.Journal. Open returns an empty journal, and a function that closes it and opens what it kept.
func Journal(t *testing.T, open func(t *testing.T) (j journal.Journal, reopen func() journal.Journal)) {
	t.Run("what is appended is read in order, before and after a restart", func(t *testing.T) {
		j, reopen := open(t)
		ctx := t.Context()
		var want []journal.Entry
		next := 0
		for i := range 40 {
			var frames [][]journal.Entry
			for range 1 + i%3 {
				n := 1 + (i*7)%12
				frames = append(frames, journaltest.Entries(next, n))
				next += n
			}
			if err := j.Append(ctx, frames...); err != nil {
				t.Fatal(err)
			}
			want = append(want, placed(j.Last().Frame, frames)...)
		}
		same(t, want, readAll(t, j, journal.Position{}))
		j = reopen()
		same(t, want, readAll(t, j, journal.Position{}))
		for _, at := range []int{0, 1, 17, len(want) / 2, len(want) - 1} {
			same(t, want[at:], readAll(t, j, want[at].Position))
		}
		after := want[len(want)-1].Position
		after.Index++
		same(t, nil, readAll(t, j, after))
		if got := j.Last(); got != want[len(want)-1].Position {
			t.Errorf("Last() = %s, want %s", got, want[len(want)-1].Position)
		}
		if got := j.First(); got != want[0].Position {
			t.Errorf("First() = %s, want %s", got, want[0].Position)
		}
	})

	t.Run("an empty journal has neither first nor last", func(t *testing.T) {
		j, _ := open(t)
		if j.First() != (journal.Position{}) || j.Last() != (journal.Position{}) {
			t.Errorf("first %s, last %s", j.First(), j.Last())
		}
		same(t, nil, readAll(t, j, journal.Position{}))
		if _, err := j.Find(t.Context(), "north", vedette.EventID{1}, time.Time{}); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Find: %v", err)
		}
		if err := j.Append(t.Context()); err != nil {
			t.Errorf("appending nothing: %v", err)
		}
	})

	t.Run("an append is all or nothing", func(t *testing.T) {
		j, reopen := open(t)
		must(t, j.Append(t.Context(), journaltest.Entries(0, 3)))
		bad := journaltest.Entries(3, 2)
		bad[1].Event.Body = nil
		if err := j.Append(t.Context(), journaltest.Entries(5, 2), bad); !errors.Is(err, vedette.ErrInvalid) {
			t.Fatalf("a bad frame behind a good one: %v", err)
		}
		if err := j.Append(t.Context(), nil); !errors.Is(err, vedette.ErrInvalid) {
			t.Fatalf("an empty frame: %v", err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if err := j.Append(done, journaltest.Entries(5, 2)); !errors.Is(err, context.Canceled) {
			t.Fatalf("an ended context: %v", err)
		}
		must(t, j.Append(t.Context(), journaltest.Entries(7, 1)))
		got := readAll(t, reopen(), journal.Position{})
		want := append(placed(1, [][]journal.Entry{journaltest.Entries(0, 3)}), placed(2, [][]journal.Entry{journaltest.Entries(7, 1)})...)
		same(t, want, got)
	})

	t.Run("an appended entry no longer belongs to who gave it", func(t *testing.T) {
		j, _ := open(t)
		mine := journaltest.Entries(0, 1)
		must(t, j.Append(t.Context(), mine))
		mine[0].Event.Body.(*vedette.LinkSent).Links[0].Shape.Length = 9
		mine[0].Decision.Reasons[0].Text = "changed"
		same(t, placed(1, [][]journal.Entry{journaltest.Entries(0, 1)}), readAll(t, j, journal.Position{}))
	})

	t.Run("an event is found by its id for a day, in its tenant", func(t *testing.T) {
		j, reopen := open(t)
		day := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
		seen := []time.Time{day.Add(-time.Hour), day.Add(time.Minute), day.Add(23 * time.Hour), day.Add(25 * time.Hour)}
		var entries []journal.Entry
		for i, at := range seen {
			e := journaltest.Entry(i)
			e.Event.Seen = at
			entries = append(entries, e)
		}
		south := journaltest.Entry(1)
		south.Event.Tenant, south.Event.Seen, south.Event.Platform = "south", seen[1], "other.example"
		must(t, j.Append(t.Context(), entries, []journal.Entry{south}))
		for range 2 {
			for _, tt := range []struct {
				what   string
				tenant vedette.Tenant
				i      int
				at     time.Time
				want   bool
			}{
				{"at once", "north", 1, seen[1], true},
				{"23 hours later", "north", 1, seen[1].Add(23 * time.Hour), true},
				{"24 hours later", "north", 1, seen[1].Add(24 * time.Hour), true},
				{"a moment after 24 hours", "north", 1, seen[1].Add(24*time.Hour + time.Millisecond), false},
				{"three days later", "north", 1, seen[1].Add(72 * time.Hour), false},
				{"across midnight", "north", 0, seen[1], true},
				{"by a door whose clock is a minute behind, across midnight", "north", 1, day.Add(-time.Second), true},
				{"a day too early", "north", 3, seen[0], false},
				{"at any time", "north", 1, time.Time{}, true},
				{"at any time, the newest day", "north", 3, time.Time{}, true},
				{"at any time, the oldest day", "north", 0, time.Time{}, true},
				{"in the other tenant", "south", 1, seen[1], true},
				{"in a tenant that has none", "south", 2, seen[2], false},
				{"in a tenant that nobody knows", "west", 1, time.Time{}, false},
			} {
				e, err := j.Find(t.Context(), tt.tenant, journaltest.Entry(tt.i).Event.ID, tt.at)
				switch {
				case !tt.want && !errors.Is(err, vedette.ErrUnknown):
					t.Errorf("%s: %v, want not found", tt.what, err)
				case tt.want && err != nil:
					t.Errorf("%s: %v", tt.what, err)
				case tt.want && (e.Event.Tenant != tt.tenant || e.Event.Seen != seen[tt.i] || tt.tenant == "north" && e.Position != (journal.Position{Frame: 1, Index: uint16(tt.i)})):
					t.Errorf("%s: found %s of %s seen %s", tt.what, e.Position, e.Event.Tenant, e.Event.Seen)
				}
			}
			j = reopen()
		}
	})

	t.Run("the journal's own entries are found by nobody", func(t *testing.T) {
		j, _ := open(t)
		must(t, j.Append(t.Context(), []journal.Entry{{Event: vedette.Event{At: journaltest.Start, Seen: journaltest.Start, Source: vedette.SourceJournal, Body: &vedette.Tick{}}}}))
		if _, err := j.Find(t.Context(), "", vedette.EventID{}, time.Time{}); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Find of the zero id: %v", err)
		}
	})

	t.Run("purged entries are gone and the order goes on", func(t *testing.T) {
		j, reopen := open(t)
		day := func(i int) []journal.Entry {
			es := journaltest.Entries(10*i, 4)
			for k := range es {
				es[k].Event.Seen = journaltest.Start.Add(time.Duration(i) * 24 * time.Hour)
			}
			return es
		}
		for i := range 6 {
			must(t, j.Append(t.Context(), day(i)))
		}
		must(t, j.SaveState(t.Context(), "kept", journal.Position{Frame: 2}, []byte("data")))
		must(t, j.Purge(t.Context(), 0))
		must(t, j.Purge(t.Context(), 4))
		must(t, j.Purge(t.Context(), 2))
		for range 2 {
			if got := j.First(); got != (journal.Position{Frame: 4}) {
				t.Errorf("First() = %s after frames before 4 were purged", got)
			}
			if got := readAll(t, j, journal.Position{}); len(got) != 12 || got[0].Position.Frame != 4 {
				t.Errorf("%d entries are left, from %v", len(got), got[0].Position)
			}
			for _, err := range j.Read(t.Context(), journal.Position{Frame: 3, Index: 1}) {
				if !errors.Is(err, journal.ErrPurged) {
					t.Errorf("reading what was purged: %v", err)
				}
			}
			for i := range 6 {
				_, err := j.Find(t.Context(), "north", journaltest.Entry(10*i).Event.ID, time.Time{})
				if (i < 3) != errors.Is(err, vedette.ErrUnknown) || i >= 3 && err != nil {
					t.Errorf("day %d: Find: %v", i, err)
				}
			}
			if s, err := j.LoadStates(t.Context(), "kept"); err != nil || len(s) != 1 || string(s[0].Data) != "data" {
				t.Errorf("states after a purge: %v, %v", s, err)
			}
			j = reopen()
		}
		must(t, j.Purge(t.Context(), 1000))
		for range 2 {
			if j.First() != (journal.Position{}) || j.Last() != (journal.Position{Frame: 6, Index: 3}) {
				t.Errorf("after all is purged: first %s, last %s", j.First(), j.Last())
			}
			j = reopen()
		}
		must(t, j.Append(t.Context(), day(7)))
		for range 2 {
			if got := readAll(t, j, journal.Position{}); len(got) != 4 || got[0].Position != (journal.Position{Frame: 7}) || j.First() != got[0].Position {
				t.Errorf("after all was purged and one frame appended: %d entries, first %s", len(got), j.First())
			}
			j = reopen()
		}
	})

	t.Run("states are kept by name with their positions", func(t *testing.T) {
		j, reopen := open(t)
		must(t, j.Append(t.Context(), journaltest.Entries(0, 5)))
		at := journal.Position{Frame: 1, Index: 3}
		must(t, j.SaveState(t.Context(), "gate/2", at, []byte("two")))
		must(t, j.SaveState(t.Context(), "gate/1", journal.Position{}, []byte("one")))
		must(t, j.SaveState(t.Context(), "gate/1", journal.Position{Frame: 1}, []byte("one again")))
		must(t, j.SaveState(t.Context(), "follower/x", at, nil))
		must(t, j.SaveState(t.Context(), "gone", at, []byte("x")))
		must(t, j.SaveState(t.Context(), "gone", journal.Position{}, nil))
		must(t, j.SaveState(t.Context(), "large", at, make([]byte, 3<<20)))
		for _, tt := range []struct {
			name string
			at   journal.Position
		}{{"", at}, {"ahead", journal.Position{Frame: 2}}, {"ahead", journal.Position{Frame: 1, Index: 5}}} {
			if err := j.SaveState(t.Context(), tt.name, tt.at, []byte{1}); !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("state %q at %s: %v, want ErrInvalid", tt.name, tt.at, err)
			}
		}
		for range 2 {
			got, err := j.LoadStates(t.Context(), "gate/")
			must(t, err)
			if len(got) != 2 || got[0].Name != "gate/1" || string(got[0].Data) != "one again" || got[0].At != (journal.Position{Frame: 1}) ||
				got[1].Name != "gate/2" || string(got[1].Data) != "two" || got[1].At != at {
				t.Errorf("states of the gate: %+v", got)
			}
			all, err := j.LoadStates(t.Context(), "")
			must(t, err)
			if len(all) != 4 || len(all[3].Data) != 3<<20 {
				t.Errorf("%d states", len(all))
			}
			j = reopen()
		}
	})

	t.Run("who waits is woken by the next append, by the end of its context and by nothing else", func(t *testing.T) {
		j, _ := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		woken := make(chan error)
		go func() { woken <- j.Wait(ctx, journal.Position{}) }()
		must(t, j.Append(t.Context(), journaltest.Entries(0, 1)))
		must(t, <-woken)
		must(t, j.Wait(ctx, journal.Position{})) // at once
		go func() { woken <- j.Wait(ctx, journal.Position{Frame: 1}) }()
		cancel()
		if err := <-woken; !errors.Is(err, context.Canceled) {
			t.Errorf("after its context ended: %v", err)
		}
	})

	t.Run("readers see whole frames while the writer writes", func(t *testing.T) {
		j, _ := open(t)
		const frames = 60
		wrote := make(chan error, 1)
		go func() {
			for i := range frames {
				if err := j.Append(context.WithoutCancel(t.Context()), journaltest.Entries(8*i, 8)); err != nil {
					wrote <- err
					return
				}
			}
			wrote <- nil
		}()
		for j.Last().Frame < frames {
			last := j.Last()
			n := 0
			for e, err := range j.Read(t.Context(), journal.Position{}) {
				if err != nil {
					t.Fatal(err)
				}
				if want := (journal.Position{Frame: uint64(n/8) + 1, Index: uint16(n % 8)}); e.Position != want {
					t.Fatalf("read %s where %s is", e.Position, want)
				}
				n++
			}
			if n < int(last.Frame)*8 || n%8 != 0 {
				t.Fatalf("%d entries after %s was durable", n, last)
			}
			if err := j.Wait(t.Context(), last); err != nil {
				t.Fatal(err)
			}
		}
		must(t, <-wrote)
	})

	t.Run("a reader may stop in the middle and stay away", func(t *testing.T) {
		j, _ := open(t)
		for i := range 5 {
			must(t, j.Append(t.Context(), journaltest.Entries(4*i, 4)))
		}
		for e, err := range j.Read(t.Context(), journal.Position{Frame: 2, Index: 2}) {
			must(t, err)
			if e.Position == (journal.Position{Frame: 3, Index: 1}) {
				break
			}
		}
		must(t, j.Purge(t.Context(), 5))
		n := 0
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, err := range j.Read(ctx, journal.Position{}) {
			if n++; err != nil && (n == 1 || !errors.Is(err, context.Canceled)) {
				t.Errorf("entry %d: %v", n, err)
			}
			cancel()
		}
	})

	t.Run("a follower takes each entry in order and goes on where it stood", func(t *testing.T) {
		j, reopen := open(t)
		for i := range 10 {
			must(t, j.Append(t.Context(), journaltest.Entries(7*i, 7)))
		}
		f := &follower{stop: 30}
		err := journal.Follow(t.Context(), j, f, 4)
		if !errors.Is(err, errStop) {
			t.Fatalf("Follow: %v", err)
		}
		if at, err := journal.Place(t.Context(), j, "f"); err != nil || at != f.took[27].Position {
			t.Fatalf("the place after a failed batch is %s (%v), want %s", at, err, f.took[27].Position)
		}
		if at, by, err := journal.Passed(t.Context(), j); err != nil || by != "follower/f" || at != f.took[27].Position {
			t.Fatalf("Passed() = %s, %q, %v", at, by, err)
		}
		f.took, f.stop = f.took[:28], 0 // the failed batch comes again
		j = reopen()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f.at = func(p journal.Position) {
			if p == (journal.Position{Frame: 11, Index: 2}) {
				cancel()
			}
		}
		ended := make(chan error)
		go func() { ended <- journal.Follow(ctx, j, f, 4) }()
		must(t, j.Append(t.Context(), journaltest.Entries(70, 3)))
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatalf("Follow: %v", err)
		}
		for i, e := range f.took {
			if e.Event.ID != journaltest.Entry(i).Event.ID {
				t.Fatalf("entry %d of %d came out of order", i, len(f.took))
			}
		}
		if len(f.took) != 73 {
			t.Errorf("%d entries, want 73", len(f.took))
		}
	})

	t.Run("retention waits for the slowest follower", func(t *testing.T) {
		j, _ := open(t)
		for i := range 10 {
			es := journaltest.Entries(3*i, 3)
			for k := range es {
				es[k].Event.Seen = journaltest.Start.Add(time.Duration(i) * 24 * time.Hour)
			}
			must(t, j.Append(t.Context(), es))
		}
		now := journaltest.Start.Add(10 * 24 * time.Hour)
		must(t, j.SaveState(t.Context(), "follower/slow", journal.Position{Frame: 3, Index: 2}, []byte{}))
		must(t, j.SaveState(t.Context(), "follower/fast", journal.Position{Frame: 9, Index: 2}, []byte{}))
		must(t, j.SaveState(t.Context(), "gate/1", journal.Position{Frame: 2}, []byte{}))
		step := func(want journal.Retained, prefixes ...string) {
			t.Helper()
			got, err := journal.Retain(t.Context(), j, 5*24*time.Hour, now, prefixes...)
			must(t, err)
			got.Oldest = time.Time{}
			if got != want || j.First().Frame != want.Before {
				t.Errorf("Retain() = %+v, want %+v; first %s", got, want, j.First())
			}
		}
		step(journal.Retained{Purged: 1, Before: 2, Waiting: "gate/1"}, "gate/")
		step(journal.Retained{Purged: 1, Before: 3, Waiting: "follower/slow"})
		must(t, j.SaveState(t.Context(), "follower/slow", journal.Position{Frame: 8}, []byte{}))
		step(journal.Retained{Purged: 3, Before: 6})
		if _, err := journal.Retain(t.Context(), j, 0, now); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("a term of nothing: %v", err)
		}
		late := &follower{}
		must(t, j.SaveState(t.Context(), "follower/f", journal.Position{Frame: 2}, []byte{}))
		if err := journal.Follow(t.Context(), j, late, 1); !errors.Is(err, journal.ErrPurged) {
			t.Errorf("a follower whose entries were purged: %v", err)
		}
	})

	t.Run("any entries, frames and restarts give the same journal", func(t *testing.T) {
		rapid.Check(t, func(r *rapid.T) {
			j, reopen := open(t)
			var want []journal.Entry
			var number uint64
			for range rapid.IntRange(1, 4).Draw(r, "appends") {
				var frames [][]journal.Entry
				for range rapid.IntRange(1, 3).Draw(r, "frames") {
					f := rapid.SliceOfN(rapid.Custom(journaltest.Any), 1, 4).Draw(r, "entries")
					frames = append(frames, f)
				}
				if err := j.Append(t.Context(), frames...); err != nil {
					r.Fatal(err)
				}
				number += uint64(len(frames))
				want = append(want, placed(number, frames)...)
				if rapid.Bool().Draw(r, "restart") {
					j = reopen()
				}
			}
			var got []journal.Entry
			for e, err := range j.Read(t.Context(), journal.Position{}) {
				if err != nil {
					r.Fatal(err)
				}
				got = append(got, e)
			}
			if d := cmp.Diff(want, got, exact); d != "" {
				r.Fatal(d)
			}
		})
	})
}

var errStop = errors.New("enough")

// follower takes what it gets, and fails when it has taken stop entries.
type follower struct {
	took []journal.Entry
	stop int
	at   func(journal.Position)
}

func (f *follower) Name() string { return "f" }

func (f *follower) Follow(_ context.Context, entries []journal.Entry) error {
	f.took = append(f.took, entries...)
	if f.stop > 0 && len(f.took) >= f.stop {
		return errStop
	}
	if f.at != nil {
		f.at(entries[len(entries)-1].Position)
	}
	return nil
}

// placed returns the frames' entries with their positions; last is the number of the last frame.
func placed(last uint64, frames [][]journal.Entry) (out []journal.Entry) {
	for i, f := range frames {
		for k, e := range f {
			e.Position = journal.Position{Frame: last - uint64(len(frames)-1-i), Index: uint16(k)}
			out = append(out, e)
		}
	}
	return out
}

func readAll(t *testing.T, j journal.Journal, from journal.Position) (out []journal.Entry) {
	t.Helper()
	for e, err := range j.Read(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func same(t *testing.T, want, got []journal.Entry) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	if d := cmp.Diff(want, got, exact); d != "" {
		t.Fatalf("the journal is not what was appended (-want +got):\n%s", d)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
