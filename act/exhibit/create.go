package exhibit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/evidence"
)

// Log is what an exhibit is made from. *evidence.Log is one.
type Log interface {
	evidence.Book
	evidence.Reader
	Size() uint64
	Checkpoint(ctx context.Context) ([]byte, evidence.Checkpoint, error)
	ProveUnder(ctx context.Context, index uint64, checkpoint []byte) (evidence.Proof, evidence.Kept, error)
	Between(ctx context.Context, earlier, later []byte) ([]vedette.Digest, error)
}

// Making is what Create needs besides the log and the choice.
type Making struct {
	Disclosures []authority.Disclosure // of metadata, and of indicators where they are shown
	Recipient   authority.Recipient    // to whom
	Build       string                 // which program
	Anchors     []Anchor               // those of the log that are known; those that cover the case's records first are taken
	Now         time.Time
}

// Made is what Create made.
type Made struct {
	Zip        []byte
	Records    int
	Disclosed  int // records of which more than their place is shown
	Withheld   int // records of which nothing is shown
	Disclosure uint64
	Seal       uint64
}

// Create makes an exhibit of a case. The disclosure is in the log before anything is put together, and the digest of what was put together before it is
// returned. Its error wraps vedette.ErrInvalid, ErrForbidden, ErrUnknown when the log holds nothing of the case, ErrTooLarge or ErrUnavailable, and
// evidence.ErrUnfit when a record of the case is not what its leaf commits to.
func Create(ctx context.Context, log Log, c Choice, m Making) (Made, error) {
	if err := c.Check(); err != nil {
		return Made{}, err
	}
	if err := c.allowed(&m); err != nil {
		return Made{}, err
	}
	index, err := find(ctx, log, c.Tenant, c.Case)
	if err != nil {
		return Made{}, err
	}
	list, err := canonical(index)
	if err != nil {
		return Made{}, fmt.Errorf("exhibit: %w", err)
	}
	rec := evidence.Record{Kind: evidence.KindDisclose, At: m.Now, Tenant: c.Tenant, Fields: c.disclosed(&m, sum(list))}
	receipts, err := log.Append(ctx, rec)
	if err != nil {
		return Made{}, fmt.Errorf("exhibit: record that it is disclosed, nothing was: %w", err)
	}
	checkpoint, _, err := log.Checkpoint(ctx)
	if err != nil {
		return Made{}, fmt.Errorf("exhibit: %w", err)
	}
	b, err := gather(ctx, log, &c, index, receipts[0].Index, checkpoint, m.Anchors)
	if err != nil {
		return Made{}, err
	}
	files, err := b.files()
	if err != nil {
		return Made{}, err
	}
	manifest := sum(files[0].data)
	rec = evidence.Record{Kind: evidence.KindDisclose, At: m.Now, Tenant: c.Tenant, Fields: []evidence.Field{
		{Name: "exhibit", Value: strconv.AppendUint(nil, receipts[0].Index, 10)}, {Name: "manifest", Value: []byte(manifest.String())},
	}}
	if receipts, err = log.Append(ctx, rec); err != nil {
		return Made{}, fmt.Errorf("exhibit: record what it holds: %w", err)
	}
	later, _, err := log.Checkpoint(ctx)
	if err != nil {
		return Made{}, fmt.Errorf("exhibit: %w", err)
	}
	out := Made{Records: len(index.Records), Disclosed: b.disclosed, Withheld: len(index.Records) - b.disclosed, Disclosure: b.manifest.Disclosure, Seal: receipts[0].Index}
	out.Zip, err = conclude(ctx, log, files, checkpoint, receipts[0].Index, later)
	return out, err
}

// conclude adds the seal and packs.
func conclude(ctx context.Context, log Log, files []file, checkpoint []byte, index uint64, later []byte) ([]byte, error) {
	p, _, err := log.ProveUnder(ctx, index, later)
	if err != nil {
		return nil, fmt.Errorf("exhibit: seal: %w", err)
	}
	path, err := log.Between(ctx, checkpoint, later)
	if err != nil {
		return nil, fmt.Errorf("exhibit: seal: %w", err)
	}
	r := recordOf("", &p)
	s, err := compact(seal{Checkpoint: string(later), Consistency: append([]vedette.Digest{}, path...), Format: Format, Index: r.Index, Parts: r.Parts, Path: r.Path})
	if err != nil {
		return nil, fmt.Errorf("exhibit: seal: %w", err)
	}
	return pack(append(files, file{"seal.json", s}))
}

