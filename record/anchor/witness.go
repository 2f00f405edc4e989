package anchor

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/record/evidence"
)

// Memory keeps what a witness has cosigned last, for each origin. Errors wrap vedette.ErrUnavailable where nothing else is said.
type Memory interface {
	// Latest returns the last checkpoint of an origin, as it was cosigned; nothing, when there is none.
	Latest(ctx context.Context, origin string) ([]byte, error)
	// Advance keeps a checkpoint as the last one, durable when it returns, if the last one is still was (nil: none). Its error wraps
	// vedette.ErrConflict when it is not, or when the new one is of a smaller tree.
	Advance(ctx context.Context, origin string, was, now []byte) error
}

// What a log is to be told.
var (
	ErrMalformed = fmt.Errorf("anchor: no request to add a checkpoint: %w", vedette.ErrInvalid)                    // 400
	ErrStranger  = fmt.Errorf("anchor: this witness does not know the log: %w", vedette.ErrUnknown)                // 404
	ErrUnsigned  = fmt.Errorf("anchor: no signature of a key that is known of this log: %w", vedette.ErrForbidden) // 403
	ErrFork      = fmt.Errorf("anchor: the log shows two histories: %w", vedette.ErrConflict)                      // 409 of the same size, 422 of another
)

// StaleError says that the witness has cosigned another size than the log thinks (409, with the size).
type StaleError struct{ Size uint64 }

func (e *StaleError) Error() string {
	return fmt.Sprintf("anchor: the witness has cosigned the tree of %d leaves", e.Size)
}

// Unwrap gives the kind.
func (e *StaleError) Unwrap() error { return vedette.ErrConflict }

// ForkError is ErrFork with both sides: the checkpoint that was cosigned, and the one that is no continuation of it by the proof that came with
// it. At the same size with another root, the two alone show that the log's key signed two histories.
type ForkError struct {
	Was, Now []byte // whole, signed by the log's key
	Same     bool   // of the same size: then no proof can mend it
}

func (e *ForkError) Error() string {
	if e.Same {
		return ErrFork.Error() + ": another root of the same size"
	}
	return ErrFork.Error() + ", or the proof is wrong: what it shows now is no continuation of what was cosigned"
}

// Unwrap gives ErrFork.
func (e *ForkError) Unwrap() error { return ErrFork }

// Witness cosigns checkpoints of logs that it knows, each a continuation of the one before. It is safe for concurrent use.
type Witness struct {
	key    *Cosigner
	logs   map[string][]note.Verifier
	memory Memory
	now    func() time.Time

	mu sync.Mutex // one checkpoint at a time; guards nothing else
}

// NewWitness returns a witness of the logs whose keys these are; a key's name is the log's origin, and a log may have several, while it changes
// from one to the next.
func NewWitness(key *Cosigner, logs []note.Verifier, memory Memory, now func() time.Time) (*Witness, error) {
	if key == nil || memory == nil || now == nil {
		return nil, fmt.Errorf("anchor: a witness needs a key, a memory and a clock: %w", vedette.ErrInvalid)
	}
	w := &Witness{key: key, logs: map[string][]note.Verifier{}, memory: memory, now: now}
	for _, v := range logs {
		w.logs[v.Name()] = append(w.logs[v.Name()], v)
	}
	return w, nil
}

