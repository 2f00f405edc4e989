package exhibit

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/record/evidence"
)

// The verdicts' words.
const (
	NotTested = "NOT TESTED"

	Intact  = "INTACT"
	Altered = "ALTERED"

	Signed    = "SIGNED BY THE PINNED KEY"
	NotSigned = "NOT SIGNED BY THE PINNED KEY"

	Complete   = "COMPLETE"
	Incomplete = "INCOMPLETE"

	Anchored       = "ANCHORED"
	PartlyAnchored = "PARTLY ANCHORED"
	Unanchored     = "INTERNALLY CONSISTENT, UNANCHORED"
)

// Result is the verdict on a file.
type Result struct {
	Integrity    string    `json:"integrity"`
	Time         string    `json:"time"`
	Signer       string    `json:"signer"`
	Completeness string    `json:"completeness"`
	Truth        string    `json:"truth"` // always NotTested
	Records      int       `json:"records"`
	Disclosed    int       `json:"disclosed"` // of which more than the place and the type is shown
	Withheld     int       `json:"withheld"`  // of which nothing else is shown
	Fields       int       `json:"fields_withheld"`
	Case         string    `json:"case,omitempty"`
	Variant      Variant   `json:"variant,omitempty"`
	Origin       string    `json:"origin,omitempty"`
	Size         uint64    `json:"size,omitempty"`
	At           string    `json:"at,omitempty"` // when it was disclosed, by the log's own clock
	Anchors      []Stood   `json:"anchors"`
	Checks       []Checked `json:"checks"`
	Cannot       []string  `json:"cannot_know"`
}

// Stood is what a good anchor says.
type Stood struct {
	Kind    string    `json:"kind"`
	Time    time.Time `json:"time"`
	By      string    `json:"by"`
	Size    uint64    `json:"size"`    // of the log that it is over
	Records int       `json:"records"` // of the exhibit that stood then
}

// Checked is one thing that was looked at.
type Checked struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Good tells whether integrity, signer and completeness hold. Time is a verdict of its own.
func (r *Result) Good() bool {
	return r.Integrity == Intact && r.Signer == Signed && r.Completeness == Complete
}

// VerifyAnchor checks one anchor over a checkpoint by what the verifier trusts, and tells when it was given and by whom.
type VerifyAnchor func(kind string, checkpoint, token []byte) (time.Time, string, error)

// cannot is what no verifier of such a file can know.
var cannot = []string{
	"whether what the records say is true",
	"whether something that should have been recorded never was",
	"whether the index of the case leaves out records of the log: it was signed before the exhibit was made, and only the whole log can show it",
	"whether the log shows others the same history: compare its checkpoints with somebody else's",
}

// verifier holds what was read so far.
type verifier struct {
	r       *Result
	files   map[string]packed
	m       Manifest
	cp      evidence.Checkpoint
	index   Index
	held    Withheld
	records []record
	shown   []evidence.Shown
	export  evidence.Shown
	anchors []string
}

// Verify judges an exhibit by nothing but its bytes and a key that the caller has pinned by another way. anchor may be nil: then no anchor counts. It has no error:
// whatever is wrong with the file is in the result.
func Verify(b []byte, key note.Verifier, anchor VerifyAnchor) Result {
	r := Result{Integrity: NotTested, Time: NotTested, Signer: NotTested, Completeness: NotTested, Truth: NotTested, Anchors: []Stood{}, Checks: []Checked{}, Cannot: cannot}
	v := &verifier{r: &r, files: map[string]packed{}}
	if !v.contents(b) {
		r.Integrity = Altered
		return r
	}
	r.Integrity, r.Signer, r.Completeness = Intact, Signed, Complete
	if !v.check(&r.Signer, NotSigned, "checkpoint", v.signature(key), "checkpoint.txt is signed by the key of "+v.m.Origin) {
		r.Integrity, r.Completeness = NotTested, NotTested // nothing else means anything then
		return r
	}
	err := v.sealed(key)
	v.check(&r.Integrity, Altered, "seal", err, "the log holds the digest of manifest.json, and so of every file")
	if errors.Is(err, errSigner) {
		r.Signer = NotSigned
	}
	v.check(&r.Integrity, Altered, "disclosure", v.disclosed(), "the log says what is disclosed, to whom, and by whom, as the manifest does")
	if !v.check(&r.Integrity, Altered, "records", v.proofs(), "each record is what its leaf commits to, and leads to the checkpoint") {
		r.Completeness = NotTested
		return r
	}
	v.check(&r.Completeness, Incomplete, "index", v.indexed(), "every record of the case's index, which the log committed to before, is here at its place")
	v.check(&r.Completeness, Incomplete, "withheld", v.withheld(), "every record and field that is not shown is listed, with its reason")
	v.check(&r.Integrity, Altered, "timeline", v.derived(), "timeline and custody are what the records show")
	v.check(&r.Integrity, Altered, "anchors", v.anchored(anchor), "")
	v.check(&r.Integrity, Altered, "report", v.report(), "")
	if r.Integrity != Intact {
		r.Time = NotTested
	}
	return r
}

