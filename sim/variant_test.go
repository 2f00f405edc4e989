package sim_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"vedette/internal/corpus"
	"vedette/link"
	"vedette/sim"
)

// leads tells whether the spelling leads to the host, or below it.
func leads(t *testing.T, raw, host string) bool {
	t.Helper()
	u, err := link.Parse(raw)
	if err != nil {
		t.Errorf("Parse(%q) = %v", raw, err)
		return false
	}
	return u.Host() == host || strings.HasSuffix(u.Host(), "."+host)
}

func TestEverySpellingLeadsToItsHost(t *testing.T) {
	for _, v := range sim.Variants() {
		for _, host := range []string{"evil.example", "a.b-c.evil-99.co.uk", "xn--mgba3a4f16a.example", "9gag.example"} {
			if raw := v.Spell(host, "/k3xQ9"); !leads(t, raw, host) {
				u, _ := link.Parse(raw)
				t.Errorf("%s: %q leads to %q, want %q", v.Name, raw, u.Host(), host)
			}
		}
	}
}

func TestEverySpellingThatKeepsThePathIsTheSameURL(t *testing.T) {
	const host, path = "evil.example", "/k3xQ9/b"
	want, err := link.Parse("https://" + host + path)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(want.Canonical(), "://")
	for _, v := range sim.Variants() {
		if !v.Keeps() {
			continue
		}
		got, err := link.Parse(v.Spell(host, path))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		exp := got.AppendPaths(nil)
		if len(exp) == 0 || exp[0] != path {
			t.Errorf("%s: %q has the paths %q of %q, want first %q of %q", v.Name, v.Spell(host, path), exp, got.Canonical(), path, after)
		}
	}
}

func TestEverySpellingOfEveryListedHost(t *testing.T) {
	f, err := os.Open(corpus.Path(t, "derived", "indicators_by_operator.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range rows {
		if host := strings.ToLower(row[1]); row[0] == "domain" && !strings.ContainsAny(host, "/:[* ") {
			n++
			for _, v := range sim.Variants() {
				if raw := v.Spell(host, "/k3xQ9"); !leads(t, raw, host) {
					t.Errorf("%s: %q does not lead to its host", v.Name, raw)
				}
			}
		}
	}
	if n < 4000 {
		t.Errorf("only %d hosts were tried", n)
	}
}
