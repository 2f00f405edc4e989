// Package blockstest holds the suite that every history must pass, and traffic to fill one with.
//
// In:     a way to open an empty history.
// Out:    failures of the test that calls.
// Keeps:  nothing.
// Fails:  never by itself.
// Source: watch/hunt/history.go
package blockstest

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// Start is when made-up traffic begins.
var Start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// Traffic makes sightings as a platform would: links in first contacts, of which some are shown and opened; senders who write to several
// strangers; names that live for some days. It is a pure function of its seed and the number of days and of sightings a day.
type Traffic struct {
	rng     *rand.Rand
	perDay  int
	day     int
	frame   uint64
	units   []unit
	Started []hunt.Key // one in a thousand of the units so far, for questions
	seen    int
}

type unit struct {
	domain, host, tenant hunt.Key
	shared               bool
	left, daily          int
	urls                 []hunt.Key
	sender               vedette.AccountID
	shape                vedette.Shape
}

// NewTraffic begins at Start.
func NewTraffic(seed uint64, perDay int) *Traffic {
	return &Traffic{rng: rand.New(rand.NewPCG(seed, 7)), perDay: perDay}
}

func (t *Traffic) account() (a vedette.AccountID) {
	binary.LittleEndian.PutUint64(a[:], t.rng.Uint64())
	binary.LittleEndian.PutUint64(a[8:], t.rng.Uint64())
	return a
}

func (t *Traffic) key() hunt.Key { return hunt.Key(t.rng.Uint64() | 1) }

// birth makes a unit. Half of all have one contact only; a few reach the 64 people after which nothing more is kept.
func (t *Traffic) birth() unit {
	u := unit{domain: t.key(), host: t.key(), sender: t.account(), left: 1}
	if t.rng.IntN(2) == 0 {
		u.left = min(64, 1+int(t.rng.ExpFloat64()*10))
	}
	u.daily = max(1, u.left/(1+t.rng.IntN(10)))
	if t.rng.IntN(10) == 0 {
		u.shared, u.tenant = true, t.key()
		u.domain, u.host = hunt.Key(1+t.rng.IntN(20)), hunt.Key(101+t.rng.IntN(20))
	}
	u.shape = vedette.Shape{
		TokenLike: uint8(t.rng.IntN(3)), Entropy: uint8(24 + t.rng.IntN(60)), PathSegments: uint8(t.rng.IntN(5)), QueryKeys: uint8(t.rng.IntN(3)),
		HostLabels: uint8(2 + t.rng.IntN(2)), Length: uint16(20 + t.rng.IntN(150)),
	}
	if u.shared {
		u.shape.Flags |= vedette.ShapeSharedHost
	}
	if t.seen++; t.seen%1000 == 0 {
		k := u.domain
		if u.shared {
			k = u.tenant
		}
		t.Started = append(t.Started, k)
	}
	return u
}

// Day makes the next day's sightings, in order, and the position that they reach.
func (t *Traffic) Day() ([]hunt.Sighting, journal.Position) {
	start := Start.AddDate(0, 0, t.day)
	t.day++
	var out []hunt.Sighting
	contact := func(u *unit) {
		at := start.Add(time.Duration(t.rng.IntN(86_000_000)) * time.Millisecond)
		var url hunt.Key
		if n := len(u.urls); n > 0 && t.rng.IntN(2) == 0 {
			url = u.urls[t.rng.IntN(n)]
		} else {
			url = t.key()
			u.urls = append(u.urls, url)
		}
		if t.rng.IntN(4) == 0 {
			u.sender = t.account()
		}
		s := hunt.Sighting{
			At: at, Act: hunt.Sent, Domain: u.domain, Host: u.host, Tenant: u.tenant, URL: url, From: u.sender, Shape: u.shape,
			Established: t.rng.IntN(3) > 0,
		}
		if t.rng.IntN(20) == 0 {
			s.Would = vedette.Warn
		}
		if t.rng.IntN(200) == 0 {
			s.Verdict, s.Would = vedette.Block, vedette.Block
		}
		if t.rng.IntN(10) == 0 {
			s.Group = vedette.GroupID(t.account())
		} else {
			s.To = t.account()
		}
		out = append(out, s)
		if s.To.IsZero() || s.Verdict == vedette.Block {
			return
		}
		for _, act := range []hunt.Act{hunt.Previewed, hunt.Opened} {
			if t.rng.IntN(3) == 0 {
				s.Act = act
				s.At = s.At.Add(time.Duration(t.rng.IntN(60_000)) * time.Millisecond)
				out = append(out, s)
			}
		}
	}
	alive := t.units[:0]
	for i := range t.units {
		u := t.units[i]
		for n := min(u.left, 1+t.rng.IntN(u.daily+1)); n > 0 && len(out) < t.perDay; n-- {
			contact(&u)
			u.left--
		}
		if u.left > 0 {
			alive = append(alive, u)
		}
	}
	t.units = alive
	for len(out) < t.perDay {
		u := t.birth()
		for n := min(u.left, u.daily); n > 0 && len(out) < t.perDay; n-- {
			contact(&u)
			u.left--
		}
		if u.left > 0 {
			t.units = append(t.units, u)
		}
	}
	out = out[:min(len(out), t.perDay)]
	slices.SortStableFunc(out, func(a, b hunt.Sighting) int { return a.At.Compare(b.At) })
	// About one event in thirty of a platform's becomes a sighting.
	entry := 256
	for i := range out {
		if entry += 1 + t.rng.IntN(60); entry >= 256 {
			t.frame += 1 + uint64(entry)/256
			entry = t.rng.IntN(60)
		}
		out[i].Position = journal.Position{Frame: t.frame, Index: uint16(entry)}
	}
	return out, journal.Position{Frame: t.frame, Index: 255}
}

