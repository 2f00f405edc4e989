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
// It answers false, and promises nothing about u, for everything else: any capital in the host, user part, port, IDN, number at the end of
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
	i, label, hyphen := from, from, false
	for ; i < len(raw); i++ {
		c := raw[i]
		if classes[c]&inHost != 0 {
			hyphen = hyphen || c == '-'
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
	if hyphen && strings.Contains(raw[from:end], "xn--") {
		return false
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
	same := true // the form that Safe Browsing compares is this one
	mask := uint8(inPath)
	for i = end; i < len(raw); i++ {
		c := raw[i]
		if classes[c]&mask != 0 {
			continue
		}
		switch c {
		case '/': // of the path: in a query it is of the class
			if i+1 < len(raw) {
				switch raw[i+1] {
				case '.':
					return false
				case '/':
					same = false
				}
			}
			continue
		case '?':
			mask = inQuery
			continue
		case '%':
			if i+2 >= len(raw) || !capitalHex(raw[i+1]) || !capitalHex(raw[i+2]) {
				return false
			}
			d := unhex(raw[i+1])<<4 | unhex(raw[i+2])
			if isAlpha(d) || isDigit(d) || d == '-' || d == '.' || d == '_' || d == '~' {
				return false
			}
			if d == '%' || !escaped(d) {
				same = false
			}
			i += 2
			continue
		case '#':
			if !span(raw[i:]) {
				return false
			}
		default:
			return false
		}
		break
	}
	if raw[i-1] == '?' { // an empty query is none
		if strings.IndexByte(raw[end:i], '?') != i-1-end {
			u.canonical = raw[:i] // it ends a query
		} else {
			u.canonical = raw[:i-1]
		}
	} else {
		u.canonical = raw[:i]
	}
	u.finishPlain(from, end, same, flags)
	return true
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
