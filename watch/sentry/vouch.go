package sentry

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/watch/population"
)

// Bounds of partners' words.
const (
	// MaxVouched is how many accounts one word is about, at most.
	MaxVouched = 500
	// MaxVouching is how long a word holds, at most. It can be given again.
	MaxVouching = 366 * 24 * time.Hour
	maxVouches  = 1000
	afterwards  = 100 * 24 * time.Hour // for which a word that has ended is kept: longer than a journal, from which the watch may begin anew
)

// Vouch is a partner's word that some accounts are of people at risk, as it may be shown: without the accounts. It takes up to six bits off a group whose
// members it names and which was first seen three weeks or more after it. It takes nobody out of what is watched.
type Vouch struct {
	ID       vedette.Digest `json:"vouch"` // of what two people signed: a signature is good once
	Partner  string         `json:"partner"`
	Why      string         `json:"why"`
	By       []string       `json:"by"` // the two
	At       time.Time      `json:"at"` // no earlier than anything that was seen before
	Until    time.Time      `json:"until"`
	Ended    time.Time      `json:"ended,omitzero"`     // event time after which it was withdrawn
	EndedBy  string         `json:"ended_by,omitempty"` // empty: it was not
	Accounts int            `json:"accounts"`
}

// Validate names what is out of range, at a time. Its error wraps vedette.ErrInvalid.
func (v *Vouch) Validate(at time.Time) error {
	switch {
	case strings.TrimSpace(v.Partner) == "" || len(v.Partner) > 100:
		return fmt.Errorf("vouch: the partner's name: 1 to 100 bytes: %w", vedette.ErrInvalid)
	case len(strings.TrimSpace(v.Why)) < 10 || len(v.Why) > 500:
		return fmt.Errorf("vouch: a reason of 10 to 500 bytes that a stranger understands, never about a person on the platform: %w", vedette.ErrInvalid)
	case !v.Until.After(at) || v.Until.After(at.Add(MaxVouching)):
		return fmt.Errorf("vouch: until %s: in the future, by at most 366 days: %w", v.Until.UTC().Format(time.DateOnly), vedette.ErrInvalid)
	}
	return nil
}

// mark is an account under the house's key: it answers whether a given account is meant, and lists nobody.
type mark [16]byte

func (m mark) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, m[:]), nil }

func (m *mark) UnmarshalText(b []byte) error {
	if len(b) != 2*len(m) {
		return fmt.Errorf("sentry: a mark of %d digits: %w", len(b), vedette.ErrInvalid)
	}
	_, err := hex.Decode(m[:], b)
	return err
}

func (s *Sentry) mark(a vedette.AccountID) mark {
	h := hmac.New(sha256.New, s.deps.Key)
	h.Write([]byte("vedette watch vouched"))
	h.Write(a[:])
	return mark(h.Sum(nil)[:16])
}

// vouched is a word with its accounts' marks, in order.
type vouched struct {
	Vouch
	Marks []mark `json:"marks"`
}

// over tells whether a word is of the past at a time of events.
func (v *vouched) over(at time.Time) bool {
	return !at.Before(v.Until) || v.EndedBy != "" && at.After(v.Ended)
}

// voucher answers both detectors, as of the tick that is looked at or was last. It is called with the sentry's lock held.
type voucher struct{ s *Sentry }

// Vouched implements rehearsal.Voucher: since when somebody's word holds without a gap is not asked; the oldest that holds now counts.
func (x voucher) Vouched(a vedette.AccountID) (since time.Time, ok bool) {
	s := x.s
	if len(s.people.Vouched) == 0 {
		return time.Time{}, false
	}
	m := s.mark(a)
	for i := range s.people.Vouched {
		v := &s.people.Vouched[i]
		if v.over(s.ticking) || ok && !v.At.Before(since) {
			continue
		}
		if _, there := slices.BinarySearchFunc(v.Marks, m, byBytes); there {
			since, ok = v.At, true
		}
	}
	return since, ok
}

func byBytes(a, b mark) int { return bytes.Compare(a[:], b[:]) }

