package sibling

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"vedette/internal/corpus"
	"vedette/link"
)

// families is what is published of operators, and the names that anybody knows besides.
type families struct {
	operators map[string][]string // → registrable domains, sorted
	owner     map[string][]string // registrable domain → operators
	popular   map[string]bool     // registrable domains on lists of popular names
	known     []string            // every registrable domain, sorted
}

var loadFamilies = sync.OnceValues(func() (*families, error) {
	dir := os.Getenv("VEDETTE_DATA_CORPORA")
	f := &families{operators: map[string][]string{}, owner: map[string][]string{}, popular: map[string]bool{}}
	all := map[string]bool{}
	put := func(host string, popular bool) {
		host = strings.ToLower(strings.Trim(strings.TrimSpace(host), "."))
		if r := link.Registrable(host); r != "" && strings.Trim(r, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" {
			all[r] = true
			if popular {
				f.popular[r] = true
			}
		}
	}
	table, err := os.Open(filepath.Join(dir, "derived", "indicators_by_operator.csv"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = table.Close() }()
	rows, err := csv.NewReader(table).ReadAll()
	if err != nil {
		return nil, err
	}
	cols := map[string]int{}
	for i, c := range rows[0] {
		cols[c] = i
	}
	for _, r := range rows[1:] {
		get := func(c string) string { return r[cols[c]] }
		reg := link.Registrable(get("registrable"))
		if kind := get("type"); kind != "domain" && kind != "url" || reg == "" || get("host_is_popular_or_legit") != "0" || strings.HasSuffix(reg, ".py") {
			continue
		}
		op, _, _ := strings.Cut(get("operator"), "/evolving")
		if !slices.Contains(f.owner[reg], op) {
			f.owner[reg] = append(f.owner[reg], op)
			f.operators[op] = append(f.operators[op], reg)
		}
		all[reg] = true
	}
	lines := func(popular bool, elem ...string) error {
		file, err := os.Open(filepath.Join(append([]string{dir}, elem...)...))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		sc := bufio.NewScanner(file)
		for sc.Scan() {
			put(sc.Text(), popular)
		}
		return sc.Err()
	}
	document := func(key string, popular bool, elem ...string) error {
		data, err := os.ReadFile(filepath.Join(append([]string{dir}, elem...)...))
		if err != nil {
			return err
		}
		var doc map[string]json.RawMessage
		var list []string
		if err := json.Unmarshal(data, &doc); err != nil {
			return err
		}
		if err := json.Unmarshal(doc[key], &list); err != nil {
			return fmt.Errorf("%v: %w", elem, err)
		}
		for _, h := range list {
			put(h, popular)
		}
		return nil
	}
	for _, err := range []error{
		lines(false, "phish", "phishing-database", "phishing-domains-ACTIVE2.txt"), lines(false, "benign", "disposable-email", "disposable_email_blocklist.conf"),
		document("domains", false, "phish", "discord-nikolaischunk", "domain-list.json"), document("blacklist", false, "phish", "eth-phishing-detect", "config.json"),
		document("list", true, "benign", "misp-warninglists", "majestic_million.json"), document("list", true, "benign", "misp-warninglists", "tranco10k.json"),
		document("list", true, "benign", "misp-warninglists", "cisco_top20k.json"), document("list", true, "benign", "misp-warninglists", "cloudflare-top10k.json"),
		document("list", false, "benign", "misp-warninglists", "university_domains.json"), document("list", false, "benign", "misp-warninglists", "bank-website.json"),
	} {
		if err != nil {
			return nil, err
		}
	}
	lists, err := filepath.Glob(filepath.Join(dir, "benign", "testlists", "*.csv"))
	if err != nil {
		return nil, err
	}
	for _, l := range lists {
		data, err := os.ReadFile(l)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			cell, _, _ := strings.Cut(line, ",")
			if u, err := link.Parse(cell); err == nil {
				put(u.Host(), false)
			}
		}
	}
	for r := range all {
		f.known = append(f.known, r)
	}
	slices.Sort(f.known)
	for _, list := range f.operators {
		slices.Sort(list)
	}
	return f, nil
})

