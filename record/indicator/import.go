package indicator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"vedette"
	"vedette/link"
)

// ImportOptions are what a person says of a file. Source and At are required.
type ImportOptions struct {
	Source     string           // who published it: letters of any script, digits, spaces and - _ . &, 1 to 64 bytes
	Operator   string           // overrides what the file names
	Grade      Admiralty        // of the source
	Confidence Confidence       // where the file gives none
	TLP        TLP              // at least this strict
	Scope      Scope            // none: what each value itself says. Wider wishes fall back where the guard objects
	Published  time.Time        // overrides what the file says
	ValidFrom  time.Time        // where the file gives none
	ValidUntil time.Time        // where the file gives none
	Verdict    *vedette.Verdict // a person's word; nil: DefaultVerdict of the grade
	Weight     *vedette.MilliBits
	Format     string    // "stix", "misp", "csv", "list"; "": found out
	At         time.Time // now: when this is recorded
	KnownFrom  time.Time // since when this house knew it, of what is new; zero: At
}

// Refusal names a value that was not taken, and why.
type Refusal struct {
	Where  string `json:"where"` // "line 12", "object indicator--…"
	Value  string `json:"value"` // defanged, clipped
	Reason string `json:"reason"`
}

// Report tells what became of every value in a file: Seen = Taken + Refused + the sum of Kept.
type Report struct {
	File     string         `json:"file"`
	Format   string         `json:"format"`
	Source   string         `json:"source"`
	Seen     int            `json:"seen"`
	Taken    int            `json:"taken"`
	Added    int            `json:"added"`    // of those taken: new here
	Changed  int            `json:"changed"`  // of those taken: something about them is new
	Narrowed int            `json:"narrowed"` // of those taken: with a narrower scope than was said or asked
	Observed int            `json:"observed"` // of those taken: the source says that they are not for detection
	Refused  int            `json:"refused"`
	Kept     map[string]int `json:"kept"`     // not about links, by type
	Scopes   map[string]int `json:"scopes"`   // of those taken
	Context  map[string]int `json:"context"`  // objects without a value of their own
	Refusals []Refusal      `json:"refusals"` // the first 1000
	Narrow   []Refusal      `json:"narrow"`   // the first 1000
}

// KeptSum returns the number of values that are not about links.
func (r *Report) KeptSum() (n int) {
	for _, k := range r.Kept {
		n += k
	}
	return n
}

// maxNamed bounds how many refusals a report names one by one; all are counted.
const maxNamed = 1000

// Importer takes indicators from files. Its fields are set before use and not changed after.
type Importer struct {
	Store Store               // nil: nothing is kept, only reported
	Guard *Guard              // required
	Each  func(in *Indicator) // called for each that is taken; may be nil
}

// batch is how many values are handed to the store at once. Large, since keys are random: each batch touches nearly every page of their index.
const batch = 50_000

// Import reads a file to its end. An error says that the file is damaged at a named place, or that the store failed; the report then tells
// what was taken all the same. Its errors wrap vedette.ErrInvalid or the store's kind.
func (im *Importer) Import(ctx context.Context, r io.Reader, name string, opts ImportOptions) (Report, error) {
	rep := Report{File: path.Base(name), Source: opts.Source, Kept: map[string]int{}, Scopes: map[string]int{}, Context: map[string]int{}}
	switch {
	case im.Guard == nil:
		return rep, fmt.Errorf("indicator: import %s: no guard: %w", name, vedette.ErrInvalid)
	case opts.At.IsZero():
		return rep, fmt.Errorf("indicator: import %s: no time: %w", name, vedette.ErrInvalid)
	case opts.KnownFrom.After(opts.At):
		return rep, fmt.Errorf("indicator: import %s: known from %s is in the future: %w", name, opts.KnownFrom.Format(time.RFC3339), vedette.ErrInvalid)
	case checkSource(opts.Source) != nil:
		return rep, fmt.Errorf("indicator: import %s: %w", name, checkSource(opts.Source))
	case !opts.ValidFrom.IsZero() && !opts.ValidUntil.IsZero() && !opts.ValidFrom.Before(opts.ValidUntil):
		return rep, fmt.Errorf("indicator: import %s: valid until %s is not after valid from: %w", name, opts.ValidUntil.Format(time.RFC3339), vedette.ErrInvalid)
	}
	run := &importing{im: im, ctx: ctx, opts: &opts, rep: &rep}
	err := run.read(r, name)
	if e := run.flush(); e != nil && err == nil {
		err = e
	}
	if err != nil {
		return rep, fmt.Errorf("indicator: import %s: %w", name, err)
	}
	return rep, nil
}

