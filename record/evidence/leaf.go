package evidence

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vedette"
)

// Bounds of a record.
const (
	MaxValue  = 64 << 10 // bytes of a field's value
	MaxFields = 200      // fields of a record
	maxName   = 40
)

// Errors of the room.
var (
	// ErrUnfit is the error of what is not what the log commits to, or of what is missing.
	ErrUnfit = fmt.Errorf("evidence: does not fit: %w", vedette.ErrConflict)
	// ErrUnsure is the error of an append of which it could not be found out whether it stands.
	ErrUnsure = fmt.Errorf("evidence: not known whether it stands: %w", vedette.ErrUnavailable)
	// ErrStopped is the error of every append to a log that has lost or changed what it had signed: it may not grow any more.
	ErrStopped = fmt.Errorf("evidence: the log is not what it was: %w", vedette.ErrUnavailable)
	// ErrClosed is the error of a tree after its end.
	ErrClosed = fmt.Errorf("evidence: closed: %w", vedette.ErrUnavailable)
)

// The names under which a record's own particulars are committed to. No room's field can have them: they begin with a hyphen.
const (
	NameAt     = "-at"     // 8 bytes, signed milliseconds since 1970, big-endian
	NameKind   = "-kind"   // the kind
	NameTenant = "-tenant" // the tenant, or nothing
)

// Domain separation, docs/formats/leaf.md.
const (
	leafMagic  = "vedette/leaf/1\x00"
	leafField  = "vedette/leaf/1/field\x00"
	leafValue  = "vedette/leaf/1/value\x00"
	partsLimit = MaxFields + 3
)

// Kinds returns every kind, in order.
func Kinds() []Kind {
	return []Kind{
		KindSeal, KindAsked, KindReport, KindHunt, KindLead, KindConfirm, KindBlock, KindOutcome, KindChanged, KindAttr, KindErasure, KindRelease,
		KindCurrent, KindDisclose, KindFinding, KindAnchor, KindKey, KindOrder, KindClock,
	}
}

// Part is one named value of a record as it lies on the shelf. Once it is erased, salt and value are nil and the digest alone is left.
type Part struct {
	Name   string
	Salt   []byte // 32 bytes
	Value  []byte // never nil unless erased
	Digest vedette.Digest
}

// Erased tells whether value and salt were taken away.
func (p *Part) Erased() bool { return p.Salt == nil }

// Commit returns what the leaf commits to of salt and value; it is the same before and after they are erased.
func (p *Part) Commit() vedette.Digest {
	if p.Erased() {
		return p.Digest
	}
	return valueDigest(p.Salt, p.Value)
}

func valueDigest(salt, value []byte) vedette.Digest {
	b := make([]byte, 0, len(leafValue)+len(salt)+len(value))
	return sha256.Sum256(append(append(append(b, leafValue...), salt...), value...))
}

func fieldCommitment(name string, value vedette.Digest) vedette.Digest {
	b := append(make([]byte, 0, len(leafField)+1+maxName+32), leafField...)
	b = append(append(b, byte(len(name))), name...)
	return sha256.Sum256(append(b, value[:]...))
}

// Body is what a leaf commits to, in order of the parts' names, the record's own particulars first.
type Body struct {
	Index  uint64
	Parts  []Part
	Sealed *Sealed // of a seal alone
}

// Leaf returns the bytes that stand in the log (docs/formats/leaf.md). They tell how many parts there are, and nothing else.
func (b *Body) Leaf() []byte {
	out := append(make([]byte, 0, len(leafMagic)+1+32*len(b.Parts)), leafMagic...)
	out = append(out, byte(len(b.Parts)))
	for i := range b.Parts {
		c := fieldCommitment(b.Parts[i].Name, b.Parts[i].Commit())
		out = append(out, c[:]...)
	}
	return out
}

// leafHash is the leaf hash of RFC 6962, section 2.1.
func leafHash(leaf []byte) vedette.Digest { return vedette.Digest(tlog.RecordHash(leaf)) }