// Vouch keeps a partner's word about accounts from now on. The caller has two people's signatures for it, and has it in the record. Its At is moved to the
// latest event where that is later: a word never counts for what was there before it. Its errors wrap vedette.ErrInvalid, ErrConflict where the same word was
// kept before, ErrTooLarge, or ErrUnavailable.
func (s *Sentry) Vouch(ctx context.Context, v Vouch, accounts []vedette.AccountID) (Vouch, error) {
	if err := v.Validate(v.At); err != nil {
		return Vouch{}, err
	}
	if len(s.deps.Key) == 0 || v.ID.IsZero() || len(v.By) < 2 {
		return Vouch{}, fmt.Errorf("sentry: vouch: without a key, a name, or two people: %w", vedette.ErrInvalid)
	}
	if err := s.restore(ctx); err != nil {
		return Vouch{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept.Last.After(v.At) {
		v.At = s.kept.Last
	}
	all := vouched{Vouch: v}
	for _, a := range accounts {
		if !a.IsZero() {
			all.Marks = append(all.Marks, s.mark(a))
		}
	}
	slices.SortFunc(all.Marks, byBytes)
	all.Marks = slices.Compact(all.Marks)
	all.Accounts = len(all.Marks)
	kept := slices.Clone(s.people.Vouched)
	switch {
	case len(all.Marks) == 0 || len(all.Marks) > MaxVouched:
		return Vouch{}, fmt.Errorf("sentry: vouch: %d accounts, not 1 to %d: %w", len(all.Marks), MaxVouched, vedette.ErrInvalid)
	case slices.ContainsFunc(kept, func(o vouched) bool { return o.ID == v.ID }):
		return Vouch{}, fmt.Errorf("sentry: vouch: this was signed for and kept before: %w", vedette.ErrConflict)
	case len(kept) >= maxVouches:
		return Vouch{}, fmt.Errorf("sentry: vouch: %d partners' words are kept: %w", len(kept), vedette.ErrTooLarge)
	}
	before := s.people.Vouched
	s.people.Vouched = append(kept, all)
	if err := s.savePeople(ctx); err != nil {
		s.people.Vouched = before
		return Vouch{}, err
	}
	return all.Vouch, nil
}

// Unvouch ends a partner's word: the next tick looks without it. Its error wraps vedette.ErrUnknown where there is none that holds.
func (s *Sentry) Unvouch(ctx context.Context, id vedette.Digest, by string) (Vouch, error) {
	if by == "" {
		return Vouch{}, fmt.Errorf("sentry: unvouch: by nobody: %w", vedette.ErrInvalid)
	}
	if err := s.restore(ctx); err != nil {
		return Vouch{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.people.Vouched, func(v vouched) bool { return v.ID == id && v.EndedBy == "" })
	if i < 0 {
		return Vouch{}, fmt.Errorf("sentry: no such word of a partner holds: %w", vedette.ErrUnknown)
	}
	before := s.people.Vouched
	s.people.Vouched = slices.Clone(before)
	v := &s.people.Vouched[i]
	v.Ended, v.EndedBy = s.kept.Ticked, by
	if err := s.savePeople(ctx); err != nil {
		s.people.Vouched = before
		return Vouch{}, err
	}
	return v.Vouch, nil
}

// Vouches are partners' words, the latest first, those that have ended last. They name no account.
func (s *Sentry) Vouches(ctx context.Context) ([]Vouch, error) {
	if err := s.restore(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vouches(), nil
}

func (s *Sentry) vouches() []Vouch {
	out := []Vouch{}
	for _, ended := range [...]bool{false, true} {
		for _, v := range slices.Backward(s.people.Vouched) {
			if (v.EndedBy != "") == ended {
				out = append(out, v.Vouch)
			}
		}
	}
	return out
}

// retire drops words that ended long ago, and tells whether there were any.
func (s *Sentry) retire() bool {
	n := len(s.people.Vouched)
	s.people.Vouched = slices.DeleteFunc(s.people.Vouched, func(v vouched) bool { return v.over(s.kept.Ticked.Add(-afterwards)) })
	return len(s.people.Vouched) < n
}

// unmark takes an account out of partners' words. A word about nobody any more goes.
func (s *Sentry) unmark(a vedette.AccountID) {
	if len(s.people.Vouched) == 0 {
		return
	}
	m := s.mark(a)
	var left []vouched
	for _, v := range s.people.Vouched {
		v.Marks = slices.DeleteFunc(slices.Clone(v.Marks), func(o mark) bool { return o == m })
		if v.Accounts = len(v.Marks); v.Accounts > 0 {
			left = append(left, v)
		}
	}
	s.people.Vouched = left
}

// VouchAfter is how long after a word a group must first be seen for the word to count.
const VouchAfter = population.Fresh
