//go:build unix

package tiles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"vedette"
	"vedette/record/evidence"
)

// ErrOwned is the error of a folder that somebody has open.
var ErrOwned = fmt.Errorf("tiles: somebody has the folder open: %w", vedette.ErrBusy)

// Tree is an evidence.Tree in a folder. It is safe for concurrent use.
type Tree struct {
	dir      string
	patience time.Duration
	verifier note.Verifier
	key      *sealed
	lock     *os.File
	add      tessera.AddFn
	shutdown func(context.Context) error
	reader   tessera.LogReader
	stop     context.CancelFunc

	adding sync.Mutex     // leaves of one Append stand one behind the other
	busy   sync.WaitGroup // Appends under way

	mu      sync.Mutex // guards closed, appends, litter, failed, bundle, at, full, have, proofs
	closed  bool
	appends int           // under way
	litter  bool          // an Append failed: files may lie about
	failed  bool          // an Append was given up: what was handed in may still be on its way
	bundle  [][]byte      // the last bundle read
	at      uint64        // its index
	full    bool          // it is a full one, and does not change any more
	have    uint64        // leaves that stand; there may be more
	proofs  *proofBuilder // over the last size asked for
}

type proofBuilder struct {
	size uint64
	*client.ProofBuilder
}

var _ evidence.Tiled = (*Tree)(nil)

// sealed is the signer until the tree is closed: nothing that the library still does can sign afterwards.
type sealed struct {
	note.Signer
	mu     sync.RWMutex
	closed bool
}

func (s *sealed) Sign(msg []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, evidence.ErrClosed
	}
	return s.Signer.Sign(msg)
}

func (s *sealed) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// nowhere answers every request with an error: the log has no business on a network.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("tiles: the evidence log uses no network")
}

var logOnce sync.Once

// Open opens or creates the tree in a folder that no one else has open. Its error wraps ErrOwned when somebody has, vedette.ErrConflict when
// the folder's checkpoint is not signed by the signer's key, and vedette.ErrUnavailable when the folder cannot be used.
func Open(ctx context.Context, dir string, signer note.Signer, opts Options) (_ *Tree, err error) {
	if signer == nil {
		return nil, fmt.Errorf("tiles: open without a key: %w", vedette.ErrInvalid)
	}
	if opts.Patience <= 0 {
		opts.Patience = 10 * time.Second
	}
	logger := opts.Log
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	// The library logs to standard error unless it is told otherwise, once for the process.
	logOnce.Do(func() { klog.SetSlogLogger(logger) })

	t := &Tree{dir: dir, patience: opts.Patience, verifier: opts.Verifier, key: &sealed{Signer: signer}}
	if t.verifier == nil {
		t.verifier = evidence.VerifierOf(signer)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault("open", err)
	}
	if t.lock, err = hold(filepath.Join(dir, "lock")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = t.lock.Close()
		}
	}()
	tidyState(dir)
	retired, err := t.ours(opts.Retired)
	if err != nil {
		return nil, err
	}
	if err := t.catchUp(retired); err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir, HTTPClient: &http.Client{Transport: nowhere{}}})
	if err != nil {
		return nil, fault("open", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx)) // Close ends it, not the caller's patience with Open
	t.stop = stop
	appender, shutdown, reader, err := tessera.NewAppender(run, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(t.key).
		WithBatching(widest, gather).
		WithCheckpointInterval(interval).
		WithCheckpointRepublishInterval(0).
		WithGarbageCollectionInterval(sweep).
		WithShutdownTimeout(opts.Patience))
	if err != nil {
		stop()
		return nil, fault("open", err)
	}
	t.add, t.shutdown, t.reader = appender.Add, shutdown, reader
	if size, err := reader.IntegratedSize(ctx); err == nil {
		tidyEdge(dir, size)
	}
	return t, nil
}

