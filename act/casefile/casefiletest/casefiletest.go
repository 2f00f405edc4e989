// Package casefiletest holds implementations of casefile.Store against their promises.
//
// In:     a function that opens an empty store, and one that opens it again after a restart.
// Out:    test failures.
// Keeps:  nothing.
// Fails:  through testing.T only.
// Source: act/casefile
package casefiletest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette"
	"vedette/act/casefile"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func token(n byte) vedette.Token {
	return vedette.Token{Kind: vedette.TokenDomain, Epoch: 52, Bytes: [16]byte{n}}
}

func matter(n byte) casefile.Case {
	return casefile.Case{
		ID: casefile.About("chat", token(n)), Tenant: "chat", State: casefile.Signal, About: token(n), Kind: "domain", Name: fmt.Sprintf("h%d.example", n),
		Display: fmt.Sprintf("h%d[.]example", n), Opened: at, Changed: at, Version: 1,
	}
}

func report(n byte, cases ...casefile.Case) casefile.Report {
	r := casefile.Report{
		ID: vedette.EventID{n}, Tenant: "chat", Bytes: vedette.Digest{n, 1}, At: at, Taken: at.Add(time.Duration(n) * time.Second),
		Reporter: vedette.AccountID{n}, Subject: vedette.AccountID{200}, Message: vedette.EventID{100}, Category: vedette.ReportScam,
		Grade: casefile.Transcript, Recorded: true, Why: "it's so", Share: n%2 == 0, Opened: []byte{n, 2}, Age: 30 * time.Hour, Component: 1<<63 + uint64(n),
	}
	for _, c := range cases {
		r.Case = cases[0].ID
		l := vedette.Link{Where: vedette.InQRCode, Domain: c.About, URL: vedette.Token{Kind: vedette.TokenURL, Epoch: 52, Bytes: [16]byte{n}}}
		l.Shape = vedette.Shape{Flags: vedette.ShapeIDN | vedette.ShapeNoReferrable, TokenLike: 1, Entropy: 2, PathSegments: 3, QueryKeys: 4, HostLabels: 5, Length: 60000}
		r.Links = append(r.Links, casefile.Link{Host: c.Name, Display: c.Display, Tokens: l, URL: []byte{n, 3}, Case: c.ID})
	}
	return r
}

func step(c casefile.Case, n int) casefile.Step {
	return casefile.Step{
		Case: c.ID, Number: n, At: at, State: casefile.Confirmed, By: []string{"ana", "omar"}, Why: `"so"`, Act: vedette.Digest{9}, Value: "h.example",
		Display: "h[.]example", Scope: "host", Finding: vedette.Digest{8},
	}
}

