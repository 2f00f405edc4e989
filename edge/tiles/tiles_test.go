package tiles_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	serve "vedette/edge/tiles"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
	"vedette/store/tiles"
)

// house makes a data folder whose evidence is of n leaves, and serves it.
func house(t *testing.T, n int) (dir, at string, leaves [][]byte) {
	t.Helper()
	data := t.TempDir()
	dir = filepath.Join(data, "evidence")
	signer, _ := evidencetest.Keys()
	tree, err := tiles.Open(t.Context(), dir, signer, tiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close(context.Background()) })
	for len(leaves) < n {
		var some [][]byte
		for range min(200, n-len(leaves)) {
			some = append(some, fmt.Appendf(nil, "leaf %d", len(leaves)+len(some)))
		}
		if _, err := tree.Append(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, some...)
	}
	for name, text := range map[string]string{"vedette.key": "secret", "records.db": "secret"} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewServer(serve.Handler(dir, nil))
	t.Cleanup(s.Close)
	return dir, s.URL, leaves
}

// The log as it is served is read, whole, by what others wrote for the format: the checker of the library's own makers, which computes every
// tile again from the entries.
func TestAnotherReaderAcceptsTheLogOverHTTP(t *testing.T) {
	_, at, leaves := house(t, 700)
	_, verifier := evidencetest.Keys()
	root, err := url.Parse(at + "/")
	if err != nil {
		t.Fatal(err)
	}
	fetcher, err := client.NewHTTPFetcher(root, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	hash := func(b []byte) (out [][]byte, err error) {
		var bundle api.EntryBundle
		if err := bundle.UnmarshalText(b); err != nil {
			return nil, err
		}
		for _, e := range bundle.Entries {
			out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
		}
		return out, nil
	}
	if err := fsck.New(evidencetest.Origin, verifier, fetcher, hash, fsck.Opts{N: 1}).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	bundle, err := client.GetEntryBundle(t.Context(), fetcher.ReadEntryBundle, 2, uint64(len(leaves)))
	if err != nil || !bytes.Equal(bundle.Entries[3], leaves[515]) {
		t.Errorf("leaf 515 is %q, %v; want %q", bundle.Entries[3], err, leaves[515])
	}
}

// The Go checksum database's reader does the same, by its own tiles and its own notes.
func TestTheChecksumDatabasesReaderAcceptsTheLogOverHTTP(t *testing.T) {
	_, at, leaves := house(t, 300)
	_, verifier := evidencetest.Keys()
	text, _ := get(t, at+"/checkpoint")
	n, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	cp, err := evidence.ReadCheckpoint([]byte(n.Text + "\n"))
	if err != nil || cp.Size != uint64(len(leaves)) {
		t.Fatalf("checkpoint %+v, %v; want %d leaves", cp, err, len(leaves))
	}
	tree := tlog.Tree{N: int64(cp.Size), Hash: tlog.Hash(cp.Root)}
	hashes := tlog.TileHashReader(tree, overHTTP{t, at})
	for i, leaf := range leaves {
		p, err := tlog.ProveRecord(tree.N, int64(i), hashes)
		if err == nil {
			err = tlog.CheckRecord(p, tree.N, tree.Hash, int64(i), tlog.RecordHash(leaf))
		}
		if err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
	}
}

// overHTTP reads tiles as the checksum database's client does, by the paths of this format.
type overHTTP struct {
	t  *testing.T
	at string
}

func (overHTTP) Height() int                     { return 8 }
func (overHTTP) SaveTiles([]tlog.Tile, [][]byte) {}
func (o overHTTP) ReadTiles(ts []tlog.Tile) (out [][]byte, err error) {
	for _, tile := range ts {
		b, _ := get(o.t, o.at+"/"+layout.TilePath(uint64(tile.L), uint64(tile.N), uint8(tile.W%256)))
		out = append(out, b)
	}
	return out, nil
}

func get(t *testing.T, at string) ([]byte, http.Header) {
	t.Helper()
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", at, resp.Status, err)
	}
	return b, resp.Header
}

func TestHowResourcesAreServed(t *testing.T) {
	_, at, _ := house(t, 300)
	const forever = "public, max-age=31536000, immutable"
	for _, tt := range []struct{ path, kind, cache string }{
		{"/checkpoint", "text/plain; charset=utf-8", "no-cache"},
		{"/tile/0/000", "application/octet-stream", forever},
		{"/tile/0/001.p/44", "application/octet-stream", forever},
		{"/tile/1/000.p/1", "application/octet-stream", forever},
		{"/tile/entries/000", "application/octet-stream", forever},
		{"/tile/entries/001.p/44", "application/octet-stream", forever},
	} {
		b, h := get(t, at+tt.path)
		if len(b) == 0 || h.Get("Content-Type") != tt.kind || h.Get("Cache-Control") != tt.cache || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: %d bytes, %v", tt.path, len(b), h)
		}
	}
}

func TestNothingElseOfTheFolderCanBeFetched(t *testing.T) {
	dir, at, _ := house(t, 3)
	// A link out of the folder, under a name that the format has.
	if err := os.MkdirAll(filepath.Join(dir, "tile", "5"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "..", "vedette.key"), filepath.Join(dir, "tile", "5", "000")); err != nil {
		t.Skip("this machine makes no links: ", err)
	}
	for _, path := range []string{
		"/", "", "/tile", "/tile/", "/tile/0", "/tile/0/", "/tile/entries/", "/lock", "/.state/treeState", "/.state/version", "/../vedette.key",
		"/tile/../lock", "/tile/0/../../../vedette.key", "/tile/0/..%2f..%2f..%2fvedette.key", "/%2e%2e/vedette.key", "/checkpoint/", "//checkpoint",
		"/tile/0/000.p", "/tile/0/000.p/", "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/0/000.p/03", "/tile/00/000.p/3", "/tile/64/000", "/tile/-1/000",
		"/tile/0/0", "/tile/0/x000/000", "/tile/0/000/000", "/tile/0/x00/000", "/tile/0/0000", "/tile/0/000.p/3/x", "/tile/entries/000.p/3.p/3", "/tile/5/000",
		"/tile/0/%30%30%30.p/3", "/tile/0/000.p\\3", "/tile/0/" + strings.Repeat("x000/", 40) + "000",
	} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/"
		req := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: u.Host, Opaque: "//" + u.Host + path}, Header: http.Header{}}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			continue // no request that can be sent
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK || bytes.Contains(b, []byte("secret")) || bytes.Contains(b, []byte("treeState")) {
			t.Errorf("GET %q: %s, %q", path, resp.Status, b)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		req, err := http.NewRequestWithContext(t.Context(), method, at+"/checkpoint", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}

// Whatever is asked for, what comes lies in the log's folder under that very name, and is of the format.
func FuzzResource(f *testing.F) {
	for _, s := range []string{"/checkpoint", "/tile/0/x001/x234/067.p/12", "/tile/entries/000", "/../x", "/tile/0/x000/000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name, isCheckpoint := serve.Resource(path)
		switch {
		case name == "":
		case "/"+name != path || filepath.Clean(name) != name || strings.Contains(name, ".."):
			t.Errorf("%q gives %q", path, name)
		case isCheckpoint != (name == "checkpoint"):
			t.Errorf("%q is a checkpoint: %t", path, isCheckpoint)
		}
	})
}
