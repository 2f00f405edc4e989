package indicator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"vedette"
)

// lineCounter remembers where lines begin, so that a damaged document can be named by line.
type lineCounter struct {
	r      io.Reader
	n      int64
	starts []int64
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			c.starts = append(c.starts, c.n+int64(i)+1)
		}
	}
	c.n += int64(n)
	return n, err
}

func (c *lineCounter) line(offset int64) int {
	return 1 + sort.Search(len(c.starts), func(i int) bool { return c.starts[i] > offset })
}

// jsonPlace tells where and why a small document cannot be read.
func jsonPlace(data []byte, err error) string {
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("line %d: %v", 1+bytes.Count(data[:min(int(se.Offset), len(data))], []byte("\n")), err)
	}
	return err.Error()
}

// document reads JSON of any of the known shapes as it streams by, and keeps what came before a damage.
type document struct {
	dec     *json.Decoder
	lines   *lineCounter
	emit    func(*item) error
	context map[string]int // objects that carry no value: relationships, identities, reports
	format  string         // what it turned out to be

	// of a STIX bundle
	items []item
	ids   []string          // the indicator of each item
	names map[string]string // id → name of what indicators point at
	about map[string]string // indicator → what it indicates
	kinds map[string]string // id → type
	count int

	// of a MISP event
	event *event
}

func readDocument(r io.Reader, emit func(*item) error) (format string, context map[string]int, err error) {
	lines := &lineCounter{r: r}
	d := &document{
		dec: json.NewDecoder(lines), lines: lines, emit: emit, context: map[string]int{},
		names: map[string]string{}, about: map[string]string{}, kinds: map[string]string{},
	}
	d.dec.UseNumber()
	err = d.top()
	if err != nil && !isEmit(err) {
		at := d.dec.InputOffset()
		if se, ok := errors.AsType[*json.SyntaxError](err); ok && se.Offset > 0 {
			at = max(at, se.Offset)
		}
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the document ends in the middle")
			at = lines.n
		}
		kind := vedette.ErrInvalid
		if errors.Is(err, kind) {
			err = fmt.Errorf("line %d: %w", lines.line(at), err)
		} else {
			err = fmt.Errorf("line %d: %w: %w", lines.line(at), err, kind)
		}
	}
	// What stood before a damage is kept.
	if e := d.finishEvent(); e != nil && err == nil {
		err = e
	}
	if e := d.finishBundle(); e != nil && err == nil {
		err = e
	}
	return d.format, d.context, err
}

// emitError marks an error of the consumer, not of the document.
type emitError struct{ error }

func (e emitError) Unwrap() error { return e.error }

func isEmit(err error) bool { _, ok := errors.AsType[emitError](err); return ok }

func (d *document) out(it *item) error {
	if err := d.emit(it); err != nil {
		return emitError{err}
	}
	return nil
}

func (d *document) top() error {
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	switch tok {
	case json.Delim('['):
		for d.dec.More() {
			if err := d.element(); err != nil {
				return err
			}
		}
		_, err = d.dec.Token()
	case json.Delim('{'):
		err = d.topObject()
	default:
		return errFormat("a JSON %T is no document of indicators", tok)
	}
	if err != nil {
		return err
	}
	if d.format == "" {
		return errFormat("JSON without STIX objects or MISP events")
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return errFormat("something follows the document's end")
	}
	return nil
}

// element reads one member of a bare array: a STIX object or something around a MISP event.
func (d *document) element() error {
	var raw json.RawMessage
	if err := d.dec.Decode(&raw); err != nil {
		return err
	}
	var probe map[string]json.RawMessage
	if json.Unmarshal(raw, &probe) != nil {
		return d.out(&item{where: fmt.Sprintf("element %d", d.count+1), value: clip(string(raw)), refuse: "not an object"})
	}
	if _, ok := probe["Event"]; ok {
		inner := &document{dec: json.NewDecoder(bytes.NewReader(raw)), lines: d.lines, emit: d.emit, context: d.context}
		inner.dec.UseNumber()
		if _, err := inner.dec.Token(); err != nil {
			return err
		}
		err := inner.topObject()
		d.format = inner.format
		if err == nil {
			err = inner.finishEvent()
		}
		return err
	}
	if _, ok := probe["type"]; ok {
		d.format = "stix"
		return d.stix(raw)
	}
	return d.out(&item{where: fmt.Sprintf("element %d", d.count+1), value: clip(string(raw)), refuse: "neither a STIX object nor a MISP event"})
}

