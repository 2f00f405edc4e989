package witness_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/edge/witness"
	"vedette/record/anchor"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

func tree(t *testing.T, word string, n int) ([]byte, func(from uint64) []vedette.Digest) {
	t.Helper()
	tree, cp := evidencetest.Grown(t, word, n)
	return cp, func(from uint64) []vedette.Digest {
		p, err := tree.Consistency(t.Context(), from, uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// The answers are those of C2SP tlog-witness, code by code.
func TestTheDoorAnswersAsTheProtocolHasIt(t *testing.T) {
	c, err := anchor.NewCosigner("witness.example/w", [32]byte{5})
	if err != nil {
		t.Fatal(err)
	}
	_, log := evidencetest.Keys()
	w, err := anchor.NewWitness(c, []note.Verifier{log}, &anchor.MemoryMemory{}, evidencetest.Now)
	if err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	h := witness.Handler(w, slog.New(slog.NewTextHandler(&told, nil)))
	stranger, _ := evidence.NewSigner("stranger.example/log", [32]byte{8})
	forger, _ := evidence.NewSigner(evidencetest.Origin, [32]byte{9})
	sign := func(s note.Signer) []byte {
		b, err := evidence.SignCheckpoint(evidence.Checkpoint{Origin: s.Name(), Size: 5, Root: vedette.Digest{1}}, s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	five, _ := tree(t, "a", 5)
	eight, from := tree(t, "a", 8)
	other, _ := tree(t, "b", 5)
	for _, tt := range []struct {
		name, method, path string
		body               []byte
		code               int
		kind, says         string
	}{
		{"the first", "POST", "/add-checkpoint", anchor.AddRequest(0, nil, five), 200, "text/plain; charset=utf-8", "— witness.example/w "},
		{"another size", "POST", "/add-checkpoint", anchor.AddRequest(3, from(3), eight), 409, "text/x.tlog.size", "5\n"},
		{"no proof", "POST", "/add-checkpoint", anchor.AddRequest(5, nil, eight), 422, "text/plain; charset=utf-8", "two histories"},
		{"another root", "POST", "/add-checkpoint", anchor.AddRequest(5, nil, other), 409, "text/plain; charset=utf-8", "another root"},
		{"a stranger", "POST", "/add-checkpoint", anchor.AddRequest(0, nil, sign(stranger)), 404, "text/plain; charset=utf-8", "does not know"},
		{"another key", "POST", "/add-checkpoint", anchor.AddRequest(5, nil, sign(forger)), 403, "text/plain; charset=utf-8", "no signature"},
		{"nonsense", "POST", "/add-checkpoint", []byte("hello"), 400, "text/plain; charset=utf-8", "no request"},
		{"old over new", "POST", "/add-checkpoint", anchor.AddRequest(9, nil, eight), 400, "text/plain; charset=utf-8", "old 9"},
		{"too large", "POST", "/add-checkpoint", make([]byte, anchor.MaxAdd+1), 413, "text/plain; charset=utf-8", "too large"},
		{"a reader", "GET", "/add-checkpoint", nil, 405, "text/plain; charset=utf-8", ""},
		{"elsewhere", "POST", "/", nil, 404, "text/plain; charset=utf-8", ""},
		{"the next", "POST", "/add-checkpoint", anchor.AddRequest(5, from(5), eight), 200, "text/plain; charset=utf-8", "— witness.example/w "},
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.path, bytes.NewReader(tt.body)))
		if rec.Code != tt.code || rec.Header().Get("Content-Type") != tt.kind || !strings.Contains(rec.Body.String(), tt.says) {
			t.Errorf("%s: %d %s %q; want %d %s %q", tt.name, rec.Code, rec.Header().Get("Content-Type"), rec.Body, tt.code, tt.kind, tt.says)
		}
	}
	if !strings.Contains(told.String(), "a log shows two histories") {
		t.Errorf("the log of the witness says %s", &told)
	}
}

func TestWhatCannotBeKeptIsAskedForAgain(t *testing.T) {
	rec := httptest.NewRecorder()
	witness.Handler(full{}, nil).ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader("x")))
	if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "disk") {
		t.Errorf("%d %q", rec.Code, rec.Body)
	}
}

type full struct{}

func (full) Add(context.Context, []byte) ([]byte, error) {
	return nil, fmt.Errorf("the disk of somebody is full: %w", vedette.ErrUnavailable)
}
