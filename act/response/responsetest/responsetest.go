// Package responsetest holds implementations of response's stores against their promises.
//
// In:     a function that opens an empty store, and one that opens it again after a restart.
// Out:    test failures.
// Keeps:  nothing.
// Fails:  through testing.T only.
// Source: act/response
package responsetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/act/response"
	"vedette/record/authority"
	"vedette/record/indicator"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

// Change returns the n-th change of a tenant, about message event, as a desk would make it.
func Change(tenant vedette.Tenant, n, event int) response.Changed {
	c := response.Changed{
		Tenant: tenant, At: at.Add(time.Duration(n) * time.Second), Was: vedette.Allow, Is: vedette.Warn, Would: vedette.Block, Cause: response.CauseBlock,
		Reasons:    []vedette.Reason{{Rule: "list:cases", Verdict: vedette.Block, Weight: 20000, Link: -1, Armed: vedette.Warn, Text: "A constant text."}},
		Generation: vedette.GenerationID{9}, Until: at.Add(time.Hour), Of: vedette.Digest{7}, Asks: vedette.Warn, AsksWould: vedette.Block,
	}
	binary.BigEndian.PutUint64(c.ID[:], uint64(n)+1)
	copy(c.ID[8:], tenant)
	binary.BigEndian.PutUint64(c.Event[:], uint64(event)+1)
	return c
}

func put(t testing.TB, o response.Outbox, changes ...response.Changed) {
	t.Helper()
	for chunk := range slices.Chunk(changes, response.MaxChunk) {
		if _, err := o.Put(t.Context(), chunk); err != nil {
			t.Fatal(err)
		}
	}
}

func seqs(list []response.Delivery) (out []uint64) {
	for _, l := range list {
		out = append(out, l.Seq)
	}
	return out
}

