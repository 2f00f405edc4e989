package intake

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vedette"
	"vedette/edge/franking"
	"vedette/link"
)

// The limits of a report (docs/formats/report.md).
const (
	MaxReport = 256 << 10 // bytes of one report

	maxOpenedText = franking.MaxMessage
	maxTranscript = 200
)

// wireReport is one report as it was read. It holds text, and lives as long as its request.
type wireReport struct {
	has        reportSet
	id         string
	at         time.Time
	reporter   string
	subject    string
	group      string
	message    string
	category   vedette.ReportCategory
	share      bool
	text       string
	screenshot string
	links      []wireLink
	transcript []wireMessage
	franking   franking.Opened
}

type wireMessage struct {
	sender string
	at     time.Time
	text   string
	links  []wireLink
}

// reportSet says which parts of a report are there.
type reportSet uint8

const (
	hasSubject reportSet = 1 << iota
	hasGroup
	hasMessage
	hasOpened
	hasFranking
)

// reportReader reads a report with the scanner of events: the same strings, numbers, links, and words of refusal.
type reportReader struct {
	decoder
	w wireReport
}

// member is one field of an object of the report: its name, whether it must be there, and how its value is read.
type member struct {
	name  string
	needs bool
	read  func(path string) error
}

// readReport reads a report. It is as strict as the reader of events: its error is a *Refusal that names the field, and nothing was sealed.
func readReport(body []byte, opt *DecodeOptions) (*reportReader, error) {
	r := &reportReader{decoder: decoder{b: bytes.Trim(body, " \t\r\n"), drops: opt.Dropped}}
	if len(body) > MaxReport {
		return nil, errLongReport
	}
	if !utf8.Valid(r.b) {
		return nil, r.fault(invalidUTF8(r.b), "not UTF-8; send the report in UTF-8")
	}
	if len(r.b) == 0 {
		return nil, r.fault(0, "empty; want one JSON object")
	}
	if r.b[0] != '{' {
		return nil, r.fault(0, "want one JSON object, got "+r.found())
	}
	w := &r.w
	category := uint64(0)
	if err := r.members("", []member{
		{"id", true, r.text(&w.id, maxID)},
		{"at", true, r.moment(&w.at)},
		{"reporter", true, r.text(&w.reporter, maxID)},
		{"subject", false, r.part(hasSubject, r.text(&w.subject, maxID))},
		{"group", false, r.part(hasGroup, r.text(&w.group, maxID))},
		{"message", false, r.part(hasMessage, r.text(&w.message, maxID))},
		{"category", false, r.oneOf(&category, rules[fCategory].words)},
		{"opened", false, r.part(hasOpened, r.opened)},
		{"franking", false, r.part(hasFranking, r.franked)},
		{"share", false, r.boolean(&w.share)},
	}); err != nil {
		return nil, err
	}
	r.space()
	if r.i != len(r.b) {
		return nil, r.fault(r.i, "something follows the object; send one report")
	}
	w.category = vedette.ReportCategory(category)
	return r, r.whole(opt)
}

// whole holds the parts of a report against one another and against the clock.
func (r *reportReader) whole(opt *DecodeOptions) error {
	w := &r.w
	switch ahead := w.at.Sub(opt.Now); {
	case opt.Now.IsZero():
	case ahead > Ahead:
		return r.refuseAt("at", "more than 5 minutes in the future; set the platform's clock")
	case opt.MaxAge > 0 && -ahead > opt.MaxAge:
		return r.refuseAt("at", "older than "+hours(opt.MaxAge)+"; reports of so long ago are for people")
	}
	if w.has&(hasSubject|hasMessage|hasOpened) == 0 {
		return r.refuseAt("subject", "missing, and message and opened too; a report needs one of them")
	}
	if w.has&hasFranking == 0 {
		return nil
	}
	o := &w.franking
	switch {
	case w.text == "":
		return r.refuseAt("opened.text", "missing; the tag is over the message, so franking needs it")
	case w.has&hasSubject != 0 && w.subject != o.Sender:
		return r.refuseAt("subject", "not the sender of the franked message")
	}
	o.Text, o.Message = []byte(w.text), w.message
	return nil
}

