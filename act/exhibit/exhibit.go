// Package exhibit puts what a case's record holds into one file that a court can check without us.
//
// In:     the evidence log, the case, what may be shown, two people's disclosure.
// Out:    a zip, the same bytes for the same log, choice and mark; and the verdict on such a file, by nothing but a pinned key.
// Keeps:  nothing. That something is disclosed stands in the evidence log before there is a file.
// Fails:  what is not disclosed is not shown; Verify tells where the first thing is that does not fit.
// Source: docs/decisions/0026-exhibit.md, docs/formats/exhibit.md
package exhibit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowebpki/jcs"

	"vedette"
	"vedette/record/evidence"
)

// Format is the version of an exhibit; each of its files names it.
const Format = "vedette-exhibit-1"

// Bounds of an exhibit. What is larger is refused, by the one who writes and by the one who reads.
const (
	MaxRecords = 50_000
	MaxSize    = 512 << 20 // bytes of the whole file
	MaxAnchors = 100
	maxText    = 200 // bytes of a label
)

// ErrAltered is the error of a file that is not what was sealed.
var ErrAltered = fmt.Errorf("exhibit: altered: %w", vedette.ErrConflict)

// Variant says who may read an exhibit. All variants of one choice of records prove the same leaves.
type Variant string

// The variants.
const (
	Public    Variant = "public"
	Sealed    Variant = "sealed"         // filed under seal
	Attorneys Variant = "attorneys-eyes" // for outside counsel alone
)

// ParseVariant reads a variant. Its error wraps vedette.ErrInvalid.
func ParseVariant(s string) (Variant, error) {
	if v := Variant(s); v == Public || v == Sealed || v == Attorneys {
		return v, nil
	}
	return "", fmt.Errorf("exhibit: variant %.40q: public, sealed or attorneys-eyes: %w", s, vedette.ErrInvalid)
}

// Group is a kind of field that is shown or withheld as one.
type Group string

// The groups that can be asked for. What is in none of them is shown always (kind, time, state, outcome) or never.
const (
	Indicators Group = "indicators" // links and hosts of the operator
	Words      Group = "words"      // reasons in people's own words
	Machine    Group = "machine"    // digests: of program, model, parameters, acts and questions
	Staff      Group = "staff"      // the platform's people who judged and signed
)

// Groups returns every group that can be asked for, in order.
func Groups() []Group { return []Group{Indicators, Machine, Staff, Words} }

// ParseGroups reads group names. Its error wraps vedette.ErrInvalid.
func ParseGroups(names []string) ([]Group, error) {
	out := []Group{}
	for _, n := range names {
		g := Group(strings.TrimSpace(n))
		if !slices.Contains(Groups(), g) {
			return nil, fmt.Errorf("exhibit: disclose %.40q: indicators, machine, staff or words: %w", n, vedette.ErrInvalid)
		}
		out = append(out, g)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// may says which groups a variant can show at most.
func (v Variant) may() []Group {
	switch v {
	case Public:
		return []Group{Indicators}
	case Sealed:
		return []Group{Indicators, Machine, Words}
	case Attorneys:
		return Groups()
	}
	return nil
}

// Choice is what an exhibit is to hold.
type Choice struct {
	Case     string         `json:"case"` // the house's id of the case
	Tenant   vedette.Tenant `json:"tenant"`
	Variant  Variant        `json:"variant"`
	Disclose []Group        `json:"disclose"`
	Mark     string         `json:"mark"` // what exhibit ids begin with, 1 to 8 of A-Z and 0-9
	Label    string         `json:"label"`
	For      string         `json:"for"` // who asked for it
}

// Check says what is wrong with a choice. Its error wraps vedette.ErrInvalid.
func (c *Choice) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("exhibit: "+format+": %w", append(args, vedette.ErrInvalid)...)
	}
	if _, err := vedette.ParseTenant(string(c.Tenant)); err != nil {
		return fmt.Errorf("exhibit: %w", err)
	}
	if _, err := ParseVariant(string(c.Variant)); err != nil {
		return err
	}
	if c.Case == "" || len(c.Case) > 100 {
		return bad("a case of 1 to 100 bytes")
	}
	if len(c.Mark) < 1 || len(c.Mark) > 8 || strings.Trim(c.Mark, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return bad("mark %.20q: 1 to 8 of A to Z and 0 to 9", c.Mark)
	}
	for _, t := range []struct{ name, text string }{{"label", c.Label}, {"for", c.For}} {
		if strings.TrimSpace(t.text) == "" || len(t.text) > maxText || !plain(t.text) {
			return bad("%s: 1 to %d bytes of one line", t.name, maxText)
		}
	}
	if !slices.IsSorted(c.Disclose) {
		return bad("groups out of order")
	}
	for i, g := range c.Disclose {
		if i > 0 && g == c.Disclose[i-1] || !slices.Contains(Groups(), g) {
			return bad("group %.40q", g)
		}
		if !slices.Contains(c.Variant.may(), g) {
			return fmt.Errorf("exhibit: a %s exhibit does not show %s: %w", c.Variant, g, vedette.ErrForbidden)
		}
	}
	return nil
}