// found is what a history yields, with the place of its unit.
type found struct {
	Key int
	S   hunt.Sighting
}

func find(h hunt.History, keys []hunt.Key, w hunt.Window) ([]found, error) {
	var out []found
	damaged, err := h.Find(context.Background(), keys, w, func(key int, s *hunt.Sighting) bool { out = append(out, found{key, *s}); return true })
	if len(damaged) > 0 {
		return nil, fmt.Errorf("damaged: %v", damaged)
	}
	return out, err
}

func of(h hunt.History, accounts []vedette.AccountID, w hunt.Window) ([]hunt.Sighting, error) {
	var out []hunt.Sighting
	_, err := h.Of(context.Background(), accounts, w, func(s *hunt.Sighting) bool { out = append(out, *s); return true })
	return out, err
}

// History runs the suite. What open returns is empty.
func History(t *testing.T, open func(t testing.TB) hunt.History) {
	t.Run("what was added is found at once and is durable after a flush", func(t *testing.T) { atOnce(t, open(t)) })
	t.Run("what cannot be in order is refused", func(t *testing.T) { refused(t, open(t)) })
	t.Run("yielding false ends it", func(t *testing.T) { ends(t, open(t)) })
	t.Run("more accounts than a question may be about are refused", func(t *testing.T) {
		if _, err := of(open(t), make([]vedette.AccountID, hunt.MaxAccounts+1), hunt.Window{}); !errors.Is(err, vedette.ErrTooLarge) {
			t.Errorf("Of(%d accounts) = %v, want too large", hunt.MaxAccounts+1, err)
		}
	})
	t.Run("a question that was given up ends with its reason", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := open(t).Find(ctx, []hunt.Key{1}, hunt.Window{}, func(int, *hunt.Sighting) bool { return true }); !errors.Is(err, context.Canceled) {
			t.Errorf("Find(cancelled) = %v, want %v", err, context.Canceled)
		}
	})
	t.Run("it answers as a plain list does", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { Model(rt, open(t), nil) })
	})
}

func sample(n int) []hunt.Sighting {
	var out []hunt.Sighting
	for i := range n {
		k := hunt.Key(i)
		out = append(out, hunt.Sighting{
			At: Start.Add(time.Duration(i) * 7 * time.Hour), Act: hunt.Sent, Domain: 10 + k%3, Host: 100 + k%5, URL: 1000 + k, From: vedette.AccountID{1, byte(i)},
			To: vedette.AccountID{2, byte(i)}, Position: journal.Position{Frame: uint64(i/4 + 1), Index: uint16(i % 4)},
		})
	}
	return out
}