// members reads an object whose fields are these, from its opening brace to after its closing one. Unknown fields are dropped and counted.
func (r *reportReader) members(path string, ms []member) error {
	if path != "" {
		path += "."
	}
	r.i++
	r.space()
	seen := uint64(0)
	for first := true; ; first = false {
		if r.i < len(r.b) && r.b[r.i] == '}' && first {
			r.i++
			break
		}
		if r.i >= len(r.b) {
			return r.fault(r.i, "the object does not end; the body was cut")
		}
		if r.b[r.i] != '"' {
			return r.fault(r.i, "want a field's name in quotes, got "+r.found())
		}
		s, err := r.str("a field's name")
		if err != nil {
			return err
		}
		r.space()
		if r.i >= len(r.b) || r.b[r.i] != ':' {
			return r.fault(r.i, "want a colon after a field's name, got "+r.found())
		}
		r.i++
		r.space()
		name := r.b[s.from:s.to]
		if s.escaped {
			name = unescape(name)
		}
		if i := slices.IndexFunc(ms, func(m member) bool { return m.name == string(name) }); i < 0 {
			r.drops.count(objReport, name)
			err = r.skip()
		} else if seen&(1<<i) != 0 {
			return r.refuseAt(path+ms[i].name, "given twice; give it once")
		} else {
			seen |= 1 << i
			err = ms[i].read(path + ms[i].name)
		}
		if err != nil {
			return err
		}
		r.space()
		if r.i >= len(r.b) {
			return r.fault(r.i, "the object does not end; the body was cut")
		}
		c := r.b[r.i]
		r.i++
		if c == '}' {
			break
		}
		if c != ',' {
			return r.fault(r.i-1, "want a comma or a closing brace after a value, got "+describe(c))
		}
		r.space()
	}
	for i, m := range ms {
		if m.needs && seen&(1<<i) == 0 {
			return r.refuseAt(path+m.name, "missing; it is needed here")
		}
	}
	return nil
}

// want says that another JSON type stands here.
func (r *reportReader) want(path, what string) error {
	got := r.found()
	detail := "want " + what + ", got " + got
	if got == "null" {
		detail += "; leave out what is not known"
	}
	return r.refuseAt(path, detail)
}

func (r *reportReader) part(p reportSet, read func(string) error) func(string) error {
	return func(path string) error {
		r.w.has |= p
		return read(path)
	}
}

func (r *reportReader) text(to *string, most int) func(string) error {
	return func(path string) error {
		if r.i >= len(r.b) || r.b[r.i] != '"' {
			return r.want(path, "string")
		}
		s, err := r.str(path)
		if err != nil {
			return err
		}
		b := r.b[s.from:s.to]
		if s.escaped {
			b = unescape(b)
		}
		switch {
		case len(b) == 0:
			return r.refuseAt(path, "empty; leave out what is not known")
		case len(b) > most:
			return &Refusal{Field: path, Byte: r.i, Detail: fmt.Sprintf("longer than %d bytes", most), Kind: vedette.ErrTooLarge}
		}
		*to = string(b)
		return nil
	}
}

func (r *reportReader) moment(to *time.Time) func(string) error {
	return func(path string) error {
		s := ""
		if err := r.text(&s, 64)(path); err != nil {
			return err
		}
		at, ok := readTime([]byte(s))
		if !ok {
			return r.refuseAt(path, `want a time with zone as RFC 3339 writes it, like "2026-11-25T08:00:00.123Z"`)
		}
		*to = at
		return nil
	}
}

func (r *reportReader) oneOf(to *uint64, words []string) func(string) error {
	return func(path string) error {
		s := ""
		if err := r.text(&s, maxID)(path); err != nil {
			return err
		}
		for i, w := range words {
			if w != "" && w == s {
				*to = uint64(i)
				return nil
			}
		}
		return r.refuseAt(path, "want "+oneOf(words))
	}
}

func (r *reportReader) boolean(to *bool) func(string) error {
	return func(path string) error {
		switch {
		case r.literal("true"):
			*to = true
		case !r.literal("false"):
			return r.want(path, "true or false")
		}
		return nil
	}
}

func (r *reportReader) bytes32(to *[32]byte) func(string) error {
	return func(path string) error {
		s := ""
		if err := r.text(&s, maxID)(path); err != nil {
			return err
		}
		b, err := rawURL.DecodeString(s)
		if err != nil || len(b) != len(to) {
			return r.refuseAt(path, "want 32 bytes in base64url without padding, 43 characters")
		}
		copy(to[:], b)
		return nil
	}
}

func (r *reportReader) opened(path string) error {
	if r.i >= len(r.b) || r.b[r.i] != '{' {
		return r.want(path, "object")
	}
	w := &r.w
	return r.members(path, []member{
		{"text", false, r.text(&w.text, maxOpenedText)},
		{"links", false, r.linkList(&w.links)},
		{"transcript", false, r.messages},
		{"screenshot_text", false, r.text(&w.screenshot, maxOpenedText)},
	})
}

func (r *reportReader) franked(path string) error {
	if r.i >= len(r.b) || r.b[r.i] != '{' {
		return r.want(path, "object")
	}
	o := &r.w.franking
	return r.members(path, []member{
		{"commitment", true, r.bytes32((*[32]byte)(&o.Commitment))},
		{"key", true, r.bytes32((*[32]byte)(&o.Open))},
		{"tag", true, r.bytes32((*[32]byte)(&o.Tag))},
		{"key_id", true, r.text(&o.KeyID, 40)},
		{"sender", true, r.text(&o.Sender, maxID)},
		{"recipient", true, r.text(&o.Recipient, maxID)},
		{"sent_at", true, r.moment(&o.Sent)},
	})
}

// linkList reads an array of links as events have them.
func (r *reportReader) linkList(to *[]wireLink) func(string) error {
	return func(path string) error {
		if r.i >= len(r.b) || r.b[r.i] != '[' {
			return r.want(path, "array")
		}
		r.links, r.decoder.seen = nil, 0
		err := r.array()
		if f, ok := errors.AsType[*Refusal](err); ok && f.Field != "" {
			f.Field = path + f.Field[len("links"):] // every field of a link begins so
		}
		*to = r.links
		return err
	}
}

