// Package ledgertest holds implementations of hunt's ledger against their promises.
//
// In:     a function that opens an empty ledger, and one that opens it again after a restart.
// Out:    test failures.
// Keeps:  nothing.
// Fails:  through testing.T only.
// Source: watch/hunt
package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"vedette"
	"vedette/watch/hunt"
)

// Run holds a ledger against the promises. open returns an empty ledger and a function that gives the same ledger after a restart.
func Run(t *testing.T, open func(t *testing.T) (hunt.Ledger, func() hunt.Ledger)) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	entry := func(n int) hunt.Entry {
		return hunt.Entry{
			ID: fmt.Sprintf("hunt_%016x", n), At: at.Add(time.Duration(n) * time.Minute), What: hunt.WhatAsk, Tenant: "a",
			Question: vedette.Digest{byte(n)}, Text: []byte(fmt.Sprintf(`{"n":%d}`, n)), Names: n, Refused: 1, By: "ana", Given: true,
		}
	}
	check := func(t *testing.T, what string, err, want error) {
		t.Helper()
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", what, err, want)
		}
	}
	t.Run("entries come back as they were kept, in order, by tenant", func(t *testing.T) {
		l, again := open(t)
		want := []hunt.Entry{entry(3), entry(1), {
			ID: "hunt_x", At: at.Add(time.Hour), What: hunt.WhatReveal, Tenant: "a", Names: 2, By: "ana,omar", Case: "case-1", Why: "no permit", Of: "hunt_y",
		}}
		other := entry(9)
		other.Tenant = "b"
		for _, e := range append([]hunt.Entry{other}, want...) {
			check(t, "add", l.Add(t.Context(), e), nil)
		}
		check(t, "the same id again", l.Add(t.Context(), entry(1)), vedette.ErrConflict)
		for _, get := range []func() hunt.Ledger{func() hunt.Ledger { return l }, again} {
			l := get()
			got, err := l.Entries(t.Context(), "a", time.Time{}, 10)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("entries: %+v, %v\nwant %+v", got, err, want)
			}
			if got, err = l.Entries(t.Context(), "a", at.Add(2*time.Minute), 10); err != nil || len(got) != 2 {
				t.Errorf("entries since: %+v, %v; want 2", got, err)
			}
			if got, err = l.Entries(t.Context(), "a", time.Time{}, 1); err != nil || len(got) != 1 || got[0].ID != want[0].ID {
				t.Errorf("the first entry: %+v, %v", got, err)
			}
			if e, err := l.Entry(t.Context(), want[2].ID); err != nil || !reflect.DeepEqual(e, want[2]) {
				t.Errorf("entry: %+v, %v", e, err)
			}
			_, err = l.Entry(t.Context(), "hunt_none")
			check(t, "an entry that is none", err, vedette.ErrUnknown)
		}
	})
	t.Run("an answer is noted once", func(t *testing.T) {
		l, again := open(t)
		check(t, "add", l.Add(t.Context(), entry(1)), nil)
		check(t, "answer", l.Answer(t.Context(), entry(1).ID, hunt.Some), nil)
		check(t, "answer again", l.Answer(t.Context(), entry(1).ID, hunt.TenAndMore), vedette.ErrConflict)
		check(t, "answer nothing", l.Answer(t.Context(), "hunt_none", hunt.Some), vedette.ErrUnknown)
		if e, err := again().Entry(t.Context(), entry(1).ID); err != nil || e.Found != hunt.Some {
			t.Errorf("entry: %+v, %v; want some", e, err)
		}
	})
	t.Run("given questions are spent, by time; refusals, permits and what the house asked are not", func(t *testing.T) {
		l, again := open(t)
		for n, what := range []hunt.What{hunt.WhatAsk, hunt.WhatAgain, hunt.WhatStand, hunt.WhatReveal, hunt.WhatKeep, hunt.WhatNew, hunt.WhatEnd, hunt.WhatHit, hunt.WhatAsk} {
			e := entry(8 - n)
			e.What, e.Given = what, n != 8
			check(t, "add", l.Add(t.Context(), e), nil)
		}
		want := []hunt.Spent{{At: entry(6).At, Names: 6}, {At: entry(7).At, Names: 7}, {At: entry(8).At, Names: 8}}
		got, err := again().Spent(t.Context(), "a", at)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("spent: %v, %v, want %v", got, err, want)
		}
		if got, err = again().Spent(t.Context(), "a", entry(7).At); err != nil || len(got) != 2 {
			t.Errorf("spent since: %v, %v, want 2", got, err)
		}
		if got, err = again().Spent(t.Context(), "b", at); err != nil || len(got) != 0 {
			t.Errorf("spent by another: %v, %v, want none", got, err)
		}
	})
	t.Run("hunts stand until they end, and remember the days that they told of", func(t *testing.T) {
		l, again := open(t)
		stand := func(id string, until time.Time) hunt.Standing {
			return hunt.Standing{ID: id, Tenant: "a", Question: vedette.Digest{7}, Text: []byte("{}"), By: "ana", From: at, Until: until}
		}
		want := []hunt.Standing{stand("hunt_1", at.Add(time.Hour)), stand("hunt_2", at.Add(2*time.Hour)), stand("hunt_3", at.Add(time.Hour))}
		for _, i := range []int{2, 0, 1} {
			check(t, "stand", l.Stand(t.Context(), want[i]), nil)
		}
		check(t, "stand again", l.Stand(t.Context(), want[0]), vedette.ErrConflict)
		check(t, "met", l.Met(t.Context(), "hunt_2", at), nil)
		check(t, "met again", l.Met(t.Context(), "hunt_2", at.Add(time.Hour)), nil)
		check(t, "end", l.End(t.Context(), "hunt_3", at), nil)
		check(t, "end again", l.End(t.Context(), "hunt_3", at), vedette.ErrUnknown)
		check(t, "end nothing", l.End(t.Context(), "hunt_9", at), vedette.ErrUnknown)
		l = again()
		if got, err := l.Standing(t.Context()); err != nil || !reflect.DeepEqual(got, want[:2]) {
			t.Errorf("standing: %+v, %v, want %+v", got, err, want[:2])
		}
		for _, d := range []struct {
			id   string
			day  time.Time
			want bool
		}{{"hunt_2", at.Add(3 * time.Hour), true}, {"hunt_2", at.Add(24 * time.Hour), false}, {"hunt_1", at, false}} {
			if got, err := l.HasMet(t.Context(), d.id, d.day); err != nil || got != d.want {
				t.Errorf("HasMet(%s, %s) = %v, %v, want %v", d.id, d.day, got, err, d.want)
			}
		}
		if n, err := l.Expire(t.Context(), at.Add(time.Hour), time.Time{}); err != nil || n != 2 {
			t.Errorf("expire: %d, %v, want 2", n, err)
		}
		if got, err := l.Standing(t.Context()); err != nil || !reflect.DeepEqual(got, want[1:2]) {
			t.Errorf("standing after expiry: %+v, %v, want %+v", got, err, want[1:2])
		}
	})
	t.Run("sealed copies are kept all or none, by case, until they end", func(t *testing.T) {
		l, again := open(t)
		kept := func(id string, part int, matter string, until time.Time) hunt.Kept {
			return hunt.Kept{
				ID: id, Part: part, Tenant: "a", Case: matter, Question: vedette.Digest{3}, Name: fmt.Sprintf("%s/%d", id, part), At: at, Until: until,
				Sightings: 5, Box: bytes.Repeat([]byte{byte(part), 0}, 1000),
			}
		}
		one := []hunt.Kept{kept("hunt_1", 0, "case-1", at.Add(time.Hour)), kept("hunt_1", 1, "case-1", at.Add(2*time.Hour))}
		check(t, "keep", l.Keep(t.Context(), one), nil)
		check(t, "keep with one that is there", l.Keep(t.Context(), []hunt.Kept{kept("hunt_2", 0, "case-1", at.Add(time.Hour)), one[1]}), vedette.ErrConflict)
		check(t, "keep for another", l.Keep(t.Context(), []hunt.Kept{kept("hunt_3", 0, "case-2", at.Add(time.Hour))}), nil)
		l = again()
		if got, err := l.Kept(t.Context(), "a", "case-1"); err != nil || !reflect.DeepEqual(got, one) {
			t.Errorf("kept: %+v, %v, want %+v", got, err, one)
		}
		if got, err := l.Kept(t.Context(), "b", "case-1"); err != nil || len(got) != 0 {
			t.Errorf("kept for another tenant: %+v, %v", got, err)
		}
		if n, err := l.Expire(t.Context(), at.Add(time.Hour), time.Time{}); err != nil || n != 2 {
			t.Errorf("expire: %d, %v, want 2", n, err)
		}
		if got, err := l.Kept(t.Context(), "a", "case-1"); err != nil || !reflect.DeepEqual(got, one[1:]) {
			t.Errorf("kept after expiry: %+v, %v, want %+v", got, err, one[1:])
		}
	})
	t.Run("the names of old questions go, but those of hunts that stand; the entries stay", func(t *testing.T) {
		l, again := open(t)
		for n := range 3 {
			check(t, "add", l.Add(t.Context(), entry(n)), nil)
		}
		check(t, "stand", l.Stand(t.Context(), hunt.Standing{ID: entry(0).ID, Tenant: "a", Text: []byte("{}"), By: "ana", From: at, Until: at.Add(time.Hour)}), nil)
		if n, err := l.Expire(t.Context(), at, entry(2).At); err != nil || n != 1 {
			t.Errorf("expire: %d, %v, want 1", n, err)
		}
		got, err := again().Entries(t.Context(), "a", time.Time{}, 10)
		if err != nil || len(got) != 3 || got[0].Text == nil || got[1].Text != nil || got[2].Text == nil || got[1].Question != entry(1).Question {
			t.Errorf("entries: %+v, %v; want the second without its text", got, err)
		}
		check(t, "answer after that", again().Answer(t.Context(), entry(1).ID, hunt.None), nil)
	})
	t.Run("many at once", func(t *testing.T) {
		l, _ := open(t)
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				if err := l.Add(t.Context(), entry(n)); err != nil {
					t.Errorf("add: %v", err)
				}
				if _, err := l.Spent(t.Context(), "a", at); err != nil {
					t.Errorf("spent: %v", err)
				}
			})
		}
		all.Wait()
		if got, err := l.Spent(t.Context(), "a", at); err != nil || len(got) != 8 {
			t.Errorf("spent: %v, %v, want 8", got, err)
		}
	})
}
