// Package enrichmenttest holds implementations of enrichment.Store against their promises.
//
// In:     a function that opens an empty store, and one that opens it again after a restart.
// Out:    test failures.
// Keeps:  nothing.
// Fails:  through testing.T only.
// Source: record/enrichment
package enrichmenttest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/enrichment"
)

// Run holds a store against the promises. open returns an empty store and a function that gives the same store after a restart.
func Run(t *testing.T, open func(t testing.TB) (enrichment.Store, func() enrichment.Store)) {
	day := time.Date(2026, 2, 11, 9, 12, 0, 0, time.UTC)
	fact := func(host string, kind enrichment.Kind, value string, hours ...int) enrichment.Fact {
		f := enrichment.Fact{Host: host, Kind: kind, Value: value, Source: "feed one"}
		if len(hours) > 0 {
			f.First = day.Add(time.Duration(hours[0]) * time.Hour)
			f.Last = day.Add(time.Duration(hours[len(hours)-1]) * time.Hour)
		}
		return f
	}
	put := func(t *testing.T, s enrichment.Store, facts ...enrichment.Fact) enrichment.Changes {
		t.Helper()
		done, err := s.Put(t.Context(), facts)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	check := func(t *testing.T, what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, want %v", what, got, want)
		}
	}

	t.Run("facts come back by kind, value and source, after a restart too", func(t *testing.T) {
		s, again := open(t)
		want := []enrichment.Fact{
			fact("gull.example", enrichment.Address, "192.0.2.7", 1, 5),
			fact("gull.example", enrichment.Origin, "64500"),
			fact("gull.example", enrichment.NameServer, "ns1.reef.example", 2),
			fact("gull.example", enrichment.Registered, "2026-02-11T09:12:00Z", 0),
			fact("gull.example", enrichment.NewlySeen, "", 3),
		}
		want[4].Last = time.Time{}
		shuffled := []enrichment.Fact{want[3], want[0], want[4], want[2], want[1]}
		check(t, "Put", put(t, s, shuffled...), enrichment.Changes{Added: 5})
		for _, open := range []func() enrichment.Store{func() enrichment.Store { return s }, again} {
			s := open()
			got, err := s.Of(t.Context(), "gull.example")
			check(t, "Of", got, want)
			check(t, "Of's error", err, nil)
			none, err := s.Of(t.Context(), "tern.example")
			if len(none) != 0 || err != nil {
				t.Errorf("Of(unknown) = %v, %v", none, err)
			}
		}
	})
	t.Run("the same again widens and adds nothing", func(t *testing.T) {
		s, _ := open(t)
		put(t, s, fact("gull.example", enrichment.NameServer, "ns1.reef.example", 5, 6))
		check(t, "Put", put(t, s, fact("gull.example", enrichment.NameServer, "ns1.reef.example", 5, 6)), enrichment.Changes{Same: 1})
		check(t, "Put", put(t, s, fact("gull.example", enrichment.NameServer, "ns1.reef.example", 2, 9)), enrichment.Changes{Widened: 1})
		check(t, "Put", put(t, s, fact("gull.example", enrichment.NameServer, "ns1.reef.example")), enrichment.Changes{Same: 1})
		other := fact("gull.example", enrichment.NameServer, "ns1.reef.example", 1)
		other.Source = "feed two"
		check(t, "Put", put(t, s, other), enrichment.Changes{Added: 1})
		got, _ := s.Of(t.Context(), "gull.example")
		check(t, "Of", got, []enrichment.Fact{fact("gull.example", enrichment.NameServer, "ns1.reef.example", 2, 9), other})
		_, total, _ := s.Sharing(t.Context(), enrichment.NameServer, "ns1.reef.example", 9)
		check(t, "Sharing counts a host once", total, 1)
	})
	t.Run("what is not canonical is refused, and nothing of its batch is kept", func(t *testing.T) {
		s, _ := open(t)
		for _, bad := range []enrichment.Fact{
			fact("Gull.example", enrichment.NewlySeen, ""), fact("gull.example", enrichment.Address, "192.0.2.007"),
			fact("gull.example", "colour", "grey"),
			{Host: "gull.example", Kind: enrichment.NewlySeen},
		} {
			if _, err := s.Put(t.Context(), []enrichment.Fact{fact("tern.example", enrichment.NewlySeen, ""), bad}); !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("Put(%v) = %v, want ErrInvalid", bad, err)
			}
		}
		n, _ := s.Names(t.Context())
		check(t, "Names", n, 0)
	})
	t.Run("questions are bounded and counted", func(t *testing.T) {
		s, _ := open(t)
		var all []enrichment.Fact
		for i := range 9 {
			h := fmt.Sprintf("w%dcast.example", 9-i)
			all = append(all, fact(h, enrichment.NameServer, "ns1.reef.example"), fact(h, enrichment.Registered, enrichment.Moment(day.Add(time.Duration(i)*time.Hour)), i),
				fact(h, enrichment.Address, fmt.Sprintf("198.51.100.%d", i)), fact(h, enrichment.Address, fmt.Sprintf("198.51.100.%d", 100+i)),
				fact(h, enrichment.Issuer, "made-up ca", i))
		}
		all = append(all, fact("far.example", enrichment.Address, "198.51.101.1"), fact("six.example", enrichment.Address, "2001:db8:1:2::3"),
			fact("cast.shop.example", enrichment.NewlySeen, ""), fact("broad-cast.example", enrichment.NewlySeen, ""))
		put(t, s, all...)
		hosts, total, err := s.Sharing(t.Context(), enrichment.NameServer, "ns1.reef.example", 2)
		check(t, "Sharing", []any{hosts, total, err}, []any{[]string{"w1cast.example", "w2cast.example"}, 9, nil})
		facts, total, err := s.RegisteredBetween(t.Context(), day.Add(2*time.Hour), day.Add(5*time.Hour), 3)
		check(t, "RegisteredBetween", []any{hostsOf(facts), total, err}, []any{[]string{"w7cast.example", "w6cast.example", "w5cast.example"}, 4, nil})
		facts, total, err = s.IssuedBetween(t.Context(), "made-up ca", day.Add(7*time.Hour), day.Add(99*time.Hour), 9)
		check(t, "IssuedBetween", []any{hostsOf(facts), total, err}, []any{[]string{"w2cast.example", "w1cast.example"}, 2, nil})
		_, total, _ = s.IssuedBetween(t.Context(), "another", day, day.Add(99*time.Hour), 9)
		check(t, "IssuedBetween of another", total, 0)
		facts, total, err = s.Within(t.Context(), "198.51.100.200", 1)
		check(t, "Within", []any{facts, total, err}, []any{[]enrichment.Fact{fact("w1cast.example", enrichment.Address, "198.51.100.108")}, 9, nil})
		facts, total, _ = s.Within(t.Context(), "2001:db8:1:ffff::1", 5)
		check(t, "Within a /48", []any{hostsOf(facts), total}, []any{[]string{"six.example"}, 1})
		if _, _, err := s.Within(t.Context(), "gull", 5); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Within(gull) = %v, want ErrInvalid", err)
		}
		hosts, total, err = s.Containing(t.Context(), "cast", 3)
		check(t, "Containing", []any{hosts, total, err}, []any{[]string{"broad-cast.example", "cast.shop.example", "w1cast.example"}, 11, nil})
		for _, part := range []string{"ca", "example", "st.sh", "", `"`, "zzz", `a"b`, "ast* OR"} {
			hosts, total, err = s.Containing(t.Context(), part, 3)
			if len(hosts) != 0 || total != 0 || err != nil {
				t.Errorf("Containing(%q) = %v, %d, %v, want nothing", part, hosts, total, err)
			}
		}
		_, total, _ = s.Sharing(t.Context(), enrichment.NameServer, "ns1.reef.example", 0)
		check(t, "Sharing with limit 0", total, 9)
		n, _ := s.Names(t.Context())
		check(t, "Names", n, 13)
	})
	t.Run("a source can be taken back", func(t *testing.T) {
		s, again := open(t)
		two := fact("gull.example", enrichment.NewlySeen, "", 4)
		two.Source = "feed two"
		put(t, s, fact("gull.example", enrichment.NameServer, "ns1.reef.example", 1), fact("terncast.example", enrichment.NewlySeen, "", 2), two)
		held, err := s.Sources(t.Context())
		check(t, "Sources", []any{held, err}, []any{[]enrichment.Held{{Source: "feed one", Facts: 2, Newest: day.Add(2 * time.Hour)}, {Source: "feed two", Facts: 1, Newest: day.Add(4 * time.Hour)}}, nil})
		n, err := s.Forget(t.Context(), "feed one")
		check(t, "Forget", []any{n, err}, []any{2, nil})
		n, _ = s.Forget(t.Context(), "feed one")
		check(t, "Forget again", n, 0)
		s = again()
		n, _ = s.Names(t.Context())
		check(t, "Names", n, 1)
		_, n, _ = s.Containing(t.Context(), "cast", 5)
		check(t, "Containing", n, 0)
		put(t, s, fact("terncast.example", enrichment.NewlySeen, "", 2))
		_, n, _ = s.Containing(t.Context(), "cast", 5)
		check(t, "Containing what came again", n, 1)
	})
	t.Run("it answers as the one in memory does", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			s, _ := open(t)
			m := enrichment.NewMemory()
			hosts := rapid.SampledFrom([]string{"a.example", "aaab.example", "b.a.example", "xaab-c.example", "abc.example"})
			gen := rapid.Custom(func(rt *rapid.T) enrichment.Fact {
				f := fact(hosts.Draw(rt, "host"), rapid.SampledFrom(enrichment.Kinds()).Draw(rt, "kind"), "")
				n := rapid.IntRange(0, 2).Draw(rt, "value")
				switch f.Kind {
				case enrichment.NameServer:
					f.Value = fmt.Sprintf("ns%d.example", n)
				case enrichment.Registrar, enrichment.Issuer:
					f.Value = fmt.Sprintf("name %d", n)
				case enrichment.Registered:
					f.Value = enrichment.Moment(day.Add(time.Duration(n) * time.Hour))
				case enrichment.Certificate:
					f.Value = strings.Repeat(string(rune('a'+n)), 64)
				case enrichment.Address:
					f.Value = fmt.Sprintf("192.0.%d.%d", 2+n/2, n)
				case enrichment.Origin:
					f.Value = fmt.Sprint(64500 + n)
				}
				if rapid.Bool().Draw(rt, "first") {
					f.First = day.Add(time.Duration(rapid.IntRange(0, 3).Draw(rt, "at")) * time.Hour)
				}
				if rapid.Bool().Draw(rt, "last") {
					f.Last = day.Add(time.Duration(rapid.IntRange(3, 6).Draw(rt, "end")) * time.Hour)
				}
				f.Source = rapid.SampledFrom([]string{"feed one", "feed two"}).Draw(rt, "source")
				return f
			})
			for range rapid.IntRange(1, 3).Draw(rt, "batches") {
				facts := rapid.SliceOfN(gen, 0, 8).Draw(rt, "facts")
				a, err := s.Put(t.Context(), slices.Clone(facts))
				b, err2 := m.Put(t.Context(), facts)
				if a != b || err != nil || err2 != nil {
					rt.Fatalf("Put = %v, %v; in memory %v, %v", a, err, b, err2)
				}
			}
			limit := rapid.IntRange(0, 4).Draw(rt, "limit")
			if a, b := answers(t, s, limit, day), answers(t, m, limit, day); a != b {
				rt.Fatalf("answers\n%s\nin memory\n%s", a, b)
			}
		})
	})
}

