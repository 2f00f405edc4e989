package indicator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vedette"
)

// Limits of what one line and one quoted cell may be. Longer ones are refused, the rest of the file is kept.
const (
	maxLine  = 1 << 20
	maxLines = 2000 // of one quoted cell
)

// lineReader gives physical lines without their ends, and says where they stand.
type lineReader struct {
	br      *bufio.Reader
	n       int
	pending []string // lines given back
}

// next returns a line, and whether it was cut at maxLine. Its error is io.EOF or the source's.
func (l *lineReader) next() (line string, cut bool, err error) {
	if len(l.pending) > 0 {
		line, l.pending = l.pending[0], l.pending[1:]
		l.n++
		return line, false, nil
	}
	part, err := l.br.ReadSlice('\n')
	if err == nil || err == io.EOF && len(part) > 0 {
		l.n++
		return strings.TrimRight(string(part), "\r\n"), false, nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return "", false, err
	}
	long := append([]byte(nil), part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = l.br.ReadSlice('\n')
		if len(long)+len(part) <= maxLine {
			long = append(long, part...)
		} else {
			cut = true
		}
	}
	if err != nil && err != io.EOF {
		return "", false, err
	}
	l.n++
	return strings.TrimRight(string(long), "\r\n"), cut, nil
}

// back gives lines back, to be read again as lines of their own.
func (l *lineReader) back(lines []string) {
	l.pending = append(slices.Clone(lines), l.pending...)
	l.n -= len(lines)
}

// readList reads one value on a line: # comments, hosts files, filter lists, defanged values.
func readList(l *lineReader, emit func(*item) error) error {
	for {
		line, cut, err := l.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", l.n+1, err)
		}
		it := item{where: place(l.n)}
		if cut {
			it.refuse = fmt.Sprintf("a line of over %d bytes", maxLine)
		}
		value, note := listLine(line)
		if value == "" && !cut {
			continue
		}
		it.value, it.original, it.note = value, value, note
		if err := emit(&it); err != nil {
			return err
		}
	}
}

func place(line int) string { return fmt.Sprintf("line %d", line) }

// listLine takes comments and other people's syntax off a line.
func listLine(line string) (value, note string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == ';' || line[0] == '!' || strings.HasPrefix(line, "// ") {
		return "", ""
	}
	// A comment at a line's end stands after white space: a fragment of a URL does not.
	if i := strings.Index(line, " #"); i > 0 {
		line, note = strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+2:])
	} else if i := strings.Index(line, "\t#"); i > 0 {
		line, note = strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+2:])
	}
	if rest, ok := strings.CutPrefix(line, "||"); ok { // a filter list: a domain and all below it
		if name, ok := strings.CutSuffix(rest, "^"); ok && !strings.ContainsAny(name, "/*^$") {
			return "*." + name, note
		}
	}
	if f := strings.Fields(line); len(f) == 2 && (f[0] == "0.0.0.0" || f[0] == "127.0.0.1" || f[0] == "::1" || f[0] == "::") {
		return f[1], note // a hosts file
	}
	return line, note
}

// columns says what the cells of a table mean.
type columns struct {
	values []column
	kind   int // of the one value; -1: none
	note   []int
	named  int // operator, product
	date   int
	ref    int
	toIDs  int
	from   int
	until  int
	conf   int
	tlp    int
	width  int
}

type column struct {
	at   int
	kind string // "" where another cell or the value itself says it
}

var valueNames = []string{"value", "indicator", "ioc", "indicator_value", "ioc_value", "observable", "indicators", "iocs"}