func realFamilies(t testing.TB) *families {
	t.Helper()
	corpus.Path(t, "derived", "indicators_by_operator.csv")
	f, err := loadFamilies()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Operators are divided once and for all: the first have tuned every number in this package, the others report.
var (
	tuned    = []string{"BellTroX/Dark Basin", "Gulf/MENA phishers", "NSO Group", "Stealth Falcon"}
	reported = []string{"BadTraffic", "Bahamut", "Candiru", "Cytrox/Intellexa", "DoNot", "Hacking Team", "NilePhish", "POISON CARP", "Uzbekistan op"}
)

// draw picks at most n hosts of an operator, always the same ones.
func (f *families) draw(op string, n int) []string {
	list := slices.Clone(f.operators[op])
	key := func(s string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte("draw " + s))
		return h.Sum64()
	}
	slices.SortFunc(list, func(a, b string) int {
		if key(a) < key(b) {
			return -1
		}
		return 1
	})
	return list[:min(n, len(list))]
}

// kin tells whether a name is of an operator; unclear that it is of another published one, and so neither kin nor harmless.
func (f *families) kin(name, op string) (kin, unclear bool) {
	owners := f.owner[name]
	return slices.Contains(owners, op), len(owners) > 0 && !slices.Contains(owners, op)
}

const drawn = 60

// Fits the weights of shared parts on the tuned operators. It prints what stands in names.go, and changes nothing.
func TestTuning(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("prints numbers; run it with -v")
	}
	f := realFamilies(t)
	names := NewNames(slices.Values(f.known))
	type row struct {
		m measures
		y float64
		w float64
	}
	var rows []row
	var siblings, others float64 // pairs in all, each operator weighing the same
	for _, op := range tuned {
		hosts := f.draw(op, drawn)
		for _, h := range hosts {
			share := 1 / float64(len(hosts))
			siblings += share * float64(len(f.operators[op])-1) / float64(len(f.operators[op]))
			others += share * float64(names.Len()-len(f.operators[op])) / float64(len(f.operators[op]))
			s := splitOf(h)
			for _, c := range names.like(&s) {
				kin, unclear := f.kin(c.name.reg, op)
				if unclear || f.popular[c.name.reg] {
					continue
				}
				r := row{m: compare(&s, &c.name, &c.part), w: share / float64(len(f.operators[op])) * 100}
				if kin {
					r.y = 1
				}
				rows = append(rows, r)
			}
		}
	}
	// Logistic regression by Newton's method, with a small ridge.
	const k = partMeasures + 1
	var beta [k]float64
	for range 25 {
		var g [k]float64
		var hess [k][k]float64
		for _, r := range rows {
			x := [k]float64{1}
			z := beta[0]
			for i, v := range r.m {
				x[i+1] = float64(v) / 1000
				z += beta[i+1] * x[i+1]
			}
			p := 1 / (1 + math.Exp(-z))
			for i := range k {
				g[i] += r.w * (r.y - p) * x[i]
				for j := range k {
					hess[i][j] += r.w * p * (1 - p) * x[i] * x[j]
				}
			}
		}
		for i := range k {
			g[i] -= 0.01 * beta[i]
			hess[i][i] += 0.01
		}
		step := solve(hess[:], g[:])
		for i := range k {
			beta[i] += step[i]
		}
	}
	toBits := 1 / math.Ln2
	base := beta[0]*toBits + math.Log2(others/siblings)
	var ws []string
	for _, b := range beta[1:] {
		ws = append(ws, fmt.Sprintf("%.0f", 1000*b*toBits))
	}
	t.Logf("%d names, %d pairs; others to siblings %.1f bits", names.Len(), len(rows), math.Log2(others/siblings))
	t.Logf("partWeights = measures{%s}; partBase = %.0f", strings.Join(ws, ", "), base*1000)
}

func solve(a [][partMeasures + 1]float64, b []float64) []float64 {
	n := len(b)
	for i := range n {
		p := i
		for r := i + 1; r < n; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[p][i]) {
				p = r
			}
		}
		a[i], a[p] = a[p], a[i]
		b[i], b[p] = b[p], b[i]
		for r := i + 1; r < n; r++ {
			q := a[r][i] / a[i][i]
			for c := i; c < n; c++ {
				a[r][c] -= q * a[i][c]
			}
			b[r] -= q * b[i]
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = b[i]
		for c := i + 1; c < n; c++ {
			x[i] -= a[i][c] * x[c]
		}
		x[i] /= a[i][i]
	}
	return x
}