var errSigner = errors.New("the seal is not signed by the pinned key")

// check notes a check, and lowers a verdict when it fails.
func (v *verifier) check(verdict *string, low, name string, err error, detail string) bool {
	if err == nil {
		if detail != "" {
			v.r.Checks = append(v.r.Checks, Checked{name, true, detail})
		}
		return true
	}
	*verdict = low
	v.r.Checks = append(v.r.Checks, Checked{name, false, strings.TrimPrefix(err.Error(), ErrAltered.Error()+": ")})
	return false
}

// contents opens the container, reads the manifest, and holds every file against it.
func (v *verifier) contents(b []byte) bool {
	list, err := unpack(b)
	if !v.check(&v.r.Integrity, Altered, "container", err, "every byte of the file is accounted for: no gap, no comment, nothing before, between or behind") {
		return false
	}
	for _, f := range list {
		v.files[f.name] = f
	}
	err = v.manifest(list)
	if s := sealedDigest(v.files["seal.json"].data); err != nil && s != "" && s != sum(list[0].data).String() {
		err = fmt.Errorf("%w (and manifest.json, or seal.json, is altered too: SHA-256 %s is sealed, manifest.json has %s)", err, s, sum(list[0].data))
	}
	return v.check(&v.r.Integrity, Altered, "manifest", err, fmt.Sprintf("%d files are those of the manifest, by name, order, size and SHA-256", len(list)))
}

// sealedDigest is what a seal says that it seals, believed by nobody yet: it tells which of two files that do not fit is the altered one.
func sealedDigest(b []byte) string {
	var s seal
	if json.Unmarshal(b, &s) != nil {
		return ""
	}
	for _, p := range s.Parts {
		if p.Name == "manifest" {
			return string(p.Value)
		}
	}
	return ""
}

func (v *verifier) manifest(list []packed) error {
	if len(list) < 3 || list[0].name != "manifest.json" || list[len(list)-1].name != "seal.json" {
		return fmt.Errorf("%w: the first file must be manifest.json, the last seal.json", ErrAltered)
	}
	if err := read(list[0].data, &v.m, canonical); err != nil {
		return fmt.Errorf("%w: manifest.json: %w", ErrAltered, err)
	}
	c := Choice{Case: "-", Tenant: "none", Variant: v.m.Variant, Disclose: v.m.Disclose, Mark: v.m.Mark, Label: v.m.Case, For: v.m.For}
	if v.m.Format != Format {
		return fmt.Errorf("%w: manifest.json: format %.60q; this program reads %s", ErrAltered, v.m.Format, Format)
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("%w: manifest.json: %w", ErrAltered, err)
	}
	if v.m.Records < 1 || v.m.Records > MaxRecords {
		return fmt.Errorf("%w: manifest.json: %d records", ErrAltered, v.m.Records)
	}
	between := list[1 : len(list)-1]
	for i, f := range between {
		if i >= len(v.m.Files) {
			return fmt.Errorf("%w: %s, at byte %d, is not in the manifest", ErrAltered, f.name, f.at)
		}
		want := v.m.Files[i]
		if f.name != want.Name {
			return fmt.Errorf("%w: file %d is %s, at byte %d; the manifest has %.60q there", ErrAltered, i+1, f.name, f.at, want.Name)
		}
		if len(f.data) != want.Size || sum(f.data) != want.SHA256 {
			return fmt.Errorf("%w: %s, bytes %d to %d of the file, is not what the manifest says: SHA-256 %s, want %s", ErrAltered, f.name, f.at, f.at+len(f.data)-1, sum(f.data), want.SHA256)
		}
	}
	if len(between) != len(v.m.Files) {
		return fmt.Errorf("%w: %.60q is in the manifest, and missing", ErrAltered, v.m.Files[len(between)].Name)
	}
	v.r.Case, v.r.Variant, v.r.Origin, v.r.Size, v.r.At, v.r.Records = v.m.Case, v.m.Variant, v.m.Origin, v.m.Size, v.m.At, v.m.Records
	return v.layout()
}

