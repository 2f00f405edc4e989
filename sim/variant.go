package sim

import (
	"fmt"
	"strings"

	"vedette"
)

// Variant is one way to spell a link so that a careless reader does not see where it leads. Every one of them is opened by a usual
// browser, or by a usual messenger's way of making text tappable, at the same host as the plain spelling.
type Variant struct {
	Name string
	// spell writes the link to host and path; path begins with a slash.
	spell func(host, path string) string
	// below says that the link leads to a name below the indicator's, so that only an indicator for a whole domain reaches it.
	below bool
	// drops says that the path is not kept, so that only an indicator for a host reaches it.
	drops bool
}

// Spell writes the link. path is empty or begins with a slash.
func (v Variant) Spell(host, path string) string { return v.spell(host, path) }

// variants is in the order of the truth page. Names are part of the format: append, never rename.
var variants = []Variant{
	{Name: "plain", spell: func(h, p string) string { return "https://" + h + p }},
	{Name: "http", spell: func(h, p string) string { return "http://" + h + p }},
	{Name: "upper-case", spell: func(h, p string) string { return "HTTPS://" + strings.ToUpper(h) + p }},
	{Name: "mixed-case", spell: func(h, p string) string { return "hTTps://" + alternate(h) + p }},
	{Name: "www", below: true, spell: func(h, p string) string { return "https://www." + h + p }},
	{Name: "subdomain", below: true, spell: func(h, p string) string { return "https://m.login." + h + p }},
	{Name: "no-path", drops: true, spell: func(h, _ string) string { return "https://" + h }},
	{Name: "no-scheme", spell: func(h, p string) string { return h + p }},
	{Name: "bare-host", drops: true, spell: func(h, _ string) string { return h }},
	{Name: "port", spell: func(h, p string) string { return "https://" + h + ":443" + p }},
	{Name: "other-port", drops: true, spell: func(h, p string) string { return "https://" + h + ":8443" + p }},
	{Name: "user", spell: func(h, p string) string { return "https://ana@" + h + p }},
	{Name: "user-decoy", spell: func(h, p string) string { return "https://news.example:x@" + h + p }},
	{Name: "trailing-dot", spell: func(h, p string) string { return "https://" + h + "." + p }},
	{Name: "percent-host", spell: func(h, p string) string { return "https://" + percent(h) + p }},
	{Name: "percent-path", spell: func(h, p string) string { return "https://" + h + percentPath(p) }},
	{Name: "fullwidth", spell: func(h, p string) string { return "https://" + fullwidth(h) + p }},
	{Name: "fullwidth-dot", spell: func(h, p string) string { return "https://" + strings.ReplaceAll(h, ".", "。") + p }},
	{Name: "soft-hyphen", spell: func(h, p string) string { return "https://" + h[:1] + "\u00ad" + h[1:] + p }},
	{Name: "zero-width", spell: func(h, p string) string { return "https://" + h[:1] + "\u200b" + h[1:] + p }},
	{Name: "math-letters", spell: func(h, p string) string { return "https://" + mathLetters(h) + p }},
	{Name: "backslashes", spell: func(h, p string) string { return `https:\\` + h + strings.ReplaceAll(p, "/", `\`) }},
	{Name: "many-slashes", spell: func(h, p string) string { return "https:////" + h + p }},
	{Name: "tab-inside", spell: func(h, p string) string { return "https://" + h[:1] + "\t" + h[1:] + p }},
	{Name: "spaces-around", spell: func(h, p string) string { return " \n https://" + h + p + " " }},
	{Name: "dot-segments", spell: func(h, p string) string { return "https://" + h + "/a/./b/%2e%2e/.." + p }},
	{Name: "query-and-fragment", drops: true, spell: func(h, p string) string { return "https://" + h + p + "?utm_source=n#/a@b" }},
	{Name: "mixed-direction", drops: true, spell: func(h, p string) string { return "https://" + h + p + "/\u202egpj.\u202c" }},
}

// Variants returns every way of spelling, in a constant order.
func Variants() []Variant { return append([]Variant(nil), variants...) }

// variantsNamed returns the named ones, in the constant order, or all for none. Its error wraps vedette.ErrInvalid.
func variantsNamed(names []string) ([]Variant, error) {
	if len(names) == 0 {
		return variants, nil
	}
	left := map[string]bool{}
	for _, n := range names {
		left[n] = true
	}
	var out []Variant
	for _, v := range variants {
		if left[v.Name] {
			out = append(out, v)
			delete(left, v.Name)
		}
	}
	for n := range left {
		return nil, fmt.Errorf("sim: variant %q is unknown: %w", n, vedette.ErrInvalid)
	}
	return out, nil
}

func alternate(h string) string {
	b := []byte(h)
	for i := 0; i < len(b); i += 2 {
		if b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// percent writes every second letter of the first label in percent-encoding.
func percent(h string) string {
	var sb strings.Builder
	first := true
	for i := range len(h) {
		first = first && h[i] != '.'
		if first && i%2 == 0 && h[i] != '-' && h[i] < 0x80 {
			fmt.Fprintf(&sb, "%%%02x", h[i])
		} else {
			sb.WriteByte(h[i])
		}
	}
	return sb.String()
}

func percentPath(p string) string {
	for i := range len(p) {
		if c := p[i]; c >= 'a' && c <= 'z' {
			return fmt.Sprintf("%s%%%02X%s", p[:i], c, p[i+1:])
		}
	}
	return p
}

func fullwidth(h string) string {
	return mapLetters(h, func(c rune) rune { return c - 'a' + 'ａ' })
}

func mathLetters(h string) string {
	return mapLetters(h, func(c rune) rune { return c - 'a' + '𝐚' }) // mathematical bold
}

// mapLetters changes a to z. A label that is already an A-label stays as it is: its letters are an encoding, and no client would
// read it as one if they were changed.
func mapLetters(h string, f func(rune) rune) string {
	labels := strings.Split(h, ".")
	for i, l := range labels {
		if strings.HasPrefix(l, "xn--") {
			continue
		}
		labels[i] = strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' {
				return f(c)
			}
			return c
		}, l)
	}
	return strings.Join(labels, ".")
}

// Keeps tells whether the spelling leads to the very same URL as the plain one, but for the scheme.
func (v Variant) Keeps() bool { return !v.drops && !v.below }
