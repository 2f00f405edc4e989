package evidence

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"vedette"
)

// Proof is one record with its way to a signed checkpoint, for somebody who does not trust us and is offline (docs/formats/leaf.md). Each field of the record is
// named, so that nothing can be left out unseen; its value is shown or withheld.
type Proof struct {
	Format     string           `json:"format"` // ProofFormat
	Index      uint64           `json:"index"`
	Parts      []ProofPart      `json:"parts"`
	Path       []vedette.Digest `json:"path"` // from the leaf's sibling up
	Checkpoint string           `json:"checkpoint"`
}

// ProofFormat is the version of a proof.
const ProofFormat = "vedette-evidence-proof-1"

// ProofPart is one named value: salt and value where it is shown, else what the commitment holds of them.
type ProofPart struct {
	Name   string         `json:"name"`
	Shown  bool           `json:"shown"`
	Salt   []byte         `json:"salt,omitempty"`
	Value  []byte         `json:"value,omitempty"`
	Digest vedette.Digest `json:"digest,omitzero"`
}

// Prove makes the proof of a record that shows all that is not erased. Its error wraps vedette.ErrUnknown when the record does not stand,
// and ErrUnfit when it is not what its leaf commits to.
func (l *Log) Prove(ctx context.Context, index uint64) (Proof, error) {
	text, err := l.tree.Checkpoint(ctx)
	if err != nil {
		return Proof{}, err
	}
	p, _, err := l.ProveUnder(ctx, index, text)
	return p, err
}

// ProveUnder is Prove under a checkpoint that the log once had, so that many proofs lead to one, and returns the record too.
func (l *Log) ProveUnder(ctx context.Context, index uint64, text []byte) (Proof, Kept, error) {
	b, err := l.body(ctx, index)
	if err != nil {
		return Proof{}, Kept{}, err
	}
	k, err := l.fit(ctx, &b)
	if err != nil {
		return Proof{}, Kept{}, err
	}
	cp, err := l.readCheckpoint(text)
	if err != nil {
		return Proof{}, Kept{}, err
	}
	path, err := l.tree.Inclusion(ctx, index, cp.Size)
	if err != nil {
		return Proof{}, Kept{}, err
	}
	p := Proof{Format: ProofFormat, Index: index, Path: path, Checkpoint: string(text)}
	for i := range b.Parts {
		part := &b.Parts[i]
		if part.Erased() {
			p.Parts = append(p.Parts, ProofPart{Name: part.Name, Digest: part.Digest})
			continue
		}
		p.Parts = append(p.Parts, ProofPart{Name: part.Name, Shown: true, Salt: part.Salt, Value: part.Value})
	}
	return p, k, nil
}

// Without returns the proof with the values of some parts withheld. It proves the same leaf. Names that it does not have do no harm.
func (p Proof) Without(names ...string) Proof {
	return p.withhold(func(name string) bool { return slices.Contains(names, name) })
}

// Only returns the proof with the values of all parts withheld but these. It proves the same leaf.
func (p Proof) Only(names ...string) Proof {
	return p.withhold(func(name string) bool { return !slices.Contains(names, name) })
}

func (p Proof) withhold(hide func(string) bool) Proof {
	p.Parts = slices.Clone(p.Parts)
	for i := range p.Parts {
		if q := &p.Parts[i]; q.Shown && hide(q.Name) {
			*q = ProofPart{Name: q.Name, Digest: valueDigest(q.Salt, q.Value)}
		}
	}
	return p
}

// Shown is what a good proof says.
type Shown struct {
	Record              // fields whose values are shown; At, Kind and Tenant are zero when withheld
	Receipt             // where the record stands
	Checkpoint          // under which
	Withheld   []string // names of parts whose values are withheld or erased, in order
}

// Verify checks a proof against the log's public key, from a source that the verifier trusts. It needs nothing else. Its error wraps ErrUnfit and names the
// first thing that does not fit.
func Verify(p Proof, key note.Verifier) (Shown, error) {
	if p.Format != ProofFormat {
		return Shown{}, fmt.Errorf("%w: a proof of format %.60q", ErrUnfit, p.Format)
	}
	if key == nil {
		return Shown{}, fmt.Errorf("evidence: verify without a key: %w", vedette.ErrInvalid)
	}
	cp, err := OpenCheckpoint([]byte(p.Checkpoint), key)
	if err != nil {
		return Shown{}, err
	}
	return p.Under(cp)
}

// Under checks a proof against a checkpoint whose signature the caller has found good; the proof's own checkpoint is not looked at. Its error wraps ErrUnfit.
func (p *Proof) Under(cp Checkpoint) (Shown, error) {
	if err := partNames(len(p.Parts), func(i int) string { return p.Parts[i].Name }); err != nil {
		return Shown{}, err
	}
	out := Shown{Checkpoint: cp}
	b := Body{Index: p.Index, Parts: make([]Part, len(p.Parts))}
	for i, q := range p.Parts {
		if !q.Shown {
			if len(q.Salt) != 0 || len(q.Value) != 0 {
				return Shown{}, fmt.Errorf("%w: part %s is not shown and has a value", ErrUnfit, q.Name)
			}
			b.Parts[i] = Part{Name: q.Name, Digest: q.Digest}
			out.Withheld = append(out.Withheld, q.Name)
			continue
		}
		if len(q.Salt) != 32 || len(q.Value) > MaxValue {
			return Shown{}, fmt.Errorf("%w: part %s has a salt of %d bytes and a value of %d", ErrUnfit, q.Name, len(q.Salt), len(q.Value))
		}
		value := append([]byte{}, q.Value...)
		b.Parts[i] = Part{Name: q.Name, Salt: q.Salt, Value: value}
		if i >= 3 {
			out.Fields = append(out.Fields, Field{Name: q.Name, Value: value})
		} else if err := out.particular(q.Name, value); err != nil {
			return Shown{}, err
		}
	}
	out.Receipt = Receipt{Index: p.Index, Leaf: leafHash(b.Leaf())}
	if err := CheckInclusion(out.Leaf, p.Index, cp.Size, p.Path, cp.Root); err != nil {
		return Shown{}, err
	}
	return out, nil
}