// newBody salts a record. Its error wraps vedette.ErrInvalid and names what is wrong.
func newBody(r *Record) (Body, error) {
	if !slices.Contains(Kinds(), r.Kind) {
		return Body{}, fmt.Errorf("evidence: kind %.40q: %w", r.Kind, vedette.ErrInvalid)
	}
	if r.Tenant != "" {
		if _, err := vedette.ParseTenant(string(r.Tenant)); err != nil {
			return Body{}, fmt.Errorf("evidence: %s: %w", r.Kind, err)
		}
	}
	if len(r.Fields) > MaxFields {
		return Body{}, fmt.Errorf("evidence: %s: %d fields, at most %d: %w", r.Kind, len(r.Fields), MaxFields, vedette.ErrInvalid)
	}
	b := Body{Parts: make([]Part, 0, len(r.Fields)+3)}
	b.Parts = append(b.Parts,
		Part{Name: NameAt, Value: binary.BigEndian.AppendUint64(nil, uint64(r.At.UnixMilli()))},
		Part{Name: NameKind, Value: []byte(r.Kind)},
		Part{Name: NameTenant, Value: append([]byte{}, r.Tenant...)})
	for _, f := range r.Fields {
		if !fieldName(f.Name) {
			return Body{}, fmt.Errorf("evidence: %s: field %.50q: 1 to 40 of a-z and _: %w", r.Kind, f.Name, vedette.ErrInvalid)
		}
		if len(f.Value) > MaxValue {
			return Body{}, fmt.Errorf("evidence: %s: field %s has %d bytes, at most %d: %w", r.Kind, f.Name, len(f.Value), MaxValue, vedette.ErrInvalid)
		}
		b.Parts = append(b.Parts, Part{Name: f.Name, Value: append([]byte{}, f.Value...)})
	}
	slices.SortFunc(b.Parts, func(a, b Part) int { return cmp.Compare(a.Name, b.Name) })
	salts := make([]byte, 32*len(b.Parts))
	_, _ = rand.Read(salts) // never fails: the program ends instead
	for i := range b.Parts {
		if i > 0 && b.Parts[i].Name == b.Parts[i-1].Name {
			return Body{}, fmt.Errorf("evidence: %s: field %s stands twice: %w", r.Kind, b.Parts[i].Name, vedette.ErrInvalid)
		}
		b.Parts[i].Salt = salts[32*i : 32*i+32 : 32*i+32]
	}
	return b, nil
}

func fieldName(s string) bool {
	if len(s) < 1 || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}

// partNames checks what every reader of parts relies on: the record's own first, each name once, in order.
func partNames(n int, name func(int) string) error {
	if n < 3 || n > partsLimit || name(0) != NameAt || name(1) != NameKind || name(2) != NameTenant {
		return fmt.Errorf("%w: %d parts that do not begin with %s, %s, %s", ErrUnfit, n, NameAt, NameKind, NameTenant)
	}
	for i := 3; i < n; i++ {
		if !fieldName(name(i)) || i > 3 && name(i) <= name(i-1) {
			return fmt.Errorf("%w: part %.50q is no name or out of order", ErrUnfit, name(i))
		}
	}
	return nil
}

// kept reads a body as a record. Its error wraps ErrUnfit when the body is none.
func (b *Body) kept() (Kept, error) {
	if err := partNames(len(b.Parts), func(i int) string { return b.Parts[i].Name }); err != nil {
		return Kept{}, err
	}
	k := Kept{Receipt: Receipt{Index: b.Index, Leaf: leafHash(b.Leaf())}}
	for i := range b.Parts {
		p := &b.Parts[i]
		switch {
		case i < 3:
			if err := k.particular(p.Name, p.Value); err != nil {
				return Kept{}, err
			}
		case p.Erased():
			k.Erased = append(k.Erased, p.Name)
			k.Fields = append(k.Fields, Field{Name: p.Name})
		default:
			k.Fields = append(k.Fields, Field{Name: p.Name, Value: append([]byte{}, p.Value...)})
		}
	}
	return k, nil
}

func (r *Record) particular(name string, value []byte) error {
	switch name {
	case NameAt:
		if len(value) != 8 {
			return fmt.Errorf("%w: a time of %d bytes", ErrUnfit, len(value))
		}
		r.At = time.UnixMilli(int64(binary.BigEndian.Uint64(value))).UTC()
	case NameKind:
		r.Kind = Kind(value)
	case NameTenant:
		r.Tenant = vedette.Tenant(value)
	}
	return nil
}

// Get returns a field's value, and whether the record has the field and its value is there.
func (r *Record) Get(name string) ([]byte, bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value, r.Fields[i].Value != nil
		}
	}
	return nil, false
}
