package indicator

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/internal/corpus"
	"vedette/link"
	"vedette/record/authority"
)

func TestTheGuardSparesWhatManyPeopleUse(t *testing.T) {
	g := NewGuard()
	for _, tt := range []struct {
		name, value string
		scope       Scope
		want        Scope // ScopeNone: refused
		reason      string
	}{
		{"an unknown domain passes", "bad.example", ScopeDomain, ScopeDomain, ""},
		{"a popular domain is refused", "bbc.co.uk", ScopeDomain, ScopeNone, "popular"},
		{"a popular host is refused", "bbc.co.uk", ScopeHost, ScopeNone, "popular"},
		{"a host below a popular domain is refused", "accounts.google.com", ScopeHost, ScopeNone, "stands below google.com"},
		{"a civil-society organisation is refused", "amnesty.org", ScopeDomain, ScopeNone, "popular"},
		{"a URL on a popular host passes", "drive.google.com/file/d/1abc", ScopeURL, ScopeURL, ""},
		{"a path on a popular host passes", "sites.google.com/view/bad", ScopePath, ScopePath, ""},
		{"the front page of a popular host is refused", "bbc.co.uk/", ScopeURL, ScopeNone, "front page"},
		{"a public suffix is refused", "co.uk", ScopeDomain, ScopeNone, "public suffix"},
		{"a hoster's suffix is refused", "github.io", ScopeHost, ScopeNone, "public suffix"},
		{"a tenant below a hoster's suffix passes", "bad.github.io", ScopeDomain, ScopeDomain, ""},
		{"a shared hoster is refused", "wordpress.com", ScopeDomain, ScopeNone, ""},
		{"a shortener is refused", "bit.ly", ScopeDomain, ScopeNone, ""},
		{"a short link passes", "bit.ly/1wl3ye2", ScopeURL, ScopeURL, ""},
		{"a domain above a shared name is narrowed to its host", "afraid.org", ScopeDomain, ScopeHost, "freedns.afraid.org"},
		{"a private address is refused", "192.168.1.1", ScopeHost, ScopeNone, "public internet"},
		{"loopback is refused, URLs on it too", "127.0.0.1/x", ScopeURL, ScopeNone, "public internet"},
		{"a public address passes", "192.0.2.7", ScopeHost, ScopeHost, ""},
		{"a look-alike of a popular name passes", "bbc-co-uk.example", ScopeDomain, ScopeDomain, ""},
	} {
		in := one(tt.value, tt.scope)
		r := g.Check(&in, now)
		got := r.Scope
		if r.Refused {
			got = ScopeNone
		}
		if got != tt.want || !strings.Contains(r.Reason, tt.reason) || (got != tt.scope && r.Reason == "") {
			t.Errorf("%s: Check(%s %s) = %s %q, want %s and a reason with %q", tt.name, tt.scope, tt.value, got, r.Reason, tt.want, tt.reason)
		}
	}
}

func TestAnOperatorsListsJoinTheGuard(t *testing.T) {
	g := NewGuard()
	rep, err := g.Add("ours.txt", strings.NewReader("# our town\ncity.example\n*.club.example\nnot a host\n198.51.100.0/24\n"), 0)
	if err != nil || rep.Names != 2 || rep.Ranges != 1 || rep.Ignored != 1 || rep.Kind != "popular" {
		t.Errorf("Add of a plain list = %+v, %v", rep, err)
	}
	rep, err = g.Add("dyn.json", strings.NewReader(`{"name":"List of dynamic DNS domains","type":"hostname","list":[".dyn.example"]}`), 0)
	if err != nil || rep.Names != 1 || rep.Kind != "shared" {
		t.Errorf("Add of a warning list = %+v, %v", rep, err)
	}
	for value, refused := range map[string]bool{
		"city.example": true, "www.city.example": true, "a.city.example": true, "club.example": true, "dyn.example": true, "tenant.dyn.example": false,
		"198.51.100.9": true, "198.51.101.9": false,
	} {
		in := one(value, ScopeHost)
		if r := g.Check(&in, now); r.Refused != refused {
			t.Errorf("Check(%s) = %+v, want refused %t", value, r, refused)
		}
	}
	for name, text := range map[string]string{
		"broken.json": "{\"name\": \"x\",\n \"list\": [\"a.example\",]}", "other.json": `{"Event": {}}`, "regex.json": `{"name":"x","type":"regex","list":["a.*"]}`,
	} {
		if _, err := g.Add(name, strings.NewReader(text), 0); !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("Add(%s) = %v, want ErrInvalid that names the file", name, err)
		}
	}
}