func atOnce(t *testing.T, h hunt.History) {
	ctx := context.Background()
	rows := sample(20)
	upto := journal.Position{Frame: 9}
	if err := h.Add(ctx, rows, upto); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"added", "flushed"} {
		got, err := find(h, []hunt.Key{11, 1003, 10, 104, 10}, hunt.Window{})
		if err != nil {
			t.Fatal(err)
		}
		var want []found
		for _, r := range rows {
			switch r.Domain {
			case 10:
				want = append(want, found{2, r})
			case 11:
				want = append(want, found{0, r})
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: Find = %d sightings, want %d:\n%v\n%v", when, len(got), len(want), got, want)
		}
		if err := h.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if h.Position() != upto {
		t.Errorf("Position() = %s, want %s", h.Position(), upto)
	}
	if err := h.Add(ctx, nil, journal.Position{Frame: 12}); err != nil {
		t.Fatal(err)
	}
	if err := h.Flush(ctx); err != nil || h.Position().Frame != 12 {
		t.Errorf("Position() after nothing to keep = %s, %v, want 12/0", h.Position(), err)
	}
}

func refused(t *testing.T, h hunt.History) {
	ctx := context.Background()
	rows := sample(8)
	if err := h.Add(ctx, rows[:4], journal.Position{Frame: 1, Index: 255}); err != nil {
		t.Fatal(err)
	}
	late := rows[4]
	late.At = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		rows []hunt.Sighting
		upto journal.Position
	}{
		{"what was taken already", rows[:4], journal.Position{Frame: 2, Index: 255}},
		{"a position before the last", nil, journal.Position{Frame: 1}},
		{"a sighting beyond the position", rows[4:], journal.Position{Frame: 2, Index: 1}},
		{"another order", []hunt.Sighting{rows[5], rows[4]}, journal.Position{Frame: 2, Index: 255}},
		{"a time without a day", []hunt.Sighting{late}, journal.Position{Frame: 2, Index: 255}},
	} {
		if err := h.Add(ctx, tt.rows, tt.upto); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Add(%s) = %v, want invalid", tt.name, err)
		}
	}
	if got, err := find(h, []hunt.Key{10, 11, 12}, hunt.Window{}); err != nil || len(got) != 4 {
		t.Errorf("after refusals: %d sightings, %v, want 4", len(got), err)
	}
}