// hold takes the folder for this process and this tree alone, as long as the file is open. flock(2) belongs to the open file: a second opener
// in the same process is refused as well, and a killed process lets go.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault("open", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		who, _ := io.ReadAll(io.LimitReader(f, 40))
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: process %s", ErrOwned, strings.TrimSpace(string(who)))
		}
		return nil, fault("lock", err)
	}
	// Who holds it is for people to read; that it could not be written on a full disk changes nothing.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return f, nil
}

// Files that somebody was about to rename: a killed process, or the library on a full disk, which forgets their names.
var (
	halfState = regexp.MustCompile(`^(checkpoint|treeState|gcState|version)[0-9]+$`)
	halfTile  = regexp.MustCompile(`^x?[0-9]{4,}$`) // the name of a whole one has three digits
)

func remove(dir string, half *regexp.Regexp) {
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if f.Type().IsRegular() && half.MatchString(f.Name()) {
			_ = os.Remove(filepath.Join(dir, f.Name()))
		}
	}
}

// tidyState is for when nothing publishes; tidyEdge for when nothing is appended, the tree being of a size.
func tidyState(dir string) {
	remove(dir, halfState)
	remove(filepath.Join(dir, ".state"), halfState)
}

func tidyEdge(dir string, size uint64) {
	edge := []string{layout.EntriesPath(size/layout.EntryBundleWidth, 1)}
	for level, at := uint64(0), size>>8; ; level, at = level+1, at>>8 {
		edge = append(edge, layout.TilePath(level, at, 1))
		if at == 0 {
			break
		}
	}
	for _, path := range edge {
		partial := filepath.Dir(filepath.Join(dir, path))
		remove(partial, halfTile)
		remove(filepath.Dir(partial), halfTile)
	}
}

// ours refuses a folder whose checkpoint another key signed, and tells whether a retired one did.
func (t *Tree) ours(retired []note.Verifier) (old bool, err error) {
	b, err := os.ReadFile(filepath.Join(t.dir, "checkpoint"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fault("open", err)
	}
	if t.verifier != nil {
		_, err := evidence.OpenCheckpoint(b, t.verifier)
		for _, v := range retired {
			if err == nil {
				break
			}
			if _, olderr := evidence.OpenCheckpoint(b, v); olderr == nil {
				return true, nil
			}
		}
		if err != nil {
			return false, fmt.Errorf("tiles: %s is not signed by this key: %w", t.dir, err)
		}
		return false, nil
	}
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(b, note.VerifierList()); errors.As(err, &unverified) {
		for _, s := range unverified.Note.UnverifiedSigs {
			if s.Name == t.key.Name() && s.Hash == t.key.KeyHash() {
				return false, nil
			}
		}
	}
	return false, fmt.Errorf("tiles: %s is not signed by this key: %w", t.dir, vedette.ErrConflict)
}

// catchUp signs what a killed process had integrated and not published yet. The library does the same, a tenth of a second later; whoever opens the
// log needs to know at once what stands. A state that this does not know is left to the library. What a retired key signed is signed anew.
func (t *Tree) catchUp(retired bool) error {
	version, _ := os.ReadFile(filepath.Join(t.dir, ".state", "version"))
	b, err := os.ReadFile(filepath.Join(t.dir, ".state", "treeState"))
	if err != nil || string(version) != "1" {
		return nil
	}
	var state struct {
		Size uint64 `json:"size"`
		Root []byte `json:"root"`
	}
	if json.Unmarshal(b, &state) != nil || len(state.Root) != 32 {
		return nil
	}
	path := filepath.Join(t.dir, "checkpoint")
	old, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	switch c, err := evidence.ReadCheckpoint(old); {
	case err != nil || c.Size > state.Size || c.Size == state.Size && !retired:
		return nil
	case c.Size == state.Size && c.Root != vedette.Digest(state.Root):
		return fmt.Errorf("tiles: %s holds another tree of %d leaves than its checkpoint is over: %w", t.dir, c.Size, vedette.ErrConflict)
	}
	text, err := evidence.SignCheckpoint(evidence.Checkpoint{Origin: t.key.Name(), Size: state.Size, Root: vedette.Digest(state.Root)}, t.key)
	if err != nil {
		return err
	}
	half, err := os.OpenFile(path+"0", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) // a name that tidyState knows
	if err != nil {
		return fault("checkpoint", err)
	}
	_, err = half.Write(text)
	err = errors.Join(err, half.Sync(), half.Close())
	if err == nil {
		err = os.Rename(half.Name(), path)
	}
	if err != nil {
		_ = os.Remove(half.Name())
		return fault("checkpoint", err)
	}
	d, err := os.Open(t.dir)
	if err != nil {
		return fault("checkpoint", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fault("checkpoint", err)
	}
	return nil
}

// Verifier returns the key that checkpoints are signed with, when it is known.
func (t *Tree) Verifier() note.Verifier { return t.verifier }

func fault(what string, err error) error {
	return fmt.Errorf("tiles: %s: %w: %w", what, vedette.ErrUnavailable, err)
}

// ready says why nothing can be asked of the tree.
func (t *Tree) ready() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return evidence.ErrClosed
	}
	return nil
}