// header reads a table's first row, or says that it is none.
func header(cells []string) (columns, bool) {
	c := columns{kind: -1, named: -1, date: -1, ref: -1, toIDs: -1, from: -1, until: -1, conf: -1, tlp: -1, width: len(cells)}
	var generic, typed, weak []column
	set := func(p *int, i int) {
		if *p < 0 {
			*p = i
		}
	}
	for i, cell := range cells {
		name := strings.ToLower(strings.TrimSpace(cell))
		if strings.ContainsAny(name, ".@/[") || len(name) > 40 {
			return c, false // a value, not the name of a column
		}
		switch name {
		case "type", "indicator_type", "ioc_type", "attribute_type", "indicator type":
			set(&c.kind, i)
		case "comment", "comments", "note", "notes", "description":
			c.note = append(c.note, i)
		case "operator", "family", "malware family", "app", "campaign", "actor", "threat actor", "vendor":
			set(&c.named, i)
		case "date", "ds", "published":
			set(&c.date, i)
		case "uuid", "id":
			set(&c.ref, i)
		case "to_ids":
			set(&c.toIDs, i)
		case "valid_from":
			set(&c.from, i)
		case "valid_until", "expires":
			set(&c.until, i)
		case "confidence":
			set(&c.conf, i)
		case "tlp":
			set(&c.tlp, i)
		case "relevant resolution", "resolution", "resolves_to", "resolves to":
			typed = append(typed, column{i, "resolution"})
		case "link", "links", "reference", "references", "text", "other":
			weak = append(weak, column{i, "reference"})
		default:
			_, isLink := linkKinds[name]
			_, isOther := notLinks[name]
			switch {
			case slices.Contains(valueNames, name):
				generic = append(generic, column{i, ""})
			case isLink || isOther:
				typed = append(typed, column{i, name})
			}
		}
	}
	switch {
	case len(generic) > 0:
		c.values = generic[:1]
	case len(typed) > 0:
		c.values, c.kind = typed, -1
	default:
		c.values, c.kind = weak, -1
	}
	return c, len(c.values) > 0
}

// readTable reads a table with or without a header row.
func readTable(l *lineReader, delim byte, emit func(*item) error) error {
	var cols columns
	var cells []string
	known, first := false, true
	for {
		row, begin, bad, err := readRow(l, delim, cells[:0])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", l.n+1, err)
		}
		cells = row
		if bad != "" {
			if err := emit(&item{where: place(begin), value: clip(strings.Join(row, string(delim))), refuse: bad}); err != nil {
				return err
			}
			continue
		}
		if blank(row) || strings.HasPrefix(row[0], "#") {
			continue
		}
		if first {
			first = false
			if cols, known = header(row); known {
				continue
			}
		}
		if known {
			err = emitRow(row, begin, &cols, emit)
		} else {
			err = emitLoose(row, begin, delim, emit)
		}
		if err != nil {
			return err
		}
	}
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