func ends(t *testing.T, h hunt.History) {
	ctx := context.Background()
	if err := h.Add(ctx, sample(40), journal.Position{Frame: 100}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n := 0
		if _, err := h.Find(ctx, []hunt.Key{10, 11, 12}, hunt.Window{}, func(int, *hunt.Sighting) bool { n++; return n < 3 }); err != nil || n != 3 {
			t.Errorf("Find: %d yielded, %v, want 3", n, err)
		}
		if err := h.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// Model plays random acts on a history and on a plain list. reopen, when there is one, closes the history and opens it again.
func Model(t *rapid.T, h hunt.History, reopen func(hunt.History) hunt.History) {
	ctx := context.Background()
	var list []hunt.Sighting
	var at, durable journal.Position
	key := func(label string) hunt.Key { return hunt.Key(rapid.IntRange(0, 12).Draw(t, label)) }
	account := func(label string) vedette.AccountID {
		return vedette.AccountID{byte(rapid.IntRange(0, 4).Draw(t, label))}
	}
	moment := func(label string) time.Time {
		return Start.Add(time.Duration(rapid.IntRange(-1, 4*24).Draw(t, label)) * time.Hour)
	}
	window := func() (w hunt.Window) {
		if rapid.Bool().Draw(t, "from") {
			w.From = moment("window from")
		}
		if rapid.Bool().Draw(t, "to") {
			w.To = moment("window to")
		}
		return w
	}
	remove := func(what string, got int64, err error, gone func(*hunt.Sighting) bool) {
		n := len(list)
		list = slices.DeleteFunc(list, func(s hunt.Sighting) bool { return gone(&s) })
		if err != nil || int(got) != n-len(list) {
			t.Fatalf("%s = %d, %v, want %d", what, got, err, n-len(list))
		}
	}
	sorted := func(want func(*hunt.Sighting) bool) []hunt.Sighting {
		var out []hunt.Sighting
		for _, s := range list {
			if want(&s) {
				out = append(out, s)
			}
		}
		slices.SortStableFunc(out, func(a, b hunt.Sighting) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Position.Frame, b.Position.Frame), cmp.Compare(a.Position.Index, b.Position.Index))
		})
		return out
	}
	acts := map[string]func(*rapid.T){
		"add": func(*rapid.T) {
			var rows []hunt.Sighting
			for range rapid.IntRange(0, 12).Draw(t, "events") {
				if at.Index++; rapid.Bool().Draw(t, "next frame") {
					at = journal.Position{Frame: at.Frame + 1}
				}
				if at.Frame == 0 {
					at.Frame = 1
				}
				when := moment("at").Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "ms")) * time.Millisecond)
				for range rapid.IntRange(1, 3).Draw(t, "links") {
					s := hunt.Sighting{
						At: when, Position: at, Act: hunt.Act(rapid.IntRange(1, 5).Draw(t, "act")),
						Domain: key("domain"), Host: key("host"), Tenant: key("tenant"), URL: key("url"), From: account("from"), To: account("to"),
						Group: vedette.GroupID(account("group")), Place: vedette.Place(rapid.IntRange(0, 5).Draw(t, "place")),
						Verdict: vedette.Verdict(rapid.IntRange(0, 3).Draw(t, "verdict")), Would: vedette.Verdict(rapid.IntRange(0, 3).Draw(t, "would")),
						Established: rapid.Bool().Draw(t, "established"),
						Shape: vedette.Shape{
							Flags: vedette.ShapeFlag(rapid.Uint32().Draw(t, "flags")), TokenLike: rapid.Byte().Draw(t, "token-like"),
							Entropy: rapid.Byte().Draw(t, "entropy"), PathSegments: rapid.Byte().Draw(t, "segments"), QueryKeys: rapid.Byte().Draw(t, "keys"),
							HostLabels: rapid.Byte().Draw(t, "labels"), Length: rapid.Uint16().Draw(t, "length"),
						},
					}
					rows = append(rows, s)
				}
			}
			if err := h.Add(ctx, rows, at); err != nil {
				t.Fatalf("Add = %v", err)
			}
			list = append(list, rows...)
		},
		"flush": func(*rapid.T) {
			if err := h.Flush(ctx); err != nil {
				t.Fatalf("Flush = %v", err)
			}
			durable = at
		},
		"find": func(*rapid.T) {
			keys := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) hunt.Key { return hunt.Key(rapid.IntRange(0, 14).Draw(t, "key")) }), 0, 6).Draw(t, "keys")
			w := window()
			got, err := find(h, keys, w)
			set := hunt.KeysOf(keys)
			var want []found
			for _, s := range sorted(func(s *hunt.Sighting) bool { _, ok := set.Match(s); return ok && w.Covers(s.At) }) {
				k, _ := set.Match(&s)
				want = append(want, found{k, s})
			}
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("Find(%v, %v) = %d, %v, want %d\n%+v\n%+v", keys, w, len(got), err, len(want), got, want)
			}
			c, err := h.Cost(ctx, keys, w)
			if err != nil {
				t.Fatal(err)
			}
			days, rows := map[int]bool{}, int64(0)
			for _, s := range list {
				if d := hunt.DayOf(s.At); w.CoversDay(d) {
					days[d] = true
					rows++
				}
			}
			if c.Rows != rows || c.Days < len(days) || c.Possible > c.Lookups || len(got) > 0 && c.Possible == 0 {
				t.Fatalf("Cost(%v, %v) = %+v with %d found, want %d days and %d rows", keys, w, c, len(got), len(days), rows)
			}
		},
		"of": func(*rapid.T) {
			accounts := []vedette.AccountID{account("one"), account("other")}
			set, _ := hunt.AccountsOf(accounts)
			w := window()
			got, err := of(h, accounts, w)
			if want := sorted(func(s *hunt.Sighting) bool { return set.Has(s) && w.Covers(s.At) }); err != nil || !slices.Equal(got, want) {
				t.Fatalf("Of(%v, %v) = %d, %v, want %d", accounts, w, len(got), err, len(want))
			}
		},
		"erase": func(*rapid.T) {
			a, g := account("erased"), vedette.GroupID{}
			if rapid.Bool().Draw(t, "group") {
				a, g = vedette.AccountID{}, vedette.GroupID(account("group"))
			}
			n, err := h.Erase(ctx, a, g)
			remove(fmt.Sprintf("Erase(%v, %v)", a, g), n, err, func(s *hunt.Sighting) bool { return s.Names(a, g) })
		},
		"forget": func(*rapid.T) {
			k := key("unit")
			n, err := h.Forget(ctx, []hunt.Key{k})
			remove(fmt.Sprintf("Forget(%d)", k), n, err, func(s *hunt.Sighting) bool { return k != 0 && s.Unit() == k })
		},
		"expire": func(*rapid.T) {
			before := Start.Add(time.Duration(rapid.IntRange(-2, 3*24).Draw(t, "before")) * time.Hour)
			n, err := h.Expire(ctx, before)
			remove("Expire("+before.Format(time.RFC3339)+")", n, err, func(s *hunt.Sighting) bool { return s.At.Before(before) })
		},
		"": func(*rapid.T) {
			st, err := h.Stats(ctx)
			if err != nil || st.Sightings != int64(len(list)) || len(st.Damaged) > 0 {
				t.Fatalf("Stats = %+v, %v, want %d sightings", st, err, len(list))
			}
			if got := h.Position(); got.Less(durable) || at.Less(got) {
				t.Fatalf("Position() = %s, want %s to %s", got, durable, at)
			}
		},
	}
	if reopen != nil {
		acts["reopen"] = func(*rapid.T) { h = reopen(h); durable = at }
	}
	t.Repeat(acts)
}
