package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette"
	"vedette/internal/corpus"
	"vedette/record/indicator"
)

var day = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

func open(t testing.TB) *Indicators {
	t.Helper()
	db, err := Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db.Indicators()
}

func statement(value string) indicator.Indicator {
	return indicator.Indicator{
		Value: value, Scope: indicator.ScopeDomain, Source: "desk", Operator: "Vendor 1", TLP: indicator.TLPAmber,
		KnownFrom: day, Published: day.AddDate(0, -1, 0), Verdict: vedette.Warn, Weight: 15000, Original: "[domain-name:value='" + value + "']", Ref: "indicator--1",
	}
}

func names(t *testing.T, list iter.Seq2[indicator.Indicator, error]) []string {
	t.Helper()
	var out []string
	for in, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s", in.Value, in.Verdict))
	}
	slices.Sort(out)
	return out
}

func TestWhatWasKnownStaysKnownAsItWasThen(t *testing.T) {
	s, ctx := open(t), t.Context()
	put := func(at time.Time, list ...indicator.Indicator) indicator.Changes {
		t.Helper()
		c, err := s.Put(ctx, list, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := statement("bad.example"), statement("worse.example")
	if c := put(day, a, b, a); c != (indicator.Changes{Added: 2, Same: 1}) {
		t.Errorf("first Put = %+v, want two added, one the same", c)
	}
	again := a
	again.KnownFrom = day.AddDate(0, 0, 1)
	if c := put(day.AddDate(0, 0, 1), again); c != (indicator.Changes{Same: 1}) {
		t.Errorf("Put of the same again = %+v, want one the same", c)
	}
	again.Verdict = vedette.Block
	if c := put(day.AddDate(0, 0, 2), again); c != (indicator.Changes{Changed: 1}) {
		t.Errorf("Put of something new = %+v, want one changed", c)
	}
	if err := s.Revoke(ctx, b.Key(), "it was a mistake", day.AddDate(0, 0, 3)); err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(ctx, b.Key(), "again", day.AddDate(0, 0, 3)); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("second Revoke = %v, want ErrUnknown", err)
	}
	if c := put(day.AddDate(0, 0, 4), b); c != (indicator.Changes{Added: 1}) {
		t.Errorf("Put of what was revoked = %+v, want one added", c)
	}
	for _, tt := range []struct {
		at   time.Time
		want []string
	}{
		{day.Add(-time.Hour), nil},
		{day, []string{"bad.example warn", "worse.example warn"}},
		{day.AddDate(0, 0, 2), []string{"bad.example block", "worse.example warn"}},
		{day.AddDate(0, 0, 3), []string{"bad.example block"}},
		{day.AddDate(0, 0, 4), []string{"bad.example block", "worse.example warn"}},
		{time.Time{}, []string{"bad.example block", "worse.example warn"}},
	} {
		if d := cmp.Diff(tt.want, names(t, s.Known(ctx, tt.at))); d != "" {
			t.Errorf("Known(%s) differs (-want +got):\n%s", tt.at, d)
		}
		if d := cmp.Diff(tt.want, names(t, s.Compile(ctx, tt.at))); d != "" {
			t.Errorf("Compile(%s) differs (-want +got):\n%s", tt.at, d)
		}
	}
	vs, err := s.History(ctx, b.Key())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range vs {
		got = append(got, fmt.Sprintf("%s %s known %s %q", v.Change, v.Recorded.Format(time.DateOnly), v.KnownFrom.Format(time.DateOnly), v.Reason))
	}
	want := []string{`added 2026-11-25 known 2026-11-25 ""`, `revoked 2026-11-28 known 2026-11-25 "it was a mistake"`, `added 2026-11-29 known 2026-11-25 ""`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("History differs (-want +got):\n%s", d)
	}
	found, err := s.Lookup(ctx, "https://www.bad.example/x")
	if err != nil || len(found) != 0 {
		t.Errorf("Lookup of a URL that no indicator names = %+v, %v", found, err)
	}
	found, err = s.Lookup(ctx, "BAD.example")
	if err != nil || len(found) != 1 {
		t.Fatalf("Lookup = %+v, %v, want one", found, err)
	}
	whole := a
	whole.Verdict = vedette.Block
	if d := cmp.Diff(whole, found[0].Indicator, cmp.AllowUnexported(indicator.Admiralty{}), cmp.Comparer(func(a, b indicator.Admiralty) bool { return a.String() == b.String() })); d != "" {
		t.Errorf("Lookup differs from what was put (-want +got):\n%s", d)
	}
	if n, err := s.Count(ctx); err != nil || n["desk"] != 2 {
		t.Errorf("Count = %v, %v, want desk 2", n, err)
	}
	if _, err := s.History(ctx, indicator.Key{1}); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("History of nothing = %v, want ErrUnknown", err)
	}
	raw := statement("Bad.Example")
	if _, err := s.Put(ctx, []indicator.Indicator{raw}, day); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Put of a value not in canonical form = %v, want ErrInvalid", err)
	}
}