// layout holds the names of files against what an exhibit has: one of each, as many records as it says, and anchors in pairs.
func (v *verifier) layout() error {
	want := []string{"checkpoint.txt", "index.json", "disclosure.json"}
	for n := range v.m.Records {
		want = append(want, recordFile(n+1))
	}
	want = append(want, "withheld.json")
	tail := []string{"timeline.json", "custody.json"}
	var got []string
	for _, f := range v.m.Files {
		got = append(got, f.Name)
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		return fmt.Errorf("%w: manifest.json: the files are not those of an exhibit of %d records", ErrAltered, v.m.Records)
	}
	rest := got[len(want):]
	n := 0
	for n < len(rest) && strings.HasPrefix(rest[n], "anchors/") {
		n++
	}
	if n > 2*MaxAnchors || n%2 != 0 || n > 0 && (n == len(rest) || rest[n] != "consistency.json") {
		return fmt.Errorf("%w: manifest.json: %d files of anchors, or none that tells their consistency", ErrAltered, n)
	}
	if n > 0 {
		n++
	}
	rest = rest[n:]
	if len(rest) < len(tail)+3 || !slices.Equal(rest[:2], tail) || rest[len(rest)-2] != "report.html" || rest[len(rest)-1] != "report.pdf" {
		return fmt.Errorf("%w: manifest.json: timeline, custody or report are not where they belong", ErrAltered)
	}
	for _, name := range rest[2 : len(rest)-2] {
		if !strings.HasPrefix(name, "certificates/") {
			return fmt.Errorf("%w: manifest.json: %.60q is no file of an exhibit", ErrAltered, name)
		}
	}
	return nil
}

// open reads a checkpoint that the key has signed, alone and in the one spelling.
func open(text []byte, key note.Verifier) (evidence.Checkpoint, error) {
	cp, err := evidence.OpenCheckpoint(text, key)
	if err != nil {
		return cp, err
	}
	n, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return cp, err
	}
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return cp, fmt.Errorf("it has more signatures than the log's one")
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return cp, fmt.Errorf("its signature is not in its one spelling")
	}
	if want := fmt.Sprintf("%s\n%d\n%s\n", cp.Origin, cp.Size, base64.StdEncoding.EncodeToString(cp.Root[:])); n.Text != want {
		return cp, fmt.Errorf("it says more than origin, size and root")
	}
	return cp, nil
}

func (v *verifier) signature(key note.Verifier) (err error) {
	if key == nil {
		return fmt.Errorf("%w: checkpoint.txt: no key to check it with", ErrAltered)
	}
	if v.cp, err = open(v.files["checkpoint.txt"].data, key); err != nil {
		return fmt.Errorf("%w: checkpoint.txt: %w", ErrAltered, err)
	}
	if v.m.Origin != v.cp.Origin || v.m.Size != v.cp.Size {
		return fmt.Errorf("%w: manifest.json: origin or size are not those of checkpoint.txt", ErrAltered)
	}
	return nil
}

func (v *verifier) sealed(key note.Verifier) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: seal.json: "+format, append([]any{ErrAltered}, args...)...)
	}
	var s seal
	if err := read(v.files["seal.json"].data, &s, compact); err != nil {
		return bad("%w", err)
	}
	if s.Format != Format {
		return bad("format %.60q", s.Format)
	}
	later, err := open([]byte(s.Checkpoint), key)
	if err != nil {
		return bad("%w: %w", errSigner, err)
	}
	if err := evidence.CheckConsistency(v.cp, later, s.Consistency); err != nil {
		return bad("the log under it does not continue the one under checkpoint.txt: %w", err)
	}
	r := record{Index: s.Index, Parts: s.Parts, Path: s.Path}
	p := r.proof()
	shown, err := p.Under(later)
	if err != nil {
		return bad("%w", err)
	}
	manifest, _ := shown.Get("manifest")
	export, _ := shown.Get("exhibit")
	switch {
	case shown.Kind != evidence.KindDisclose || s.Index < v.cp.Size:
		return bad("record %d is no seal of this exhibit", s.Index)
	case string(export) != strconv.FormatUint(v.m.Disclosure, 10):
		return bad("it seals the disclosure %.20q, the manifest is of %d", export, v.m.Disclosure)
	case string(manifest) != sum(v.files["manifest.json"].data).String():
		return bad("it seals a manifest with SHA-256 %.64q, manifest.json has %s", manifest, sum(v.files["manifest.json"].data))
	}
	return nil
}

