package intake

import (
	"fmt"
	"strconv"
	"strings"

	"vedette"
)

// Refusal says why an event was not taken. It names the field or the byte, what was wanted, and what helps; it never repeats a value
// that could be about a person. It wraps vedette.ErrInvalid, ErrTooLarge or ErrForbidden.
type Refusal struct {
	Field  string // the path of the field, as "links[3].url"; empty when the line is not JSON
	Byte   int    // where in the line, counted from 0; -1: the event as a whole
	Detail string
	Kind   error // one of package vedette's kinds
}

func (r *Refusal) Error() string {
	if r.Field == "" {
		return "byte " + strconv.Itoa(r.Byte) + ": " + r.Detail
	}
	return strconv.Quote(r.Field) + ": " + r.Detail
}

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error { return r.Kind }

func (d *decoder) fault(at int, detail string) error {
	return &Refusal{Byte: at, Detail: detail, Kind: vedette.ErrInvalid}
}

// path names a field; for a field of a link, of the link being read.
func (d *decoder) path(f field) string { return pathOf(f, len(d.links)) }

func pathOf(f field, link int) string {
	p := rules[f].path
	if perLink.has(f) {
		p = strings.Replace(p, "[]", "["+strconv.Itoa(link)+"]", 1)
	}
	return p
}

func linkPath(i int) string { return "links[" + strconv.Itoa(i) + "]" }

func (d *decoder) refuse(f field, detail string) error { return d.refuseAt(d.path(f), detail) }

func (d *decoder) refuseAt(path, detail string) error {
	return &Refusal{Field: path, Byte: d.i, Detail: detail, Kind: vedette.ErrInvalid}
}

func (d *decoder) tooLarge(f field, detail string) error {
	return &Refusal{Field: d.path(f), Byte: d.i, Detail: detail, Kind: vedette.ErrTooLarge}
}

func (d *decoder) mismatch(f field) error {
	got := d.found()
	detail := "want " + rules[f].shape.String() + ", got " + got
	if got == "null" {
		detail += "; leave out what is not known"
	}
	return d.refuse(f, detail)
}

// found names the JSON type of what stands here.
func (d *decoder) found() string {
	if d.i >= len(d.b) {
		return "the end"
	}
	switch c := d.b[d.i]; {
	case c == '"':
		return "string"
	case c == '-' || c >= '0' && c <= '9':
		return "number"
	case c == '{':
		return "object"
	case c == '[':
		return "array"
	case c == 't' || c == 'f':
		return "boolean"
	case c == 'n':
		return "null"
	default:
		return describe(c)
	}
}

// describe names a byte of the grammar, and nothing else: it might be the first of something personal.
func describe(c byte) string {
	switch c {
	case '{', '}', '[', ']', ',', ':', '"', '\'':
		return "'" + string(rune(c)) + "'"
	case 0:
		return "a NUL"
	}
	return "something else"
}

// quoted puts the path of a field in quotes, and leaves words for people alone.
func quoted(what string) string {
	if strings.Contains(what, " ") {
		return what
	}
	return strconv.Quote(what)
}

func wantRange(lo, hi uint64) string {
	return fmt.Sprintf("want a whole number from %d to %d", lo, hi)
}

// oneOf lists words for people: "a, b or c".
func oneOf(words []string) string {
	ws := make([]string, 0, len(words))
	for _, w := range words {
		if w != "" {
			ws = append(ws, w)
		}
	}
	return strings.Join(ws[:len(ws)-1], ", ") + " or " + ws[len(ws)-1]
}
