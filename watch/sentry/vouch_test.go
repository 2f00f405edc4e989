package sentry

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/rehearsal"
)

// word is a partner's, about a month before the cell of the plan begins.
func word(n byte) Vouch {
	return Vouch{
		ID: vedette.Digest{n}, Partner: "river-clinic", Why: "a newsroom that we train", By: []string{"ana", "omar"},
		At: start.Add(-40 * 24 * time.Hour), Until: start.Add(200 * 24 * time.Hour),
	}
}

func cellAccounts() (out []vedette.AccountID) {
	for j := range 6 {
		out = append(out, acct(cellAt+j))
	}
	return out
}

func keyed(t *testing.T, j journal.Journal) *Sentry {
	t.Helper()
	s, err := New(config(), Deps{Journal: j, Key: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// score is that of the plan's cell, in thousandths of a bit, when everything was watched.
func score(t *testing.T, s *Sentry) (vedette.MilliBits, *rehearsal.Cell) {
	t.Helper()
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, ok := s.cells.Account(acct(cellAt))
	if !ok {
		t.Fatal("the cell is not followed: a partner's word must never take anybody out of watching")
	}
	for _, c := range s.cells.Cells() {
		if slices.Contains(c.Members, acct(cellAt)) {
			return c.Score, c
		}
	}
	t.Fatal("no cell has the account")
	return 0, nil
}

// TestAPartnersWordTakesSixBitsOffAtMost vouches for everybody in the cell, in time, late, for a while, and with a word that was taken back.
func TestAPartnersWordTakesSixBitsOffAtMost(t *testing.T) {
	es := platform()
	j := journaled(t, es)
	plain, _ := score(t, keyed(t, j))
	for _, tt := range []struct {
		name string
		word func(*Vouch)
		back bool
		less vedette.MilliBits
	}{
		{"in time", func(*Vouch) {}, false, 6000},
		{"less than three weeks before the cell", func(v *Vouch) { v.At = start.Add((begins - 20) * 24 * time.Hour) }, false, 0},
		{"after it", func(v *Vouch) { v.At = start.Add((begins + 1) * 24 * time.Hour) }, false, 0},
		{"over before the cell begins", func(v *Vouch) { v.Until = start.Add((begins - 1) * 24 * time.Hour) }, false, 0},
		{"taken back", func(*Vouch) {}, true, 0},
	} {
		s := keyed(t, journaled(t, es))
		v := word(1)
		tt.word(&v)
		v, err := s.Vouch(t.Context(), v, cellAccounts())
		if err != nil {
			t.Fatal(err)
		}
		if tt.back {
			if _, err := s.Unvouch(t.Context(), v.ID, "ana"); err != nil {
				t.Fatal(err)
			}
		}
		if got, c := score(t, s); plain-got != tt.less || len(c.Members) < 6 {
			t.Errorf("%s: %d thousandths of a bit are taken off a cell of %d, want %d", tt.name, plain-got, len(c.Members), tt.less)
		}
		again, err := New(config(), s.deps)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.deps.Journal.SaveState(t.Context(), state, s.at, []byte("damaged")); err != nil {
			t.Fatal(err)
		}
		if got, _ := score(t, again); plain-got != tt.less {
			t.Errorf("%s, begun anew: %d thousandths are taken off, want %d", tt.name, plain-got, tt.less)
		}
	}
}

// TestAPartnersWordIsNoOlderThanWhatWasSeen vouches with a date of the past.
func TestAPartnersWordIsNoOlderThanWhatWasSeen(t *testing.T) {
	s := keyed(t, journaled(t, platform()[:4000]))
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := s.Vouch(t.Context(), word(1), cellAccounts())
	if err != nil || !v.At.Equal(s.kept.Last) {
		t.Errorf("kept as of %s, %v; want the latest event's time, %s", v.At, err, s.kept.Last)
	}
}

func TestWhatNoPartnersWordIs(t *testing.T) {
	s := keyed(t, journal.NewMemory())
	for name, change := range map[string]func(*Vouch){
		"no partner":   func(v *Vouch) { v.Partner = " " },
		"no reason":    func(v *Vouch) { v.Why = "trust me" },
		"no end":       func(v *Vouch) { v.Until = time.Time{} },
		"for ever":     func(v *Vouch) { v.Until = v.At.Add(MaxVouching + time.Hour) },
		"one person":   func(v *Vouch) { v.By = v.By[:1] },
		"without name": func(v *Vouch) { v.ID = vedette.Digest{} },
	} {
		v := word(1)
		change(&v)
		if _, err := s.Vouch(t.Context(), v, cellAccounts()); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if _, err := s.Vouch(t.Context(), word(1), nil); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("about nobody: %v, want invalid", err)
	}
	if _, err := s.Vouch(t.Context(), word(1), cellAccounts()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unvouch(t.Context(), vedette.Digest{9}, "ana"); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Unvouch of none = %v, want unknown", err)
	}
	if _, err := s.Unvouch(t.Context(), word(1).ID, "ana"); err != nil {
		t.Error(err)
	}
	if _, err := s.Vouch(t.Context(), word(1), cellAccounts()); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("the same signatures after it was taken back: %v, want conflict", err)
	}
}

// TestWhoIsVouchedForIsNoList looks at what is kept: no surrogate stands there, a word outlives a restart, and who is erased is gone from it.
func TestWhoIsVouchedForIsNoList(t *testing.T) {
	j := journal.NewMemory()
	s := keyed(t, j)
	accounts := cellAccounts()
	if _, err := s.Vouch(t.Context(), word(1), accounts); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Vouch(t.Context(), word(2), accounts[:1]); err != nil {
		t.Fatal(err)
	}
	states, err := j.LoadStates(t.Context(), people)
	if err != nil || len(states) != 1 {
		t.Fatal(states, err)
	}
	for _, a := range accounts {
		if bytes.Contains(states[0].Data, a[:]) || strings.Contains(string(states[0].Data), a.String()) {
			t.Errorf("%s stands in what is kept", a)
		}
	}
	again := keyed(t, j)
	vs, err := again.Vouches(t.Context())
	if err != nil || len(vs) != 2 || vs[1].Accounts != 6 || vs[1].Partner != "river-clinic" {
		t.Fatalf("after a restart: %+v, %v", vs, err)
	}
	if err := again.Erase(t.Context(), accounts[0]); err != nil {
		t.Fatal(err)
	}
	if vs, err = again.Vouches(t.Context()); err != nil || len(vs) != 1 || vs[0].Accounts != 5 {
		t.Errorf("after one of six was erased: %+v, %v", vs, err)
	}
	if _, ok := (voucher{again}).Vouched(accounts[0]); ok {
		t.Error("who was erased is still vouched for")
	}
	if _, ok := (voucher{again}).Vouched(accounts[1]); !ok {
		t.Error("nobody is vouched for any more")
	}
}

// TestAWordThatEndedLongAgoIsNotKept lets events run past the end of one of two words.
func TestAWordThatEndedLongAgoIsNotKept(t *testing.T) {
	s := keyed(t, journaled(t, platform()[:4000]))
	old := word(1)
	old.At, old.Until = start.Add(-300*24*time.Hour), start.Add(-afterwards)
	for _, v := range []Vouch{old, word(2)} {
		if _, err := s.Vouch(t.Context(), v, cellAccounts()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	vs, err := keyed(t, s.deps.Journal).Vouches(t.Context())
	if err != nil || len(vs) != 1 || vs[0].ID != word(2).ID {
		t.Errorf("kept: %+v, %v; want the second alone", vs, err)
	}
}