// begin is ready for an Append, which Close waits for.
func (t *Tree) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return evidence.ErrClosed
	}
	t.busy.Add(1)
	t.appends++
	return nil
}

// end ends an Append. The last one that is under way, when one failed before, removes what lies about.
func (t *Tree) end(err error) {
	defer t.busy.Done()
	t.adding.Lock() // nothing is handed in meanwhile
	defer t.adding.Unlock()
	t.mu.Lock()
	t.appends--
	t.litter = t.litter || err != nil
	tidy := t.litter && t.appends == 0 && !t.failed
	if tidy {
		t.litter = err != nil // on a full disk there will be more
	}
	t.mu.Unlock()
	if tidy {
		tidyState(t.dir)
		if size, err := t.reader.IntegratedSize(context.Background()); err == nil {
			tidyEdge(t.dir, size)
		}
	}
}

// Append implements evidence.Tree. Once the leaves are handed in it does not end with ctx, but when it is known what came of them, or patience ends.
func (t *Tree) Append(ctx context.Context, leaves [][]byte) (first uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, fault("append", err)
	}
	for _, l := range leaves {
		if err := evidence.CheckLeaf(l); err != nil {
			return 0, err
		}
	}
	if err := t.begin(); err != nil {
		return 0, err
	}
	defer func() { t.end(err) }()
	if len(leaves) == 0 {
		return t.Size(ctx)
	}
	// The library ends the program when it cannot open its lock file. So ask first whether a file can be opened there at all.
	probe, err := os.Open(filepath.Join(t.dir, ".state"))
	if err != nil {
		return 0, fault("append", err)
	}
	_ = probe.Close()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.patience)
	defer cancel()
	futures := make([]tessera.IndexFuture, len(leaves))
	t.adding.Lock()
	for i, l := range leaves {
		futures[i] = t.add(ctx, tessera.NewEntry(slices.Clone(l)))
	}
	t.adding.Unlock()
	if first, err = t.places(ctx, futures); err != nil {
		return 0, err
	}
	return first, t.published(ctx, first+uint64(len(leaves)))
}

// places waits for the leaves' places and checks that they are one behind the other.
func (t *Tree) places(ctx context.Context, futures []tessera.IndexFuture) (uint64, error) {
	type answer struct {
		first uint64
		err   error
	}
	done := make(chan answer, 1) // 1: who gave up waiting is not waited for
	t.busy.Add(1)
	go func() {
		defer t.busy.Done()
		var a answer
		for i, f := range futures {
			at, err := f()
			switch {
			case err != nil:
				a.err = errors.Join(a.err, err)
			case i == 0:
				a.first = at.Index
			case at.Index != a.first+uint64(i) && a.err == nil:
				a.err = fmt.Errorf("leaf %d stands at %d, the first at %d", i, at.Index, a.first)
			}
		}
		done <- a
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return 0, fault("append", a.err)
		}
		return a.first, nil
	case <-ctx.Done():
		t.mu.Lock()
		t.failed = true
		t.mu.Unlock()
		return 0, fault("append: the disk does not answer", ctx.Err())
	}
}

