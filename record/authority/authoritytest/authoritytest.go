// Package authoritytest holds implementations of authority's stores against their promises.
//
// In:     a function that opens an empty store, and one that opens it again after a restart.
// Out:    test failures.
// Keeps:  nothing.
// Fails:  through testing.T only.
// Source: record/authority
package authoritytest

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette"
	"vedette/record/authority"
)

// Store is both stores.
type Store interface {
	authority.Store
	authority.ArmStore
}

// Run holds a store against the promises. open returns an empty store and a function that gives the same store after a restart.
func Run(t *testing.T, open func(t *testing.T) (Store, func() Store)) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	person := func(n int) authority.Person {
		key := make([]byte, ed25519.PublicKeySize)
		key[0] = byte(n + 1)
		return authority.Person{
			ID: authority.PersonID(fmt.Sprintf("person-%d", n)), Name: "Ana", Role: authority.RoleAnalyst, Key: key, Enrolled: at.Add(time.Duration(n) * time.Hour),
		}
	}
	t.Run("people come back as they were kept, in order", func(t *testing.T) {
		s, again := open(t)
		var want []authority.Person
		for n := range 4 {
			p := person(3 - n)
			if p.Founder = n < 2; !p.Founder {
				p.EnrolledBy = []authority.PersonID{"person-3", "person-2"}
			}
			if err := s.AddPerson(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			want = append(want, p)
		}
		want[1].Revoked = at
		for _, when := range []time.Time{at, at.Add(time.Hour)} { // the first stamp stays
			if err := s.RevokePerson(t.Context(), want[1].ID, when); err != nil {
				t.Fatal(err)
			}
		}
		for _, get := range []func() Store{func() Store { return s }, again} {
			s := get()
			got, err := s.People(t.Context())
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("People() = %+v, %v; want %+v", got, err, want)
			}
		}
	})
	t.Run("an id, a key and the founders' places are taken once", func(t *testing.T) {
		s, _ := open(t)
		for n := range 2 {
			p := person(n)
			p.Founder = true
			if err := s.AddPerson(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		same, key, third := person(5), person(1), person(6)
		same.ID = "person-0"
		key.ID = "person-7"
		third.Founder = true
		for _, p := range []authority.Person{same, key, third} {
			if err := s.AddPerson(t.Context(), p); !errors.Is(err, vedette.ErrConflict) {
				t.Errorf("AddPerson(%s) = %v, want conflict", p.ID, err)
			}
		}
		if err := s.RevokePerson(t.Context(), "nobody", at); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("RevokePerson of nobody = %v", err)
		}
	})
	t.Run("changes come back in order and each revision is made once", func(t *testing.T) {
		s, again := open(t)
		want := []authority.Change{
			{Revision: 1, Target: "rule:a", Verdict: vedette.Block, At: at, By: []string{"ana, \"x\""}},
			{Revision: 2, Verdict: vedette.Warn, At: at, Until: at.Add(time.Hour), By: []string{"ana", "omar"}, Why: "noise", Act: vedette.Digest{7}},
		}
		for _, c := range want {
			if err := s.AddChange(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range []uint64{0, 2, 4} {
			c := want[0]
			c.Revision = r
			if err := s.AddChange(t.Context(), c); !errors.Is(err, vedette.ErrConflict) {
				t.Errorf("AddChange(revision %d) = %v, want conflict", r, err)
			}
		}
		for _, get := range []func() Store{func() Store { return s }, again} {
			s := get()
			got, err := s.Changes(t.Context())
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Changes() = %+v, %v; want %+v", got, err, want)
			}
		}
	})
	t.Run("of many at once, one makes a revision", func(t *testing.T) {
		s, _ := open(t)
		var wg sync.WaitGroup
		var made atomic.Int64
		for range 8 {
			wg.Go(func() {
				switch err := s.AddChange(t.Context(), authority.Change{Revision: 1, At: at, By: []string{"ana"}}); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, vedette.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%d made revision 1", made.Load())
		}
	})
	t.Run("what was asked is kept", func(t *testing.T) {
		s, _ := open(t)
		for _, a := range []authority.Asked{
			{At: at, What: "permit", Purpose: authority.PurposeErase, Tenant: "a", Case: "case-1", People: []authority.PersonID{"ana", "omar"}, Act: vedette.Digest{1}, Given: true},
			{At: at, What: "vault.open", Why: "no permit"},
		} {
			if err := s.Record(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	})
}
