package order

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // days are meant in the court's zone, on every machine the same
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"vedette"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	Line int    `json:"line"`
	Path string `json:"path,omitempty"`
	What string `json:"what"`
}

func (f Fault) Error() string {
	if f.Path == "" {
		return fmt.Sprintf("line %d: %s", f.Line, f.What)
	}
	return fmt.Sprintf("line %d: %s: %s", f.Line, f.Path, f.What)
}

// Faults are all that is wrong with a file, by line. They wrap vedette.ErrInvalid.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the kind.
func (f Faults) Unwrap() error { return vedette.ErrInvalid }

// Read reads an order or a policy. Its error is Faults: everything that is wrong, with lines.
func Read(b []byte) (*Order, error) {
	o := &Order{}
	r := reader{lines: map[string]int{}, zone: time.UTC}
	if r.file(b, o, FormatOrder) {
		r.order(o)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return o, nil
}

// reader turns YAML into one of this room's files and remembers every fault.
type reader struct {
	lines  map[string]int
	faults Faults
	zone   *time.Location // in which days are meant
}

func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return r.faults
}

func (r *reader) fault(n *yaml.Node, path, format string, args ...any) {
	r.faults = append(r.faults, Fault{max(n.Line, 1), path, fmt.Sprintf(format, args...)})
}