func TestOverridesAndGuardListsComeBackAsTheyWerePut(t *testing.T) {
	s, ctx := open(t), t.Context()
	o := indicator.Overridden{Act: []byte(`{"act":"indicator.override"}`), Approvals: [][]byte{{1, 2}, {3}}, At: day}
	if err := s.PutOverride(ctx, o); err != nil {
		t.Fatal(err)
	}
	got, err := s.Overrides(ctx)
	if err != nil || len(got) != 1 || cmp.Diff(o, got[0]) != "" {
		t.Errorf("Overrides = %+v, %v, want %+v", got, err, o)
	}
	l := indicator.GuardList{Name: "ours", Kind: indicator.Popular, Data: []byte("city.example\n"), Added: day}
	for range 2 {
		if err := s.PutGuardList(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
	lists, err := s.GuardLists(ctx)
	if err != nil || len(lists) != 1 || cmp.Diff(l, lists[0]) != "" {
		t.Errorf("GuardLists = %+v, %v, want %+v", lists, err, l)
	}
	for range 2 {
		if err := s.Keep(ctx, []indicator.Kept{{Type: "email", Value: "a@bad.example", Source: "desk"}}, day); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.CountKept(ctx); err != nil || n["email"] != 1 {
		t.Errorf("CountKept = %v, %v, want one email", n, err)
	}
}

func TestTheStoreRefusesToWorkAfterItsContextEnds(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, []indicator.Indicator{statement("bad.example")}, day); !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want context.Canceled", err)
	}
	if got := names(t, s.Known(t.Context(), time.Time{})); len(got) != 0 {
		t.Errorf("after it Known = %v, want nothing", got)
	}
}

func TestImportingAFileAgainAddsNothing(t *testing.T) {
	s, ctx := open(t), t.Context()
	im := indicator.Importer{Store: s, Guard: indicator.NewGuard()}
	for i, want := range []int{336, 0} {
		f, err := os.Open(corpus.Path(t, "indicators", "amnesty", "2021-12-16_cytrox", "cytrox.stix2"))
		if err != nil {
			t.Fatal(err)
		}
		rep, err := im.Import(ctx, f, "cytrox.stix2", indicator.ImportOptions{Source: "amnesty", At: day.AddDate(0, 0, i)})
		if err != nil || rep.Taken != 336 || rep.Added != want || rep.Changed != 0 {
			t.Errorf("import %d: taken %d, added %d, changed %d, %v, want 336, %d, 0", i+1, rep.Taken, rep.Added, rep.Changed, err, want)
		}
		_ = f.Close()
	}
	if n, err := s.CountKept(ctx); err != nil || n["file"] != 6 || n["configuration-profile"] != 1 {
		t.Errorf("CountKept = %v, %v, want 6 files and a profile", n, err)
	}
}

func TestWhatItsSourceTakesBackIsRevoked(t *testing.T) {
	s, ctx := open(t), t.Context()
	im := indicator.Importer{Store: s, Guard: indicator.NewGuard()}
	const text = `{"type":"bundle","id":"b","objects":[{"type":"indicator","id":"indicator--1","pattern":"[domain-name:value='bad.example']","revoked":%t}]}`
	for i, revoked := range []bool{false, true, true, false} {
		if _, err := im.Import(ctx, strings.NewReader(fmt.Sprintf(text, revoked)), "x.json", indicator.ImportOptions{Source: "desk", At: day.AddDate(0, 0, i)}); err != nil {
			t.Fatal(err)
		}
		want := []string{"bad.example allow"}
		if revoked {
			want = nil
		}
		if d := cmp.Diff(want, names(t, s.Known(ctx, time.Time{}))); d != "" {
			t.Errorf("after import %d Known differs (-want +got):\n%s", i+1, d)
		}
	}
	in := indicator.Indicator{Value: "bad.example", Scope: indicator.ScopeDomain, Source: "desk"}
	vs, err := s.History(ctx, in.Key())
	if err != nil || len(vs) != 3 || !vs[2].KnownFrom.Equal(day.AddDate(0, 0, 3)) {
		t.Errorf("History = %+v, %v, want added, revoked, added anew", vs, err)
	}
}

// table writes a CSV file of n lines as it is read.
func table(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "type,value,comment\n")
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "domain,n%xq%d.example,line\n", uint32(i)*2654435761, i)
			if b.Len() > 1<<16 || i == n-1 {
				if _, err := io.WriteString(w, b.String()); err != nil {
					return
				}
				b.Reset()
			}
		}
		_ = w.Close()
	}()
	return r
}

func BenchmarkImport(b *testing.B) {
	n := 100_000
	if os.Getenv("VEDETTE_BIG") != "" {
		n = 1_000_000
	}
	s := open(b)
	im := indicator.Importer{Store: s, Guard: indicator.NewGuard()}
	run := func(name string, added int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rep, err := im.Import(b.Context(), table(n), "big.csv", indicator.ImportOptions{Source: "desk", At: day})
				if err != nil || rep.Taken != n || rep.Added != added {
					b.Fatalf("Import = %+v, %v", rep, err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
	run("new", n)
	run("again", 0)
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			var bad error
			set, err := indicator.Build(func(yield func(indicator.Indicator) bool) {
				for in, err := range s.Compile(b.Context(), time.Time{}) {
					if err != nil {
						bad = err
						return
					}
					if !yield(in) {
						return
					}
				}
			}, nil)
			if err != nil || bad != nil || set.Len() != n {
				b.Fatal(set.Len(), err, bad)
			}
		}
	})
}