// topObject reads the members of the outermost object, after its brace.
func (d *document) topObject() error {
	rest := map[string]json.RawMessage{}
	for d.dec.More() {
		name, err := d.name()
		if err != nil {
			return err
		}
		switch name {
		case "objects":
			d.format = "stix"
			if err := d.array(func() error {
				var raw json.RawMessage
				if err := d.dec.Decode(&raw); err != nil {
					return err
				}
				return d.stix(raw)
			}); err != nil {
				return err
			}
		case "response", "Event", "Attribute", "Object":
			d.format = "misp"
			if err := d.misp(name, ""); err != nil {
				return err
			}
		case "list":
			return errFormat("a MISP warning list: it says what must not be blocked; add it to the guard instead")
		default:
			var raw json.RawMessage
			if err := d.dec.Decode(&raw); err != nil {
				return err
			}
			rest[name] = raw
		}
	}
	if _, err := d.dec.Token(); err != nil {
		return err
	}
	if d.format == "" && rest["type"] != nil && rest["id"] != nil {
		raw, err := json.Marshal(rest)
		if err != nil {
			return err
		}
		if string(rest["type"]) != `"bundle"` {
			d.format = "stix"
			return d.stix(raw)
		}
		d.format = "stix" // a bundle without objects
	}
	return nil
}

func (d *document) name() (string, error) {
	tok, err := d.dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", errFormat("%v where a name should stand", tok)
	}
	return s, nil
}

// array reads an array by its elements. Anything else in its place is an error that names it.
func (d *document) array(each func() error) error {
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	if tok == nil {
		return nil
	}
	if tok != json.Delim('[') {
		return errFormat("%v where an array should stand", tok)
	}
	for d.dec.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err = d.dec.Token()
	return err
}

// fields reads an object leniently: people write numbers as strings and strings as numbers.
type fields map[string]any

