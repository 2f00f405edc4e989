package intake

import (
	"unicode/utf8"
)

// maxDepth bounds how deep an unknown field may nest; what we know nests four deep.
const maxDepth = 16

// span is a string's place in the line, between its quotes.
type span struct {
	from, to int32
	escaped  bool
}

// wireLink is one scanned link.
type wireLink struct {
	seen     set
	url      span
	tokens   [4]span // domain, host, tenant, URL
	where    uint64
	epoch    uint64
	features uint64
}

// decoder is one line being read. It holds places in the line and numbers, never text, so that a pooled one remembers nothing.
type decoder struct {
	b     []byte
	i     int
	seen  set
	yes   set // boolean fields that are true
	depth int
	text  [fieldCount]span
	num   [fieldCount]uint64
	links []wireLink
	drops *Dropped
}

// event reads the whole line: one object and nothing after it.
func (d *decoder) event() error {
	if !utf8.Valid(d.b) {
		return d.fault(invalidUTF8(d.b), "not UTF-8; send the event in UTF-8")
	}
	d.space()
	if d.i >= len(d.b) {
		return d.fault(d.i, "empty; want one JSON object")
	}
	if d.b[d.i] != '{' {
		return d.fault(d.i, "want one JSON object, got "+d.found())
	}
	if err := d.object(objEvent); err != nil {
		return err
	}
	d.space()
	if d.i != len(d.b) {
		return d.fault(d.i, "something follows the object; send one event, or a batch with one event a line")
	}
	return nil
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

func (d *decoder) space() {
	for d.i < len(d.b) {
		switch d.b[d.i] {
		case ' ', '\t', '\n', '\r':
			d.i++
		default:
			return
		}
	}
}

// object reads a known object, from its opening brace to after its closing one.
func (d *decoder) object(o object) error {
	d.i++
	d.space()
	if d.i < len(d.b) && d.b[d.i] == '}' {
		d.i++
		return nil
	}
	for {
		f, known, err := d.name(o)
		if err != nil {
			return err
		}
		if known {
			err = d.known(f)
		} else {
			err = d.skip()
		}
		if err != nil {
			return err
		}
		d.space()
		if d.i >= len(d.b) {
			return d.fault(d.i, "the object does not end; the line was cut")
		}
		c := d.b[d.i]
		d.i++
		switch c {
		case ',':
			d.space()
		case '}':
			return nil
		default:
			return d.fault(d.i-1, "want a comma or a closing brace after a value, got "+describe(c))
		}
	}
}

// name reads a field's name and the colon, and leaves the reader at the value.
func (d *decoder) name(o object) (f field, known bool, err error) {
	if d.i >= len(d.b) {
		return 0, false, d.fault(d.i, "the object does not end; the line was cut")
	}
	if d.b[d.i] != '"' {
		return 0, false, d.fault(d.i, "want a field's name in quotes, got "+d.found())
	}
	s, err := d.str("a field's name")
	if err != nil {
		return 0, false, err
	}
	d.space()
	if d.i >= len(d.b) || d.b[d.i] != ':' {
		return 0, false, d.fault(d.i, "want a colon after a field's name, got "+d.found())
	}
	d.i++
	d.space()
	key := d.b[s.from:s.to]
	if s.escaped {
		key = unescape(key)
	}
	f, known = lookup(o, key)
	if !known {
		d.drops.count(o, key)
	}
	return f, known, nil
}

// known reads the value of a field that we know.
func (d *decoder) known(f field) error {
	if d.seen.has(f) {
		return d.refuse(f, "given twice; give it once")
	}
	d.seen |= 1 << f
	r := &rules[f]
	if d.i >= len(d.b) {
		return d.fault(d.i, "the object does not end; the line was cut")
	}
	c := d.b[d.i]
	switch r.shape {
	case wantString:
		if c != '"' {
			return d.mismatch(f)
		}
		s, err := d.str(r.path)
		if err != nil {
			return err
		}
		d.text[f] = s
	case wantNumber:
		if c != '-' && (c < '0' || c > '9') {
			return d.mismatch(f)
		}
		v, whole, err := d.numeral()
		if err != nil {
			return err
		}
		if !whole || v < r.min || v > r.max {
			return d.refuse(f, wantRange(r.min, r.max))
		}
		d.num[f] = v
	case wantBool:
		switch {
		case d.literal("true"):
			d.yes |= 1 << f
		case !d.literal("false"):
			return d.mismatch(f)
		}
	case wantObject:
		if c != '{' {
			return d.mismatch(f)
		}
		return d.object(r.object)
	case wantArray:
		if c != '[' {
			return d.mismatch(f)
		}
		return d.array()
	}
	return nil
}

// array reads the links.
func (d *decoder) array() error {
	d.i++
	d.space()
	if d.i < len(d.b) && d.b[d.i] == ']' {
		d.i++
		return nil
	}
	for {
		if d.i >= len(d.b) {
			return d.fault(d.i, "the array does not end; the line was cut")
		}
		if d.b[d.i] != '{' {
			return d.refuseAt(linkPath(len(d.links)), "want object, got "+d.found())
		}
		if len(d.links) == maxLinks {
			return d.tooLarge(fLinks, "more than 32 links; an event with more is a document, not a message: send the first 32")
		}
		d.seen &^= perLink
		if err := d.object(objLink); err != nil {
			return err
		}
		l := wireLink{seen: d.seen & perLink}
		if err := d.link(&l); err != nil {
			return err
		}
		d.links = append(d.links, l)
		d.space()
		if d.i >= len(d.b) {
			return d.fault(d.i, "the array does not end; the line was cut")
		}
		c := d.b[d.i]
		d.i++
		switch c {
		case ',':
			d.space()
		case ']':
			d.seen &^= perLink
			return nil
		default:
			return d.fault(d.i-1, "want a comma or a closing bracket after a link, got "+describe(c))
		}
	}
}

// str reads a string, from its opening quote to after its closing one.
func (d *decoder) str(what string) (span, error) {
	d.i++
	from := d.i
	for i := from; i < len(d.b); i++ {
		switch c := d.b[i]; {
		case c == '"':
			d.i = i + 1
			return span{from: int32(from), to: int32(i)}, nil
		case c == '\\':
			return d.strEscaped(what, from, i)
		case c < ' ':
			return span{}, d.fault(i, "a control character in "+quoted(what)+"; escape it")
		}
	}
	return span{}, d.fault(len(d.b), quoted(what)+" does not end; the line was cut")
}

// strEscaped reads on from the first backslash.
func (d *decoder) strEscaped(what string, from, i int) (span, error) {
	for i < len(d.b) {
		c := d.b[i]
		switch {
		case c == '"':
			d.i = i + 1
			return span{from: int32(from), to: int32(i), escaped: true}, nil
		case c < ' ':
			return span{}, d.fault(i, "a control character in "+quoted(what)+"; escape it")
		case c != '\\':
			i++
			continue
		}
		if i+1 >= len(d.b) {
			break
		}
		switch d.b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			r, n := unicodeEscape(d.b[i:])
			switch {
			case n == 0:
				return span{}, d.fault(i, "an escape in "+quoted(what)+" is not \\u and four hexadecimal digits")
			case r == 0:
				return span{}, d.fault(i, "a NUL in "+quoted(what)+"; no platform's name holds one")
			case r == utf8.RuneError:
				return span{}, d.fault(i, "half a surrogate pair in "+quoted(what))
			}
			i += n
		default:
			return span{}, d.fault(i, "an escape in "+quoted(what)+" that JSON does not know")
		}
	}
	return span{}, d.fault(len(d.b), quoted(what)+" does not end; the line was cut")
}

