package link

import (
	"strings"

	"vedette"
)

// Classes of bytes for the plain reading.
const (
	inHost  = 1 << iota // a to z, 0 to 9, hyphen, underscore
	inPath              // stands in a path as it is, in every edition of the standard
	inQuery             // the same in a query
	inSpan              // stands in a fragment, which is dropped
)

var classes = func() (t [256]uint8) {
	for c := byte('!'); c <= '~'; c++ {
		t[c] |= inSpan
		lower := c >= 'a' && c <= 'z'
		if lower || isDigit(c) || c == '-' || c == '_' {
			t[c] |= inHost
		}
		if isAlpha(c) || isDigit(c) || strings.IndexByte("-._~!$&()*+,;=:@", c) >= 0 {
			t[c] |= inPath | inQuery
		}
		if c == '/' || c == '?' {
			t[c] |= inQuery
		}
	}
	return t
}()

// readPlain reads a link that is already written as its canonical form would be, up to its fragment: the greater part of what people send.
// It answers false, and promises nothing about u, for everything else: any capital in the host, user part, port, IDN that is not in A-form, number at the end of
// the host, dot segment, character that the standard would encode. Where it answers true, the library gives the same canonical
// form (FuzzPlain).
func (u *URL) readPlain(raw string) bool {
	if len(raw) < 8 || len(raw) > MaxLength {
		return false
	}
	var flags vedette.ShapeFlag
	from := 8
	switch {
	case raw[:8] == "https://":
	case raw[:7] == "http://":
		from = 7
		flags = vedette.ShapeInsecure
	default:
		return false
	}
	i, label := from, from
	for ; i < len(raw); i++ {
		c := raw[i]
		if classes[c]&inHost != 0 {
			continue
		}
		if c != '.' {
			break
		}
		if n := i - label; n == 0 || n > maxLabel {
			return false
		}
		label = i + 1
	}
	end := i
	if n := end - label; n == 0 || n > maxLabel || end-from > maxHost {
		return false
	}
	if first := raw[label]; first < 'a' || first > 'z' {
		return false // it may be a number
	}
	if end == len(raw) {
		u.canonical = raw + "/"
		u.finishPlain(from, end, true, flags)
		return true
	}
	if raw[end] == '#' {
		if !span(raw[end:]) {
			return false
		}
		u.canonical = raw[:end] + "/"
		u.finishPlain(from, end, true, flags)
		return true
	}
	if raw[end] != '/' {
		return false
	}
	n, same, ok := plainTail(raw[end:])
	if !ok {
		return false
	}
	u.canonical = raw[:end+n]
	u.finishPlain(from, end, same, flags)
	return true
}

// plainTail looks at what stands behind the host, from its slash on. Where it is written as its canonical form would be, it returns the
// length of that form, which leaves out the fragment and an empty query, and whether the form that Safe Browsing compares is the same.
func plainTail(s string) (n int, same, ok bool) {
	same = true
	mask, query := uint8(inPath), -1
	i := 0
scan:
	for ; i < len(s); i++ {
		c := s[i]
		if classes[c]&mask != 0 {
			continue
		}
		switch c {
		case '/': // of the path: in a query it is of the class
			if i+1 < len(s) {
				switch s[i+1] {
				case '.':
					return 0, false, false
				case '/':
					same = false
				}
			}
		case '?':
			mask, query = inQuery, i
		case '%':
			if i+2 >= len(s) || !capitalHex(s[i+1]) || !capitalHex(s[i+2]) {
				return 0, false, false
			}
			d := unhex(s[i+1])<<4 | unhex(s[i+2])
			if isAlpha(d) || isDigit(d) || d == '-' || d == '.' || d == '_' || d == '~' {
				return 0, false, false
			}
			if d == '%' || !escaped(d) {
				same = false
			}
			i += 2
		case '#':
			if !span(s[i:]) {
				return 0, false, false
			}
			break scan
		default:
			return 0, false, false
		}
	}
	if query >= 0 && query == i-1 {
		i-- // an empty query is none
	}
	return i, same, true
}

func (u *URL) finishPlain(from, end int, same bool, flags vedette.ShapeFlag) {
	u.host = u.canonical[from:end]
	u.match = u.canonical[end:]
	if !same {
		u.match = comparison(u.match)
	}
	u.describe(end, flags)
}

func span(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&inSpan == 0 {
			return false
		}
	}
	return true
}

func capitalHex(c byte) bool { return isDigit(c) || (c >= 'A' && c <= 'F') }