// Digest is what two people's disclosure can be narrowed to.
func (c *Choice) Digest() vedette.Digest {
	b, err := canonical(c)
	if err != nil {
		return vedette.Digest{} // texts and lists of texts: it cannot fail
	}
	return sum(b)
}

// Manifest is manifest.json: what the exhibit is, and every other file with its digest.
type Manifest struct {
	Format     string   `json:"format"`
	Case       string   `json:"case"` // its label
	Mark       string   `json:"mark"`
	For        string   `json:"for"`
	Variant    Variant  `json:"variant"`
	Disclose   []Group  `json:"disclose"`
	Origin     string   `json:"origin"` // of the log
	Size       uint64   `json:"size"`   // of the log, under checkpoint.txt
	Records    int      `json:"records"`
	Disclosure uint64   `json:"disclosure"` // where it stands in the log that this was disclosed
	At         string   `json:"at"`         // when, by the log's clock
	Edition    string   `json:"edition"`    // of the report's wording and layout
	Files      []Listed `json:"files"`
}

// Listed is a file in the manifest.
type Listed struct {
	Name   string         `json:"name"`
	Size   int            `json:"size"`
	SHA256 vedette.Digest `json:"sha256"`
}

// Index is index.json: which records of the log belong to the case. Its digest stands in the record of the disclosure.
type Index struct {
	Format  string    `json:"format"`
	Case    string    `json:"case"`
	Size    uint64    `json:"size"` // records of the log that were looked through
	Records []Indexed `json:"records"`
}

// Indexed is one record of the case.
type Indexed struct {
	Index uint64        `json:"index"`
	Kind  evidence.Kind `json:"kind"`
}

// record is records/NNNN.json. Its members stand in the order of RFC 8785.
type record struct {
	Exhibit string           `json:"exhibit"` // "EX-0001"
	Format  string           `json:"format"`
	Index   uint64           `json:"index"`
	Parts   []part           `json:"parts"`
	Path    []vedette.Digest `json:"path"`
}

type part struct {
	Digest vedette.Digest `json:"digest,omitzero"`
	Name   string         `json:"name"`
	Salt   []byte         `json:"salt,omitempty"`
	Shown  bool           `json:"shown"`
	Value  []byte         `json:"value,omitempty"`
}

func recordOf(exhibit string, p *evidence.Proof) record {
	r := record{Exhibit: exhibit, Format: Format, Index: p.Index, Path: append([]vedette.Digest{}, p.Path...)}
	for _, q := range p.Parts {
		r.Parts = append(r.Parts, part{Digest: q.Digest, Name: q.Name, Salt: q.Salt, Shown: q.Shown, Value: q.Value})
	}
	return r
}

