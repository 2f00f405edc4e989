// Package anchor ties the evidence log to what others say: that they saw a checkpoint, and when.
//
// In:     a signed checkpoint; what a time-stamping authority or a witness answered about it; whom to believe.
// Out:    when it was seen at the latest, and by whom. And the other side: a witness, which cosigns others' logs and never goes back.
// Keeps:  a witness, through its Memory, the last checkpoint of each log; else nothing.
// Fails:  Verify's errors wrap ErrUnfit and name the first thing that does not fit; a witness's say what the log is to be told.
// Source: RFC 3161, RFC 5816, C2SP tlog-cosignature, C2SP tlog-witness; docs/formats/anchor.md, docs/decisions/0027-anchors.md
package anchor

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/record/evidence"
)

// Kind says who vouches, and in which form.
type Kind string

// The kinds.
const (
	KindStamp       Kind = "rfc3161"     // a time-stamping authority's token over the checkpoint's bytes
	KindCosignature Kind = "cosignature" // a witness's line under the checkpoint
)

// Bounds of what is read. An authority's token with its certificates has some 2 to 8 KB, a checkpoint less than one.
const (
	MaxCheckpoint = 16 << 10
	MaxToken      = 64 << 10
)

// ErrUnfit is the error of an anchor that shows nothing.
var ErrUnfit = fmt.Errorf("anchor: does not fit: %w", vedette.ErrConflict)

// Anchor is what somebody else said about one checkpoint.
type Anchor struct {
	Kind       Kind
	Checkpoint []byte // as it was when it was anchored, signature included
	Token      []byte // DER of a TimeStampToken, or one signature line of a note
}

// Trust says whom to believe. It comes from the verifier, never with the anchor.
type Trust struct {
	Roots     *x509.CertPool // of time-stamping authorities; nil: none
	Witnesses []note.Verifier
}

// At is what an anchor shows: the checkpoint was there at this time.
type At struct {
	Time time.Time // UTC, to the second
	By   string    // the authority's certificate's name, or the witness's
	Size uint64    // leaves under the checkpoint
}

// Verify checks an anchor against whom the verifier believes. It does not check the log's own signature on the checkpoint: that takes the
// log's key (evidence.OpenCheckpoint), and is another question. Its error wraps ErrUnfit.
func (a Anchor) Verify(t Trust) (At, error) {
	if len(a.Checkpoint) > MaxCheckpoint || len(a.Token) > MaxToken {
		return At{}, fmt.Errorf("%w: a checkpoint of %d bytes and a token of %d", ErrUnfit, len(a.Checkpoint), len(a.Token))
	}
	cp, err := evidence.ReadCheckpoint(a.Checkpoint)
	if err != nil {
		return At{}, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	var at At
	switch a.Kind {
	case KindStamp:
		at, err = verifyStamp(a.Checkpoint, a.Token, t.Roots)
	case KindCosignature:
		at, err = verifyCosignature(a.Checkpoint, a.Token, t.Witnesses)
	default:
		err = fmt.Errorf("%w: an anchor of kind %.20q", ErrUnfit, a.Kind)
	}
	if err != nil {
		return At{}, err
	}
	at.Size = cp.Size
	return at, nil
}

// Kinds returns every kind, in order.
func Kinds() []Kind { return []Kind{KindStamp, KindCosignature} }

// ParseKind reads a kind. Its error wraps vedette.ErrInvalid.
func ParseKind(s string) (Kind, error) {
	if k := Kind(s); slices.Contains(Kinds(), k) {
		return k, nil
	}
	return "", fmt.Errorf("anchor: kind %.20q, rfc3161 or cosignature: %w", s, vedette.ErrInvalid)
}