// published waits for a signed checkpoint over at least size leaves.
func (t *Tree) published(ctx context.Context, size uint64) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		c, err := t.checkpoint(ctx)
		switch {
		case err == nil && c.Size >= size:
			return nil
		case errors.Is(err, evidence.ErrClosed):
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault(fmt.Sprintf("no checkpoint over %d leaves", size), errors.Join(err, ctx.Err()))
		}
	}
}

func (t *Tree) checkpoint(ctx context.Context) (evidence.Checkpoint, error) {
	b, err := t.reader.ReadCheckpoint(ctx)
	if err != nil {
		return evidence.Checkpoint{}, fault("checkpoint", err)
	}
	return evidence.ReadCheckpoint(b)
}

// Checkpoint implements evidence.Tree.
func (t *Tree) Checkpoint(ctx context.Context) ([]byte, error) {
	if err := t.ready(); err != nil {
		return nil, err
	}
	b, err := t.reader.ReadCheckpoint(ctx)
	if err != nil {
		return nil, fault("checkpoint", err)
	}
	return b, nil
}

// Size implements evidence.Tree.
func (t *Tree) Size(ctx context.Context) (uint64, error) {
	if err := t.ready(); err != nil {
		return 0, err
	}
	t.mu.Lock()
	failed := t.failed
	t.mu.Unlock()
	if failed {
		return 0, fmt.Errorf("tiles: size: leaves are on their way that the disk does not answer for: open the folder again: %w", vedette.ErrUnavailable)
	}
	size, err := t.reader.IntegratedSize(ctx)
	if err != nil {
		return 0, fault("size", err)
	}
	ctx, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	return size, t.published(ctx, size)
}

// Leaf implements evidence.Tree.
func (t *Tree) Leaf(ctx context.Context, index uint64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, evidence.ErrClosed
	}
	const width = 256
	if at := index / width; t.bundle == nil || t.at != at || !t.full && index%width >= uint64(len(t.bundle)) {
		size, err := t.reader.IntegratedSize(ctx)
		if err != nil {
			return nil, fault("leaf", err)
		}
		if index >= size {
			return nil, fmt.Errorf("tiles: leaf %d of %d: %w", index, size, vedette.ErrUnknown)
		}
		b, err := client.GetEntryBundle(ctx, t.reader.ReadEntryBundle, at, size)
		if err != nil {
			return nil, fault(fmt.Sprintf("leaf %d", index), err)
		}
		if n := min(size-at*width, width); uint64(len(b.Entries)) < n {
			return nil, fault(fmt.Sprintf("leaf %d", index), fmt.Errorf("its bundle has %d leaves, not %d", len(b.Entries), n))
		}
		t.bundle, t.at, t.full = b.Entries, at, len(b.Entries) == width
	}
	return slices.Clone(t.bundle[index%width]), nil
}

// over returns what makes proofs in the tree of a size. The caller holds mu.
func (t *Tree) over(ctx context.Context, size uint64) (*client.ProofBuilder, error) {
	if t.proofs == nil || t.proofs.size != size {
		b, err := client.NewProofBuilder(ctx, size, t.tile)
		if err != nil {
			return nil, fault("proof", err)
		}
		t.proofs = &proofBuilder{size, b}
	}
	return t.proofs.ProofBuilder, nil
}

// reaches returns a number of leaves that stand, and looks at the disk only when it must be more than it was. The caller holds mu.
func (t *Tree) reaches(ctx context.Context, size uint64) (uint64, error) {
	if t.have < size {
		have, err := t.reader.IntegratedSize(ctx)
		if err != nil {
			return 0, err
		}
		t.have = have
	}
	return t.have, nil
}