func emitRow(row []string, line int, c *columns, emit func(*item) error) error {
	cell := func(i int) string {
		if i < 0 || i >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	base := item{where: place(line), operator: cell(c.named), ref: cell(c.ref)}
	for _, i := range c.note {
		if s := cell(i); s != "" {
			base.note = joinNotes(base.note, s)
		}
	}
	base.published = date(cell(c.date))
	base.from, base.until = date(cell(c.from)), date(cell(c.until))
	base.confidence = confidence(cell(c.conf))
	base.tlp, _ = ParseTLP(cell(c.tlp))
	switch strings.ToLower(cell(c.toIDs)) {
	case "0", "false":
		base.observe = true
	}
	if s := cell(c.until); s != "" && base.until.IsZero() {
		base.refuse = fmt.Sprintf("its end %q is no date", s)
	}
	n := 0
	for _, v := range c.values {
		value := cell(v.at)
		if value == "" {
			continue
		}
		kind := v.kind
		if c.kind >= 0 {
			kind = strings.ToLower(cell(c.kind))
		}
		it := base
		it.original = value
		k, err := emitTyped(it, kind, value, emit)
		if err != nil {
			return err
		}
		n += k
	}
	if n == 0 {
		base.value, base.refuse = clip(strings.Join(row, ",")), "the row has no value"
		return emit(&base)
	}
	return nil
}

// emitTyped emits a value of a source's type, both halves of a composite one by themselves. It returns how many values that were.
func emitTyped(it item, kind, value string, emit func(*item) error) (int, error) {
	switch kind {
	case "resolution":
		it.keep = "resolution" // where a name once pointed, not what is bad: hosting addresses serve many
	case "domain|ip", "hostname|ip":
		if name, addr, ok := strings.Cut(value, "|"); ok {
			second := it
			it.kind, it.value = strings.TrimSuffix(kind, "|ip"), name
			second.kind, second.value = "ip", addr
			if err := emit(&it); err != nil {
				return 0, err
			}
			return 2, emit(&second)
		}
	case "ip-dst|port", "ip-src|port", "hostname|port", "domain|port", "ip|port":
		if name, port, ok := strings.Cut(value, "|"); ok {
			kind, value, it.port = strings.TrimSuffix(kind, "|port"), name, port
		} else {
			kind = strings.TrimSuffix(kind, "|port")
		}
	}
	it.kind, it.value = kind, value
	return 1, emit(&it)
}

// emitLoose takes the cells of a row without a header that can be values; the others are its note.
func emitLoose(row []string, line int, delim byte, emit func(*item) error) error {
	base := item{where: place(line)}
	var values []string
	for _, cell := range row {
		v, note := listLine(cell)
		if v == "" {
			continue
		}
		if kept, reason := sniff(v); len(row) == 1 || reason == "" && (kept != "" || strings.Contains(v, ".")) {
			values = append(values, v)
			base.note = joinNotesIf(base.note, note)
		} else {
			base.note = joinNotes(base.note, v)
		}
	}
	if len(values) == 0 {
		if strings.HasPrefix(strings.TrimSpace(row[0]), "#") {
			return nil
		}
		base.value, base.refuse = clip(strings.Join(row, string(delim))), "no cell of the row is a host, an address or a URL"
		return emit(&base)
	}
	for _, v := range values {
		it := base
		it.value, it.original = v, v
		if err := emit(&it); err != nil {
			return err
		}
	}
	return nil
}

func joinNotesIf(a, b string) string {
	if b == "" {
		return a
	}
	return joinNotes(a, b)
}

// readRow reads one row of a table, across lines where a quoted cell has several. A quote that is never closed costs its own line only.
func readRow(l *lineReader, delim byte, cells []string) (row []string, line int, bad string, err error) {
	text, cut, err := l.next()
	if err != nil {
		return nil, l.n, "", err
	}
	line = l.n
	if cut {
		return append(cells, text), line, fmt.Sprintf("a line of over %d bytes", maxLine), nil
	}
	row, open := splitRow(text, delim, cells)
	if !open {
		return row, line, "", nil
	}
	var more []string
	whole := text
	for open && len(more) < maxLines && len(whole) < maxLine {
		next, cut, err := l.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, line, "", err
		}
		more = append(more, next)
		if cut {
			break
		}
		whole += "\n" + next
		row, open = splitRow(whole, delim, cells[:0])
	}
	if !open {
		return row, line, "", nil
	}
	l.back(more)
	return append(cells[:0], text), line, "a quote that is never closed", nil
}

// splitRow splits a row into cells. Quotes inside an unquoted cell, and text after a closing quote, are taken as they are.
func splitRow(s string, delim byte, cells []string) (row []string, open bool) {
	for {
		t := strings.TrimLeft(s, " ")
		if len(t) == 0 || t[0] != '"' {
			i := strings.IndexByte(s, delim)
			if i < 0 {
				return append(cells, s), false
			}
			cells, s = append(cells, s[:i]), s[i+1:]
			continue
		}
		t = t[1:]
		var b strings.Builder
		for {
			i := strings.IndexByte(t, '"')
			if i < 0 {
				return append(cells, b.String()+t), true
			}
			b.WriteString(t[:i])
			t = t[i+1:]
			if strings.HasPrefix(t, `"`) {
				b.WriteByte('"')
				t = t[1:]
				continue
			}
			break
		}
		i := strings.IndexByte(t, delim)
		if i < 0 {
			return append(cells, b.String()+strings.TrimRight(t, " ")), false
		}
		cells, s = append(cells, b.String()+strings.TrimRight(t[:i], " ")), t[i+1:]
	}
}

// date reads the dates of the wild: ISO, compact, Unix seconds, and English. What it cannot read is absent.
func date(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "20060102", "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04:05.999999999Z0700", "2006-01", "January 2, 2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	if n, ok := whole(s); ok && n > 100_000_000 && n < 100_000_000_000 {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

func whole(s string) (n int64, ok bool) {
	if s == "" || len(s) > 15 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func confidence(s string) Confidence {
	if n, ok := whole(strings.TrimSuffix(s, "%")); ok && n <= 100 {
		c, _ := ConfidenceOf(int(n))
		return c
	}
	return 0
}

// errFormat says that a file is of another kind than what is imported here.
func errFormat(format string, a ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, a...), vedette.ErrInvalid)
}
