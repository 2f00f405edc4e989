package sibling

import (
	"fmt"
	"strings"
)

// maxPath bounds what is read of a path.
const (
	maxPath     = 2048
	maxSegments = 16
)

// PathShape returns how a path is made, where a machine made a piece of it: "/7d1l" for seven digits and a letter, "/6x" for six letters and
// digits mixed, "/*" for a word. It is "" where every piece is a word: a shape of words is everybody's.
func PathShape(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if len(path) > maxPath {
		return ""
	}
	var b strings.Builder
	made := false
	n := 0
	for s := range strings.SplitSeq(path, "/") {
		if s == "" {
			continue
		}
		if n++; n > maxSegments {
			return ""
		}
		shape, machine := segmentShape(s)
		made = made || machine
		b.WriteByte('/')
		b.WriteString(shape)
	}
	if !made {
		return ""
	}
	if strings.HasSuffix(path, "/") {
		b.WriteByte('/')
	}
	return b.String()
}

// segmentShape tells runs of digits (d), small letters (l) and capitals (u). With more than three runs the segment is a mix (x). It costs owners of
// article numbers of one length, who share a shape; it spares words, years and dates.
func segmentShape(s string) (shape string, machine bool) {
	var runs []string
	digits, short := 0, false // short: a run of one or two small letters, which words in CamelCase seldom have
	class := func(c byte) byte {
		switch {
		case isDigit(c):
			return 'd'
		case c >= 'a' && c <= 'z':
			return 'l'
		case c >= 'A' && c <= 'Z':
			return 'u'
		}
		return 0
	}
	for i := 0; i < len(s); {
		c := class(s[i])
		if c == 0 {
			return "*", false
		}
		j := i
		for j < len(s) && class(s[j]) == c {
			j++
		}
		switch c {
		case 'd':
			digits += j - i
		case 'l':
			short = short || j-i < 3
		}
		runs = append(runs, fmt.Sprintf("%d%c", j-i, c))
		i = j
	}
	switch {
	case len(s) < 5 || len(runs) < 2 && digits < 6 || digits == 0 && (len(runs) < 3 || !short):
		return "*", false
	case len(runs) > 3 || digits == 0:
		return fmt.Sprintf("%dx", len(s)), true
	}
	return strings.Join(runs, ""), true
}
