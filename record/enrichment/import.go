package enrichment

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette"
)

// The formats of files. docs/formats/enrichment.md tells each.
const (
	FormatCSV          = "csv"          // host,kind,value,first,last,source
	FormatCOF          = "cof"          // passive DNS, JSON lines of the Common Output Format
	FormatCT           = "ct"           // certificates, JSON lines
	FormatRegistration = "registration" // registrations, JSON lines or documents
	FormatNames        = "names"        // newly seen names, one a line
	formatJSON         = "json"         // each object says what it is
)

// Options are what a person says of a file. Source and At are required.
type Options struct {
	Source string    // who published it; 1 to 64 bytes. A table's own column goes before it
	Format string    // one of the formats; "": found out
	At     time.Time // now: when it is imported, and when a list without times saw its names
}

// Bounds of one import.
const (
	maxLine     = 1 << 20    // bytes of a line, or of one object
	maxDocument = 32 << 20   // bytes of a document that is not one object a line
	maxNames    = 1000       // names in one certificate, name servers of one name
	MaxFacts    = 20_000_000 // facts of one file
	batch       = 20_000     // facts handed to the store at once
)

// Report tells what became of a file: each line or object is taken, refused, or empty of what is kept here.
type Report struct {
	File     string         `json:"file"`
	Format   string         `json:"format"`
	Source   string         `json:"source"`
	Seen     int            `json:"seen"`    // lines, rows or objects
	Taken    int            `json:"taken"`   // of those
	Ignored  int            `json:"ignored"` // of those: sound, but of a type that is not kept, such as MX
	Refused  int            `json:"refused"` // of those
	Facts    int            `json:"facts"`   // that came out of them
	Kinds    map[Kind]int   `json:"kinds"`
	Added    int            `json:"added"`    // facts not known before
	Widened  int            `json:"widened"`  // facts known, and now seen earlier or later
	Same     int            `json:"same"`     // facts about which nothing was new
	Refusals []Refusal      `json:"refusals"` // the first 1000
	Types    map[string]int `json:"types"`    // of the ignored
}

// Importer takes facts from files. Its fields are set before use and not changed after.
type Importer struct {
	Store Store // nil: nothing is kept, only reported
	ASNs  *ASNs // gives each address its AS number; nil: none
}

// Import reads a file to its end, packed with gzip or not. An error says that the file is damaged or too large at a named place, or that the
// store failed; the report then tells what was taken all the same. It wraps vedette.ErrInvalid, ErrTooLarge or the store's kind.
func (im *Importer) Import(ctx context.Context, r io.Reader, name string, opts Options) (Report, error) {
	rep := Report{File: path.Base(name), Source: opts.Source, Kinds: map[Kind]int{}, Types: map[string]int{}}
	if err := checkSource(opts.Source); err != nil {
		return rep, fmt.Errorf("enrichment: import %s: %w", rep.File, err)
	}
	if opts.At.IsZero() {
		return rep, fmt.Errorf("enrichment: import %s: no time: %w", rep.File, vedette.ErrInvalid)
	}
	run := &importing{im: im, ctx: ctx, opts: opts, rep: &rep}
	err := run.read(r, strings.TrimSuffix(rep.File, ".gz"))
	err = cmp.Or(err, run.flush())
	if err != nil {
		return rep, fmt.Errorf("enrichment: import %s: %w", rep.File, err)
	}
	return rep, nil
}

type importing struct {
	im    *Importer
	ctx   context.Context
	opts  Options
	rep   *Report
	facts []Fact
	want  string // "": every object says what it is
}

func (run *importing) read(r io.Reader, name string) error {
	r, err := unzip(r)
	if err != nil {
		return err
	}
	br := bufio.NewReaderSize(r, 64<<10)
	if head, _ := br.Peek(3); string(head) == "\xef\xbb\xbf" {
		_, _ = br.Discard(3)
	}
	head, err := br.Peek(4 << 10)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	format := run.opts.Format
	switch format {
	case "":
		format = detect(head, name)
	case FormatCSV, FormatNames:
	case FormatCOF, FormatCT, FormatRegistration:
		run.want, format = format, formatJSON
	default:
		return fmt.Errorf("format %.40q: csv, cof, ct, registration or names: %w", format, vedette.ErrInvalid)
	}
	run.rep.Format = cmp.Or(run.want, format)
	switch format {
	case FormatCSV:
		return run.table(br)
	case FormatNames:
		return run.list(br)
	}
	if document(head) {
		return run.document(br)
	}
	return run.objects(br)
}