func checkSource(s string) error {
	if s == "" || len(s) > 64 || strings.TrimSpace(s) != s {
		return fmt.Errorf("source %q: 1 to 64 bytes, no space at its ends: %w", s, vedette.ErrInvalid)
	}
	for _, c := range s {
		if c < ' ' || c == 0x7f || strings.ContainsRune("\"'<>:\\/", c) {
			return fmt.Errorf("source %q: %q may not stand in it: %w", s, c, vedette.ErrInvalid)
		}
	}
	return nil
}

type importing struct {
	im   *Importer
	ctx  context.Context
	opts *ImportOptions
	rep  *Report
	in   []Indicator
	kept []Kept
	gone []Indicator
}

func (run *importing) read(r io.Reader, name string) error {
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(8 << 10)
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if strings.HasPrefix(string(head), "\xef\xbb\xbf") {
		_, _ = br.Discard(3)
		head = head[3:]
	}
	format := run.opts.Format
	if format == "" {
		format = detect(head, name)
	}
	l := &lineReader{br: br}
	switch format {
	case "json", "stix", "misp":
		found, around, err := readDocument(br, run.item)
		run.rep.Format = found
		for k, n := range around {
			run.rep.Context[k] += n
		}
		if err == nil && format != "json" && found != format {
			err = errFormat("this is %s, not %s", found, format)
		}
		return err
	case "csv":
		run.rep.Format = format
		return readTable(l, delimiter(head), run.item)
	case "list":
		run.rep.Format = format
		return readList(l, run.item)
	}
	return errFormat("format %q: stix, misp, csv or list", format)
}

// detect tells a file's format by its first bytes, and by its name where they leave it open.
func detect(head []byte, name string) string {
	text := strings.TrimLeft(string(head), " \t\r\n")
	switch {
	case strings.HasPrefix(text, "{"):
		return "json"
	case strings.HasPrefix(text, "["):
		if t := strings.TrimLeft(text[1:], " \t\r\n"); t == "" || t[0] == '{' || t[0] == ']' {
			return "json"
		}
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if cells, open := splitRow(line, delimiter(head), nil); !open {
			if _, ok := header(cells); ok && len(cells) > 1 {
				return "csv"
			}
		}
		break
	}
	if ext := strings.ToLower(path.Ext(name)); ext == ".csv" || ext == ".tsv" {
		return "csv"
	}
	return "list"
}

// delimiter finds a table's own among comma, semicolon and tab.
func delimiter(head []byte) byte {
	for line := range strings.Lines(string(head)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		best, n := byte(','), strings.Count(line, ",")
		for _, c := range []byte{';', '\t'} {
			if k := strings.Count(line, string(c)); k > n {
				best, n = c, k
			}
		}
		return best
	}
	return ','
}