// at tells of a fault where a path stands, or what it stands in.
func (r *reader) at(path, format string, args ...any) {
	if slices.ContainsFunc(r.faults, func(f Fault) bool { return f.Path == path }) {
		return // what could not be read is not missing too
	}
	line := 1
	for p := path; p != ""; {
		if n, ok := r.lines[p]; ok {
			line = n
			break
		}
		p = p[:max(strings.LastIndexAny(p, ".["), 0)]
	}
	r.faults = append(r.faults, Fault{line, path, fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// file reads the YAML itself and puts it into the struct; false: there is nothing to check further.
func (r *reader) file(b []byte, into any, format string) bool {
	if len(b) > MaxFile {
		r.fault(&yaml.Node{}, "", "the file has %d bytes, at most %d", len(b), MaxFile)
		return false
	}
	if !utf8.Valid(b) {
		good := 0
		for rest := b; len(rest) > 0; {
			c, n := utf8.DecodeRune(rest)
			if c == utf8.RuneError && n < 2 {
				break
			}
			good, rest = good+n, rest[n:]
		}
		r.fault(&yaml.Node{Line: 1 + bytes.Count(b[:good], []byte("\n"))}, "", "is not UTF-8")
		return false
	}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); err != nil {
		n, what := &yaml.Node{}, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(what); m != nil {
			n.Line, _ = strconv.Atoi(m[1])
			what = strings.Replace(what, m[0], "", 1)
		}
		if errors.Is(err, io.EOF) {
			what = "nothing stands in it"
		}
		r.fault(n, "", "no YAML: %s", what)
		return false
	}
	var more yaml.Node
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		r.fault(&more, "", "a second document begins: one file is one document")
		return false
	}
	root := doc.Content[0]
	if !r.plain(root, 0) {
		return false
	}
	if root.Kind == yaml.MappingNode { // days are read in it, wherever it stands
		for i := 0; i+1 < len(root.Content); i += 2 {
			k, v := root.Content[i].Value, root.Content[i+1]
			switch {
			case k == "zone" && v.Kind == yaml.ScalarNode:
				z, err := time.LoadLocation(v.Value)
				if err != nil || v.Value == "Local" || v.Value == "" {
					r.fault(v, k, "%.60q is no time zone; want a name like America/Los_Angeles", v.Value)
				} else {
					r.zone = z
				}
			case k == "format" && v.Value != format:
				r.fault(v, k, "want %s, got %.60q", format, v.Value)
			}
		}
	}
	r.into(root, reflect.ValueOf(into).Elem(), "")
	if r.lines["format"] == 0 {
		r.fault(root, "format", "is missing; want %s", format)
	}
	return true
}

// plain refuses what makes a small file a large one, or one text two.
func (r *reader) plain(n *yaml.Node, deep int) bool {
	switch {
	case deep > maxDeep:
		r.fault(n, "", "deeper than %d", maxDeep)
		return false
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.fault(n, "", "anchors and aliases are not taken: write it out")
		return false
	case len(n.Content) > 2*maxList:
		r.fault(n, "", "more than %d entries", maxList)
		return false
	}
	ok := true
	for _, c := range n.Content {
		ok = r.plain(c, deep+1) && ok
	}
	return ok
}

var momentType = reflect.TypeFor[Moment]()

func (r *reader) into(n *yaml.Node, v reflect.Value, path string) {
	r.lines[path] = n.Line
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.Type() == momentType {
		v.Set(reflect.ValueOf(r.moment(n, path)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			r.fault(n, path, "want keys and values")
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, x := n.Content[i], n.Content[i+1]
			sub := k.Value
			if path != "" {
				sub = path + "." + k.Value
			}
			if seen[k.Value] {
				r.fault(k, sub, "is said twice")
				continue
			}
			seen[k.Value] = true
			f, ok := fieldOf(v, k.Value)
			if !ok || k.Tag == "!!merge" {
				r.fault(k, short(sub), "is unknown; known are %s", strings.Join(keysOf(v), ", "))
				continue
			}
			r.into(x, f, sub)
			r.lines[sub] = k.Line
		}
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.fault(n, path, "want a list, each entry behind a hyphen")
			return
		}
		if len(n.Content) > maxList {
			r.fault(n, path, "has %d entries, at most %d", len(n.Content), maxList)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, c := range n.Content {
			r.into(c, v.Index(i), path+"["+strconv.Itoa(i+1)+"]")
		}
	case reflect.String:
		switch {
		case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
			r.fault(n, path, "want text")
		case len(n.Value) > maxText:
			r.fault(n, path, "has %d bytes, at most %d", len(n.Value), maxText)
		case strings.ContainsFunc(n.Value, func(c rune) bool { return unicode.Is(unicode.Cc, c) && c != '\n' && c != '\t' }):
			r.fault(n, path, "holds a control character")
		default:
			v.SetString(n.Value)
		}
	case reflect.Int:
		x, err := strconv.Atoi(n.Value)
		if err != nil || n.Kind != yaml.ScalarNode || x < 0 || x > 10_000 {
			r.fault(n, path, "want a whole number from 0 to 10000, got %.40q", n.Value)
			return
		}
		v.SetInt(int64(x))
	default:
		panic("order: no reader for " + v.Type().String()) // a field of a new type needs one
	}
}

func short(s string) string { return s[:min(len(s), 120)] }

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(v reflect.Value) (keys []string) {
	for i := range v.NumField() {
		keys = append(keys, v.Type().Field(i).Tag.Get("yaml"))
	}
	return keys
}

// moment reads a time, a day, "unknown", or keys earliest and latest of them.
func (r *reader) moment(n *yaml.Node, path string) Moment {
	if n.Kind == yaml.ScalarNode {
		m, _ := r.span(n, path)
		return m
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, path, "want a day, a time, unknown, or earliest and latest")
		return Moment{}
	}
	var m Moment
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, x := n.Content[i], n.Content[i+1]
		sub := path + "." + k.Value
		if seen[k.Value] {
			r.fault(k, sub, "is said twice")
			continue
		}
		seen[k.Value] = true
		s, ok := r.span(x, sub)
		switch {
		case k.Value == "earliest":
			m.Earliest = s.Earliest
		case k.Value == "latest":
			m.Latest = s.Latest
		case ok:
			r.fault(k, short(sub), "is unknown; known are earliest, latest")
		}
	}
	if !seen["earliest"] || !seen["latest"] {
		r.fault(n, path, "needs both earliest and latest; either can be unknown")
	}
	if !m.Earliest.IsZero() && !m.Latest.IsZero() && m.Latest.Before(m.Earliest) {
		r.fault(n, path, "the latest is before the earliest")
	}
	return m
}

func (r *reader) span(n *yaml.Node, path string) (Moment, bool) {
	if n.Kind == yaml.ScalarNode {
		if n.Value == "unknown" {
			return Moment{}, true
		}
		m, err := ParseMoment(n.Value, r.zone)
		if err == nil {
			return m, true
		}
	}
	r.fault(n, path, "want a day like 2026-01-31, a time like 2026-01-31T09:00:00Z, or unknown; got %.60q", n.Value)
	return Moment{}, false
}

