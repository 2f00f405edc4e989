package anchoring_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/edge/anchoring"
	"vedette/edge/witness"
	"vedette/record/anchor"
	"vedette/record/anchor/anchortest"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

func served(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestStamp(t *testing.T) {
	if !anchortest.Available() {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not on this machine")
		}
		t.Skip("SKIPPED, NOT TESTED: openssl is not on this machine")
	}
	a, err := anchortest.NewAuthority(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	at := served(t, a)
	_, cp := evidencetest.Grown(t, "a", 3)
	got, when, err := anchoring.New(0).Stamp(t.Context(), at, cp, "", a.Roots)
	if err != nil || when.Size != 3 || got.Kind != anchor.KindStamp {
		t.Fatalf("Stamp = %s %+v, %v", got.Kind, when, err)
	}
	if _, _, err := anchoring.New(0).Stamp(t.Context(), at, cp, "", x509.NewCertPool()); !errors.Is(err, anchor.ErrUnfit) {
		t.Errorf("of nobody whom we believe: %v", err)
	}
	hops := 0
	elsewhere := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops++
		http.Redirect(w, r, at, http.StatusTemporaryRedirect)
	}))
	if _, _, err := anchoring.New(0).Stamp(t.Context(), elsewhere, cp, "", a.Roots); !errors.Is(err, vedette.ErrUnavailable) || hops != 1 {
		t.Errorf("sent elsewhere: %v, after %d requests; want it not followed", err, hops)
	}
	large := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, anchor.MaxToken+9)) }))
	if _, _, err := anchoring.New(0).Stamp(t.Context(), large, cp, "", a.Roots); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("an answer that is too large: %v", err)
	}
	if _, _, err := anchoring.New(time.Second).Stamp(t.Context(), "http://127.0.0.1:1/", cp, "", a.Roots); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for s, ok := range map[string]bool{
		"https://stamps.example/tsr": true, "http://stamps.example": true, "": false, "stamps.example": false, "ftp://stamps.example": false,
		"file:///etc/passwd": false, "https://": false, "https://me:word@stamps.example": false, "https://stamps.example/?q=1": false,
	} {
		if _, err := anchoring.Address(s); (err == nil) != ok || err != nil && !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Address(%q) = %v, want ok: %t", s, err, ok)
		}
	}
}

func newWitness(t *testing.T) (url string, key note.Verifier) {
	t.Helper()
	c, err := anchor.NewCosigner("witness.example/w", [32]byte{5})
	if err != nil {
		t.Fatal(err)
	}
	_, log := evidencetest.Keys()
	w, err := anchor.NewWitness(c, []note.Verifier{log}, &anchor.MemoryMemory{}, evidencetest.Now)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = anchor.ParseWitness(c.VerifierKey()); err != nil {
		t.Fatal(err)
	}
	return served(t, witness.Handler(w, nil)), key
}

func TestCosign(t *testing.T) {
	at, key := newWitness(t)
	ask := func(tree *evidence.MemoryTree, cp []byte) (anchor.At, error) {
		c, err := evidence.ReadCheckpoint(cp)
		if err != nil {
			t.Fatal(err)
		}
		_, when, err := anchoring.New(0).Cosign(t.Context(), at+"/", key, cp, func(ctx context.Context, from uint64) ([]vedette.Digest, error) {
			return tree.Consistency(ctx, from, c.Size)
		})
		return when, err
	}
	for _, n := range []int{1, 1, 5, 9} { // the witness names the size that it knows, and is shown the way from there
		tree, cp := evidencetest.Grown(t, "a", n)
		if when, err := ask(tree, cp); err != nil || when.Size != uint64(n) || when.By != key.Name() {
			t.Fatalf("%d leaves: %+v, %v", n, when, err)
		}
	}
	for what, tt := range map[string]struct {
		word string
		n    int
		says string
	}{
		"a log that was put back":          {"a", 4, "it was put back"},
		"another history":                  {"b", 12, "another history"},
		"another history of the same size": {"b", 9, "another history"},
	} {
		tree, cp := evidencetest.Grown(t, tt.word, tt.n)
		if _, err := ask(tree, cp); !errors.Is(err, anchor.ErrUnfit) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAWitnessThatAnswersOtherwise(t *testing.T) {
	_, key := newWitness(t)
	tree, cp := evidencetest.Grown(t, "a", 3)
	size := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, s)
		}
	}
	code := func(n int) http.HandlerFunc { return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) } }
	for name, tt := range map[string]struct {
		h    http.HandlerFunc
		want error
	}{
		"the same size for ever": {size("2\n"), vedette.ErrUnavailable},
		"no size":                {size("many\n"), anchor.ErrUnfit},
		"a larger size":          {size("4\n"), anchor.ErrUnfit},
		"no log of that name":    {code(404), vedette.ErrUnknown},
		"another key":            {code(403), vedette.ErrForbidden},
		"a proof that is bad":    {code(422), anchor.ErrUnfit},
		"it has no time":         {code(503), vedette.ErrUnavailable},
		"nothing":                {code(200), anchor.ErrUnfit},
		"our own words":          {func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }, anchor.ErrUnfit},
	} {
		_, _, err := anchoring.New(0).Cosign(t.Context(), served(t, tt.h), key, cp, func(ctx context.Context, from uint64) ([]vedette.Digest, error) {
			return tree.Consistency(ctx, from, 3)
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