// disclosed holds the record of the disclosure against the manifest.
func (v *verifier) disclosed() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: disclosure.json: "+format, append([]any{ErrAltered}, args...)...)
	}
	var r record
	if err := read(v.files["disclosure.json"].data, &r, compact); err != nil {
		return bad("%w", err)
	}
	if r.Format != Format || r.Exhibit != exhibitID(v.m.Mark, 0) || r.Index != v.m.Disclosure {
		return bad("it is not the record that the manifest names")
	}
	p := r.proof()
	shown, err := p.Under(v.cp)
	if err != nil {
		return bad("%w", err)
	}
	v.export = shown
	groups := make([]string, len(v.m.Disclose))
	for i, g := range v.m.Disclose {
		groups[i] = string(g)
	}
	if shown.Kind != evidence.KindDisclose || at(shown.At) != v.m.At {
		return bad("kind or time are not those of the manifest")
	}
	for _, f := range []struct{ name, want string }{
		{"label", v.m.Case}, {"for", v.m.For}, {"variant", string(v.m.Variant)}, {"disclose", strings.Join(groups, ",")}, {"index", sum(v.files["index.json"].data).String()},
	} {
		if got, ok := shown.Get(f.name); !ok || string(got) != f.want {
			return bad("%s is %.80q in the log, and %.80q here", f.name, got, f.want)
		}
	}
	v.records = append(v.records, r)
	return nil
}

// proofs checks each record's proof, on all processors.
func (v *verifier) proofs() error {
	n := v.m.Records
	records, shown, errs := make([]record, n), make([]evidence.Shown, n), make([]error, n)
	var wait sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), n)
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n; i += workers {
				if errs[i] = v.proof(i+1, &records[i], &shown[i]); errs[i] != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if len(v.records) == 0 {
		v.records = append(v.records, record{}) // the disclosure's place
	}
	v.records, v.shown = append(v.records, records...), shown
	return nil
}

func (v *verifier) proof(n int, r *record, out *evidence.Shown) error {
	name := recordFile(n)
	bad := func(err error) error {
		return fmt.Errorf("%w: %s (%s, at place %d of the log): %w", ErrAltered, name, exhibitID(v.m.Mark, n), r.Index, err)
	}
	if err := read(v.files[name].data, r, compact); err != nil {
		return bad(err)
	}
	if r.Format != Format || r.Exhibit != exhibitID(v.m.Mark, n) {
		return bad(fmt.Errorf("it calls itself %.40q of %.40q", r.Exhibit, r.Format))
	}
	p := r.proof()
	shown, err := p.Under(v.cp)
	if err != nil {
		return bad(err)
	}
	*out = shown
	return nil
}

// indexed holds the records against the index that the log committed to.
func (v *verifier) indexed() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: index.json: "+format, append([]any{ErrAltered}, args...)...)
	}
	if err := read(v.files["index.json"].data, &v.index, canonical); err != nil {
		return bad("%w", err)
	}
	if id, _ := v.export.Get("case"); v.index.Format != Format || v.index.Case != string(id) {
		return bad("it is of the case %.60q, the disclosure of %.60q", v.index.Case, id)
	}
	if v.index.Size > v.m.Disclosure {
		return bad("it looked through %d records before record %d", v.index.Size, v.m.Disclosure)
	}
	if len(v.index.Records) != v.m.Records {
		return bad("it names %d records, the exhibit has %d", len(v.index.Records), v.m.Records)
	}
	for i, x := range v.index.Records {
		s := &v.shown[i]
		switch {
		case i > 0 && x.Index <= v.index.Records[i-1].Index || x.Index >= v.index.Size:
			return bad("place %d is out of order", x.Index)
		case s.Index != x.Index:
			return bad("%s is record %d of the log, the index has record %d there", exhibitID(v.m.Mark, i+1), s.Index, x.Index)
		case s.Kind != "" && s.Kind != x.Kind:
			return bad("%s is a %s, the index says %s", exhibitID(v.m.Mark, i+1), s.Kind, x.Kind)
		}
	}
	return nil
}

