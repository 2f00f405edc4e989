// Package vaulttest holds implementations of vault.Store against their promises.
//
// In:     a function that opens an empty store, and one that opens it again after a restart.
// Out:    test failures.
// Keeps:  nothing.
// Fails:  through testing.T only.
// Source: record/vault
package vaulttest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/vault"
)

// Run holds a store against the promises. open returns an empty store and a function that gives the same store after a restart.
func Run(t *testing.T, open func(t *testing.T) (vault.Store, func() vault.Store)) {
	t.Run("what was applied is there, also after a restart", func(t *testing.T) {
		s, again := open(t)
		value := []byte("value")
		apply(t, s, vault.Change{Key: []byte("a"), Value: value}, vault.Change{Key: []byte("b"), Value: []byte{}})
		value[0] = 'X' // the store keeps no slice
		apply(t, s, vault.Change{Key: []byte("c"), Value: []byte("3")}, vault.Change{Key: []byte("c")})
		for _, get := range []func() vault.Store{func() vault.Store { return s }, again} {
			s := get()
			has(t, s, "a", []byte("value"))
			has(t, s, "b", []byte{})
			has(t, s, "c", nil)
			has(t, s, "never", nil)
			got, err := s.Get(t.Context(), []byte("a"))
			if err != nil {
				t.Fatal(err)
			}
			got[0] = 'X' // it belongs to us
			has(t, s, "a", []byte("value"))
		}
	})
	t.Run("count counts a prefix and nothing beside it", func(t *testing.T) {
		s, _ := open(t)
		for _, k := range []string{"a", "a\x00", "a\xff", "a\xff\xff", "b", "\xff", "\xff\xff"} {
			apply(t, s, vault.Change{Key: []byte(k), Value: []byte("x")})
		}
		for prefix, want := range map[string]int{"": 7, "a": 4, "a\xff": 2, "b": 1, "c": 0, "\xff": 2} {
			if n, err := s.Count(t.Context(), []byte(prefix)); err != nil || n != want {
				t.Errorf("Count(%q) = %d, %v; want %d", prefix, n, err, want)
			}
		}
	})
	t.Run("shredding leaves what lives", func(t *testing.T) {
		s, again := open(t)
		apply(t, s, vault.Change{Key: []byte("a"), Value: []byte("1")}, vault.Change{Key: []byte("b"), Value: []byte("2")})
		apply(t, s, vault.Change{Key: []byte("a")})
		for _, keys := range [][][]byte{{[]byte("a")}, {[]byte("a"), []byte("b"), []byte("never")}, nil} {
			if err := s.Shred(t.Context(), keys...); err != nil {
				t.Fatalf("Shred(%q) = %v", keys, err)
			}
			has(t, s, "a", nil)
			has(t, s, "b", []byte("2"))
		}
		has(t, again(), "b", []byte("2"))
	})
	t.Run("many at once", func(t *testing.T) {
		s, _ := open(t)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 20 {
					k := fmt.Sprintf("%d/%d", w, i)
					apply(t, s, vault.Change{Key: []byte(k), Value: []byte(k)})
					has(t, s, k, []byte(k))
				}
			})
		}
		wg.Go(func() {
			for range 3 {
				if err := s.Shred(t.Context(), []byte("0/0")); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
	})
	t.Run("it is a map", func(t *testing.T) {
		s, _ := open(t)
		want := map[string][]byte{}
		key := rapid.SliceOfN(rapid.Byte(), 1, 3)
		rapid.Check(t, func(r *rapid.T) {
			var cs []vault.Change
			for range rapid.IntRange(0, 4).Draw(r, "changes") {
				c := vault.Change{Key: key.Draw(r, "key")}
				if rapid.Bool().Draw(r, "set") {
					c.Value = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(r, "value")...)
				}
				cs = append(cs, c)
			}
			if len(cs) > 0 && len(want) < 40 { // a sync is slow on some disks
				if err := s.Apply(t.Context(), cs); err != nil {
					r.Fatal(err)
				}
				for _, c := range cs {
					if c.Value == nil {
						delete(want, string(c.Key))
					} else {
						want[string(c.Key)] = slices.Clone(c.Value)
					}
				}
			}
			for k, v := range want {
				got, err := s.Get(t.Context(), []byte(k))
				if err != nil || !bytes.Equal(got, v) {
					r.Fatalf("Get(%q) = %q, %v; want %q", k, got, err, v)
				}
			}
			if n, err := s.Count(t.Context(), nil); err != nil || n != len(want) {
				r.Fatalf("Count = %d, %v; want %d", n, err, len(want))
			}
		})
	})
}

func apply(t *testing.T, s vault.Store, cs ...vault.Change) {
	t.Helper()
	if err := s.Apply(t.Context(), cs); err != nil {
		t.Error(err)
	}
}

// has checks one key; want nil means that it is not there.
func has(t *testing.T, s vault.Store, key string, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), []byte(key))
	switch {
	case want == nil && !errors.Is(err, vedette.ErrUnknown):
		t.Errorf("Get(%q) = %q, %v; want not found", key, got, err)
	case want != nil && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("Get(%q) = %q, %v; want %q", key, got, err, want)
	}
}
