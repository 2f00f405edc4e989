package link

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"vedette"
)

// Display is a link as people should see it. It is text for eyes: where it can be tapped, defang it first.
type Display struct {
	Unicode  string // the canonical URL with its host in Unicode (UTS #46), without what would mislead the eye: a label that cannot be shown safely stays in its A-form
	Marks    []Mark // the characters of the host that may be taken for others, in order
	Skeleton string // of the host: equal for hosts that look alike (UTS #39 §4)
}

// Mark is one character that may mislead.
type Mark struct {
	Rune  rune   // the character
	At    int    // its place in Display.Unicode, in bytes
	Why   Why    // what is the matter with it
	Looks string // what it looks like, where Why is WhyConfusable
}

// Why says why a character is marked.
type Why string

// The reasons for a mark.
const (
	WhyConfusable  Why = "looks like another character"
	WhyMixedScript Why = "its script does not belong beside the others"
	WhyForeign     Why = "no ASCII letter"
)

// unicodeOf turns single labels into Unicode, by the same rules by which they were read, mixed direction refused.
var unicodeOf = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(false), idna.StrictDomainName(true),
	idna.ValidateLabels(true), idna.CheckHyphens(false), idna.CheckJoiners(true), idna.Transitional(false))

// label returns a label in Unicode, and whether it could be read. One that turns back into another label could not.
func label(s string) (string, bool) {
	if !strings.HasPrefix(s, "xn--") {
		return s, true
	}
	text, err := unicodeOf.ToUnicode(s)
	if err != nil || ascii(text) {
		return s, false
	}
	if back, err := unicodeOf.ToASCII(text); err != nil || back != s {
		return s, false
	}
	for _, r := range text {
		if ignorable(r) || !unicode.IsGraphic(r) {
			return s, false
		}
	}
	return text, true
}

// Display returns the link as people should see it.
func (u *URL) Display() Display {
	if u.host == "" {
		return Display{Unicode: u.canonical}
	}
	var d Display
	at := strings.Index(u.canonical, "://") + 3
	var b strings.Builder
	b.WriteString(u.canonical[:at])
	var shown strings.Builder
	first := true
	for l := range strings.SplitSeq(u.host, ".") {
		if !first {
			b.WriteByte('.')
			shown.WriteByte('.')
		}
		first = false
		text, _ := label(l)
		if !ascii(text) {
			mixed := mixedScript(text)
			for i, r := range text {
				if r < utf8.RuneSelf {
					continue
				}
				m := Mark{Rune: r, At: b.Len() + i, Why: WhyForeign}
				if p, ok := prototype(r); ok {
					m.Why, m.Looks = WhyConfusable, p
				} else if mixed {
					m.Why = WhyMixedScript
				}
				d.Marks = append(d.Marks, m)
			}
		}
		b.WriteString(text)
		shown.WriteString(text)
	}
	rest := u.canonical[at+len(u.host):]
	b.WriteString(legible(rest))
	d.Unicode = b.String()
	d.Skeleton = Skeleton(shown.String())
	return d
}

// legible decodes the letters and marks in a path that were encoded as UTF-8; all else stays encoded, so that nothing invisible, no space
// and no delimiter appears.
func legible(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		end := i
		for end+2 < len(s) && s[end] == '%' && isHex(s[end+1]) && isHex(s[end+2]) && unhex(s[end+1]) >= 8 {
			end += 3
		}
		if end == i {
			b.WriteByte(s[i])
			i++
			continue
		}
		for raw := unescape(s[i:end]); raw != ""; {
			r, n := utf8.DecodeRuneInString(raw)
			if r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)) && !ignorable(r) {
				b.WriteString(raw[:n])
			} else {
				b.WriteString(s[i : i+3*n])
			}
			raw, i = raw[n:], i+3*n
		}
	}
	return b.String()
}