// allowed says why the disclosures do not carry the choice. Its error wraps vedette.ErrForbidden.
func (c *Choice) allowed(m *Making) error {
	need := []authority.Data{authority.DataMetadata}
	if slices.Contains(c.Disclose, Indicators) {
		need = append(need, authority.DataIndicators)
	}
	for _, data := range need {
		var refused error = fmt.Errorf("exhibit: no disclosure of %s: %w", data, authority.ErrNoPermit)
		for _, d := range m.Disclosures {
			h := d.Handing()
			err := d.Check(m.Recipient, data, m.Now)
			switch {
			case err == nil && (h.Tenant != c.Tenant || h.Case != c.Case):
				err = fmt.Errorf("%w: the disclosure is for another case", authority.ErrNoPermit)
			case err == nil && h.About != c.Digest():
				err = fmt.Errorf("%w: the disclosure is about another choice", authority.ErrNoPermit)
			}
			if err == nil {
				refused = nil
				break
			}
			if h.Data == data {
				refused = err
			}
		}
		if refused != nil {
			return refused
		}
	}
	return nil
}

// disclosed are the fields of the record that something is disclosed.
func (c *Choice) disclosed(m *Making, index vedette.Digest) []evidence.Field {
	h := m.Disclosures[0].Handing()
	var people, data, acts []string
	for _, d := range m.Disclosures {
		data, acts = append(data, d.Handing().Data.String()), append(acts, d.Act().String())
		for _, p := range d.People() {
			people = append(people, string(p))
		}
	}
	slices.Sort(people)
	groups := make([]string, len(c.Disclose))
	for i, g := range c.Disclose {
		groups[i] = string(g)
	}
	var out []evidence.Field
	for _, f := range []struct{ name, value string }{
		{"case", c.Case},
		{"label", c.Label},
		{"for", c.For},
		{"variant", string(c.Variant)},
		{"disclose", strings.Join(groups, ",")},
		{"recipient", m.Recipient.String()},
		{"data", strings.Join(data, ",")},
		{"basis", h.Basis},
		{"jurisdiction", h.Jurisdiction},
		{"people", strings.Join(slices.Compact(people), ",")},
		{"act", strings.Join(acts, ",")},
		{"build", m.Build},
		{"index", index.String()},
	} {
		out = append(out, evidence.Field{Name: f.name, Value: []byte(f.value)})
	}
	return out
}