// Add takes a request (AddRequest) and returns the line to answer with. The checkpoint is kept before it is signed, so that a witness that
// was killed has forgotten nothing that it signed. Its errors: ErrMalformed, ErrStranger, ErrUnsigned, *StaleError, *ForkError, else
// vedette.ErrUnavailable.
func (w *Witness) Add(ctx context.Context, body []byte) ([]byte, error) {
	old, proof, checkpoint, err := readAdd(body)
	if err != nil {
		return nil, err
	}
	cp, err := evidence.ReadCheckpoint(checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	keys := w.logs[cp.Origin]
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: %.100q", ErrStranger, cp.Origin)
	}
	n, err := note.Open(checkpoint, note.VerifierList(keys...))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	if strings.Contains(n.Text, "\n\n") {
		return nil, fmt.Errorf("%w: a checkpoint with an empty line", ErrMalformed)
	}
	// Kept without the lines of whoever else: they are the sender's to choose.
	if checkpoint, err = note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if old > cp.Size {
		return nil, fmt.Errorf("%w: old %d, and a checkpoint of %d", ErrMalformed, old, cp.Size)
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	was, err := w.memory.Latest(ctx, cp.Origin)
	if err != nil {
		return nil, err
	}
	latest := evidence.Checkpoint{Origin: cp.Origin}
	if was != nil {
		if latest, err = evidence.ReadCheckpoint(was); err != nil {
			return nil, fmt.Errorf("anchor: what was cosigned of %.100q: %w: %w", cp.Origin, err, vedette.ErrUnavailable)
		}
	}
	switch {
	case old != latest.Size:
		return nil, &StaleError{latest.Size}
	case was != nil && latest.Size == cp.Size && latest.Root != cp.Root:
		return nil, &ForkError{was, checkpoint, true}
	case was == nil && len(proof) > 0:
		return nil, fmt.Errorf("%w: a proof from the empty tree", ErrMalformed)
	}
	if was != nil {
		if err := evidence.CheckConsistency(latest, cp, proof); err != nil {
			return nil, &ForkError{was, checkpoint, false}
		}
	}
	if err := w.memory.Advance(ctx, cp.Origin, was, checkpoint); err != nil {
		return nil, err
	}
	return w.key.cosign(n.Text, w.now()), nil
}

const maxProof = 63 // lines, C2SP tlog-witness

// MaxAdd is how large a request to a witness may be.
const MaxAdd = MaxCheckpoint + 64*64

func readAdd(body []byte) (old uint64, proof []vedette.Digest, checkpoint []byte, err error) {
	bad := func(format string, args ...any) (uint64, []vedette.Digest, []byte, error) {
		return 0, nil, nil, fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	if len(body) > MaxAdd {
		return bad("%d bytes", len(body))
	}
	head, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok || len(checkpoint) > MaxCheckpoint {
		return bad("no empty line behind the proof")
	}
	lines := bytes.Split(head, []byte("\n"))
	size, ok := bytes.CutPrefix(lines[0], []byte("old "))
	if old, err = strconv.ParseUint(string(size), 10, 63); !ok || err != nil || strconv.FormatUint(old, 10) != string(size) {
		return bad("line 1 is not \"old\" and a size")
	}
	if len(lines)-1 > maxProof {
		return bad("a proof of %d lines, at most %d", len(lines)-1, maxProof)
	}
	for i, l := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(string(l))
		if err != nil || len(h) != 32 {
			return bad("line %d is no hash", i+2)
		}
		proof = append(proof, vedette.Digest(h))
	}
	return old, proof, checkpoint, nil
}

// MemoryMemory is a Memory that lives as long as the process.
type MemoryMemory struct {
	mu   sync.Mutex
	last map[string][]byte
}

// Latest implements Memory.
func (m *MemoryMemory) Latest(_ context.Context, origin string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.last[origin]), nil
}

// Advance implements Memory.
func (m *MemoryMemory) Advance(_ context.Context, origin string, was, now []byte) error {
	if err := CheckAdvance(origin, was, now); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.last[origin]; ok != (was != nil) || !bytes.Equal(last, was) {
		return fmt.Errorf("anchor: another checkpoint of %.100q was cosigned meanwhile: %w", origin, vedette.ErrConflict)
	}
	if m.last == nil {
		m.last = map[string][]byte{}
	}
	m.last[origin] = bytes.Clone(now)
	return nil
}

// CheckAdvance refuses what no Memory takes: another log's checkpoint, or a step back.
func CheckAdvance(origin string, was, now []byte) error {
	to, err := evidence.ReadCheckpoint(now)
	if err != nil {
		return err
	}
	from := evidence.Checkpoint{Origin: origin}
	if was != nil {
		if from, err = evidence.ReadCheckpoint(was); err != nil {
			return err
		}
	}
	if to.Origin != origin || from.Origin != origin || to.Size < from.Size || was != nil && to.Size == from.Size && to.Root != from.Root {
		return fmt.Errorf("anchor: from %d leaves to %d of %.100q: %w", from.Size, to.Size, to.Origin, vedette.ErrConflict)
	}
	return nil
}