var _ Approver = (*authority.Register)(nil)

type two struct{ err error }

func (a two) TwoPeople(_ context.Context, act []byte, approvals [][]byte, _ time.Time) error {
	if a.err == nil && len(approvals) < 2 {
		return fmt.Errorf("one is not two: %w", vedette.ErrForbidden)
	}
	return a.err
}

func TestAnOverrideNeedsTwoPeopleAReasonAndAnEnd(t *testing.T) {
	g, ctx := NewGuard(), t.Context()
	o := Override{Value: "https://BBC.co.uk", Scope: ScopeHost, Reason: "the site was taken over, all of it", Expires: now.Add(48 * time.Hour)}
	if _, err := o.Act(); err == nil {
		t.Errorf("Act of a URL as a host: no error")
	}
	o.Value = "BBC.co.uk"
	act, err := o.Act()
	if want := `{"act":"indicator.override","expires":"2026-11-27T08:00:00Z","reason":"the site was taken over, all of it","scope":"host","value":"bbc.co.uk"}`; err != nil || string(act) != want {
		t.Fatalf("Act = %s, %v, want %s", act, err, want)
	}
	in := one("bbc.co.uk", ScopeHost)
	if _, err := g.Allow(ctx, two{}, act, [][]byte{{1}}, now); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Allow by one = %v, want ErrForbidden", err)
	}
	if _, err := g.Allow(ctx, nil, act, [][]byte{{1}, {2}}, now); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Allow without anyone to check = %v, want ErrForbidden", err)
	}
	if r := g.Check(&in, now); !r.Refused {
		t.Fatalf("Check after refused overrides = %+v, want refused", r)
	}
	if _, err := g.Allow(ctx, two{}, append(bytes.Clone(act), ' '), [][]byte{{1}, {2}}, now); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Allow of an act not in canonical form = %v, want ErrInvalid", err)
	}
	if _, err := g.Allow(ctx, two{}, act, [][]byte{{1}, {2}}, now.Add(72*time.Hour)); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Allow after its end = %v, want ErrInvalid", err)
	}
	for name, bad := range map[string]Override{
		"no reason": {o.Value, o.Scope, "because", o.Expires}, "no end": {o.Value, o.Scope, o.Reason, time.Time{}}, "no scope": {o.Value, ScopeNone, o.Reason, o.Expires},
	} {
		if _, err := bad.Act(); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: Act = %v, want ErrInvalid", name, err)
		}
	}
	done, err := g.Allow(ctx, two{}, act, [][]byte{{1}, {2}}, now)
	if err != nil || len(done.Approvals) != 2 {
		t.Fatalf("Allow by two = %+v, %v", done, err)
	}
	ok, why := g.Apply(&in, now)
	if !ok || why != "" || !in.Override || !in.ValidUntil.Equal(o.Expires) || !strings.Contains(in.Note, "two people") {
		t.Errorf("Apply = %t %q, %+v, want it to pass until the override's end", ok, why, in)
	}
	other := one("bbc.co.uk", ScopeDomain)
	if r := g.Check(&other, now); !r.Refused {
		t.Errorf("Check of a wider scope than was approved = %+v, want refused", r)
	}
	if r := g.Check(&in, o.Expires); !r.Refused {
		t.Errorf("Check at the override's end = %+v, want refused", r)
	}
	if r := g.Strict(&in); !r.Refused {
		t.Errorf("Strict = %+v, want refused in spite of the override", r)
	}
}

// benign returns every link and host that honest people use, by the list that says so.
func benign(t testing.TB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	lines := func(name string, r io.Reader) {
		sc := bufio.NewScanner(r)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			f := strings.Split(strings.TrimPrefix(sc.Text(), "\ufeff"), "\t")
			if v := f[len(f)-1]; v != "" && v != "url" && !strings.HasPrefix(v, "#") {
				out[name] = append(out[name], v)
			}
		}
	}
	open := func(path string) *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	root := corpus.Path(t, "benign")
	for _, name := range []string{"irc_train_links.tsv.gz", "slack_links.tsv.gz"} {
		z, err := gzip.NewReader(open(filepath.Join(root, "urls", name)))
		if err != nil {
			t.Fatal(err)
		}
		lines(name, z)
	}
	lines("kasztp.txt", open(filepath.Join(root, "urls", "kasztp.txt")))
	tables, _ := filepath.Glob(filepath.Join(root, "testlists", "*.csv"))
	for _, path := range tables {
		rows, err := csv.NewReader(open(path)).ReadAll()
		if err != nil {
			t.Logf("%s: %v", path, err)
		}
		for _, r := range rows {
			if len(r) > 1 && strings.HasPrefix(r[0], "http") {
				out["testlists/"+filepath.Base(path)] = append(out["testlists/"+filepath.Base(path)], r[0])
			}
		}
	}
	for _, name := range popularLists {
		var w struct{ List []string }
		data, err := os.ReadFile(filepath.Join(root, "misp-warninglists", name))
		if err == nil {
			err = json.Unmarshal(data, &w)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range w.List {
			out[name] = append(out[name], strings.TrimPrefix(v, "."))
		}
	}
	return out
}