// find reads the whole log and makes the index of a case.
func find(ctx context.Context, log Log, t vedette.Tenant, id string) (*Index, error) {
	m := newMember(t, id)
	size := log.Size()
	walk := func(do func(k *evidence.Kept) error) error {
		for k, err := range log.Read(ctx, 0) {
			switch {
			case errors.Is(err, evidence.ErrUnfit):
				continue // a record that nobody can read belongs to nothing; "evidence check" names it
			case err != nil:
				return fmt.Errorf("exhibit: read the log: %w", err)
			case k.Index >= size:
				return nil
			}
			if err := do(&k); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(func(k *evidence.Kept) error { m.finding(k); return nil }); err != nil {
		return nil, err
	}
	out := &Index{Format: Format, Case: id, Size: size, Records: []Indexed{}}
	err := walk(func(k *evidence.Kept) error {
		if !m.has(k) {
			return nil
		}
		if out.Records = append(out.Records, Indexed{k.Index, k.Kind}); len(out.Records) > MaxRecords {
			return fmt.Errorf("exhibit: %s has more than %d records: %w", id, MaxRecords, vedette.ErrTooLarge)
		}
		return nil
	})
	if err == nil && len(out.Records) == 0 {
		err = fmt.Errorf("exhibit: the log holds no record of %s: %w", id, vedette.ErrUnknown)
	}
	return out, err
}

// body is an exhibit before it is written.
type body struct {
	choice     Choice
	manifest   Manifest
	checkpoint []byte
	index      *Index
	records    []record
	shown      []evidence.Shown
	disclosure record
	export     evidence.Shown
	withheld   Withheld
	anchors    []Anchor
	paths      [][]vedette.Digest
	disclosed  int
}

// gather proves the records of an index under one checkpoint and says what is withheld. The same log, choice, place of the disclosure and checkpoint give the
// same body.
func gather(ctx context.Context, log Log, c *Choice, index *Index, disclosure uint64, checkpoint []byte, anchors []Anchor) (*body, error) {
	cp, err := evidence.ReadCheckpoint(checkpoint)
	if err != nil {
		return nil, fmt.Errorf("exhibit: %w", err)
	}
	b := &body{choice: *c, checkpoint: checkpoint, index: index}
	b.withheld = Withheld{Format: Format, Reasons: reasons(), Records: []WithheldRecord{}, Outside: index.Size - uint64(len(index.Records))}
	prove := func(i uint64, name string) (record, evidence.Shown, WithheldRecord, error) {
		p, k, err := log.ProveUnder(ctx, i, checkpoint)
		if err != nil {
			return record{}, evidence.Shown{}, WithheldRecord{}, fmt.Errorf("exhibit: record %d: %w", i, err)
		}
		w := WithheldRecord{Exhibit: name, Index: i, Kind: k.Kind}
		var hide []string
		for _, q := range p.Parts {
			if ok, why := c.shows(&k, q.Name); !ok {
				hide = append(hide, q.Name)
				w.Parts = append(w.Parts, WithheldPart{q.Name, why})
			}
		}
		if memo(k.Kind) {
			w.Parts, w.Whole = nil, whyMemo
		}
		p = p.Without(hide...)
		shown, err := p.Under(cp)
		return recordOf(name, &p), shown, w, err
	}
	for n, x := range index.Records {
		r, shown, w, err := prove(x.Index, b.id(n+1))
		if err != nil {
			return nil, err
		}
		b.records, b.shown = append(b.records, r), append(b.shown, shown)
		if w.Whole == "" {
			b.disclosed++
		}
		if w.Whole != "" || len(w.Parts) > 0 {
			b.withheld.Records = append(b.withheld.Records, w)
		}
	}
	var w WithheldRecord
	if b.disclosure, b.export, w, err = prove(disclosure, b.id(0)); err != nil {
		return nil, err
	}
	if len(w.Parts) > 0 {
		b.withheld.Records = append(b.withheld.Records, w)
	}
	if err := b.anchor(ctx, log, anchors, cp.Size); err != nil {
		return nil, err
	}
	b.manifest = Manifest{
		Format: Format, Case: c.Label, Mark: c.Mark, For: c.For, Variant: c.Variant, Disclose: append([]Group{}, c.Disclose...), Origin: cp.Origin, Size: cp.Size,
		Records: len(index.Records), Disclosure: disclosure, At: at(b.export.At), Edition: Edition,
	}
	return b, nil
}

// anchor takes anchors in: of each who gave some, the first that covers each record, since it says most about when the record stood. One that is over more than the
// exhibit's checkpoint, or that the log does not continue, is left out: "evidence check" names it.
func (b *body) anchor(ctx context.Context, log Log, anchors []Anchor, size uint64) error {
	type fitting struct {
		Anchor
		size uint64
		path []vedette.Digest
	}
	var fit []fitting
	for _, a := range anchors {
		over, err := evidence.ReadCheckpoint(a.Checkpoint)
		if err != nil || over.Size > size {
			continue
		}
		path, err := log.Between(ctx, a.Checkpoint, b.checkpoint)
		if errors.Is(err, evidence.ErrUnfit) {
			continue
		}
		if err != nil {
			return fmt.Errorf("exhibit: anchor: %w", err)
		}
		fit = append(fit, fitting{a, over.Size, append([]vedette.Digest{}, path...)})
	}
	slices.SortStableFunc(fit, func(x, y fitting) int { return cmp.Compare(x.size, y.size) })
	covered := map[[2]string]int{} // by kind and giver: how many of the records, in the log's order
	var chosen []fitting
	for _, a := range fit {
		who, n := [2]string{a.Kind, a.By}, 0
		for n < len(b.index.Records) && b.index.Records[n].Index < a.size {
			n++
		}
		if n > covered[who] {
			covered[who] = n
			chosen = append(chosen, a)
		}
	}
	if len(chosen) > MaxAnchors { // the last covers most
		chosen = append(chosen[:MaxAnchors-1:MaxAnchors-1], chosen[len(chosen)-1])
	}
	for _, a := range chosen {
		b.anchors, b.paths = append(b.anchors, a.Anchor), append(b.paths, a.path)
	}
	return nil
}

// id is an exhibit id; 0 is the exhibit's own disclosure.
func (b *body) id(n int) string { return exhibitID(b.choice.Mark, n) }

func exhibitID(mark string, n int) string { return fmt.Sprintf("%s-%04d", mark, n) }
