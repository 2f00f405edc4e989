package evidence_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
)

// seeds gives each account its own seed, unless the account was erased, or the store is down.
type seeds struct {
	erased map[vedette.AccountID]bool
	down   bool
}

func (s *seeds) Seed(a vedette.AccountID) ([32]byte, bool) {
	seed, err := s.SeedOf(context.Background(), a)
	return seed, err == nil
}

func (s *seeds) SeedOf(_ context.Context, a vedette.AccountID) ([32]byte, error) {
	switch {
	case s.down:
		return [32]byte{}, vedette.ErrUnavailable
	case s.erased[a]:
		return [32]byte{}, vedette.ErrUnknown
	}
	return sha256.Sum256(a[:]), nil
}

// at makes an entry or a tick that was seen so many seconds after the beginning.
func at(second int, tick bool) journal.Entry {
	e := journaltest.Entry(second)
	e.Event.Seen = journaltest.Start.Add(time.Duration(second) * time.Second)
	e.Event.At = e.Event.Seen
	if tick {
		e = journal.Entry{Event: vedette.Event{At: e.Event.At, Seen: e.Event.Seen, Body: &vedette.Tick{}}}
	}
	return e
}

func appendTo(t testing.TB, j journal.Journal, entries ...journal.Entry) {
	t.Helper()
	for len(entries) > 0 {
		n := min(len(entries), journal.MaxFrame)
		if err := j.Append(context.Background(), entries[:n]); err != nil {
			t.Fatal(err)
		}
		entries = entries[n:]
	}
}

// idle is a journal that says when there is nothing more, rather than waiting for it.
type idle struct{ journal.Journal }

var errIdle = errors.New("nothing more")

func (i idle) Wait(ctx context.Context, after journal.Position) error {
	if !after.Less(i.Last()) {
		return errIdle
	}
	return i.Journal.Wait(ctx, after)
}

// settled runs the sealing of an idle journal until it has nothing more to do.
func settled(s *evidence.Sealing) error {
	if err := s.Run(context.Background()); !errors.Is(err, errIdle) {
		return err
	}
	return nil
}

// ranges reads the seals of the log, and checks that they follow one another without a gap and that each root is that of the journal's entries.
func ranges(t testing.TB, l *evidence.Log, j journal.Journal, s journal.Seeds) (out []journal.SealRange) {
	t.Helper()
	next := j.First()
	for k, err := range l.Read(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if k.Kind != evidence.KindSeal {
			continue
		}
		b, _ := k.Get("range")
		r, err := evidence.ReadRange(b)
		if err != nil {
			t.Fatal(err)
		}
		if r.From != next {
			t.Fatalf("a seal from %s, want %s", r.From, next)
		}
		if seal, err := journal.SealRoot(context.Background(), j, r.Partition, r.From, r.To, s); err != nil || seal.Root != r.Root || uint64(len(seal.Leaves)) != r.Count {
			t.Fatalf("the seal %s to %s is not that of the journal: %v", r.From, r.To, err)
		}
		out = append(out, r)
		next = after(j, r.To)
	}
	return out
}

// after returns the position of the entry behind one.
func after(j journal.Journal, p journal.Position) journal.Position {
	for e, err := range j.Read(context.Background(), journal.Position{Frame: p.Frame, Index: p.Index + 1}) {
		if err == nil {
			return e.Position
		}
	}
	return journal.Position{}
}