// unicodeEscape reads \uXXXX, or a pair of them. n is how many bytes it took; 0: none. A lone surrogate is RuneError; so is U+FFFD itself
// when escaped, which nobody needs.
func unicodeEscape(b []byte) (r rune, n int) {
	hi, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	switch {
	case hi < 0xd800 || hi > 0xdfff:
		return hi, 6
	case hi < 0xdc00 && len(b) >= 12 && b[6] == '\\' && b[7] == 'u':
		if lo, ok := hex4(b[6:]); ok && lo >= 0xdc00 && lo <= 0xdfff {
			return 0x10000 + (hi-0xd800)<<10 + (lo - 0xdc00), 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape returns the text of a string that strEscaped has read.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			out = append(out, b[i])
			i++
			continue
		}
		switch c := b[i+1]; c {
		case 'u':
			r, n := unicodeEscape(b[i:])
			out = utf8.AppendRune(out, r)
			i += n
			continue
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out
}

// numeral reads a JSON number. whole is false for what is no whole number from 0 to 2^64-1 written without fraction and exponent.
func (d *decoder) numeral() (v uint64, whole bool, err error) {
	start := d.i
	whole = true
	if d.b[d.i] == '-' {
		whole = false
		d.i++
	}
	digits := d.i
	for d.i < len(d.b) && d.b[d.i] >= '0' && d.b[d.i] <= '9' {
		if v > (1<<64-10)/10 {
			whole = false
		}
		v = v*10 + uint64(d.b[d.i]-'0')
		d.i++
	}
	if d.i == digits || d.i > digits+1 && d.b[digits] == '0' {
		return 0, false, d.fault(start, "not a JSON number")
	}
	if d.i < len(d.b) && d.b[d.i] == '.' {
		whole = false
		if d.i++; !d.digits() {
			return 0, false, d.fault(start, "not a JSON number")
		}
	}
	if d.i < len(d.b) && (d.b[d.i] == 'e' || d.b[d.i] == 'E') {
		whole = false
		if d.i++; d.i < len(d.b) && (d.b[d.i] == '+' || d.b[d.i] == '-') {
			d.i++
		}
		if !d.digits() {
			return 0, false, d.fault(start, "not a JSON number")
		}
	}
	return v, whole, nil
}

func (d *decoder) digits() bool {
	from := d.i
	for d.i < len(d.b) && d.b[d.i] >= '0' && d.b[d.i] <= '9' {
		d.i++
	}
	return d.i > from
}

// literal takes the word when it stands here.
func (d *decoder) literal(w string) bool {
	if len(d.b)-d.i < len(w) || string(d.b[d.i:d.i+len(w)]) != w {
		return false
	}
	d.i += len(w)
	return true
}

// skip reads a value that nobody needs, and checks that it is JSON: a line that is not may have been cut together from two.
func (d *decoder) skip() error {
	if d.i >= len(d.b) {
		return d.fault(d.i, "the object does not end; the line was cut")
	}
	switch c := d.b[d.i]; {
	case c == '"':
		_, err := d.str("an unknown field")
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, _, err := d.numeral()
		return err
	case c == '{' || c == '[':
		if d.depth++; d.depth > maxDepth {
			return d.fault(d.i, "nested deeper than 16")
		}
		err := d.skipMany(c == '{', c+2) // in ASCII both closing brackets follow two after
		d.depth--
		return err
	case d.literal("true"), d.literal("false"), d.literal("null"):
		return nil
	default:
		return d.fault(d.i, "want a value, got "+describe(c))
	}
}

func (d *decoder) skipMany(named bool, end byte) error {
	d.i++
	d.space()
	if d.i < len(d.b) && d.b[d.i] == end {
		d.i++
		return nil
	}
	for {
		if named {
			if d.i >= len(d.b) || d.b[d.i] != '"' {
				return d.fault(d.i, "want a field's name in quotes, got "+d.found())
			}
			if _, err := d.str("a field's name"); err != nil {
				return err
			}
			d.space()
			if d.i >= len(d.b) || d.b[d.i] != ':' {
				return d.fault(d.i, "want a colon after a field's name, got "+d.found())
			}
			d.i++
			d.space()
		}
		if err := d.skip(); err != nil {
			return err
		}
		d.space()
		if d.i >= len(d.b) {
			return d.fault(d.i, "a value does not end; the line was cut")
		}
		c := d.b[d.i]
		d.i++
		switch c {
		case ',':
			d.space()
		case end:
			return nil
		default:
			return d.fault(d.i-1, "want a comma or the end after a value, got "+describe(c))
		}
	}
}