// look returns the properties of a host with a label in A-form.
func look(host string) vedette.ShapeFlag {
	var flags vedette.ShapeFlag
	for l := range strings.SplitSeq(host, ".") {
		if !strings.HasPrefix(l, "xn--") {
			continue
		}
		flags |= vedette.ShapeIDN
		text, ok := label(l)
		if !ok {
			flags |= vedette.ShapePunyInvalid
			continue
		}
		if mixedScript(text) {
			flags |= vedette.ShapeMixedScript
		}
		if passesForASCII(text) {
			flags |= vedette.ShapeConfusable
		}
	}
	return flags
}

// passesForASCII tells whether a label that is not ASCII looks like one that is, or has characters that look like ASCII beside real ASCII
// letters. It spares honest names in Cyrillic, Greek or Armenian, nearly all of which have some such character; it costs those whose every
// letter has a Latin twin.
func passesForASCII(text string) bool {
	if ascii(Skeleton(text)) {
		return true
	}
	latin, twin := false, false
	for _, r := range text {
		if r < utf8.RuneSelf {
			latin = latin || (r >= 'a' && r <= 'z')
		} else if p, ok := prototype(r); ok && ascii(p) {
			twin = true
		}
	}
	return latin && twin
}

// Skeleton returns the UTS #39 skeleton of a text (§4, without the bidirectional step): texts with the same skeleton look alike. It is for
// comparing, not for showing. Capitals count as themselves; hosts are lower-case.
func Skeleton(s string) string {
	plain := true // ASCII without the characters that the table changes
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || asciiChanges(c) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for _, r := range norm.NFD.String(s) {
		switch p, ok := prototype(r); {
		case ignorable(r):
		case ok:
			b.WriteString(p)
		default:
			b.WriteRune(r)
		}
	}
	return norm.NFD.String(b.String())
}

func asciiChanges(c byte) bool {
	_, ok := prototype(rune(c))
	return ok
}

// confusables is the table of docs/decisions/0002-links.md, sorted by character.
var confusables = sync.OnceValue(func() []confusable {
	var out []confusable
	for line := range strings.Lines(confusableTable) {
		line = line[:len(line)-1]
		r, n := utf8.DecodeRuneInString(line)
		out = append(out, confusable{r, line[n:]})
	}
	return out
})

type confusable struct {
	from rune
	to   string
}

// prototype returns what a character stands for in skeletons, where that is something else.
func prototype(r rune) (string, bool) {
	t := confusables()
	i, ok := slices.BinarySearchFunc(t, r, func(c confusable, r rune) int { return int(c.from) - int(r) })
	if !ok {
		return "", false
	}
	return t[i].to, true
}

// mixedScript tells whether a label mixes scripts that no language mixes: UTS #39 §5.2, "highly restrictive", by the Script property.
func mixedScript(s string) bool {
	const (
		latin = 1 << iota
		han
		hiragana
		katakana
		bopomofo
		hangul
		other
	)
	var seen int
	var script *unicode.RangeTable
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Common, unicode.Inherited):
		case unicode.Is(unicode.Latin, r):
			seen |= latin
		case unicode.Is(unicode.Han, r):
			seen |= han
		case unicode.Is(unicode.Hiragana, r):
			seen |= hiragana
		case unicode.Is(unicode.Katakana, r):
			seen |= katakana
		case unicode.Is(unicode.Bopomofo, r):
			seen |= bopomofo
		case unicode.Is(unicode.Hangul, r):
			seen |= hangul
		default:
			seen |= other
			if script == nil {
				script = scriptOf(r)
			}
			if script == nil || !unicode.Is(script, r) {
				return true
			}
		}
	}
	for _, together := range [...]int{latin, other, latin | han | hiragana | katakana, latin | han | bopomofo, latin | han | hangul} {
		if seen&^together == 0 {
			return false
		}
	}
	return true
}

func scriptOf(r rune) *unicode.RangeTable {
	for _, t := range unicode.Scripts {
		if unicode.Is(t, r) {
			return t
		}
	}
	return nil
}