func TestSealsAreBoundedInSizeAndTime(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries func() []journal.Entry
		opts    evidence.SealingOptions
		want    []uint64 // entries of each seal
	}{
		{"a full seal is closed", func() (es []journal.Entry) {
			for range 25 {
				es = append(es, at(1, false))
			}
			return es
		}, evidence.SealingOptions{Entries: 10}, []uint64{10, 10}},
		{"a tick closes a seal a minute after its first event", func() []journal.Entry {
			return []journal.Entry{at(0, false), at(20, true), at(40, false), at(59, true), at(60, true), at(61, false), at(119, true)}
		}, evidence.SealingOptions{}, []uint64{4}},
		{"an event closes it as well", func() []journal.Entry {
			return []journal.Entry{at(0, false), at(70, false), at(131, false)}
		}, evidence.SealingOptions{}, []uint64{1, 1}},
		{"a quiet server writes nothing", func() (es []journal.Entry) {
			for i := range 1000 {
				es = append(es, at(60*i, true))
			}
			return es
		}, evidence.SealingOptions{}, nil},
		{"what was quiet goes with the next event, without a gap", func() (es []journal.Entry) {
			for i := range 10 {
				es = append(es, at(60*i, true))
			}
			return append(es, at(601, false), at(630, true), at(661, true))
		}, evidence.SealingOptions{}, []uint64{12}},
		{"ticks alone fill a seal in the end", func() (es []journal.Entry) {
			for i := range 33 {
				es = append(es, at(60*i, true))
			}
			return es
		}, evidence.SealingOptions{Entries: 16}, []uint64{16, 16}},
		{"seals are larger while there is much to catch up with", func() (es []journal.Entry) {
			for range 70 * journal.MaxFrame {
				es = append(es, at(1, false))
			}
			return es
		}, evidence.SealingOptions{Entries: 100}, func() (n []uint64) {
			n = append(n, 5*journal.MaxFrame+1) // to the 64th frame before the last
			for range (65*journal.MaxFrame - 1) / 100 {
				n = append(n, 100)
			}
			return n
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _, _ := fresh(t)
			j := idle{journal.NewMemory()}
			appendTo(t, j, tt.entries()...)
			s := l.Sealing(j, 3, &seeds{}, tt.opts)
			for range 2 { // again from where it stood: nothing more
				if err := settled(s); err != nil {
					t.Fatal(err)
				}
				got := ranges(t, l, j, &seeds{})
				if len(got) != len(tt.want) {
					t.Fatalf("%d seals, want %d", len(got), len(tt.want))
				}
				for i, r := range got {
					if r.Count != tt.want[i] || r.Partition != 3 || r.SealedAt != evidencetest.Start {
						t.Errorf("seal %d = %+v, want %d entries", i, r, tt.want[i])
					}
				}
			}
			if r := good(t, l); r.Seals != uint64(len(tt.want)) || r.Unproved != 0 {
				t.Errorf("Check() = %+v", r)
			}
		})
	}
}

func TestRetentionWaitsForTheSealing(t *testing.T) {
	l, _, shelf := fresh(t)
	j := idle{journal.NewMemory()}
	s := l.Sealing(j, 0, &seeds{}, evidence.SealingOptions{Entries: 300})
	appendTo(t, j, at(0, false))
	if err := settled(s); err != nil {
		t.Fatal(err)
	}
	if p, by, err := journal.Passed(t.Context(), j); p != (journal.Position{}) || by != "follower/evidence" || err != nil {
		t.Errorf("Passed = %s by %q, %v; want nothing, by the sealing", p, by, err)
	}
	var es []journal.Entry
	for i := range 1000 {
		es = append(es, at(1+i/100, false))
	}
	appendTo(t, j, es...)
	if err := settled(s); err != nil {
		t.Fatal(err)
	}
	place, err := s.Place(t.Context())
	if p, _, perr := journal.Passed(t.Context(), j); err != nil || perr != nil || p != place || place == j.Last() || place == (journal.Position{}) {
		t.Errorf("Passed = %s, Place = %s of %s, %v", p, place, j.Last(), errors.Join(err, perr))
	}
	kept, err := journal.Retain(t.Context(), j, time.Hour, es[0].Event.Seen.Add(1000*time.Hour))
	if err != nil || kept.Waiting != "follower/evidence" || kept.Before != place.Frame {
		t.Errorf("Retain = %+v, %v; want it to wait at %s", kept, err, place)
	}
	// Sealing goes on over the purged beginning, and the leaves of purged ranges are forgotten.
	appendTo(t, j, es...)
	if err := settled(s); err != nil {
		t.Fatal(err)
	}
	r := good(t, l)
	if r.Seals != 6 || r.Unproved == 0 {
		t.Errorf("Check() = %+v, want 6 seals, some without leaves", r)
	}
	if sealed, err := shelf.SealOf(t.Context(), 0, journal.Position{Frame: 1}); err != nil || sealed.Leaves != nil {
		t.Errorf("the first seal: %+v, %v; want it without leaves", sealed, err)
	}
	if _, err := s.Disclose(t.Context(), journal.Position{Frame: 1}); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Disclose of what is purged = %v, want unknown", err)
	}
}