// ParseMoment reads a day, which is the span from its beginning to its end in a zone, or an RFC 3339 time. Its error wraps vedette.ErrInvalid.
func ParseMoment(s string, zone *time.Location) (Moment, error) {
	if d, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil && d.Year() >= 1900 && d.Year() < 3000 {
		end := time.Date(d.Year(), d.Month(), d.Day()+1, 0, 0, 0, 0, zone)
		return Moment{d.UTC(), end.UTC()}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1900 || t.Year() >= 3000 {
		return Moment{}, fmt.Errorf("%.60q is neither a day (2026-01-31) nor an RFC 3339 time: %w", s, vedette.ErrInvalid)
	}
	return Exactly(t.UTC()), nil
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// id checks a name that papers and commands use.
func (r *reader) id(path, s string, seen map[string]string) {
	switch {
	case s == "":
		r.at(path, "is missing")
	case !idPattern.MatchString(s):
		r.at(path, "%.70q: 1 to 64 of a-z, A-Z, 0-9, point, hyphen and underline, a letter or digit first", s)
	case seen != nil && seen[s] != "":
		r.at(path, "%s is the id of %s already", s, seen[s])
	case seen != nil:
		seen[s] = strings.TrimSuffix(path, ".id")
	}
}

func (r *reader) need(path, s string) {
	if strings.TrimSpace(s) == "" {
		r.at(path, "is missing")
	}
}

// one checks that a word is of a closed set.
func one[T ~string](r *reader, path string, s T, of ...T) {
	words := make([]string, len(of))
	for i, w := range of {
		words[i] = string(w)
	}
	switch {
	case s == "":
		r.at(path, "is missing; want %s", strings.Join(words, ", "))
	case !slices.Contains(of, s):
		r.at(path, "%.60q: want %s", string(s), strings.Join(words, ", "))
	}
}

func entry(list string, i int) string { return list + "[" + strconv.Itoa(i+1) + "]" }

// order tells everything that cannot be.
func (r *reader) order(o *Order) {
	if o.Kind == "" {
		o.Kind = KindOrder
	}
	one(r, "kind", o.Kind, KindOrder, KindPolicy)
	r.id("id", o.ID, nil)
	r.need("caption", o.Caption)
	if o.Date.IsZero() {
		r.at("date", "is missing, or wholly unknown")
	}
	for _, x := range []struct {
		path, value string
		of          Kind
	}{{"court", o.Court, KindOrder}, {"docket", o.Docket, KindOrder}, {"issuer", o.Issuer, KindPolicy}} {
		switch {
		case o.Kind == x.of:
			r.need(x.path, x.value)
		case x.value != "":
			r.at(x.path, "belongs to an %s; this is a %s", x.of, o.Kind)
		}
	}
	if len(o.Platforms) == 0 {
		r.at("platforms", "is missing: on which platforms it holds")
	}
	for i, p := range o.Platforms {
		r.platform(entry("platforms", i), p)
	}
	if len(o.Clauses) == 0 {
		r.at("clauses", "is missing: an order without a clause forbids nothing")
	}
	if len(o.Intervals) == 0 {
		r.at("intervals", "is missing: when it is in force, by which paper")
	}
	clauses, parties, outside := map[string]string{}, map[string]string{}, map[string]string{}
	for i := range o.Clauses {
		r.clause(entry("clauses", i), &o.Clauses[i], clauses)
	}
	for i := range o.Parties {
		r.party(entry("parties", i), o, &o.Parties[i], parties)
	}
	for i := range o.Intervals {
		r.interval(entry("intervals", i), &o.Intervals[i], clauses)
	}
	for i := range o.Exclusions {
		x, path := &o.Exclusions[i], entry("exclusions", i)
		r.id(path+".id", x.ID, outside)
		r.need(path+".text", x.Text)
		if len(x.Who) == 0 && len(x.Platforms) == 0 {
			r.at(path, "needs who, or platforms, that are not bound")
		}
		for k, w := range x.Who {
			r.need(entry(path+".who", k), w)
		}
		for k, p := range x.Platforms {
			r.platform(entry(path+".platforms", k), p)
			if slices.Contains(o.Platforms, p) {
				r.at(entry(path+".platforms", k), "%s is one of the order's own platforms", p)
			}
		}
	}
}

func (r *reader) platform(path, s string) {
	if u, err := url.Parse("//" + s); s == "" || err != nil || u.Host != s || len(s) > 253 {
		r.at(path, "%.80q: want a name like chat.example", s)
	}
}

func (r *reader) clause(path string, c *Clause, seen map[string]string) {
	r.id(path+".id", c.ID, seen)
	one(r, path+".wording", c.Wording, Verbatim, Placeholder)
	r.need(path+".text", c.Text)
	r.need(path+".verb", c.Verb)
	r.need(path+".object", c.Object)
	switch want := Digest(c.Text).String(); {
	case strings.TrimSpace(c.Text) == "":
	case c.SHA256 == "":
		r.at(path+".sha256", "is missing; of this text it is %s", want)
	case c.SHA256 != want:
		r.at(path+".sha256", "is not that of the text, which is %s: compare the text with the paper before you change either", want)
	}
	for i, k := range c.Acts {
		one(r, entry(path+".acts", i), k, ActKinds()...)
	}
	ids := map[string]string{}
	for i := range c.Exceptions {
		x := entry(path+".exceptions", i)
		r.id(x+".id", c.Exceptions[i].ID, ids)
		r.need(x+".text", c.Exceptions[i].Text)
	}
}

func (r *reader) party(path string, o *Order, p *Party, seen map[string]string) {
	r.id(path+".id", p.ID, seen)
	r.need(path+".name", p.Name)
	for i := range o.Parties {
		if q := &o.Parties[i]; q != p && p.Name != "" && (q.Name == p.Name || q.ID == p.Name) {
			r.at(path+".name", "%.60q is also how %s is called", p.Name, q.ID) // an answer would be about either
		}
	}
	if o.Kind == KindPolicy {
		one(r, path+".bound_as", p.Way, WayAccepted)
	} else {
		one(r, path+".bound_as", p.Way, WayParty, WayAgent, WayConcert)
	}
	if p.Ground == "" && p.Way == WayParty {
		p.Ground = GroundNamed
	}
	one(r, path+".ground", p.Ground, GroundNamed, GroundDocumented, GroundAdmitted, GroundFound, GroundAlleged)
	if p.Ground != GroundNamed && p.Ground != "" {
		r.need(path+".proof", p.Proof)
	}
	of := slices.IndexFunc(o.Parties, func(q Party) bool { return q.ID == p.Of && q.Way == WayParty })
	switch {
	case p.Way == WayAgent || p.Way == WayConcert:
		if of < 0 {
			r.at(path+".of", "%.60q is no party of this order: whose agent they are, or with whom they act", p.Of)
		}
	case p.Of != "" && (p.Way == WayParty || p.Way == WayAccepted):
		r.at(path+".of", "is for agents and for those in active concert")
	}
	r.period(path, p.From, p.To)
	for i := range p.Notice {
		n, x := &p.Notice[i], entry(path+".notice", i)
		r.need(x+".who", n.Who)
		r.need(x+".how", n.How)
		r.need(x+".proof", n.Proof)
		if r.lines[x+".when"] == 0 {
			r.at(x+".when", "is missing; say unknown where it is not known")
		}
	}
}

func (r *reader) period(path string, from, to *Moment) {
	if from == nil || to == nil {
		return
	}
	if !from.Earliest.IsZero() && !to.Latest.IsZero() && !to.Latest.After(from.Earliest) {
		r.at(path+".to", "ends before it begins")
	}
}

func (r *reader) interval(path string, v *Interval, clauses map[string]string) {
	one(r, path+".state", v.State, InForce, Stayed, Modified, Vacated)
	r.need(path+".instrument", v.Instrument)
	if r.lines[path+".from"] == 0 {
		r.at(path+".from", "is missing; say unknown where it is not known")
	}
	r.period(path, &v.From, v.To)
	seen := map[string]bool{}
	for i, c := range v.Clauses {
		switch {
		case clauses[c] == "":
			r.at(entry(path+".clauses", i), "there is no clause %.60q", c)
		case seen[c]:
			r.at(entry(path+".clauses", i), "%s is said twice", c)
		}
		seen[c] = true
	}
	switch {
	case v.State != Modified && v.As != "":
		r.at(path+".as", "is for modified alone")
	case v.State == Modified && len(v.Clauses) != 1:
		r.at(path+".clauses", "a modification names the one clause that it changes")
	case v.State == Modified && (clauses[v.As] == "" || seen[v.As]):
		r.at(path+".as", "want the id of the clause that holds instead; enter it as a clause of its own")
	}
}