func (r *reportReader) messages(path string) error {
	if r.i >= len(r.b) || r.b[r.i] != '[' {
		return r.want(path, "array")
	}
	r.i++
	r.space()
	if r.i < len(r.b) && r.b[r.i] == ']' {
		r.i++
		return nil
	}
	for {
		at := fmt.Sprintf("%s[%d]", path, len(r.w.transcript))
		if len(r.w.transcript) == maxTranscript {
			return &Refusal{Field: path, Byte: r.i, Detail: "more than 200 messages; send those nearest to the reported one", Kind: vedette.ErrTooLarge}
		}
		if r.i >= len(r.b) {
			return r.fault(r.i, "the array does not end; the body was cut")
		}
		if r.b[r.i] != '{' {
			return r.want(at, "object")
		}
		var m wireMessage
		if err := r.members(at, []member{
			{"sender", true, r.text(&m.sender, maxID)}, {"at", true, r.moment(&m.at)}, {"text", false, r.text(&m.text, maxOpenedText)}, {"links", false, r.linkList(&m.links)},
		}); err != nil {
			return err
		}
		r.w.transcript = append(r.w.transcript, m)
		r.space()
		if r.i >= len(r.b) {
			return r.fault(r.i, "the array does not end; the body was cut")
		}
		c := r.b[r.i]
		r.i++
		if c == ']' {
			return nil
		}
		if c != ',' {
			return r.fault(r.i-1, "want a comma or a closing bracket after a message, got "+describe(c))
		}
		r.space()
	}
}

// url returns a link's text, "" for one of tokens.
func (r *reportReader) url(l *wireLink) string {
	if !l.seen.has(fLinkURL) {
		return ""
	}
	b := r.b[l.url.from:l.url.to]
	if l.url.escaped {
		b = unescape(b)
	}
	return string(b)
}

// reported gathers the links that the report is about: those of the opened message, then those of messages around it that the reporter did not
// send, each URL once. beside says that there are some of the latter.
func (r *reportReader) reported() (links []wireLink, beside bool, err error) {
	had := map[string]bool{}
	add := func(ls []wireLink) (n int) {
		for _, l := range ls {
			if u := r.url(&l); u == "" || !had[u] {
				had[u] = true
				links = append(links, l)
				n++
			}
		}
		return n
	}
	add(r.w.links)
	for _, m := range r.w.transcript {
		if m.sender != r.w.reporter && add(m.links) > 0 {
			beside = true
		}
	}
	if len(links) > maxLinks {
		return nil, false, &Refusal{Field: "opened.transcript", Byte: -1, Detail: "more than 32 links with those of the message; send fewer messages", Kind: vedette.ErrTooLarge}
	}
	return links, beside, nil
}

// stand tells whether each link stands in a text as a link of its own: a shorter beginning of one that is there may lead to another host.
func (r *reportReader) stand(links []wireLink, text string) bool {
	for i := range links {
		if u := r.url(&links[i]); u == "" || !standsIn(u, text) {
			return false
		}
	}
	return true
}

// standsIn looks for a link in a text, with or without its scheme, since people leave it out and clients put it in.
func standsIn(u, text string) bool {
	bare, scheme := u, ""
	for _, s := range []string{"https://", "http://"} {
		if rest, ok := strings.CutPrefix(u, s); ok {
			bare, scheme = rest, s
		}
	}
	if bare == "" {
		return false
	}
	for from := 0; ; {
		i := strings.Index(text[from:], bare)
		if i < 0 {
			return false
		}
		i += from
		if begins(strings.TrimSuffix(text[:i], scheme)) && ends(text[i+len(bare):]) {
			return true
		}
		from = i + 1
	}
}

// around are the marks that may stand right before or behind a link in a text. No other letter may: it would be of a longer link.
const around = " \t\n\r<>()[]{}\"'|*\u00a0\u00ab\u00bb\u060c\u061b\u061f\u3000\u3001\u3002\u300c\u300d\u300e\u300f\uff01\uff08\uff09\uff0c\uff1b\uff1f"

func isAround(c rune) bool {
	return strings.ContainsRune(around, c) || c >= '\u2000' && c <= '\u206f' // blanks, dashes and quotes of many scripts
}

// begins tells whether a link can begin after this text.
func begins(before string) bool {
	c, n := utf8.DecodeLastRuneInString(before)
	return n == 0 || isAround(c) || c == ',' || c == ';'
}

// ends tells whether a link has ended before this text, with marks that end a sentence in between.
func ends(after string) bool {
	after = strings.TrimLeft(after, ".,;:!?")
	c, n := utf8.DecodeRuneInString(after)
	return n == 0 || isAround(c)
}

// seal reads the links as an event's, at a time. clear says which were in clear.
func (r *reportReader) seal(links []wireLink, s Sealer, at time.Time) (ls []vedette.Link, urls []link.URL, missing vedette.Degraded) {
	r.links = links
	return r.readLinks(&checked{at: at}, s)
}
