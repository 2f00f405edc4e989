package evidence

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vedette"
)

// Tree is the log itself: leaves in order, and signed checkpoints over them. It has one writer.
type Tree interface {
	// Append adds leaves of 1 to 65,535 bytes behind the last, in order, and returns the place of the first. When it returns nil they are integrated and under a
	// signed checkpoint. On an error some of them may stand all the same: Size tells. Its error wraps vedette.ErrUnavailable or ErrInvalid.
	Append(ctx context.Context, leaves [][]byte) (first uint64, err error)
	// Checkpoint returns the last signed checkpoint (C2SP tlog-checkpoint), also of an empty tree.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Size returns how many leaves stand. Nothing that was handed to an earlier Append can come to stand after it has returned, and a signed
	// checkpoint covers them all. Its error wraps vedette.ErrUnavailable when that could not be had.
	Size(ctx context.Context) (uint64, error)
	// Leaf returns a leaf's bytes, the caller's to keep. Its error wraps vedette.ErrUnknown at or behind Size.
	Leaf(ctx context.Context, index uint64) ([]byte, error)
	// Inclusion returns the way from a leaf to the root of the tree of a size, from the leaf's sibling up (RFC 6962 §2.1.1).
	// Its error wraps vedette.ErrUnknown when the leaf is not in that tree or the tree is not that large.
	Inclusion(ctx context.Context, index, size uint64) ([]vedette.Digest, error)
	// Consistency proves that the tree of size from is the beginning of the tree of size to (RFC 6962 §2.1.2). From 0 the proof is empty.
	Consistency(ctx context.Context, from, to uint64) ([]vedette.Digest, error)
	// Close waits until what was appended stands and ends everything that the tree started.
	Close(ctx context.Context) error
}

// NewSigner makes the log's key pair from a seed: Ed25519, in the form of C2SP signed-note. The origin is the log's name, such as
// "vedette.example/log". A seed makes the same key every time; it is secret. An origin that no key can have, since it is empty or holds a
// blank or a plus sign, gives nil and nil.
func NewSigner(origin string, seed [32]byte) (note.Signer, note.Verifier) {
	if origin == "" || strings.ContainsAny(origin, "+ \t\r\n") {
		return nil, nil
	}
	key := ed25519.NewKeyFromSeed(seed[:])
	text, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, nil
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, nil
	}
	return &signer{key: key, text: text, verifier: v}, v
}

// VerifierKey returns the public key of a signer of NewSigner as text, for whoever verifies: "origin+hash+key". It is empty for others.
func VerifierKey(s note.Signer) string {
	if s, ok := s.(*signer); ok {
		return s.text
	}
	return ""
}

// VerifierOf returns the verifier that belongs to a signer of NewSigner, or nil.
func VerifierOf(s note.Signer) note.Verifier {
	if s, ok := s.(*signer); ok {
		return s.verifier
	}
	return nil
}

type signer struct {
	key      ed25519.PrivateKey
	text     string
	verifier note.Verifier
}

func (s *signer) Name() string                    { return s.verifier.Name() }
func (s *signer) KeyHash() uint32                 { return s.verifier.KeyHash() }
func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// Checkpoint is what a signed checkpoint says.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   vedette.Digest
}

// ReadCheckpoint reads a checkpoint without asking who signed it. Its error wraps ErrUnfit.
func ReadCheckpoint(b []byte) (Checkpoint, error) {
	text, _, ok := strings.Cut(string(b), "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) < 3 || lines[0] == "" {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint is an origin, a size, a root and a signature", ErrUnfit)
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint of size %.30q", ErrUnfit, lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint with root %.60q", ErrUnfit, lines[2])
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: vedette.Digest(root)}, nil
}

// OpenCheckpoint reads a checkpoint that a key has signed and whose origin is the key's name. Its error wraps ErrUnfit.
func OpenCheckpoint(b []byte, v note.Verifier) (Checkpoint, error) {
	n, err := note.Open(b, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint: %w", ErrUnfit, err)
	}
	c, err := ReadCheckpoint([]byte(n.Text + "\n"))
	if err == nil && c.Origin != v.Name() {
		err = fmt.Errorf("%w: the checkpoint is of %.100q, the key of %q", ErrUnfit, c.Origin, v.Name())
	}
	return c, err
}

// SignCheckpoint writes a signed checkpoint.
func SignCheckpoint(c Checkpoint, s note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	b, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("evidence: sign checkpoint: %w: %w", vedette.ErrUnavailable, err)
	}
	return b, nil
}

// CheckLeaf refuses a leaf that no tree takes.
func CheckLeaf(leaf []byte) error {
	if len(leaf) == 0 || len(leaf) > 65535 { // C2SP tlog-tiles: an entry's length has two bytes
		return fmt.Errorf("evidence: a leaf of %d bytes, 1 to 65535: %w", len(leaf), vedette.ErrInvalid)
	}
	return nil
}

// MemoryTree is a Tree that lives as long as the process.
type MemoryTree struct {
	signer note.Signer

	mu         sync.Mutex
	leaves     [][]byte
	hashes     hashList
	checkpoint []byte
	closed     bool
}

type hashList []tlog.Hash

func (h hashList) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		if n < 0 || n >= int64(len(h)) {
			return nil, fmt.Errorf("evidence: hash %d of %d: %w", n, len(h), vedette.ErrUnknown)
		}
		out[i] = h[n]
	}
	return out, nil
}