// Whatever fails and whenever it is started anew, and however entries fall into frames: no gap, no range twice, and everything is sealed in the end.
func TestSealingLeavesNoGapAndSealsNothingTwice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		signer, _ := evidencetest.Keys()
		tree, shelf := &evidencetest.Tree{Tree: evidence.NewMemoryTree(signer)}, evidence.NewMemoryShelf()
		j := &journaltest.Failing{Journal: idle{journal.NewMemory()}}
		l := open(t, tree, shelf)
		second, saves := 0, 0
		j.FailSave(func() error {
			if saves > 0 {
				saves--
				return vedette.ErrUnavailable
			}
			return nil
		})
		opts := evidence.SealingOptions{Entries: rapid.IntRange(1, 40).Draw(r, "entries"), Delay: time.Duration(rapid.IntRange(1, 90).Draw(r, "delay")) * time.Second}
		for range rapid.IntRange(1, 8).Draw(r, "rounds") {
			var es []journal.Entry
			for range rapid.IntRange(1, 60).Draw(r, "new") {
				second += rapid.IntRange(0, 5).Draw(r, "pause")
				es = append(es, at(second, rapid.Bool().Draw(r, "tick")))
			}
			appendTo(t, j, es...)
			tree.Fail(rapid.IntRange(0, 1).Draw(r, "before"), rapid.IntRange(0, 1).Draw(r, "after"), rapid.IntRange(0, 1).Draw(r, "half"), rapid.IntRange(0, 1).Draw(r, "blind"))
			saves = rapid.IntRange(0, 2).Draw(r, "saves")
			if err := settled(l.Sealing(j, 1, &seeds{}, opts)); err != nil && !errors.Is(err, vedette.ErrUnavailable) {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(r, "again") {
				tree.Fail(0, 0, 0, 0)
				l = open(t, tree, shelf)
			}
		}
		tree.Fail(0, 0, 0, 0)
		saves = 0
		appendTo(t, j, at(second+1, false), at(second+1000, false), at(second+2000, true))
		l = open(t, tree, shelf)
		if err := settled(l.Sealing(j, 1, &seeds{}, opts)); err != nil {
			t.Fatal(err)
		}
		got := ranges(t, l, j, &seeds{})
		place, err := journal.Place(t.Context(), j, evidence.SealingName)
		if err != nil || len(got) == 0 || got[len(got)-1].To != place {
			t.Fatalf("sealed to %+v, the journal's note says %s, %v", got, place, err)
		}
		good(t, l)
	})
}

func TestALostShelfIsNoReasonToSealTwice(t *testing.T) {
	l, tree, _ := fresh(t)
	j := idle{journal.NewMemory()}
	appendTo(t, j, at(0, false), at(100, false))
	if err := settled(l.Sealing(j, 0, &seeds{}, evidence.SealingOptions{})); err != nil {
		t.Fatal(err)
	}
	l = open(t, tree, evidence.NewMemoryShelf())
	if err := settled(l.Sealing(j, 0, &seeds{}, evidence.SealingOptions{})); !errors.Is(err, evidence.ErrUnfit) {
		t.Errorf("Run over an empty shelf = %v, want unfit", err)
	}
}

func TestAStoreThatIsDownIsNoErasure(t *testing.T) {
	l, _, _ := fresh(t)
	j := idle{journal.NewMemory()}
	appendTo(t, j, at(0, false), at(100, false))
	s := &seeds{down: true}
	if err := settled(l.Sealing(j, 0, s, evidence.SealingOptions{})); !errors.Is(err, vedette.ErrUnavailable) || l.Size() != 0 {
		t.Errorf("Run with seeds that cannot be had = %v, %d records", err, l.Size())
	}
	s.down = false
	if err := settled(l.Sealing(j, 0, s, evidence.SealingOptions{})); err != nil || l.Size() != 1 {
		t.Errorf("Run = %v, %d records", err, l.Size())
	}
	ranges(t, l, j, s)
}