// detect tells a format by how a file begins.
func detect(head []byte, name string) string {
	text := strings.TrimLeft(string(head), " \t\r\n")
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return formatJSON
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if strings.Contains(line, ",") {
			return FormatCSV
		}
		break
	}
	if strings.EqualFold(path.Ext(name), ".csv") {
		return FormatCSV
	}
	return FormatNames
}

// document tells whether a JSON file is one document: a list, or an object over several lines.
func document(head []byte) bool {
	t := bytes.TrimLeft(head, " \t\r\n")
	if len(t) > 0 && t[0] == '[' {
		return true
	}
	line, rest, more := bytes.Cut(t, []byte("\n"))
	return more && len(bytes.TrimSpace(rest)) > 0 && !json.Valid(line) && !bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("{"))
}

// refuse counts what was not taken, and names it.
func (run *importing) refuse(where, value, reason string) {
	run.rep.Refused++
	if len(run.rep.Refusals) < maxRefused {
		run.rep.Refusals = append(run.rep.Refusals, Refusal{where, clip(value), reason})
	}
}

// seen counts a line, and looks whether the caller still waits.
func (run *importing) seen() error {
	if run.rep.Seen++; run.rep.Seen%1024 == 0 {
		return run.ctx.Err()
	}
	return nil
}

