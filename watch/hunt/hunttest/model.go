package hunttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// Model does random things with a history and with a plain list. reopen, when there is one, ends the history, by closing it or as a crash would,
// and opens what is left.
func Model(t *rapid.T, h hunt.History, reopen func(hunt.History) hunt.History) {
	m := &model{h: h, reopen: reopen}
	t.Repeat(map[string]func(*rapid.T){
		"add":      m.add,
		"refused":  m.refused,
		"flush":    m.flush,
		"find":     m.find,
		"of":       m.of,
		"cost":     m.cost,
		"erase":    m.erase,
		"forget":   m.forget,
		"expire":   m.expire,
		"again":    m.again,
		"canceled": m.canceled,
		"":         m.check,
	})
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func account(n int) (a vedette.AccountID) { a[15] = byte(n); return a }

func group(n int) (g vedette.GroupID) { g[15] = byte(n); return g }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// model is what a history should hold, kept in the plainest way.
type model struct {
	h       hunt.History
	reopen  func(hunt.History) hunt.History
	rows    []hunt.Sighting // in order of their coming
	taken   journal.Position
	durable journal.Position // at least
	next    uint64
}

var (
	keys     = rapid.Custom(func(t *rapid.T) hunt.Key { return hunt.Key(rapid.IntRange(0, 6).Draw(t, "key")) })
	accounts = rapid.Custom(func(t *rapid.T) vedette.AccountID { return account(rapid.IntRange(0, 4).Draw(t, "account")) })
	groups   = rapid.Custom(func(t *rapid.T) vedette.GroupID { return group(max(0, rapid.IntRange(-4, 3).Draw(t, "group"))) })
	// times are few, so that sightings share days, and moments.
	times = rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(-6, 6).Draw(t, "half days"))*12*time.Hour + time.Duration(rapid.IntRange(-1, 1).Draw(t, "ms"))*time.Millisecond)
	})
	windows = rapid.Custom(func(t *rapid.T) (w hunt.Window) {
		if rapid.Bool().Draw(t, "from") {
			w.From = times.Draw(t, "from").Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns")))
		}
		if rapid.Bool().Draw(t, "to") {
			w.To = times.Draw(t, "to").Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns")))
		}
		return w
	})
	units     = rapid.SliceOfN(keys, 0, 5)
	sightings = rapid.Custom(func(t *rapid.T) hunt.Sighting {
		s := hunt.Sighting{
			At: times.Draw(t, "at"), Act: hunt.Act(rapid.IntRange(1, 5).Draw(t, "act")), Domain: keys.Draw(t, "domain"), Host: keys.Draw(t, "host"),
			Tenant: hunt.Key(max(0, rapid.IntRange(-6, 6).Draw(t, "tenant"))), URL: keys.Draw(t, "url"), From: accounts.Draw(t, "from"), To: accounts.Draw(t, "to"), Group: groups.Draw(t, "group"),
			Place: vedette.Place(rapid.Uint8().Draw(t, "place")), Verdict: vedette.Verdict(rapid.IntRange(0, 3).Draw(t, "verdict")), Would: vedette.Verdict(rapid.IntRange(0, 3).Draw(t, "would")),
			Established: rapid.Bool().Draw(t, "established"),
			Shape: vedette.Shape{
				Flags: vedette.ShapeFlag(rapid.Uint32().Draw(t, "flags")), TokenLike: rapid.Uint8().Draw(t, "tokens"), Entropy: rapid.Uint8().Draw(t, "entropy"), PathSegments: 1, QueryKeys: 2,
				HostLabels: 3, Length: rapid.Uint16().Draw(t, "length"),
			},
		}
		if rapid.Bool().Draw(t, "elsewhere") {
			s.At = s.At.Add(123 * time.Microsecond).In(time.FixedZone("east", 3600))
		}
		return s
	})
)

// few draws some sightings at positions after what was taken, and the position that they reach.
func (m *model) few(t *rapid.T) ([]hunt.Sighting, journal.Position) {
	some := rapid.SliceOfN(sightings, 0, 12).Draw(t, "sightings")
	at := journal.Position{Frame: m.next + 1}
	for i := range some {
		some[i].Position = at
		switch rapid.IntRange(0, 3).Draw(t, "step") {
		case 0:
			at.Index += 3
		case 1:
			at = journal.Position{Frame: at.Frame + 1}
		}
	}
	return some, at
}