func TestDisclose(t *testing.T) {
	l, _, _ := fresh(t)
	j := idle{journal.NewMemory()}
	var es []journal.Entry
	for i := range 600 {
		es = append(es, at(i/10, false))
		es[i].Event.Actor = vedette.AccountID{1, byte(i), byte(i >> 8)}
	}
	appendTo(t, j, es...)
	gone := map[vedette.AccountID]bool{es[3].Event.Actor: true}
	people := &seeds{erased: gone}
	s := l.Sealing(j, 2, people, evidence.SealingOptions{Entries: 100})
	if err := settled(s); err != nil {
		t.Fatal(err)
	}
	add(t, l, hunt(1))
	_, v := evidencetest.Keys()
	var opened evidence.Opened
	for e, err := range j.Read(t.Context(), journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.Disclose(t.Context(), e.Position, journal.GroupJudgement)
		if e.Event.Actor == es[3].Event.Actor {
			if !errors.Is(err, vedette.ErrForbidden) {
				t.Errorf("Disclose of an erased person's entry = %v, want forbidden", err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("Disclose(%s): %v", e.Position, err)
		}
		file, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var read evidence.Opened
		if err := json.Unmarshal(file, &read); err != nil {
			t.Fatal(err)
		}
		r, err := evidence.VerifyOpened(read, v)
		if err != nil || r.To.Less(e.Position) || e.Position.Less(r.From) {
			t.Fatalf("VerifyOpened(%s) = %+v, %v", e.Position, r, err)
		}
		opened = o
	}
	for name, bend := range map[string]func(o *evidence.Opened){
		"another judgement": func(o *evidence.Opened) { o.Entry.Groups[3].Fields[5] ^= 1 },
		"another place":     func(o *evidence.Opened) { o.Entry.Index-- },
		"another count":     func(o *evidence.Opened) { o.Entry.Count-- },
		"no seal":           func(o *evidence.Opened) { o.Seal, _ = l.Prove(t.Context(), l.Size()-1) },
		"another seal":      func(o *evidence.Opened) { o.Seal, _ = l.Prove(t.Context(), 0) },
		"a withheld range":  func(o *evidence.Opened) { o.Seal = o.Seal.Without("range") },
	} {
		o := opened
		o.Entry.Groups[3].Fields = append([]byte{}, o.Entry.Groups[3].Fields...)
		bend(&o)
		if r, err := evidence.VerifyOpened(o, v); !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("%s: %+v, %v; want a conflict", name, r, err)
		}
	}
	// Erased after it was sealed: the entry cannot be shown any more, its neighbours can.
	first := journal.Position{Frame: 1, Index: 10}
	gone[es[10].Event.Actor] = true
	if _, err := s.Disclose(t.Context(), first, journal.GroupJudgement); !errors.Is(err, vedette.ErrForbidden) && !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("Disclose of who was erased since = %v", err)
	}
	if _, err := s.Disclose(t.Context(), journal.Position{Frame: 1, Index: 11}, journal.GroupWho); err != nil {
		t.Errorf("Disclose of a neighbour = %v", err)
	}
	people.down = true
	if _, err := s.Disclose(t.Context(), journal.Position{Frame: 1, Index: 11}, journal.GroupWho); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Disclose with seeds that cannot be had = %v, want unavailable", err)
	}
	people.down = false
	for _, p := range []journal.Position{{}, {Frame: 1, Index: 300}, {Frame: 99}} {
		if _, err := s.Disclose(t.Context(), p); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Disclose(%s) = %v, want unknown", p, err)
		}
	}
}

// A range reads back as it was written.
func FuzzReadRange(f *testing.F) {
	d := -3 * time.Second
	for _, r := range []journal.SealRange{
		{Partition: 1, From: journal.Position{Frame: 1}, To: journal.Position{Frame: 2, Index: 9}, Count: 265, Root: vedette.Digest{1}, SealedAt: evidencetest.Start},
		{From: journal.Position{Frame: 1}, To: journal.Position{Frame: 1}, Count: 1, SealedAt: evidencetest.Start, Offset: &d},
	} {
		f.Add(r.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := evidence.ReadRange(b)
		if err != nil {
			return
		}
		if got := r.Bytes(); string(got) != string(b) {
			t.Fatalf("%x reads and writes as %x", b, got)
		}
	})
}