// take takes what a line or an object says: all of it or nothing. An address brings its AS number along.
func (run *importing) take(where, value string, facts []Fact) error {
	for i := range facts {
		f, err := Canonical(facts[i])
		if err != nil {
			run.refuse(where, value, reasonOf(err))
			return nil
		}
		facts[i] = f
	}
	run.rep.Taken++
	for _, f := range facts {
		if err := run.put(f); err != nil {
			return err
		}
		if f.Kind != Address {
			continue
		}
		if a, err := netip.ParseAddr(f.Value); err == nil {
			if asn, _, ok := run.im.ASNs.Origin(a); ok {
				f.Kind, f.Value, f.Source = Origin, strconv.FormatUint(uint64(asn), 10), run.im.ASNs.Source()
				if err := run.put(f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (run *importing) put(f Fact) error {
	run.rep.Facts++
	run.rep.Kinds[f.Kind]++
	if run.rep.Facts > MaxFacts {
		return fmt.Errorf("over %d facts in one file: %w", MaxFacts, vedette.ErrTooLarge)
	}
	run.facts = append(run.facts, f)
	if len(run.facts) < batch {
		return nil
	}
	return run.flush()
}

func (run *importing) flush() error {
	if len(run.facts) == 0 {
		return nil
	}
	slices.SortFunc(run.facts, Compare) // a store's pages are then touched in order
	merged := run.facts[:1]
	for _, f := range run.facts[1:] {
		if l := &merged[len(merged)-1]; Compare(*l, f) == 0 {
			before := *l
			if Merge(l, f); *l == before {
				run.rep.Same++
			} else {
				run.rep.Widened++
			}
			continue
		}
		merged = append(merged, f)
	}
	run.facts = run.facts[:0]
	if run.im.Store == nil {
		run.rep.Added += len(merged)
		return nil
	}
	done, err := run.im.Store.Put(run.ctx, merged)
	run.rep.Added += done.Added
	run.rep.Widened += done.Widened
	run.rep.Same += done.Same
	return err
}

// reasonOf gives the reason of an error for a person.
func reasonOf(err error) string {
	s := strings.TrimSuffix(err.Error(), ": "+vedette.ErrInvalid.Error())
	return clip(strings.TrimPrefix(s, "enrichment: "))
}

// table reads rows. A row that is no row costs itself only.
func (run *importing) table(br *bufio.Reader) error {
	l := &lines{br: br, max: maxLine}
	cols := map[string]int{"host": 0, "kind": 1, "value": 2, "first": 3, "last": 4, "source": 5}
	begun := false
	for {
		line, cut, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", l.n+1, err)
		}
		if t := strings.TrimSpace(line); t == "" || t[0] == '#' {
			continue
		}
		cells, err := csv.NewReader(strings.NewReader(line)).Read()
		if !begun && err == nil {
			begun = true
			if header, ok := headerOf(cells); ok {
				cols = header
				continue
			}
		}
		if err := run.seen(); err != nil {
			return err
		}
		where := "line " + strconv.Itoa(l.n)
		if cut || err != nil {
			run.refuse(where, line, "it is no row of a table: a quote that is never closed, or too long")
			continue
		}
		cell := func(name string) string {
			if i, ok := cols[name]; ok && i < len(cells) {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		kind, err := ParseKind(cell("kind"))
		if err != nil {
			run.refuse(where, line, reasonOf(err))
			continue
		}
		f := Fact{Host: cell("host"), Kind: kind, Value: cell("value"), Source: cmp.Or(cell("source"), run.opts.Source)}
		var bad string
		f.First, bad = timeOf("first", cell("first"), bad)
		f.Last, bad = timeOf("last", cell("last"), bad)
		if bad != "" {
			run.refuse(where, line, bad)
			continue
		}
		if err := run.take(where, line, []Fact{f}); err != nil {
			return err
		}
	}
}

func timeOf(name, s, bad string) (time.Time, string) {
	t := parseTime(s)
	if s != "" && t.IsZero() && bad == "" {
		bad = name + " is no time"
	}
	return t, bad
}

func headerOf(cells []string) (map[string]int, bool) {
	cols := map[string]int{}
	for i, c := range cells {
		if c = strings.ToLower(strings.TrimSpace(c)); c != "" {
			if _, twice := cols[c]; !twice {
				cols[c] = i
			}
		}
	}
	_, host := cols["host"]
	_, kind := cols["kind"]
	return cols, host && kind
}

// list reads names, one a line; what stands after a space or # is a comment.
func (run *importing) list(br *bufio.Reader) error {
	l := &lines{br: br, max: maxLine}
	for {
		line, cut, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", l.n+1, err)
		}
		name, _, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name == "" && !cut {
			continue
		}
		if i := strings.IndexAny(name, " \t"); i > 0 {
			name = name[:i]
		}
		if err := run.seen(); err != nil {
			return err
		}
		where := "line " + strconv.Itoa(l.n)
		if cut {
			run.refuse(where, line, "it is too long")
			continue
		}
		if err := run.take(where, line, []Fact{{Host: name, Kind: NewlySeen, First: run.opts.At, Last: run.opts.At, Source: run.opts.Source}}); err != nil {
			return err
		}
	}
}

// objects reads JSON, one object a line.
func (run *importing) objects(br *bufio.Reader) error {
	l := &lines{br: br, max: maxLine}
	for {
		line, cut, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", l.n+1, err)
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		where := "line " + strconv.Itoa(l.n)
		if cut {
			if err := run.seen(); err != nil {
				return err
			}
			run.refuse(where, line[:min(len(line), 200)], "it is too long")
			continue
		}
		if err := run.object(where, []byte(line)); err != nil {
			return err
		}
	}
}

// document reads one JSON document: an object, or a list of them.
func (run *importing) document(br *bufio.Reader) error {
	data, err := io.ReadAll(io.LimitReader(br, maxDocument+1))
	if err != nil {
		return err
	}
	if len(data) > maxDocument {
		return fmt.Errorf("a document of over %d MiB; one object a line has no such bound: %w", maxDocument>>20, vedette.ErrTooLarge)
	}
	t := bytes.TrimSpace(data)
	if t[0] != '[' {
		return run.object("the document", t)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(t, &list); err != nil {
		return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	for i, raw := range list {
		if err := run.object("object "+strconv.Itoa(i+1), raw); err != nil {
			return err
		}
	}
	return nil
}