func (m *model) add(t *rapid.T) {
	some, at := m.few(t)
	given := slices.Clone(some)
	if err := m.h.Add(context.Background(), given, at); err != nil {
		t.Fatalf("Add: %v", err)
	}
	if !reflect.DeepEqual(given, some) {
		t.Fatal("Add changed what it was given")
	}
	clear(given) // it is the caller's
	for _, s := range some {
		s.At = time.UnixMilli(s.At.UnixMilli()).UTC()
		m.rows = append(m.rows, s)
	}
	m.taken, m.next = at, at.Frame
}

func (m *model) refused(t *rapid.T) {
	some, at := m.few(t)
	why := rapid.SampledFrom([]string{"backwards", "taken before", "after its end", "no such day"}).Draw(t, "why")
	x := rapid.Custom(func(t *rapid.T) hunt.Sighting { return sightings.Draw(t, "one") }).Draw(t, "wrong")
	x.Position = at
	switch why {
	case "backwards":
		x.Position = journal.Position{Frame: at.Frame + 2}
		y := x
		y.Position.Frame--
		some, at = append(some, x, y), journal.Position{Frame: at.Frame + 3}
	case "taken before":
		x.Position = m.taken
		some = append([]hunt.Sighting{x}, some...)
	case "after its end":
		x.Position.Frame++
		some = append(some, x)
	case "no such day":
		x.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		some = append(some, x)
	}
	if err := m.h.Add(context.Background(), some, at); !errors.Is(err, vedette.ErrInvalid) {
		t.Fatalf("Add, %s: %v, want %v", why, err, vedette.ErrInvalid)
	}
}

func (m *model) canceled(t *rapid.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	some, at := m.few(t)
	_, err1 := m.h.Find(ctx, []hunt.Key{1}, hunt.Window{}, func(int, *hunt.Sighting) bool { return true })
	_, err2 := m.h.Of(ctx, []vedette.AccountID{account(1)}, hunt.Window{}, func(*hunt.Sighting) bool { return true })
	_, err3 := m.h.Erase(ctx, account(1), group(1))
	_, err4 := m.h.Forget(ctx, []hunt.Key{1})
	_, err5 := m.h.Expire(ctx, noon)
	for i, err := range []error{err1, err2, err3, err4, err5, m.h.Add(ctx, some, at), m.h.Flush(ctx)} {
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("call %d with a context that has ended: %v", i, err)
		}
	}
}

func (m *model) flush(t *rapid.T) {
	if err := m.h.Flush(context.Background()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	if at := m.h.Position(); at != m.taken {
		t.Fatalf("Position after Flush: %s, want %s", at, m.taken)
	}
	m.durable = m.taken
}

// answer is what a question finds, in order.
func (m *model) answer(want func(*hunt.Sighting) bool) (out []hunt.Sighting) {
	for _, s := range m.rows {
		if want(&s) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b hunt.Sighting) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		switch {
		case a.Position.Less(b.Position):
			return -1
		case b.Position.Less(a.Position):
			return 1
		}
		return 0
	})
	return out
}

// same compares answers, of which a reader may have had enough.
func same(t *rapid.T, call string, got, want []hunt.Sighting, damage []hunt.Damage, err error) {
	if err != nil || len(damage) > 0 {
		t.Fatalf("%s: %v, %v", call, damage, err)
	}
	if len(got) == len(want) && (len(got) == 0 || reflect.DeepEqual(got, want)) {
		return
	}
	list := func(all []hunt.Sighting) string {
		var b strings.Builder
		for _, s := range all {
			fmt.Fprintf(&b, "\n  %+v", s)
		}
		return b.String()
	}
	t.Fatalf("%s: got %d:%s\nwant %d:%s", call, len(got), list(got), len(want), list(want))
}

func (m *model) find(t *rapid.T) {
	asked, w := units.Draw(t, "units"), windows.Draw(t, "window")
	enough := rapid.IntRange(1, 40).Draw(t, "enough")
	want := m.answer(func(s *hunt.Sighting) bool {
		return s.Unit() != 0 && slices.Contains(asked, s.Unit()) && w.Covers(s.At)
	})
	want = want[:min(enough, len(want))]
	var got []hunt.Sighting
	damage, err := m.h.Find(context.Background(), asked, w, func(unit int, s *hunt.Sighting) bool {
		if want := slices.Index(asked, s.Unit()); unit != want {
			t.Fatalf("Find: unit %d for %v, want %d of %v", unit, s, want, asked)
		}
		got = append(got, *s)
		return len(got) < enough
	})
	same(t, fmt.Sprintf("Find(%v, %v)", asked, w), got, want, damage, err)
}