// RunOutbox holds an Outbox against the promises. open returns an empty one and a function that gives the same after a restart.
func RunOutbox(t *testing.T, open func(t testing.TB) (response.Outbox, func() response.Outbox)) {
	const tenant = vedette.Tenant("chat-example")
	sub := response.Subscriber{Tenant: tenant, Name: "hook"}
	must := func(t testing.TB, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pending := func(t testing.TB, o response.Outbox, at time.Time) ([]response.Delivery, time.Time) {
		t.Helper()
		list, due, err := o.Pending(t.Context(), sub, at, 100)
		must(t, err)
		return list, due
	}

	t.Run("changes come back as they were put, numbered for each tenant, also after a restart", func(t *testing.T) {
		o, again := open(t)
		var want []response.Changed
		for n := range 5 {
			want = append(want, Change(tenant, n, n))
		}
		want[2].Later = []response.Step{{At: at.Add(time.Hour), Is: vedette.Allow}}
		want[3].Recall, want[3].Cause, want[3].Until = response.RecallRedaction, response.CauseRecall, time.Time{}
		want[4].Cause, want[4].Back, want[4].Rested = response.CauseRevoked, vedette.Digest{7}, true
		other := Change("other", 0, 0)
		put(t, o, want[0], other, want[1])
		put(t, o, want[2:]...)
		for i := range want {
			want[i].Seq = uint64(i) + 1
		}
		for _, get := range []func() response.Outbox{func() response.Outbox { return o }, again} {
			o := get()
			got, err := o.After(t.Context(), 0, tenant, 10)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("After(0) = %+v, %v; want %+v", got, err, want)
			}
			got, err = o.After(t.Context(), 2, tenant, 2)
			if err != nil || !reflect.DeepEqual(got, want[2:4]) {
				t.Fatalf("After(2), 2 at most = %+v, %v", got, err)
			}
			if got, err := o.After(t.Context(), 5, tenant, 10); err != nil || len(got) != 0 {
				t.Fatalf("After(last) = %+v, %v", got, err)
			}
			if got, err := o.After(t.Context(), 0, "other", 10); err != nil || len(got) != 1 || got[0].Seq != 1 {
				t.Fatalf("After(0) of another tenant = %+v, %v", got, err)
			}
		}
	})
	t.Run("the same change put again changes nothing and takes no number", func(t *testing.T) {
		o, _ := open(t)
		if n, err := o.Put(t.Context(), []response.Changed{Change(tenant, 0, 0), Change(tenant, 0, 0), Change(tenant, 1, 1)}); err != nil || n != 2 {
			t.Fatalf("Put = %d, %v, want 2", n, err)
		}
		if n, err := o.Put(t.Context(), []response.Changed{Change(tenant, 1, 1), Change(tenant, 2, 2)}); err != nil || n != 1 {
			t.Fatalf("Put = %d, %v, want 1", n, err)
		}
		if first, last, err := o.Bounds(t.Context(), tenant); err != nil || first != 1 || last != 3 {
			t.Errorf("Bounds = %d, %d, %v, want 1, 3", first, last, err)
		}
	})
	t.Run("what cannot be is refused, whole", func(t *testing.T) {
		o, _ := open(t)
		for name, c := range map[string]response.Changed{
			"no id":      {Tenant: tenant, Event: vedette.EventID{1}, At: at, Cause: "block"},
			"no tenant":  {ID: response.ChangeID{1}, Event: vedette.EventID{1}, At: at, Cause: "block"},
			"no event":   {ID: response.ChangeID{1}, Tenant: tenant, At: at, Cause: "block"},
			"no verdict": {ID: response.ChangeID{1}, Tenant: tenant, Event: vedette.EventID{1}, At: at, Cause: "block", Is: 7},
		} {
			if _, err := o.Put(t.Context(), []response.Changed{Change(tenant, 0, 0), c}); !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("%s: Put = %v, want invalid", name, err)
			}
		}
		many := make([]response.Changed, response.MaxChunk+1)
		for i := range many {
			many[i] = Change(tenant, i, i)
		}
		if _, err := o.Put(t.Context(), many); !errors.Is(err, vedette.ErrTooLarge) {
			t.Errorf("Put of too many = %v", err)
		}
		if _, err := o.Of(t.Context(), tenant, make([]vedette.EventID, response.MaxChunk+1)); !errors.Is(err, vedette.ErrTooLarge) {
			t.Errorf("Of too many = %v", err)
		}
		if first, last, err := o.Bounds(t.Context(), tenant); err != nil || first != 1 || last != 0 {
			t.Errorf("Bounds = %d, %d, %v, want 1, 0", first, last, err)
		}
	})
	t.Run("a message's changes and a cause's number are found", func(t *testing.T) {
		o, _ := open(t)
		a, b, c := Change(tenant, 0, 5), Change(tenant, 1, 6), Change(tenant, 2, 5)
		c.Of = vedette.Digest{8}
		put(t, o, a, b, c, Change("other", 0, 5))
		got, err := o.Of(t.Context(), tenant, []vedette.EventID{a.Event, {99}})
		if err != nil || len(got) != 2 || got[0].Seq != 1 || got[1].Seq != 3 {
			t.Errorf("Of = %+v, %v", got, err)
		}
		for _, tt := range []struct {
			of    vedette.Digest
			since time.Time
			want  int
		}{{vedette.Digest{7}, time.Time{}, 2}, {vedette.Digest{}, time.Time{}, 3}, {vedette.Digest{}, b.At, 2}, {vedette.Digest{7}, c.At, 0}} {
			if n, err := o.Count(t.Context(), tenant, tt.of, tt.since); err != nil || n != tt.want {
				t.Errorf("Count(%s, %s) = %d, %v, want %d", tt.of, tt.since, n, err, tt.want)
			}
		}
	})
	t.Run("who waits is woken by the next change of his tenant, and let go by his context", func(t *testing.T) {
		o, _ := open(t)
		put(t, o, Change(tenant, 0, 0))
		must(t, o.Wait(t.Context(), 0, tenant))
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { errs[i] = o.Wait(t.Context(), 1, tenant) })
		}
		put(t, o, Change("other", 0, 0))
		put(t, o, Change(tenant, 1, 1))
		wg.Wait()
		must(t, errors.Join(errs...))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := o.Wait(ctx, 2, tenant); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait = %v, want canceled", err)
		}
	})
	t.Run("everything waits for a subscriber until it was delivered or given up, also after a restart", func(t *testing.T) {
		o, again := open(t)
		put(t, o, Change(tenant, 0, 0), Change(tenant, 1, 1), Change(tenant, 2, 2))
		list, due := pending(t, o, at)
		if !slices.Equal(seqs(list), []uint64{1, 2, 3}) || !due.IsZero() || list[0].Tries != 0 || !list[0].First.IsZero() {
			t.Fatalf("Pending = %+v, %s", list, due)
		}
		must(t, o.Delivered(t.Context(), sub, 2, at))
		must(t, o.Failed(t.Context(), sub, 1, at, at.Add(time.Minute), "status 500"))
		must(t, o.Failed(t.Context(), sub, 1, at.Add(time.Minute), at.Add(time.Hour), "status 503"))
		o = again()
		list, due = pending(t, o, at.Add(2*time.Minute))
		if !slices.Equal(seqs(list), []uint64{3}) || !due.Equal(at.Add(time.Hour)) {
			t.Fatalf("Pending = %v, %s", seqs(list), due)
		}
		list, _ = pending(t, o, at.Add(time.Hour))
		if !slices.Equal(seqs(list), []uint64{1, 3}) || list[0].Tries != 2 || !list[0].First.Equal(at) || list[0].Why != "status 503" {
			t.Fatalf("Pending = %+v", list)
		}
		must(t, o.Dead(t.Context(), sub, 1, at.Add(time.Hour), "too long"))
		must(t, o.Delivered(t.Context(), sub, 1, at)) // settled already: nothing changes
		must(t, o.Failed(t.Context(), sub, 2, at, at, "late"))
		state, err := o.Subscription(t.Context(), sub)
		if want := (response.Subscription{Upto: 2, Waiting: 1, Dead: 1}); err != nil || state != want {
			t.Fatalf("Subscription = %+v, %v, want %+v", state, err, want)
		}
		letters, err := o.Letters(t.Context(), sub, 10)
		if err != nil || len(letters) != 1 || letters[0].Seq != 1 || letters[0].Why != "too long" || letters[0].Tries != 3 {
			t.Fatalf("Letters = %+v, %v", letters, err)
		}
		if list, _, err := o.Pending(t.Context(), response.Subscriber{Tenant: tenant, Name: "another"}, at, 10); err != nil || len(list) != 3 {
			t.Errorf("another subscriber waits for %d, %v, want 3", len(list), err)
		}
		must(t, o.Delivered(t.Context(), sub, 3, at))
		must(t, o.Revive(t.Context(), sub, 1))
		if err := o.Revive(t.Context(), sub, 1); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Revive twice = %v, want unknown", err)
		}
		list, _ = pending(t, o, at)
		if !slices.Equal(seqs(list), []uint64{1}) || list[0].Tries != 0 {
			t.Fatalf("Pending after Revive = %+v", list)
		}
		must(t, o.Delivered(t.Context(), sub, 1, at))
		if list, due := pending(t, o, at); len(list) != 0 || !due.IsZero() {
			t.Fatalf("Pending = %v, %s", seqs(list), due)
		}
	})
	t.Run("a later change of a message waits for the earlier one", func(t *testing.T) {
		o, _ := open(t)
		put(t, o, Change(tenant, 0, 0), Change(tenant, 1, 1), Change(tenant, 2, 0), Change(tenant, 3, 1))
		must(t, o.Failed(t.Context(), sub, 1, at, at.Add(time.Minute), "status 500"))
		list, due := pending(t, o, at)
		if !slices.Equal(seqs(list), []uint64{2}) || !due.Equal(at.Add(time.Minute)) {
			t.Fatalf("Pending = %v, %s", seqs(list), due)
		}
		must(t, o.Delivered(t.Context(), sub, 2, at))
		must(t, o.Dead(t.Context(), sub, 1, at, "gone"))
		if list, _ := pending(t, o, at); !slices.Equal(seqs(list), []uint64{3, 4}) {
			t.Fatalf("Pending = %v", seqs(list))
		}
	})
	t.Run("a disabled subscriber stays so until it is enabled", func(t *testing.T) {
		o, again := open(t)
		must(t, o.Disable(t.Context(), sub, at, "410"))
		o = again()
		if s, err := o.Subscription(t.Context(), sub); err != nil || !s.Disabled.Equal(at) || s.Why != "410" {
			t.Fatalf("Subscription = %+v, %v", s, err)
		}
		must(t, o.Enable(t.Context(), sub))
		if s, err := o.Subscription(t.Context(), sub); err != nil || s != (response.Subscription{}) {
			t.Fatalf("Subscription = %+v, %v", s, err)
		}
	})
	t.Run("a halt is of one tenant and survives a restart", func(t *testing.T) {
		o, again := open(t)
		must(t, o.Halt(t.Context(), tenant, at))
		o = again()
		if got, err := o.Halted(t.Context(), tenant); err != nil || !got.Equal(at) {
			t.Errorf("Halted = %s, %v", got, err)
		}
		if got, err := o.Halted(t.Context(), "other"); err != nil || !got.IsZero() {
			t.Errorf("Halted of another = %s, %v", got, err)
		}
		must(t, o.Halt(t.Context(), tenant, time.Time{}))
		if got, err := o.Halted(t.Context(), tenant); err != nil || !got.IsZero() {
			t.Errorf("Halted after it was lifted = %s, %v", got, err)
		}
	})
	t.Run("what is expired is gone everywhere, and its numbers never come again", func(t *testing.T) {
		o, again := open(t)
		put(t, o, Change(tenant, 0, 0), Change(tenant, 1, 1), Change(tenant, 2, 2))
		must(t, o.Dead(t.Context(), sub, 1, at, "gone"))
		must(t, o.Failed(t.Context(), sub, 2, at, at, "status 500"))
		if n, err := o.Expire(t.Context(), Change(tenant, 2, 2).At); err != nil || n != 2 {
			t.Fatalf("Expire = %d, %v, want 2", n, err)
		}
		o = again()
		if first, last, err := o.Bounds(t.Context(), tenant); err != nil || first != 3 || last != 3 {
			t.Errorf("Bounds = %d, %d, %v", first, last, err)
		}
		if s, err := o.Subscription(t.Context(), sub); err != nil || s.Dead != 0 || s.Waiting != 1 {
			t.Errorf("Subscription = %+v, %v", s, err)
		}
		must(t, o.Delivered(t.Context(), sub, 3, at))
		if n, err := o.Expire(t.Context(), at.Add(time.Hour)); err != nil || n != 1 {
			t.Fatalf("Expire = %d, %v, want 1", n, err)
		}
		put(t, o, Change(tenant, 4, 4))
		got, err := o.After(t.Context(), 0, tenant, 10)
		if err != nil || len(got) != 1 || got[0].Seq != 4 {
			t.Errorf("After = %+v, %v", got, err)
		}
		if list, _ := pending(t, o, at); !slices.Equal(seqs(list), []uint64{4}) {
			t.Errorf("Pending = %v", seqs(list))
		}
	})
	t.Run("whatever happens in whatever order, it does as the one in memory does", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			o, _ := open(t)
			m := response.NewMemory()
			both := []response.Outbox{o, m}
			ctx := t.Context()
			steps := rapid.IntRange(1, 25).Draw(rt, "steps")
			for i := range steps {
				seq := uint64(rapid.IntRange(1, 8).Draw(rt, "seq"))
				now := at.Add(time.Duration(i) * time.Second)
				n, event := rapid.IntRange(0, 9).Draw(rt, "n"), rapid.IntRange(0, 3).Draw(rt, "event")
				op := rapid.IntRange(0, 5).Draw(rt, "op")
				var errs [2]error
				for k, o := range both {
					switch op {
					case 0, 1:
						_, errs[k] = o.Put(ctx, []response.Changed{Change(tenant, n, event)})
					case 2:
						errs[k] = o.Delivered(ctx, sub, seq, now)
					case 3:
						errs[k] = o.Failed(ctx, sub, seq, now, now.Add(time.Duration(n)*time.Second), "status 500")
					case 4:
						errs[k] = o.Dead(ctx, sub, seq, now, "gone")
					case 5:
						errs[k] = o.Revive(ctx, sub, seq)
					}
				}
				if (errs[0] == nil) != (errs[1] == nil) {
					rt.Fatalf("step %d, op %d, seq %d: %v, in memory %v", i, op, seq, errs[0], errs[1])
				}
				var said [2]string
				for k, o := range both {
					list, due, err := o.Pending(ctx, sub, now, 100)
					letters, err2 := o.Letters(ctx, sub, 100)
					state, err3 := o.Subscription(ctx, sub)
					if err := errors.Join(err, err2, err3); err != nil {
						rt.Fatal(err)
					}
					state.Upto = 0 // one may count in what is not there
					said[k] = fmt.Sprintf("%+v %s %+v %+v", list, due, letters, state)
				}
				if said[0] != said[1] {
					rt.Fatalf("step %d, op %d, seq %d:\n%s\nin memory:\n%s", i, op, seq, said[0], said[1])
				}
			}
		})
	})
}