func (f fields) text(name string) string {
	switch v := f[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (f fields) yes(name string) bool {
	switch v := f[name].(type) {
	case bool:
		return v
	case string:
		return v == "1" || strings.EqualFold(v, "true")
	case json.Number:
		return v.String() == "1"
	}
	return false
}

func (f fields) list(name string) []string {
	a, _ := f[name].([]any)
	var out []string
	for _, v := range a {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func parseFields(raw []byte) (fields, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var f fields
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	return f, nil
}

// stix reads one object of a bundle. Indicators wait until the bundle's end, since what they point at may come later.
func (d *document) stix(raw []byte) error {
	d.count++
	f, err := parseFields(raw)
	if err != nil || f == nil {
		return d.out(&item{where: fmt.Sprintf("object %d", d.count), value: clip(string(raw)), refuse: "not an object"})
	}
	kind, id := f.text("type"), f.text("id")
	where := "object " + id
	if id == "" {
		where = fmt.Sprintf("object %d", d.count)
	}
	switch kind {
	case "":
		return d.out(&item{where: where, value: clip(string(raw)), refuse: "an object without a type"})
	case "indicator":
		d.indicator(f, where, id)
	case "relationship":
		d.context[kind]++
		if source, target := f.text("source_ref"), f.text("target_ref"); strings.HasPrefix(source, "indicator--") {
			// A person or group that stands behind says more than a product does.
			if old, ok := d.about[source]; !ok || strings.HasPrefix(old, "malware--") {
				d.about[source] = target
			}
		}
	case "domain-name", "url", "ipv4-addr", "ipv6-addr", "email-addr", "mac-addr":
		d.items = append(d.items, item{where: where, value: f.text("value"), original: f.text("value"), ref: id, keep: "observable"}) // seen, not called bad
		d.ids = append(d.ids, "")
	case "file", "process", "artifact", "user-account", "x509-certificate", "windows-registry-key", "autonomous-system", "network-traffic", "email-message", "mutex", "software", "directory":
		d.items = append(d.items, item{where: where, value: clip(string(raw)), ref: id, keep: "observable"})
		d.ids = append(d.ids, "")
	case "observed-data":
		d.items = append(d.items, item{where: where, value: id, ref: id, keep: "observation"})
		d.ids = append(d.ids, "")
	default:
		d.context[kind]++
		if n := f.text("name"); n != "" && id != "" {
			d.names[id], d.kinds[id] = n, kind
		}
	}
	return nil
}

func (d *document) indicator(f fields, where, id string) {
	base := item{where: where, ref: id, original: f.text("pattern"), note: f.text("description")}
	if n := f.text("name"); n != "" && base.note == "" {
		base.note = n
	}
	base.from, base.until = date(f.text("valid_from")), date(f.text("valid_until"))
	base.published = date(f.text("created"))
	base.confidence = confidence(f.text("confidence"))
	base.withdrawn = f.yes("revoked")
	for _, m := range f.list("object_marking_refs") {
		if t, err := ParseTLP(m); err == nil {
			base.tlp = max(base.tlp, t)
		}
	}
	put := func(it item) { d.items, d.ids = append(d.items, it), append(d.ids, id) }
	if s := f.text("valid_until"); s != "" && base.until.IsZero() {
		base.value, base.refuse = base.original, fmt.Sprintf("valid_until %q is no time", s)
		put(base)
		return
	}
	if t := f.text("pattern_type"); t != "" && t != "stix" {
		base.value, base.keep = base.original, "rule"
		put(base)
		return
	}
	if base.original == "" {
		base.refuse = "an indicator without a pattern"
		put(base)
		return
	}
	terms, err := parsePattern(base.original)
	if err != nil {
		base.value, base.refuse = base.original, reasonOf(err, base.original)
		put(base)
		return
	}
	for _, t := range terms {
		for _, v := range t.values {
			it := base
			it.value = v
			it.term(&t)
			put(it)
		}
	}
}

// term says what one comparison of a pattern is about.
func (it *item) term(t *term) {
	object, property, _ := strings.Cut(t.path, ":")
	about := false
	switch {
	case describes(t.path), strings.HasSuffix(property, "_port"):
		it.keep = "context"
		return
	case property == "value" && (object == "domain-name" || object == "domain" || object == "fqdn"):
		it.kind, about = "domain", true
	case property == "value" && (object == "hostname" || object == "host" || object == "x-hostname"):
		it.kind, about = "hostname", true
	case property == "value" && (object == "url" || object == "uri"):
		it.kind, about = "url", true
	case property == "value" && (object == "ipv4-addr" || object == "ipv6-addr" || object == "ip-addr"),
		object == "network-traffic" && (property == "dst_ref.value" || property == "src_ref.value"):
		it.kind, about = "ip", true
	}
	if !about {
		switch {
		case object == "file" && strings.HasPrefix(property, "hashes"):
			it.keep = "hash"
		case object == "email-addr" || object == "email-message":
			it.keep = "email"
		case object == "windows-registry-key" || object == "win-registry-key":
			it.keep = "registry"
		case object == "":
			it.refuse = fmt.Sprintf("%q names no object", t.path)
		default:
			it.keep = object
		}
		return
	}
	switch {
	case t.not:
		it.refuse = "negated: it says what is not bad"
	case t.and:
		it.refuse = "joined to other conditions: alone it would cover more than the source said"
	case t.op == "LIKE":
		if v, ok := strings.CutSuffix(it.value, "/%"); ok && it.kind == "url" && !strings.ContainsAny(v, "%_") && strings.Contains(strings.TrimPrefix(strings.TrimPrefix(v, "https://"), "http://"), "/") {
			it.value, it.scope = v, ScopePath
			return
		}
		it.refuse = "LIKE covers names that no scope covers exactly"
	case t.op != "=" && t.op != "IN":
		it.refuse = t.op + " compares with more than one value"
	}
	it.port = t.port
}

func (d *document) finishBundle() error {
	for i := range d.items {
		it := &d.items[i]
		if id := d.ids[i]; id != "" {
			it.operator = d.names[d.about[id]]
		}
		if err := d.out(it); err != nil {
			return err
		}
	}
	d.items, d.ids = nil, nil
	return nil
}

// event is what a MISP event says of all its attributes. They wait for its end, since its date and tags may follow them.
type event struct {
	published, dated time.Time
	tlp              TLP
	info             string
	items            []mispItem
}

type mispItem struct {
	item
	kind, value string
}

func (d *document) finishEvent() error {
	e := d.event
	d.event = nil
	if e == nil {
		return nil
	}
	for i := range e.items {
		it := e.items[i].item
		it.published = e.published
		if it.published.IsZero() {
			it.published = e.dated
		}
		if it.tlp == TLPNone {
			it.tlp = e.tlp
		}
		var bad error
		if _, err := emitTyped(it, e.items[i].kind, e.items[i].value, func(it *item) error { bad = d.out(it); return bad }); err != nil {
			return err
		}
	}
	return nil
}

// misp reads the value of a member of that name, inside an object of the given name.
func (d *document) misp(name, object string) error {
	if d.event == nil {
		d.event = &event{}
	}
	switch name {
	case "Attribute", "ShadowAttribute":
		return d.array(func() error {
			var raw json.RawMessage
			if err := d.dec.Decode(&raw); err != nil {
				return err
			}
			if name == "ShadowAttribute" {
				d.context["proposal"]++ // what somebody else proposes is not what the source says
				return nil
			}
			d.attribute(raw, object)
			return nil
		})
	case "Object":
		return d.array(func() error {
			var raw json.RawMessage
			if err := d.dec.Decode(&raw); err != nil {
				return err
			}
			var o struct {
				Name      string
				Deleted   any
				Attribute []json.RawMessage
			}
			if err := json.Unmarshal(raw, &o); err != nil {
				d.event.items = append(d.event.items, mispItem{item: item{where: "object", refuse: "an object that cannot be read: " + err.Error()}, value: clip(string(raw))})
				return nil
			}
			for _, a := range o.Attribute {
				d.attribute(a, o.Name)
			}
			return nil
		})
	case "Tag":
		return d.array(func() error {
			var t struct{ Name string }
			var raw json.RawMessage
			if err := d.dec.Decode(&raw); err != nil {
				return err
			}
			if json.Unmarshal(raw, &t) == nil {
				if l, err := ParseTLP(t.Name); err == nil {
					d.event.tlp = max(d.event.tlp, l)
				}
			}
			return nil
		})
	case "response", "Event":
		tok, err := d.dec.Token()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('['):
			for d.dec.More() {
				tok, err := d.dec.Token()
				if err != nil {
					return err
				}
				if tok != json.Delim('{') {
					return errFormat("%v where an event should stand", tok)
				}
				if err := d.mispObject(); err != nil {
					return err
				}
				if err := d.finishEvent(); err != nil {
					return err
				}
			}
			_, err = d.dec.Token()
			return err
		case json.Delim('{'):
			return d.mispObject()
		}
		return errFormat("%v where an event should stand", tok)
	default:
		var raw json.RawMessage
		if err := d.dec.Decode(&raw); err != nil {
			return err
		}
		var v any
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if dec.Decode(&v) != nil {
			return nil
		}
		s := fields{name: v}.text(name)
		switch name {
		case "date":
			d.event.dated = date(s)
		case "publish_timestamp":
			d.event.published = date(s)
		case "info":
			d.event.info = s
		case "EventReport", "Galaxy", "RelatedEvent":
			if a, ok := v.([]any); ok {
				d.context[strings.ToLower(name)] += len(a)
			}
		}
		return nil
	}
}

func (d *document) mispObject() error {
	for d.dec.More() {
		name, err := d.name()
		if err != nil {
			return err
		}
		if d.event == nil {
			d.event = &event{}
		}
		if err := d.misp(name, ""); err != nil {
			return err
		}
	}
	_, err := d.dec.Token()
	return err
}

func (d *document) attribute(raw []byte, object string) {
	d.count++
	where := fmt.Sprintf("attribute %d", d.count)
	f, err := parseFields(raw)
	if err != nil || f == nil {
		d.event.items = append(d.event.items, mispItem{item: item{where: where, refuse: "an attribute that cannot be read"}, value: clip(string(raw))})
		return
	}
	m := mispItem{kind: strings.ToLower(f.text("type")), value: f.text("value")}
	m.item = item{where: where, ref: f.text("uuid"), original: m.value, note: f.text("comment")}
	if m.ref != "" {
		m.where = "attribute " + m.ref
	}
	m.from = date(f.text("first_seen"))
	if v, ok := f["to_ids"]; ok && v != nil && !f.yes("to_ids") {
		m.observe = true
	}
	m.withdrawn = f.yes("deleted")
	switch {
	case m.kind == "":
		m.refuse = "an attribute without a type"
	case m.value == "":
		m.refuse = "an attribute without a value"
	case object == "url" && m.kind == "text", object == "domain-ip" && (m.kind == "text" || m.kind == "port"), m.kind == "port":
		m.keep = "context" // a part of what another attribute of the object says whole
	}
	if tags, ok := f["Tag"].([]any); ok {
		for _, t := range tags {
			if t, ok := t.(map[string]any); ok {
				if l, err := ParseTLP(fields(t).text("name")); err == nil {
					m.tlp = max(m.tlp, l)
				}
			}
		}
	}
	d.event.items = append(d.event.items, m)
}