// tile reads a tile as it was in a smaller tree. A tree that grew by more than one leaf at a time never wrote that one: then it is the
// beginning of the present one.
func (t *Tree) tile(ctx context.Context, level, index uint64, p uint8) ([]byte, error) {
	b, err := t.reader.ReadTile(ctx, level, index, p)
	if p == 0 || !errors.Is(err, os.ErrNotExist) {
		return b, err
	}
	size, err := t.reader.IntegratedSize(ctx)
	if err != nil {
		return nil, err
	}
	b, err = t.reader.ReadTile(ctx, level, index, layout.PartialTileSize(level, index, size))
	if err == nil && len(b) < 32*int(p) {
		err = fmt.Errorf("tile %d of level %d has %d bytes for %d hashes", index, level, len(b), p)
	}
	if err != nil {
		return nil, err
	}
	return b[:32*int(p)], nil
}

// Tile implements evidence.Tiled.
func (t *Tree) Tile(ctx context.Context, level, index uint64, width int) ([]byte, error) {
	if err := t.ready(); err != nil {
		return nil, err
	}
	b, err := t.reader.ReadTile(ctx, level, index, uint8(width%layout.TileWidth))
	if err != nil {
		return nil, fault(fmt.Sprintf("tile %d of level %d", index, level), err)
	}
	return b, nil
}

// Inclusion implements evidence.Tree.
func (t *Tree) Inclusion(ctx context.Context, index, size uint64) ([]vedette.Digest, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, evidence.ErrClosed
	}
	if have, err := t.reaches(ctx, size); err != nil {
		return nil, fault("proof", err)
	} else if size > have || index >= size {
		return nil, fmt.Errorf("tiles: leaf %d in a tree of %d, of %d leaves: %w", index, size, have, vedette.ErrUnknown)
	}
	b, err := t.over(ctx, size)
	if err != nil {
		return nil, err
	}
	p, err := b.InclusionProof(ctx, index)
	return digests(p, err)
}

// Consistency implements evidence.Tree.
func (t *Tree) Consistency(ctx context.Context, from, to uint64) ([]vedette.Digest, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, evidence.ErrClosed
	}
	if have, err := t.reaches(ctx, to); err != nil {
		return nil, fault("proof", err)
	} else if to > have || from > to {
		return nil, fmt.Errorf("tiles: trees of %d and %d, of %d leaves: %w", from, to, have, vedette.ErrUnknown)
	}
	if from == 0 || from == to {
		return nil, nil
	}
	b, err := t.over(ctx, to)
	if err != nil {
		return nil, err
	}
	p, err := b.ConsistencyProof(ctx, from, to)
	return digests(p, err)
}

func digests(p [][]byte, err error) ([]vedette.Digest, error) {
	if err != nil {
		return nil, fault("proof", err)
	}
	out := make([]vedette.Digest, len(p))
	for i, h := range p {
		if len(h) != 32 {
			return nil, fault("proof", fmt.Errorf("a hash of %d bytes", len(h)))
		}
		out[i] = vedette.Digest(h)
	}
	return out, nil
}

// Close implements evidence.Tree. Appends under way are waited for; those that come later fail. The folder is free when it returns.
func (t *Tree) Close(ctx context.Context) error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.mu.Unlock()
	// A leaf whose place is not known when the library stops would be waited for for ever.
	idle := make(chan struct{})
	go func() { t.busy.Wait(); close(idle) }()
	var err error
	select {
	case <-idle:
		err = t.shutdown(ctx)
	case <-ctx.Done():
		err = ctx.Err()
	}
	// From here on nothing new is signed; what the library still does ends by itself, without a write.
	t.key.close()
	t.stop()
	if err != nil {
		err = fault("close", err)
	}
	return errors.Join(err, t.lock.Close())
}