// withheld holds withheld.json against what the records do not show.
func (v *verifier) withheld() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: withheld.json: "+format, append([]any{ErrAltered}, args...)...)
	}
	if err := read(v.files["withheld.json"].data, &v.held, canonical); err != nil {
		return bad("%w", err)
	}
	if len(v.index.Records) != len(v.shown) {
		return bad("there is no index to hold it against")
	}
	if v.held.Format != Format || v.held.Outside != v.index.Size-uint64(len(v.index.Records)) {
		return bad("format, or the number of records outside of the case")
	}
	known := func(why string) bool { return v.held.Reasons[why] != "" }
	next := 0
	one := func(n int, s *evidence.Shown, kind evidence.Kind) error {
		name := exhibitID(v.m.Mark, n)
		nothing := len(s.Withheld) == len(v.records[n].Parts)
		if n > 0 && nothing {
			v.r.Withheld++
		}
		if len(s.Withheld) == 0 {
			return nil
		}
		if next == len(v.held.Records) || v.held.Records[next].Exhibit != name {
			return bad("%s withholds %s and is not listed", name, strings.Join(s.Withheld, ", "))
		}
		w := v.held.Records[next]
		next++
		if w.Index != s.Index || w.Kind != kind {
			return bad("%s is record %d, a %s; the list says %d, a %.40s", name, s.Index, kind, w.Index, w.Kind)
		}
		if n > 0 {
			v.r.Fields += len(s.Withheld)
		}
		if w.Whole != "" {
			if !nothing || len(w.Parts) > 0 || !known(w.Whole) {
				return bad("%s is listed as withheld whole, for %.40q; something of it is shown, or that is no reason", name, w.Whole)
			}
			return nil
		}
		var names []string
		for _, p := range w.Parts {
			if names = append(names, p.Name); !known(p.Reason) {
				return bad("%s, field %.40s: %.40q is no reason", name, p.Name, p.Reason)
			}
		}
		if !slices.Equal(names, s.Withheld) {
			return bad("%s withholds %s; listed are %.200s", name, strings.Join(s.Withheld, ", "), strings.Join(names, ", "))
		}
		return nil
	}
	for i := range v.shown {
		if err := one(i+1, &v.shown[i], v.index.Records[i].Kind); err != nil {
			return err
		}
	}
	if err := one(0, &v.export, evidence.KindDisclose); err != nil {
		return err
	}
	if next != len(v.held.Records) {
		return bad("%.40s is listed and withholds nothing, or is out of order", v.held.Records[next].Exhibit)
	}
	v.r.Disclosed = v.m.Records - v.r.Withheld
	return nil
}

// derived makes timeline and custody again.
func (v *verifier) derived() error {
	line, held := timelineOf(v.m.Mark, v.shown), custodyOf(v.shown, &v.export)
	for _, x := range []struct {
		name string
		v    any
	}{{"timeline.json", line}, {"custody.json", held}} {
		want, err := canonical(x.v)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrAltered, x.name, err)
		}
		if i := differ(v.files[x.name].data, want); i >= 0 {
			return fmt.Errorf("%w: %s: byte %d: not what the records show", ErrAltered, x.name, i)
		}
	}
	return nil
}

