package sim

import (
	"encoding/json"
	"strconv"
	"time"
)

// line builds one event on the wire (docs/formats/event.md) in a buffer that is used again and again.
type line struct{ b []byte }

const clock = "2006-01-02T15:04:05.000Z"

// open begins an event with the fields that every event has.
func (l *line) open(id []byte, kind string, at time.Time) *line {
	l.b = append(l.b[:0], `{"id":"`...)
	l.b = append(l.b, id...)
	l.b = append(l.b, `","kind":"`...)
	l.b = append(l.b, kind...)
	l.b = append(l.b, `","at":"`...)
	l.b = at.UTC().AppendFormat(l.b, clock)
	l.b = append(l.b, '"')
	return l
}

func (l *line) key(k string) {
	l.b = append(l.b, ',', '"')
	l.b = append(l.b, k...)
	l.b = append(l.b, '"', ':')
}

// text writes a field whose value is text; an empty value is left out.
func (l *line) text(k, v string) *line {
	if v == "" {
		return l
	}
	l.key(k)
	l.b = appendString(l.b, v)
	return l
}

// raw writes a field whose value is JSON already.
func (l *line) raw(k, v string) *line {
	l.key(k)
	l.b = append(l.b, v...)
	return l
}

func (l *line) number(k string, v int) *line {
	l.key(k)
	l.b = strconv.AppendInt(l.b, int64(v), 10)
	return l
}

func (l *line) truth(k string, v bool) *line {
	l.key(k)
	l.b = strconv.AppendBool(l.b, v)
	return l
}

// toAccount and toGroup write the recipient.
func (l *line) toAccount(account string) *line {
	l.b = append(l.b, `,"to":{"account":`...)
	l.b = appendString(l.b, account)
	l.b = append(l.b, '}')
	return l
}

func (l *line) toGroup(group string, size int) *line {
	l.b = append(l.b, `,"to":{"group":`...)
	l.b = appendString(l.b, group)
	l.b = append(l.b, `,"size":`...)
	l.b = strconv.AppendInt(l.b, int64(size), 10)
	l.b = append(l.b, '}')
	return l
}

func (l *line) links(urls ...string) *line {
	l.b = append(l.b, `,"links":[`...)
	for i, u := range urls {
		if i > 0 {
			l.b = append(l.b, ',')
		}
		l.b = append(l.b, `{"url":`...)
		l.b = appendString(l.b, u)
		l.b = append(l.b, '}')
	}
	l.b = append(l.b, ']')
	return l
}

func (l *line) close() []byte {
	l.b = append(l.b, '}')
	return l.b
}

// appendString writes a JSON string. Plain ASCII, which nearly all is, is copied.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			q, err := json.Marshal(s)
			if err != nil {
				panic("sim: a string has no JSON: " + err.Error()) // cannot happen: every string has one
			}
			return append(dst, q...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendID writes a made-up event id: a letter, and the number in base 36.
func appendID(dst []byte, letter byte, n uint64) []byte {
	return strconv.AppendUint(append(dst, letter), n, 36)
}