func (m *model) of(t *rapid.T) {
	asked, w := rapid.SliceOfN(accounts, 0, 3).Draw(t, "accounts"), windows.Draw(t, "window")
	is := func(a vedette.AccountID) bool { return !a.IsZero() && slices.Contains(asked, a) }
	want := m.answer(func(s *hunt.Sighting) bool { return (is(s.From) || is(s.To)) && w.Covers(s.At) })
	var got []hunt.Sighting
	damage, err := m.h.Of(context.Background(), asked, w, func(s *hunt.Sighting) bool { got = append(got, *s); return true })
	same(t, fmt.Sprintf("Of(%v, %v)", asked, w), got, want, damage, err)
}

func (m *model) cost(t *rapid.T) {
	asked, w := units.Draw(t, "units"), windows.Draw(t, "window")
	c, err := m.h.Cost(context.Background(), asked, w)
	days, rows := map[int]bool{}, int64(0)
	for _, s := range m.rows {
		if w.CoversDay(hunt.DayOf(s.At)) {
			days[hunt.DayOf(s.At)] = true
			rows++
		}
	}
	if err != nil || c.Days < len(days) || c.Rows != rows || c.Possible > c.Lookups || c.Possible < 0 {
		t.Fatalf("Cost(%v, %v): %+v, %v; want %d days at least, %d rows", asked, w, c, err, len(days), rows)
	}
}

func (m *model) drop(t *rapid.T, call string, n int64, err error, gone func(*hunt.Sighting) bool) {
	had := len(m.rows)
	m.rows = slices.DeleteFunc(m.rows, func(s hunt.Sighting) bool { return gone(&s) })
	if err != nil || n != int64(had-len(m.rows)) {
		t.Fatalf("%s: %d, %v; want %d", call, n, err, had-len(m.rows))
	}
}

func (m *model) erase(t *rapid.T) {
	a, g := accounts.Draw(t, "account"), groups.Draw(t, "group")
	n, err := m.h.Erase(context.Background(), a, g)
	m.drop(t, fmt.Sprintf("Erase(%x, %x)", a[15], g[15]), n, err, func(s *hunt.Sighting) bool {
		return !a.IsZero() && (s.From == a || s.To == a) || !g.IsZero() && s.Group == g
	})
}

func (m *model) forget(t *rapid.T) {
	asked := rapid.SliceOfN(keys, 0, 2).Draw(t, "units")
	n, err := m.h.Forget(context.Background(), asked)
	m.drop(t, fmt.Sprintf("Forget(%v)", asked), n, err, func(s *hunt.Sighting) bool { return s.Unit() != 0 && slices.Contains(asked, s.Unit()) })
}

func (m *model) expire(t *rapid.T) {
	before := times.Draw(t, "before").Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns")) - 24*time.Hour)
	n, err := m.h.Expire(context.Background(), before)
	m.drop(t, fmt.Sprintf("Expire(%s)", before), n, err, func(s *hunt.Sighting) bool { return s.At.Before(before) })
}

// again has the history end and opened anew: what Position had said is there, and nothing after it. The rest is given again.
func (m *model) again(t *rapid.T) {
	if m.reopen == nil {
		t.Skip("nothing outlasts it")
	}
	said := m.h.Position()
	m.h = m.reopen(m.h)
	at := m.h.Position()
	if at.Less(said) || m.taken.Less(at) {
		t.Fatalf("opened again: Position %s, it had said %s, and %s was taken", at, said, m.taken)
	}
	var rest []hunt.Sighting
	m.rows = slices.DeleteFunc(m.rows, func(s hunt.Sighting) bool {
		if at.Less(s.Position) {
			rest = append(rest, s)
		}
		return at.Less(s.Position)
	})
	m.check(t)
	if err := m.h.Add(context.Background(), rest, m.taken); err != nil {
		t.Fatalf("Add again: %v", err)
	}
	m.rows = append(m.rows, rest...)
}

// check holds after whatever was done.
func (m *model) check(t *rapid.T) {
	if at := m.h.Position(); at.Less(m.durable) || m.taken.Less(at) {
		t.Fatalf("Position: %s, want %s to %s", at, m.durable, m.taken)
	}
	st, err := m.h.Stats(context.Background())
	if err != nil || st.Sightings != int64(len(m.rows)) || len(st.Damaged) > 0 {
		t.Fatalf("Stats: %+v, %v; want %d sightings", st, err, len(m.rows))
	}
	if len(m.rows) > 0 {
		rows := m.answer(func(*hunt.Sighting) bool { return true })
		// What went may still be counted in, but nothing that is there may stand outside.
		if oldest, newest := rows[0].At, rows[len(rows)-1].At; st.Oldest.After(oldest) || st.Newest.Before(newest) {
			t.Fatalf("Stats: %s to %s, and there is %s to %s", st.Oldest, st.Newest, oldest, newest)
		}
	}
}