// anchored asks the anchors. It notes each as a check of its own, and sets the verdict on time.
func (v *verifier) anchored(verify VerifyAnchor) error {
	v.r.Time = Unanchored
	f, ok := v.files["consistency.json"]
	if !ok {
		v.r.Checks = append(v.r.Checks, Checked{"anchors", true, "there is none in the exhibit: nobody independent says when the log stood so"})
		return nil
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: consistency.json: "+format, append([]any{ErrAltered}, args...)...)
	}
	var c consistency
	if err := read(f.data, &c, canonical); err != nil {
		return bad("%w", err)
	}
	if c.Format != Format || len(c.Anchors) == 0 {
		return bad("format, or no anchor")
	}
	var listed []string
	for _, m := range v.m.Files {
		if strings.HasPrefix(m.Name, "anchors/") {
			listed = append(listed, m.Name)
		}
	}
	best := 0
	for i, a := range c.Anchors {
		if 2*i+1 >= len(listed) || a.Checkpoint != listed[2*i] || a.Token != listed[2*i+1] {
			return bad("anchor %d is not in the files that are there", i+1)
		}
		text, token := v.files[a.Checkpoint].data, v.files[a.Token].data
		over, err := evidence.ReadCheckpoint(text)
		if err == nil && (over.Origin != v.cp.Origin || over.Size != a.Size) {
			err = fmt.Errorf("it is over %d records of %.60q", over.Size, over.Origin)
		}
		if err == nil {
			err = evidence.CheckConsistency(over, v.cp, a.Path)
		}
		if err != nil {
			return bad("%s: the log does not continue it: %w", a.Checkpoint, err)
		}
		v.anchors = append(v.anchors, anchorText(a.Kind, over.Size))
		if verify == nil {
			v.r.Checks = append(v.r.Checks, Checked{"anchor", false, a.Token + ": not tested, since no certificate or key to trust was given; the log continues what it is over"})
			continue
		}
		when, by, err := verify(a.Kind, text, token)
		if err != nil {
			v.r.Checks = append(v.r.Checks, Checked{"anchor", false, a.Token + ": " + err.Error()})
			continue
		}
		s := Stood{Kind: a.Kind, Time: when.UTC(), By: by, Size: over.Size}
		for j := range v.shown {
			if v.shown[j].Index < over.Size {
				s.Records++
			}
		}
		best = max(best, s.Records)
		v.r.Anchors = append(v.r.Anchors, s)
		v.r.Checks = append(v.r.Checks, Checked{"anchor", true, fmt.Sprintf("%s says that %d of %d records stood in the log at %s", by, s.Records, v.m.Records, at(when))})
	}
	if 2*len(c.Anchors) != len(listed) {
		return bad("%d anchors, %d files", len(c.Anchors), len(listed))
	}
	switch {
	case best == v.m.Records:
		v.r.Time = Anchored
	case best > 0:
		v.r.Time = PartlyAnchored
	}
	return nil
}

func anchorText(kind string, size uint64) string {
	return fmt.Sprintf("%s over the first %d records", kind, size)
}

// report makes report and certificates again, if this program has the edition.
func (v *verifier) report() error {
	if v.m.Edition != Edition {
		v.r.Checks = append(v.r.Checks, Checked{"report", true, fmt.Sprintf("the report is the one that was sealed; it is of edition %.20q, which this program (edition %s) does not make, so whether it says what the records say was not tested: the records rule", v.m.Edition, Edition)})
		return nil
	}
	if v.r.Integrity != Intact || v.r.Completeness != Complete {
		return nil // something else is wrong and told
	}
	line, held := timelineOf(v.m.Mark, v.shown), custodyOf(v.shown, &v.export)
	m := v.m
	m.Files = nil
	files, err := pageOf(&m, v.cp, v.shown, &v.index, &v.held, &line, &held, v.anchors).files()
	if err != nil {
		return err
	}
	made := v.m.Files[len(v.m.Files)-len(files):]
	for i, f := range files {
		if made[i].Name != f.name {
			return fmt.Errorf("%w: %.60s is not a file of a report of edition %s", ErrAltered, made[i].Name, Edition)
		}
		if j := differ(v.files[f.name].data, f.data); j >= 0 {
			return fmt.Errorf("%w: %s: byte %d: not what the records make", ErrAltered, f.name, j)
		}
	}
	if v.files[made[0].Name].name == "" || !strings.HasPrefix(v.m.Files[len(v.m.Files)-len(files)-1].Name, "custody") {
		return fmt.Errorf("%w: there are other files beside the report", ErrAltered)
	}
	v.r.Checks = append(v.r.Checks, Checked{"report", true, "report and certificate drafts, made again from the records, are the same byte for byte"})
	return nil
}

// Digest returns the SHA-256 of a file, as a certificate names it.
func Digest(b []byte) vedette.Digest { return sum(b) }
