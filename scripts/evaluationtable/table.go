//go:build ignore

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"vedette/link"
	"vedette/sim"
)

// share is k of n.
type share struct{ k, n int }

func (s *share) add(hit bool) {
	s.n++
	if hit {
		s.k++
	}
}

// String is "k of n, p % (lo to hi)". As many digits are given as the interval bears.
func (s share) String() string {
	if s.n == 0 {
		return "none asked"
	}
	return fmt.Sprintf("%s of %s, %s", count(s.k), count(s.n), s.percent())
}

func (s share) percent() string {
	if s.n == 0 {
		return "–"
	}
	lo, hi := sim.Wilson(s.k, s.n)
	digits := 1
	for w := 100 * (hi - lo); w < 1 && digits < 4; w *= 10 {
		digits++
	}
	p := 100 * float64(s.k) / float64(s.n)
	f := func(v float64) string { return fmt.Sprintf("%.*f", digits, v) }
	return fmt.Sprintf("%s %% (%s to %s)", f(p), f(100*lo), f(100*hi))
}

// count writes a number in groups of three.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// page gathers the text.
type page struct{ strings.Builder }

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) head(cells ...string) {
	p.row(cells...)
	p.WriteString("|" + strings.Repeat("---|", len(cells)) + "\n")
}

func (p *page) row(cells ...string) {
	p.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// shown makes a link or host safe to stand in the page: defanged, nothing invisible, nothing that ends a cell.
func shown(s string) string {
	var b strings.Builder
	for _, r := range link.Defang(s) {
		switch {
		case r == '|' || r == '`' || r > unicode.MaxASCII || !unicode.IsPrint(r):
			fmt.Fprintf(&b, "{U+%04X}", r)
		default:
			b.WriteRune(r)
		}
	}
	return "`" + b.String() + "`"
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func byCount(m map[string]int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
}

func tally(m map[string]int) string {
	if len(m) == 0 {
		return "none"
	}
	var parts []string
	for _, k := range byCount(m) {
		parts = append(parts, fmt.Sprintf("`%s` %s", k, count(m[k])))
	}
	return strings.Join(parts, ", ")
}