// item decides what becomes of one value.
func (run *importing) item(it *item) error {
	run.rep.Seen++
	if run.rep.Seen%1024 == 0 && run.ctx.Err() != nil {
		return run.ctx.Err()
	}
	f := classify(it, run.opts.Scope)
	switch {
	case f.reason != "":
		run.refuse(it, f.reason)
		return nil
	case f.kept != "":
		run.rep.Kept[f.kept]++
		run.kept = append(run.kept, Kept{Type: f.kept, Value: it.value, Source: run.opts.Source, Ref: it.ref, Note: it.note})
		return run.full()
	}
	in := f.in
	run.fill(&in, it)
	if !in.ValidUntil.IsZero() && !in.ValidFrom.IsZero() && !in.ValidFrom.Before(in.ValidUntil) {
		run.refuse(it, "it ends before it begins")
		return nil
	}
	if it.withdrawn {
		run.gone = append(run.gone, in)
		run.refuse(it, "its source took it back")
		return run.full()
	}
	asked := in.Scope
	ok, why := run.im.Guard.Apply(&in, run.opts.At)
	if !ok && f.narrow != nil {
		narrow := *f.narrow
		run.fill(&narrow, it)
		if ok2, _ := run.im.Guard.Apply(&narrow, run.opts.At); ok2 {
			narrow.Note = joinNotesIf(why, narrow.Note)
			in, ok = narrow, true
		}
	}
	if !ok {
		run.refuse(it, why)
		return nil
	}
	if in.Scope != asked {
		run.rep.Narrowed++
		if len(run.rep.Narrow) < maxNamed {
			run.rep.Narrow = append(run.rep.Narrow, Refusal{it.where, link.Defang(clip(it.value)), fmt.Sprintf("%s, not %s: %s", in.Scope, asked, why)})
		}
	}
	run.rep.Taken++
	run.rep.Scopes[in.Scope.String()]++
	if it.observe {
		run.rep.Observed++
	}
	if run.im.Each != nil {
		run.im.Each(&in)
	}
	if run.im.Store == nil {
		return nil
	}
	run.in = append(run.in, in)
	return run.full()
}

func (run *importing) fill(in *Indicator, it *item) {
	o := run.opts
	in.Source, in.Operator, in.Grade, in.KnownFrom = o.Source, it.operator, o.Grade, o.KnownFrom
	if in.KnownFrom.IsZero() {
		in.KnownFrom = o.At
	}
	if o.Operator != "" {
		in.Operator = o.Operator
	}
	in.Original, in.Ref, in.Note = it.original, it.ref, it.note
	in.Confidence = it.confidence
	if in.Confidence == 0 {
		in.Confidence = o.Confidence
	}
	in.TLP = max(it.tlp, o.TLP)
	in.Published, in.ValidFrom, in.ValidUntil = it.published, it.from, it.until
	if !o.Published.IsZero() {
		in.Published = o.Published
	}
	if in.ValidFrom.IsZero() {
		in.ValidFrom = o.ValidFrom
	}
	if in.ValidUntil.IsZero() {
		in.ValidUntil = o.ValidUntil
	}
	in.Verdict = DefaultVerdict(o.Grade)
	if it.observe {
		in.Verdict = vedette.Allow
		in.Note = joinNotes(in.Note, "its source says: not for detection")
	}
	if o.Verdict != nil {
		in.Verdict = *o.Verdict
	}
	in.Weight = DefaultWeight(o.Grade, in.Confidence)
	if o.Weight != nil {
		in.Weight = *o.Weight
	}
}

func (run *importing) refuse(it *item, reason string) {
	run.rep.Refused++
	if len(run.rep.Refusals) < maxNamed {
		run.rep.Refusals = append(run.rep.Refusals, Refusal{it.where, link.Defang(clip(it.value)), reason})
	}
}

func (run *importing) full() error {
	if len(run.in)+len(run.kept)+len(run.gone) < batch {
		return nil
	}
	return run.flush()
}

func (run *importing) flush() error {
	defer func() { run.in, run.kept, run.gone = run.in[:0], run.kept[:0], run.gone[:0] }()
	if run.im.Store == nil {
		return nil
	}
	if len(run.in) > 0 {
		c, err := run.im.Store.Put(run.ctx, run.in, run.opts.At)
		if err != nil {
			return err
		}
		run.rep.Added += c.Added
		run.rep.Changed += c.Changed
	}
	if len(run.kept) > 0 {
		if err := run.im.Store.Keep(run.ctx, run.kept, run.opts.At); err != nil {
			return err
		}
	}
	for i := range run.gone {
		err := run.im.Store.Revoke(run.ctx, run.gone[i].Key(), "its source took it back", run.opts.At)
		if err != nil && !errors.Is(err, vedette.ErrUnknown) {
			return err
		}
	}
	return nil
}