func (r *record) proof() evidence.Proof {
	p := evidence.Proof{Format: evidence.ProofFormat, Index: r.Index, Path: r.Path}
	for _, q := range r.Parts {
		p.Parts = append(p.Parts, evidence.ProofPart{Name: q.Name, Shown: q.Shown, Salt: q.Salt, Value: q.Value, Digest: q.Digest})
	}
	return p
}

// Withheld is withheld.json.
type Withheld struct {
	Format  string            `json:"format"`
	Reasons map[string]string `json:"reasons"` // in words
	Records []WithheldRecord  `json:"records"` // of which something or all is withheld, in order
	Outside uint64            `json:"outside"` // records of the log that belong to no part of the case
}

// WithheldRecord says what of a record is withheld, and why.
type WithheldRecord struct {
	Exhibit string         `json:"exhibit"`
	Index   uint64         `json:"index"`
	Kind    evidence.Kind  `json:"kind"`
	Whole   string         `json:"whole,omitempty"` // the reason, when nothing of it is shown
	Parts   []WithheldPart `json:"parts,omitempty"`
}

// WithheldPart is one field.
type WithheldPart struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Timeline is timeline.json: what is shown of the records, in the log's order.
type Timeline struct {
	Format string  `json:"format"`
	Events []Event `json:"events"`
}

// Event is a record's shown fields as texts; bytes that are no text are hexadecimal behind "0x".
type Event struct {
	Exhibit string            `json:"exhibit"`
	Index   uint64            `json:"index"`
	At      string            `json:"at"`
	Kind    evidence.Kind     `json:"kind"`
	Shows   map[string]string `json:"shows"`
}

// Custody is custody.json: who took what out of the log for this case, this exhibit last.
type Custody struct {
	Format  string   `json:"format"`
	Exports []Export `json:"exports"`
}

// Export is one disclosure.
type Export struct {
	Index uint64            `json:"index"`
	At    string            `json:"at"`
	Shows map[string]string `json:"shows"`
	This  bool              `json:"this"`
}

// seal is seal.json: the record of the log that holds the manifest's digest. Members stand in the order of RFC 8785.
type seal struct {
	Checkpoint  string           `json:"checkpoint"`
	Consistency []vedette.Digest `json:"consistency"` // from checkpoint.txt to this checkpoint
	Format      string           `json:"format"`
	Index       uint64           `json:"index"`
	Parts       []part           `json:"parts"`
	Path        []vedette.Digest `json:"path"`
}

// Anchor is somebody else's word that a checkpoint of the log existed at a time.
type Anchor struct {
	Kind       string // "rfc3161" or "cosignature"
	By         string // who gave it; the token says so too
	Checkpoint []byte // the signed checkpoint it is over
	Token      []byte
}

// consistency is consistency.json: that the log under checkpoint.txt continues what each anchor is over.
type consistency struct {
	Anchors []anchored `json:"anchors"`
	Format  string     `json:"format"`
}

type anchored struct {
	Checkpoint string           `json:"checkpoint"` // file
	Kind       string           `json:"kind"`
	Path       []vedette.Digest `json:"path"`
	Size       uint64           `json:"size"`
	Token      string           `json:"token"` // file
}

// at is how times are written.
func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// canonical is the form of RFC 8785.
func canonical(v any) ([]byte, error) {
	b, err := compact(v)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(b)
}

// compact is JSON without white space. For values whose members are in order and whose texts are plain ASCII it is the form of RFC 8785.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// read reads JSON that is written in one way alone: written anew it must be the same, so no member is unknown, missing or doubled, and no value spelled otherwise.
func read(b []byte, v any, write func(any) ([]byte, error)) error {
	if err := json.Unmarshal(b, v); err != nil {
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			return fmt.Errorf("byte %d: %w", e.Offset, err)
		}
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("byte %d, member %q: %w", e.Offset, e.Field, err)
		}
		return err
	}
	again, err := write(v)
	if err != nil {
		return err
	}
	if i := differ(b, again); i >= 0 {
		return fmt.Errorf("byte %d: not in its one canonical form", i)
	}
	return nil
}

// differ returns the first place where two texts differ, or -1.
func differ(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