func answers(t *testing.T, s enrichment.Store, limit int, day time.Time) string {
	var b strings.Builder
	show := func(what string, rest ...any) { fmt.Fprintln(&b, what, rest) }
	for _, h := range []string{"a.example", "aaab.example", "b.a.example", "xaab-c.example", "abc.example"} {
		f, err := s.Of(t.Context(), h)
		show("of", len(f), err)
		for i := range f {
			show(" ", f[i])
		}
	}
	for n := range 3 {
		h, total, err := s.Sharing(t.Context(), enrichment.NameServer, fmt.Sprintf("ns%d.example", n), limit)
		show("sharing", len(h), strings.Join(h, " "), total, err)
		f, total, err := s.RegisteredBetween(t.Context(), day, day.Add(time.Duration(n)*time.Hour), limit)
		show("registered", hostsOf(f), total, err)
		f, total, err = s.IssuedBetween(t.Context(), fmt.Sprintf("name %d", n), day, day.Add(time.Duration(n)*time.Hour), limit)
		show("issued", hostsOf(f), total, err)
		f, total, err = s.Within(t.Context(), fmt.Sprintf("192.0.%d.99", 2+n), limit)
		show("within", hostsOf(f), total, err)
	}
	for _, part := range []string{"aab", "aaa", "abc", "b-c"} {
		h, total, err := s.Containing(t.Context(), part, limit)
		show("containing", strings.Join(h, " "), total, err)
	}
	n, err := s.Names(t.Context())
	held, err2 := s.Sources(t.Context())
	show("all", n, err, held, err2)
	return b.String()
}

func hostsOf(facts []enrichment.Fact) (out []string) {
	for i := range facts {
		out = append(out, facts[i].Host)
	}
	return out
}