// NewMemoryTree returns an empty tree.
func NewMemoryTree(s note.Signer) *MemoryTree { return &MemoryTree{signer: s} }

// Verifier returns the key that checkpoints are signed with, when it is known.
func (t *MemoryTree) Verifier() note.Verifier { return VerifierOf(t.signer) }

func (t *MemoryTree) sign() error {
	root, err := tlog.TreeHash(int64(len(t.leaves)), t.hashes)
	if err != nil {
		return err
	}
	cp, err := SignCheckpoint(Checkpoint{Origin: t.signer.Name(), Size: uint64(len(t.leaves)), Root: vedette.Digest(root)}, t.signer)
	if err != nil {
		return err
	}
	t.checkpoint = cp
	return nil
}

// Append implements Tree.
func (t *MemoryTree) Append(ctx context.Context, leaves [][]byte) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("evidence: append: %w", err)
	}
	for _, l := range leaves {
		if err := CheckLeaf(l); err != nil {
			return 0, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, ErrClosed
	}
	first, hashes := len(t.leaves), len(t.hashes)
	for _, l := range leaves {
		more, err := tlog.StoredHashes(int64(len(t.leaves)), l, t.hashes)
		if err != nil {
			return 0, err
		}
		t.leaves = append(t.leaves, slices.Clone(l))
		t.hashes = append(t.hashes, more...)
	}
	if err := t.sign(); err != nil {
		t.leaves, t.hashes = t.leaves[:first], t.hashes[:hashes]
		return 0, err
	}
	return uint64(first), nil
}

// Checkpoint implements Tree.
func (t *MemoryTree) Checkpoint(context.Context) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	if t.checkpoint == nil {
		if err := t.sign(); err != nil {
			return nil, err
		}
	}
	return slices.Clone(t.checkpoint), nil
}

// Size implements Tree.
func (t *MemoryTree) Size(context.Context) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, ErrClosed
	}
	return uint64(len(t.leaves)), nil
}

// Leaf implements Tree.
func (t *MemoryTree) Leaf(_ context.Context, index uint64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, ErrClosed
	case index >= uint64(len(t.leaves)):
		return nil, fmt.Errorf("evidence: leaf %d of %d: %w", index, len(t.leaves), vedette.ErrUnknown)
	}
	return slices.Clone(t.leaves[index]), nil
}

// Inclusion implements Tree.
func (t *MemoryTree) Inclusion(_ context.Context, index, size uint64) ([]vedette.Digest, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	if size > uint64(len(t.leaves)) || index >= size {
		return nil, fmt.Errorf("evidence: leaf %d in a tree of %d, of %d leaves: %w", index, size, len(t.leaves), vedette.ErrUnknown)
	}
	p, err := tlog.ProveRecord(int64(size), int64(index), t.hashes)
	return digests(p), err
}

// Consistency implements Tree.
func (t *MemoryTree) Consistency(_ context.Context, from, to uint64) ([]vedette.Digest, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	if to > uint64(len(t.leaves)) || from > to {
		return nil, fmt.Errorf("evidence: trees of %d and %d, of %d leaves: %w", from, to, len(t.leaves), vedette.ErrUnknown)
	}
	if from == 0 {
		return nil, nil
	}
	p, err := tlog.ProveTree(int64(to), int64(from), t.hashes)
	return digests(p), err
}

// Close implements Tree.
func (t *MemoryTree) Close(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return nil
}

func digests[T ~[]tlog.Hash](p T) []vedette.Digest {
	out := make([]vedette.Digest, len(p))
	for i, h := range p {
		out[i] = vedette.Digest(h)
	}
	return out
}

func hashes(p []vedette.Digest) []tlog.Hash {
	out := make([]tlog.Hash, len(p))
	for i, d := range p {
		out[i] = tlog.Hash(d)
	}
	return out
}

// CheckInclusion checks a way from a leaf hash to a root. Its error wraps ErrUnfit.
func CheckInclusion(leaf vedette.Digest, index, size uint64, path []vedette.Digest, root vedette.Digest) error {
	if index >= size || size >= 1<<62 || len(path) > 64 {
		return fmt.Errorf("%w: leaf %d in a tree of %d", ErrUnfit, index, size)
	}
	if err := tlog.CheckRecord(hashes(path), int64(size), tlog.Hash(root), int64(index), tlog.Hash(leaf)); err != nil {
		return fmt.Errorf("%w: leaf %d does not stand under the root of the tree of %d", ErrUnfit, index, size)
	}
	return nil
}

// CheckConsistency checks that one checkpoint's tree is the beginning of another's. Its error wraps ErrUnfit.
func CheckConsistency(from, to Checkpoint, proof []vedette.Digest) error {
	unfit := fmt.Errorf("%w: the tree of %d leaves is not the beginning of the tree of %d", ErrUnfit, from.Size, to.Size)
	switch {
	case from.Size > to.Size || to.Size >= 1<<62 || len(proof) > 128:
		return unfit
	case from.Size == 0:
		if len(proof) != 0 {
			return unfit
		}
		return nil // the empty tree is the beginning of each
	case from.Size == to.Size:
		if from.Root != to.Root || len(proof) != 0 {
			return unfit
		}
		return nil
	}
	if err := tlog.CheckTree(hashes(proof), int64(to.Size), tlog.Hash(to.Root), int64(from.Size), tlog.Hash(from.Root)); err != nil {
		return unfit
	}
	return nil
}