// Run holds a store against the promises. open returns an empty store and a function that gives the same store after a restart.
func Run(t *testing.T, open func(t *testing.T) (casefile.Store, func() casefile.Store)) {
	keep := func(t *testing.T, s casefile.Store, c casefile.Change) {
		t.Helper()
		if err := s.Keep(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("what was kept comes back as it was", func(t *testing.T) {
		s, again := open(t)
		a, b := matter(1), matter(2)
		a.State, a.First, a.Last, a.Weight, a.Voices, a.Reports, a.Shared, a.Best = casefile.Open, at, at.Add(time.Hour), 1750, 2, 3, 1, casefile.Franked
		a.Findings, a.Score, a.Steps, a.Settled = 2, -5, 2, 700
		r := report(7, a, b)
		bare := casefile.Report{ID: vedette.EventID{8}, Tenant: "chat", At: at, Taken: at, Reporter: vedette.AccountID{1}, Grade: casefile.Claim, Age: -1}
		steps := []casefile.Step{step(a, 1), step(a, 2)}
		steps[1].By, steps[1].Act, steps[1].Finding = []string{"vedette"}, vedette.Digest{}, vedette.Digest{}
		who := [17]byte{'a', 7}
		keep(t, s, casefile.Change{Report: &r, Cases: []casefile.Case{a, b}, Steps: steps, Voices: []casefile.Voice{{Case: a.ID, Who: who, Voices: 700}}})
		keep(t, s, casefile.Change{Report: &bare})
		for _, get := range []func() casefile.Store{func() casefile.Store { return s }, again} {
			s := get()
			for _, want := range []casefile.Report{r, bare} {
				got, err := s.Report(t.Context(), "chat", want.ID)
				if d := cmp.Diff(want, got); err != nil || d != "" {
					t.Errorf("Report(%s), %v:\n%s", want.ID, err, d)
				}
			}
			got, err := s.Case(t.Context(), a.ID)
			if d := cmp.Diff(a, got); err != nil || d != "" {
				t.Errorf("Case, %v:\n%s", err, d)
			}
			log, err := s.Steps(t.Context(), a.ID)
			if d := cmp.Diff(steps, log); err != nil || d != "" {
				t.Errorf("Steps, %v:\n%s", err, d)
			}
			if v, err := s.Voice(t.Context(), a.ID, who); err != nil || v != 700 {
				t.Errorf("Voice = %d, %v; want 700", v, err)
			}
			if v, err := s.Voice(t.Context(), b.ID, who); err != nil || v != 0 {
				t.Errorf("Voice of one who has none = %d, %v", v, err)
			}
			if _, err := s.Report(t.Context(), "rival", r.ID); !errors.Is(err, vedette.ErrUnknown) {
				t.Errorf("Report of another tenant = %v", err)
			}
			if _, err := s.Case(t.Context(), "case_none"); !errors.Is(err, vedette.ErrUnknown) {
				t.Errorf("Case of none = %v", err)
			}
			if none, err := s.Steps(t.Context(), "case_none"); err != nil || len(none) != 0 {
				t.Errorf("Steps of none = %d, %v", len(none), err)
			}
		}
	})
	t.Run("a change is kept whole or not at all", func(t *testing.T) {
		s, _ := open(t)
		a, b := matter(1), matter(2)
		r := report(1, a)
		keep(t, s, casefile.Change{Report: &r, Cases: []casefile.Case{a}, Steps: []casefile.Step{step(a, 1)}})
		other := report(2, a, b)
		next := a
		next.Version = 2
		for name, c := range map[string]casefile.Change{
			"a case twice":              {Report: &other, Cases: []casefile.Case{b, a}},
			"a case from the future":    {Report: &other, Cases: []casefile.Case{b, func() casefile.Case { n := a; n.Version = 3; return n }()}},
			"a case that is not there":  {Report: &other, Cases: []casefile.Case{next, func() casefile.Case { n := b; n.Version = 2; return n }()}},
			"a step twice":              {Report: &other, Cases: []casefile.Case{next}, Steps: []casefile.Step{step(a, 1)}},
			"a step after one missing":  {Report: &other, Cases: []casefile.Case{next}, Steps: []casefile.Step{step(a, 3)}},
			"a good step and a bad one": {Report: &other, Cases: []casefile.Case{next}, Steps: []casefile.Step{step(a, 2), step(a, 2)}},
		} {
			if err := s.Keep(t.Context(), c); !errors.Is(err, vedette.ErrConflict) {
				t.Errorf("%s: %v, want conflict", name, err)
			}
		}
		if _, err := s.Report(t.Context(), "chat", other.ID); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("a refused change kept its report: %v", err)
		}
		if _, err := s.Case(t.Context(), b.ID); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("a refused change kept its case: %v", err)
		}
		if log, err := s.Steps(t.Context(), a.ID); err != nil || len(log) != 1 {
			t.Errorf("the log has %d steps, %v; want 1", len(log), err)
		}
		keep(t, s, casefile.Change{Cases: []casefile.Case{next}, Steps: []casefile.Step{step(a, 2), step(a, 3)}})
	})
	t.Run("a stronger report takes the place of a weaker one, with its links", func(t *testing.T) {
		s, _ := open(t)
		a, b := matter(1), matter(2)
		weak, strong := report(1, a, b), report(1, b)
		weak.Grade = casefile.Claim
		keep(t, s, casefile.Change{Report: &weak, Cases: []casefile.Case{a, b}})
		keep(t, s, casefile.Change{Report: &strong})
		got, err := s.Report(t.Context(), "chat", weak.ID)
		if d := cmp.Diff(strong, got); err != nil || d != "" {
			t.Errorf("Report, %v:\n%s", err, d)
		}
		if rs, err := s.Reports(t.Context(), a.ID, 0, 9); err != nil || len(rs) != 0 {
			t.Errorf("the weaker form is still in its case: %d, %v", len(rs), err)
		}
	})
	t.Run("lists go by weight, then by age, then by name", func(t *testing.T) {
		s, _ := open(t)
		var want []casefile.ID
		var all []casefile.Case
		for i, k := range []struct {
			weight casefile.Voices
			opened int
			state  casefile.State
		}{{900, 5, casefile.Signal}, {500, 1, casefile.Open}, {500, 2, casefile.Swept}, {500, 2, casefile.Signal}, {0, 0, casefile.Signal}, {9000, 0, casefile.Closed}} {
			c := matter(byte(i + 1))
			c.Weight, c.Opened, c.State = k.weight, at.Add(time.Duration(k.opened)*time.Hour), k.state
			all = append(all, c)
		}
		keep(t, s, casefile.Change{Cases: all})
		if all[3].ID < all[2].ID {
			all[2], all[3] = all[3], all[2]
		}
		for _, c := range all[:5] {
			want = append(want, c.ID)
		}
		for _, tt := range []struct {
			name string
			f    casefile.Filter
			want []casefile.ID
		}{
			{"all that are open", casefile.Filter{Limit: 40}, want},
			{"two of them", casefile.Filter{Limit: 2}, want[:2]},
			{"the next two", casefile.Filter{Limit: 2, Skip: 2}, want[2:4]},
			{"beyond the end", casefile.Filter{Limit: 2, Skip: 9}, nil},
			{"by state", casefile.Filter{Limit: 40, States: []casefile.State{casefile.Closed, casefile.Open}}, []casefile.ID{all[5].ID, want[1]}},
			{"of the tenant", casefile.Filter{Limit: 40, Tenant: "chat"}, want},
			{"of another tenant", casefile.Filter{Limit: 40, Tenant: "rival"}, nil},
		} {
			cs, err := s.List(t.Context(), tt.f)
			var got []casefile.ID
			for _, c := range cs {
				got = append(got, c.ID)
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
			}
		}
	})
	t.Run("reports of a case go by time, and hosts by how many named them", func(t *testing.T) {
		s, _ := open(t)
		a, b := matter(1), matter(2)
		keep(t, s, casefile.Change{Cases: []casefile.Case{a, b}})
		for _, n := range []byte{5, 3, 4} {
			r := report(n, a, b)
			r.Links = append(r.Links, r.Links[0]) // the same host twice counts once
			if n == 4 {
				r.Links[0].Host, r.Links[0].Display = "z.example", "z[.]example"
				r.Links = append(r.Links, casefile.Link{Case: a.ID}) // tokens alone
			}
			keep(t, s, casefile.Change{Report: &r})
		}
		rs, err := s.Reports(t.Context(), a.ID, 0, 9)
		if err != nil || len(rs) != 3 || rs[0].ID[0] != 3 || rs[1].ID[0] != 4 || rs[2].ID[0] != 5 || len(rs[1].Links) != 4 {
			t.Errorf("Reports = %+v, %v", rs, err)
		}
		if rs, err := s.Reports(t.Context(), a.ID, 1, 1); err != nil || len(rs) != 1 || rs[0].ID[0] != 4 {
			t.Errorf("Reports after one = %+v, %v", rs, err)
		}
		hosts, err := s.Hosts(t.Context(), a.ID, false)
		if d := cmp.Diff([]casefile.Counted{{Host: "h1.example", Display: "h1[.]example", Reports: 3}, {Host: "z.example", Display: "z[.]example", Reports: 1}}, hosts); err != nil || d != "" {
			t.Errorf("Hosts, %v:\n%s", err, d)
		}
		hosts, err = s.Hosts(t.Context(), a.ID, true) // only the even one agreed
		if d := cmp.Diff([]casefile.Counted{{Host: "h1.example", Display: "h1[.]example", Reports: 1}, {Host: "z.example", Display: "z[.]example", Reports: 1}}, hosts); err != nil || d != "" {
			t.Errorf("Hosts of those who agreed, %v:\n%s", err, d)
		}
	})
	t.Run("an erased person is in no report, and what was counted stays", func(t *testing.T) {
		s, again := open(t)
		a := matter(1)
		mine, about, other := report(1, a), report(2, a), report(3, a)
		about.Subject, other.Subject = mine.Reporter, vedette.AccountID{201}
		who := [17]byte{'a', 1}
		keep(t, s, casefile.Change{Report: &mine, Cases: []casefile.Case{a}, Voices: []casefile.Voice{{Case: a.ID, Who: who, Voices: 500}}})
		keep(t, s, casefile.Change{Report: &about})
		keep(t, s, casefile.Change{Report: &other})
		if n, err := s.Erase(t.Context(), "rival", mine.Reporter); err != nil || n != 0 {
			t.Errorf("Erase at another tenant = %d, %v", n, err)
		}
		if n, err := s.Erase(t.Context(), "chat", mine.Reporter); err != nil || n != 2 {
			t.Errorf("Erase = %d, %v; want 2", n, err)
		}
		for _, get := range []func() casefile.Store{func() casefile.Store { return s }, again} {
			s := get()
			got1, err1 := s.Report(t.Context(), "chat", mine.ID)
			got2, err2 := s.Report(t.Context(), "chat", about.ID)
			got3, err3 := s.Report(t.Context(), "chat", other.ID)
			if err := errors.Join(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			if !got1.Reporter.IsZero() || got1.Component != 0 || got1.Opened != nil || got1.Links[0].URL != nil || got1.Subject != mine.Subject {
				t.Errorf("the erased person's report: %+v", got1)
			}
			if !got2.Subject.IsZero() || got2.Opened != nil || got2.Reporter != about.Reporter {
				t.Errorf("the report about the erased person: %+v", got2)
			}
			if d := cmp.Diff(other, got3); d != "" {
				t.Errorf("another report was changed:\n%s", d)
			}
			if v, err := s.Voice(t.Context(), a.ID, who); err != nil || v != 0 {
				t.Errorf("the erased person's voice has the name still: %d, %v", v, err)
			}
			if c, err := s.Case(t.Context(), a.ID); err != nil || c != a {
				t.Errorf("the case was changed: %+v, %v", c, err)
			}
		}
	})
	t.Run("people of closed cases are forgotten in time", func(t *testing.T) {
		s, _ := open(t)
		a, b := matter(1), matter(2)
		b.State = casefile.Closed
		inOpen, inBoth, inClosed, inNone, late := report(1, a), report(2, a, b), report(3, b), report(4), report(50, b)
		keep(t, s, casefile.Change{Cases: []casefile.Case{a, b}})
		for _, r := range []casefile.Report{inOpen, inBoth, inClosed, inNone, late} {
			keep(t, s, casefile.Change{Report: &r})
		}
		for i, want := range []int{2, 0} {
			if n, err := s.Expire(t.Context(), at.Add(10*time.Second)); err != nil || n != want {
				t.Errorf("Expire, time %d = %d, %v; want %d", i+1, n, err, want)
			}
		}
		for _, r := range []casefile.Report{inOpen, inBoth, late} {
			if got, err := s.Report(t.Context(), "chat", r.ID); err != nil || cmp.Diff(r, got) != "" {
				t.Errorf("report %s was changed, %v", r.ID, err)
			}
		}
		for _, r := range []casefile.Report{inClosed, inNone} {
			if got, err := s.Report(t.Context(), "chat", r.ID); err != nil || !got.Reporter.IsZero() || !got.Subject.IsZero() || got.Opened != nil || got.Grade != r.Grade {
				t.Errorf("report %s has its people still: %+v, %v", r.ID, got, err)
			}
		}
	})
	t.Run("of many at once, one makes a version", func(t *testing.T) {
		s, _ := open(t)
		var wg sync.WaitGroup
		var made atomic.Int64
		for n := range byte(8) {
			wg.Go(func() {
				r := report(n+1, matter(1))
				switch err := s.Keep(t.Context(), casefile.Change{Report: &r, Cases: []casefile.Case{matter(1)}}); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, vedette.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if rs, err := s.Reports(t.Context(), matter(1).ID, 0, 99); made.Load() != 1 || err != nil || len(rs) != 1 {
			t.Errorf("%d made version 1, %d reports are kept, %v; want 1 and 1", made.Load(), len(rs), err)
		}
	})
}
