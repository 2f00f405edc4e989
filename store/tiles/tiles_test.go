//go:build unix

package tiles_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vedette"
	"vedette/internal/corpus"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
	"vedette/store/tiles"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"))
}

func openIn(t testing.TB, dir string) *tiles.Tree {
	t.Helper()
	s, _ := evidencetest.Keys()
	tree, err := tiles.Open(t.Context(), dir, s, tiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close(context.Background()) })
	return tree
}

func TestTree(t *testing.T) {
	evidencetest.RunTree(t, func(t *testing.T) (evidence.Tree, func() evidence.Tree) {
		dir := filepath.Join(t.TempDir(), "log")
		tree := openIn(t, dir)
		return tree, func() evidence.Tree {
			if err := tree.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			return openIn(t, dir)
		}
	})
}

func fill(t testing.TB, tree evidence.Tree, from, n int) [][]byte {
	t.Helper()
	var leaves [][]byte
	for i := range n {
		leaves = append(leaves, fmt.Appendf(nil, "leaf %d", from+i))
	}
	if first, err := tree.Append(t.Context(), leaves); err != nil || first != uint64(from) {
		t.Fatalf("Append = %d, %v; want %d", first, err, from)
	}
	return leaves
}

// The folder is read by what we did not write: the Go checksum database's tiles and proofs, over the paths of C2SP tlog-tiles.
func TestTheChecksumDatabasesReaderVerifiesTheFolder(t *testing.T) {
	dir := t.TempDir()
	tree := openIn(t, dir)
	leaves := fill(t, tree, 0, 300)
	leaves = append(leaves, fill(t, tree, 300, 1)...)
	_, v := evidencetest.Keys()
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(text, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	var origin, root string
	var size int64
	if _, err := fmt.Sscanf(n.Text, "%s\n%d\n%s\n", &origin, &size, &root); err != nil || origin != evidencetest.Origin || size != 301 {
		t.Fatalf("checkpoint %q: %v", n.Text, err)
	}
	var hash tlog.Hash
	if err := hash.UnmarshalJSON([]byte(`"` + root + `"`)); err != nil {
		t.Fatal(err)
	}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: hash}, &folder{dir})
	for i, leaf := range leaves {
		p, err := tlog.ProveRecord(size, int64(i), reader) // TileHashReader checks each tile against the root
		if err == nil {
			err = tlog.CheckRecord(p, size, hash, int64(i), tlog.RecordHash(leaf))
		}
		if err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
	}
	old, err := tlog.TreeHash(300, reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tlog.ProveTree(size, 300, reader)
	if err == nil {
		err = tlog.CheckTree(p, size, hash, 300, old)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// folder reads tiles as tlog wants them from the paths of C2SP tlog-tiles.
type folder struct{ dir string }

func (*folder) Height() int { return 8 }
func (f *folder) ReadTiles(ts []tlog.Tile) (out [][]byte, err error) {
	for _, t := range ts {
		p := uint8(0)
		if t.W < 256 {
			p = uint8(t.W)
		}
		b, err := os.ReadFile(filepath.Join(f.dir, layout.TilePath(uint64(t.L), uint64(t.N), p)))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
func (*folder) SaveTiles([]tlog.Tile, [][]byte) {}

// The same by the library's client, which reads files, and another library's proofs.
func TestTesserasClientVerifiesTheFolder(t *testing.T) {
	dir := t.TempDir()
	tree := openIn(t, dir)
	leaves := fill(t, tree, 0, 259)
	_, v := evidencetest.Keys()
	clientVerifies(t, dir, v, evidencetest.Origin, leaves)
}

func clientVerifies(t *testing.T, dir string, v note.Verifier, origin string, leaves [][]byte) {
	t.Helper()
	f := client.FileFetcher{Root: dir}
	cp, _, _, err := client.FetchCheckpoint(t.Context(), f.ReadCheckpoint, v, origin)
	if err != nil {
		t.Fatal(err)
	}
	if cp.Size != uint64(len(leaves)) {
		t.Fatalf("checkpoint over %d leaves, want %d", cp.Size, len(leaves))
	}
	b, err := client.NewProofBuilder(t.Context(), cp.Size, f.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for i, leaf := range leaves {
		bundle, err := client.GetEntryBundle(t.Context(), f.ReadEntryBundle, uint64(i/256), cp.Size)
		if err != nil || !bytes.Equal(bundle.Entries[i%256], leaf) {
			t.Fatalf("leaf %d: %v", i, err)
		}
		p, err := b.InclusionProof(t.Context(), uint64(i))
		if err == nil {
			err = proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(i), cp.Size, rfc6962.DefaultHasher.HashLeaf(leaf), p, cp.Hash)
		}
		if err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
	}
}

// A log that others wrote is read and proved by our reader: leaves, checkpoints over each of its sizes, and proofs between them.
func TestALogThatOthersWroteIsReadByOurs(t *testing.T) {
	dir := t.TempDir()
	unpack(t, corpus.Path(t, "conformance", "tlog", "tessera-testdata-log.tar.gz"), dir)
	dir = filepath.Join(dir, "testdata", "log")
	b, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	now, err := evidence.ReadCheckpoint(b)
	if err != nil {
		t.Fatal(err)
	}
	f := client.FileFetcher{Root: dir}
	pb, err := client.NewProofBuilder(t.Context(), now.Size, f.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	digests := func(p [][]byte) (out []vedette.Digest) {
		for _, h := range p {
			out = append(out, vedette.Digest(h))
		}
		return out
	}
	bundle, err := client.GetEntryBundle(t.Context(), f.ReadEntryBundle, 0, now.Size)
	if err != nil {
		t.Fatal(err)
	}
	for i := range now.Size {
		p, err := pb.InclusionProof(t.Context(), i)
		if err == nil {
			err = evidence.CheckInclusion(vedette.Digest(tlog.RecordHash(bundle.Entries[i])), i, now.Size, digests(p), now.Root)
		}
		if err != nil {
			t.Errorf("leaf %d: %v", i, err)
		}
	}
	checked := 0
	for size := range now.Size + 1 {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("checkpoint.%d", size)))
		if err != nil {
			continue
		}
		was, err := evidence.ReadCheckpoint(b)
		if err != nil || was.Size != size {
			t.Fatalf("checkpoint.%d: %+v, %v", size, was, err)
		}
		var p [][]byte
		if size > 0 && size < now.Size {
			if p, err = pb.ConsistencyProof(t.Context(), size, now.Size); err != nil {
				t.Fatal(err)
			}
		}
		if err := evidence.CheckConsistency(was, now, digests(p)); err != nil {
			t.Errorf("from %d: %v", size, err)
		}
		if was.Root[0] ^= 1; size > 0 {
			if err := evidence.CheckConsistency(was, now, digests(p)); !errors.Is(err, evidence.ErrUnfit) {
				t.Errorf("from %d with another root: %v, want unfit", size, err)
			}
		}
		checked++
	}
	if checked < 10 {
		t.Errorf("only %d checkpoints were there to check", checked)
	}
}

// The same log is taken over, as a folder of ours that goes over to another key: every leaf, every proof and every tile reads as it was written, and
// what is appended continues each checkpoint that its makers signed.
func TestALogThatOthersWroteGoesOnAsOurs(t *testing.T) {
	dir := t.TempDir()
	unpack(t, corpus.Path(t, "conformance", "tlog", "tessera-testdata-log.tar.gz"), dir)
	dir = filepath.Join(dir, "testdata", "log")
	theirs, err := note.NewVerifier("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx") // published with the log
	if err != nil {
		t.Fatal(err)
	}
	var was []evidence.Checkpoint
	for size := range 16 {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("checkpoint.%d", size)))
		if err != nil {
			continue
		}
		c, err := evidence.OpenCheckpoint(b, theirs)
		if err != nil {
			t.Fatal(err)
		}
		was = append(was, c)
	}
	ours, key := evidence.NewSigner(theirs.Name(), [32]byte{6})
	tree, err := tiles.Open(t.Context(), dir, ours, tiles.Options{Retired: []note.Verifier{theirs}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close(context.Background()) })
	size, err := tree.Size(t.Context())
	if err != nil || size != was[len(was)-1].Size {
		t.Fatalf("Size = %d, %v; want %d", size, err, was[len(was)-1].Size)
	}
	fill(t, tree, int(size), 300)
	b, err := tree.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now, err := evidence.OpenCheckpoint(b, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range was {
		p, err := tree.Consistency(t.Context(), c.Size, now.Size)
		if err == nil {
			err = evidence.CheckConsistency(c, now, p)
		}
		if err != nil {
			t.Errorf("from %d: %v", c.Size, err)
		}
	}
	for i := range now.Size {
		leaf, err := tree.Leaf(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		p, err := tree.Inclusion(t.Context(), i, now.Size)
		if err == nil {
			err = evidence.CheckInclusion(vedette.Digest(tlog.RecordHash(leaf)), i, now.Size, p, now.Root)
		}
		if err != nil {
			t.Errorf("leaf %d: %v", i, err)
		}
	}
	// Check names no tile: what it has against the log is that we have no bodies for others' leaves.
	log, err := evidence.Open(t.Context(), tree, evidence.NewMemoryShelf(), evidence.Options{Now: evidencetest.Now})
	if err != nil {
		t.Fatal(err)
	}
	r, err := log.Check(t.Context())
	if err != nil || !r.Signed || len(r.Places) != int(now.Size) {
		t.Errorf("Check = %+v, %v", r, err)
	}
	for _, p := range r.Places {
		if p.What != "the leaf has no body" {
			t.Errorf("Check says of %d: %s", p.Index, p.What)
		}
	}
}

func unpack(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(r)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNobodyElseCanOpenTheFolder(t *testing.T) {
	dir := t.TempDir()
	tree := openIn(t, dir)
	s, _ := evidencetest.Keys()
	if _, err := tiles.Open(t.Context(), dir, s, tiles.Options{}); !errors.Is(err, tiles.ErrOwned) || !errors.Is(err, vedette.ErrBusy) {
		t.Errorf("a second opening in this process: %v, want owned", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(exe)
	other.Env = append(os.Environ(), "TILES_CHILD=open", "TILES_DIR="+dir)
	out, err := other.CombinedOutput()
	if want := fmt.Sprintf("process %d", os.Getpid()); err == nil || !strings.Contains(string(out), "has the folder open") || !strings.Contains(string(out), want) {
		t.Errorf("another process: %v, %q; want refused, naming %s", err, out, want)
	}
	fill(t, tree, 0, 1) // the lock is still ours
	if err := tree.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, openIn(t, dir), 1, 1)
}

func TestAnotherKeyCannotOpenTheFolder(t *testing.T) {
	dir := t.TempDir()
	tree := openIn(t, dir)
	fill(t, tree, 0, 1)
	if err := tree.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]note.Signer{
		"another seed": func() note.Signer { s, _ := evidence.NewSigner(evidencetest.Origin, [32]byte{9}); return s }(),
		"another name": func() note.Signer {
			s, _ := evidence.NewSigner("other.example/log", [32]byte{1, 2, 3})
			return s
		}(),
	} {
		if _, err := tiles.Open(t.Context(), dir, key, tiles.Options{}); !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
	}
	fill(t, openIn(t, dir), 1, 1)
}

// Leaves that are appended at the same time share checkpoints.
func TestAppendsAtTheSameTimeShareACheckpoint(t *testing.T) {
	dir := t.TempDir()
	tree := openIn(t, dir)
	seen := map[string]bool{}
	stop := make(chan struct{})
	var watch, wg sync.WaitGroup
	watch.Go(func() {
		for {
			if b, err := tree.Checkpoint(context.Background()); err == nil {
				seen[string(b)] = true
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	for i := range 200 {
		wg.Go(func() {
			if _, err := tree.Append(t.Context(), [][]byte{fmt.Appendf(nil, "leaf %d", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	if size, err := tree.Size(t.Context()); err != nil || size != 200 {
		t.Errorf("Size() = %d, %v", size, err)
	}
	if len(seen) > 20 {
		t.Errorf("200 appends made %d checkpoints", len(seen))
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("leaves=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			s, _ := evidencetest.Keys()
			tree := openIn(b, dir)
			for at := 0; at < n; at += 250 {
				fill(b, tree, at, 250)
			}
			if err := tree.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				tree, err := tiles.Open(b.Context(), dir, s, tiles.Options{})
				if err == nil {
					err = tree.Close(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("leaves=%d", n), func(b *testing.B) {
			tree := openIn(b, b.TempDir())
			leaves := make([][]byte, n)
			for i := range leaves {
				leaves[i] = bytes.Repeat([]byte{byte(i)}, 432)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tree.Append(b.Context(), leaves); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("after a pause", func(b *testing.B) {
		tree := openIn(b, b.TempDir())
		var slept time.Duration
		for b.Loop() {
			begin := time.Now()
			time.Sleep(150 * time.Millisecond) // as most records come: no checkpoint just before
			slept += time.Since(begin)
			if _, err := tree.Append(b.Context(), [][]byte{bytes.Repeat([]byte{1}, 432)}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((b.Elapsed()-slept).Milliseconds())/float64(b.N), "ms/append")
	})
}

// The log goes over to another key of the same name: old checkpoints verify by the old key, what stood is signed anew over the same tree, and
// nothing that the old key would sign afterwards is the log's.
func TestTheLogGoesOverToItsNextKey(t *testing.T) {
	dir := t.TempDir()
	was, wasKey := evidence.NewSigner(evidencetest.Origin, [32]byte{1, 2, 3})
	now, nowKey := evidence.NewSigner(evidencetest.Origin, [32]byte{4})
	open := func(s note.Signer, retired ...note.Verifier) (*tiles.Tree, error) {
		return tiles.Open(t.Context(), dir, s, tiles.Options{Retired: retired})
	}
	tree, err := open(was)
	if err != nil {
		t.Fatal(err)
	}
	shelf := evidence.NewMemoryShelf()
	record := evidence.Record{Kind: evidence.KindKey, At: evidencetest.Start, Fields: []evidence.Field{
		{Name: "was", Value: []byte(evidence.VerifierKey(was))}, {Name: "now", Value: []byte(evidence.VerifierKey(now))},
	}}
	log, err := evidence.Open(t.Context(), tree, shelf, evidence.Options{Now: evidencetest.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	announced, err := log.Prove(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	old, from, err := log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if tree, err := open(now); !errors.Is(err, vedette.ErrConflict) {
		t.Fatalf("a key that nobody announced to the folder: %v, %v", tree, err)
	}
	if tree, err = open(now, wasKey); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close(context.Background()) })
	text, err := tree.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := evidence.OpenCheckpoint(text, nowKey); err != nil || c != from {
		t.Errorf("signed anew: %+v, %v; want %+v", c, err, from)
	}
	opts := evidence.Options{Now: evidencetest.Now, Verifier: nowKey, Retired: []evidence.Retired{{Verifier: wasKey, Upto: from.Size}}}
	if log, err = evidence.Open(t.Context(), tree, shelf, opts); err != nil || log.Stopped() != nil {
		t.Fatalf("%v, %v", err, log.Stopped())
	}
	if _, err := log.Append(t.Context(), evidence.Record{Kind: evidence.KindHunt}, evidence.Record{Kind: evidence.KindHunt}); err != nil {
		t.Fatal(err)
	}
	if r, err := log.Check(t.Context()); err != nil || !r.Good() {
		t.Errorf("Check = %+v, %v", r, err)
	}
	if err := log.Continues(t.Context(), old); err != nil {
		t.Errorf("it continues what the old key signed: %v", err)
	}
	shown, err := evidence.Verify(announced, wasKey)
	if key, _ := shown.Get("now"); err != nil || string(key) != evidence.VerifierKey(now) {
		t.Errorf("the announcement by the old key: %s, %v", key, err)
	}
	_, present, err := log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late, err := evidence.SignCheckpoint(present, was)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Continues(t.Context(), late); !errors.Is(err, evidence.ErrUnfit) {
		t.Errorf("what the old key signs after its end: %v, want unfit", err)
	}
}