// RunDeeds holds a Deeds against the promises.
func RunDeeds(t *testing.T, open func(t testing.TB) (response.Deeds, func() response.Deeds)) {
	deed := func(n byte) response.Deed {
		return response.Deed{
			Act: vedette.Digest{n}, What: response.WhatBlock, Text: []byte(`{"act":"block"}`), Case: "case-1", Tenant: "chat-example",
			People: []authority.PersonID{"ana", "omar"}, At: at, Until: at.Add(time.Hour), Value: "evil.example", Scope: indicator.ScopeHost,
			Verdict: vedette.Block, Harmless: -1, About: vedette.Digest{n + 1}, Upto: 3,
		}
	}
	t.Run("deeds come back as they were kept, with what came of them, also after a restart", func(t *testing.T) {
		s, again := open(t)
		a, b, c := deed(1), deed(2), deed(3)
		c.What, c.People, c.Until = response.WhatHalt, nil, time.Time{}
		for _, d := range []response.Deed{b, a, c} {
			if err := s.Intend(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Intend(t.Context(), a); !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("Intend twice = %v, want conflict", err)
		}
		for _, step := range []struct {
			s   response.State
			g   vedette.GenerationID
			why string
		}{{response.Failed, vedette.GenerationID{}, "down"}, {response.Complete, vedette.GenerationID{5}, ""}, {response.Undone, vedette.GenerationID{}, ""}} {
			if err := s.Became(t.Context(), a.Act, step.s, at.Add(time.Minute), step.g, step.why); err != nil {
				t.Fatal(err)
			}
		}
		a.State, a.Ended, a.Generation = response.Undone, at.Add(time.Minute), vedette.GenerationID{5}
		b.State, b.Ended = response.Intended, b.At
		c.State, c.Ended = response.Intended, c.At
		for _, get := range []func() response.Deeds{func() response.Deeds { return s }, again} {
			s := get()
			if got, err := s.Deed(t.Context(), a.Act); err != nil || !reflect.DeepEqual(got, a) {
				t.Errorf("Deed = %+v, %v, want %+v", got, err, a)
			}
			for _, tt := range []struct {
				what   response.What
				states []response.State
				want   []response.Deed
			}{
				{"", nil, []response.Deed{b, a, c}},
				{response.WhatBlock, nil, []response.Deed{b, a}},
				{response.WhatBlock, []response.State{response.Intended, response.Failed}, []response.Deed{b}},
				{"", []response.State{response.Intended}, []response.Deed{b, c}},
				{response.WhatUnblock, nil, nil},
			} {
				if got, err := s.List(t.Context(), tt.what, tt.states...); err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("List(%q, %v) = %+v, %v, want %+v", tt.what, tt.states, got, err, tt.want)
				}
			}
		}
	})
	t.Run("what is unknown is named", func(t *testing.T) {
		s, _ := open(t)
		if _, err := s.Deed(t.Context(), vedette.Digest{9}); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Deed = %v", err)
		}
		if err := s.Became(t.Context(), vedette.Digest{9}, response.Complete, at, vedette.GenerationID{}, ""); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Became = %v", err)
		}
	})
}