// popularLists are warning lists about what many people use; the others tell of sinkholes, exits and the like.
var popularLists = []string{
	"tranco10k.json", "majestic_million.json", "cloudflare-top10k.json", "moz-top500.json", "university_domains.json", "bank-website.json", "lots-project.json",
	"captive-portals.json", "security-provider-blogpost.json", "url-shortener.json", "link-in-bio.json", "public-ipfs-gateways.json", "second-level-tlds.json",
	"dynamic-dns.json", "cisco_top20k.json",
}

func TestFalseStopsOfTheBenignSets(t *testing.T) {
	sets := benign(t)
	root, files := indicatorFiles(t)
	for _, guarded := range []bool{false, true} {
		name := "with the built-in guard alone"
		g := NewGuard()
		if guarded {
			name = "with an operator's popular lists too"
			for _, l := range popularLists {
				f, err := os.Open(corpus.Path(t, "benign", "misp-warninglists", l))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := g.Add(l, f, 0); err != nil {
					t.Fatal(err)
				}
				_ = f.Close()
			}
		}
		t.Run(name, func(t *testing.T) {
			var list []Indicator
			taken, refusedByGuard, narrowed := 0, map[string]bool{}, 0
			values := map[Key]Indicator{}
			for _, rel := range files {
				im := Importer{Guard: g, Each: func(in *Indicator) {
					list = append(list, *in)
					values[in.Key()] = *in
				}}
				rep := importFile(t, &im, filepath.Join(root, rel), sourceOf(rel))
				taken += rep.Taken
				narrowed += rep.Narrowed
				for _, r := range rep.Refusals {
					if strings.Contains(r.Reason, ", by ") || strings.Contains(r.Reason, "shortens") || strings.Contains(r.Reason, "suffix:") {
						refusedByGuard[sourceOf(rel)+" "+r.Value+": "+r.Reason] = true
					}
				}
			}
			s := build(t, nil, list...)
			seen, urls, hosts := 0, 0, map[string]bool{}
			stops := map[string][]string{} // what stopped → the links stopped, with their lists
			var buf []Match
			for _, from := range sortedKeys(sets) {
				for _, raw := range sets[from] {
					seen++
					u, err := link.Parse(raw)
					if err != nil {
						continue
					}
					urls++
					hosts[u.Host()] = true
					buf = s.Match(&u, now, true, buf[:0])
					for _, m := range buf {
						e := s.Entry(m.Number)
						by := fmt.Sprintf("%-6s %s", e.Scope, e.Source)
						key := fmt.Sprintf("%-40s by %s", link.Defang(u.Host()), by)
						stops[key] = append(stops[key], from)
					}
				}
			}
			n := 0
			var out strings.Builder
			for _, k := range sortedKeys(stops) {
				l := stops[k]
				n += len(l)
				slices.Sort(l)
				fmt.Fprintf(&out, "%s  %d× in %v\n", k, len(l), slices.Compact(slices.Clone(l)))
				if guarded && slices.ContainsFunc(l, func(from string) bool { return slices.Contains(popularLists, from) }) {
					t.Errorf("%s is stopped although a list that the guard has names it", k)
				}
			}
			t.Logf("%d indicators taken (%d in the set), %d narrowed, %d distinct refused by the guard; %d links and hosts read (%d of them lines, %d distinct hosts): %d false stops on %d host-and-source pairs\n%s",
				taken, s.Len(), narrowed, len(refusedByGuard), urls, seen, len(hosts), n, len(stops), out.String())
			if n*10_000 > urls {
				t.Errorf("%d false stops among %d links and hosts that honest people use: more than one in ten thousand", n, urls)
			}
			t.Logf("refused by the guard:\n%s", strings.Join(sortedKeys(refusedByGuard), "\n"))
		})
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
