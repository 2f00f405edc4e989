package attribution

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette/internal/corpus"
	"vedette/link"
	"vedette/record/indicator"
)

// The real lists name hosts that are or were hostile. Nothing here resolves or opens one.

// published is one row of the table of published names.
type published struct {
	in      indicator.Indicator
	report  string // publication, named
	popular bool
}

// realReports reads the table by operator. A publication is a file, and in a file that collects others' publications, the reference that a row
// names. It is its own source: who collects it says nothing new.
func realReports(t testing.TB) []published {
	t.Helper()
	f, err := os.Open(corpus.Path(t, "derived", "indicators_by_operator.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	grade, err := indicator.ParseAdmiralty("B2")
	if err != nil {
		t.Fatal(err)
	}
	var out []published
	for _, r := range rows[1:] {
		kind, value, operator, class, date, source, note := r[0], r[1], r[3], r[4], r[5], r[6], r[7]
		scope := indicator.ScopeHost
		switch kind {
		case "domain", "ip":
		case "url":
			scope = indicator.ScopeURL
		default:
			continue
		}
		if class == "stalkerware" {
			operator = "stalkerware" // many makers under one word; kept as one that is known
		}
		if scope == indicator.ScopeHost && link.Registrable(strings.ToLower(value)) == strings.ToLower(value) {
			scope = indicator.ScopeDomain
		}
		v, err := indicator.Canonical(value, scope)
		if err != nil {
			continue
		}
		name := strings.TrimPrefix(source, "indicators/")
		name = strings.TrimSuffix(name, filepath.Ext(name))
		if strings.Contains(name, "maltrail") {
			name += " " + short(note)
		}
		g := grade
		out = append(out, published{
			in:     indicator.Indicator{Value: v, Scope: scope, Source: name, Operator: sameOperator(operator), Grade: g, Published: month(date)},
			report: name + " " + date, popular: r[8] == "1",
		})
	}
	return out
}

// sameOperator gives an operator one name. The Meta list of December 2021 says of each of its rows "Cytrox Domain".
func sameOperator(s string) string {
	switch {
	case strings.HasPrefix(s, "Meta 2021-12"):
		return "Cytrox/Intellexa"
	case strings.HasPrefix(s, "NilePhish"):
		return "NilePhish"
	}
	return s
}

// short names a reference without being a link.
func short(ref string) string {
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "https://"), "http://")
	host, _, _ := strings.Cut(ref, "/")
	h := fnv.New32a()
	_, _ = h.Write([]byte(ref))
	return strings.ReplaceAll(host, ".", "-") + "-" + strconv.FormatUint(uint64(h.Sum32()), 36)
}

func month(s string) time.Time {
	for _, form := range []string{"2006-01", "2006"} {
		if at, err := time.Parse(form, s); err == nil {
			return at
		}
	}
	return time.Time{}
}

func open(t testing.TB, elem ...string) io.Reader {
	t.Helper()
	f, err := os.Open(corpus.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if strings.HasSuffix(elem[len(elem)-1], ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	return f
}

// hostsIn returns the distinct hosts of lines that are links or names, sorted.
func hostsIn(lines []string) []string {
	var out []string
	for _, l := range lines {
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if u, err := link.Parse(l); err == nil && link.Registrable(u.Host()) != "" {
			out = append(out, bare(u.Host()))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func linesOf(t testing.TB, elem ...string) []string {
	t.Helper()
	var out []string
	for sc := bufio.NewScanner(open(t, elem...)); sc.Scan(); {
		out = append(out, sc.Text())
	}
	return out
}

// realPhishing returns lists of commodity phishing, by name of the list.
func realPhishing(t testing.TB) map[string][]string {
	t.Helper()
	var discord struct {
		Domains []string `json:"domains"`
	}
	if err := json.NewDecoder(open(t, "phish", "discord-nikolaischunk", "domain-list.json")).Decode(&discord); err != nil {
		t.Fatal(err)
	}
	var eth struct {
		Blacklist []string `json:"blacklist"`
	}
	if err := json.NewDecoder(open(t, "phish", "eth-phishing-detect", "config.json")).Decode(&eth); err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"discord":           hostsIn(discord.Domains),
		"eth-phishing":      hostsIn(eth.Blacklist),
		"openphish":         hostsIn(linesOf(t, "phish", "openphish", "feed.txt")),
		"phishing-database": hostsIn(linesOf(t, "phish", "phishing-database", "phishing-domains-ACTIVE2.txt")),
	}
}

// realOrdinary returns lists of ordinary sites: news and others by country, and the most visited.
func realOrdinary(t testing.TB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	files, err := filepath.Glob(filepath.Join(corpus.Path(t, "benign", "testlists"), "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "00") {
			continue
		}
		r := csv.NewReader(open(t, "benign", "testlists", name))
		r.FieldsPerRecord, r.LazyQuotes = -1, true
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var news, other []string
		for _, row := range rows[min(1, len(rows)):] {
			if len(row) > 1 && row[1] == "NEWS" {
				news = append(news, row[0])
			} else {
				other = append(other, row[0])
			}
		}
		out["news "+strings.TrimSuffix(name, ".csv")] = hostsIn(news)
		out["other "+strings.TrimSuffix(name, ".csv")] = hostsIn(other)
	}
	var tranco struct {
		List []string `json:"list"`
	}
	if err := json.NewDecoder(open(t, "benign", "misp-warninglists", "tranco10k.json")).Decode(&tranco); err != nil {
		t.Fatal(err)
	}
	out["tranco"] = hostsIn(tranco.List)
	return out
}

// half tells two halves of all registered names apart: one for the background and for choosing, one for the report.
func half(host string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(link.Registrable(host)))
	return h.Sum32()&64 == 0
}

// TestMeasuredStyles prints the counts of measured.go.
func TestMeasuredStyles(t *testing.T) {
	for _, set := range []struct {
		name  string
		lists map[string][]string
	}{{"Phishing", realPhishing(t)}, {"Ordinary", realOrdinary(t)}} {
		seen := map[string]bool{}
		var s style
		for _, list := range set.lists {
			for _, h := range list {
				if !seen[h] && half(h) {
					seen[h] = true
					s.add(h)
				}
			}
		}
		t.Logf("measured%s = style{n: %d, seen: [features][14]int{", set.name, s.n)
		for f := range s.seen {
			var parts []string
			for _, n := range s.seen[f][:values[f]] {
				parts = append(parts, strconv.Itoa(n))
			}
			t.Logf("\t{%s},", strings.Join(parts, ", "))
		}
	}
}
