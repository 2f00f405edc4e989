package anchor_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"vedette"
	"vedette/record/anchor"
	"vedette/record/anchor/anchortest"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func cosigner(t testing.TB, seed byte) (*anchor.Cosigner, note.Verifier) {
	t.Helper()
	c, err := anchor.NewCosigner(fmt.Sprintf("witness.example/w%d", seed), [32]byte{seed})
	if err != nil {
		t.Fatal(err)
	}
	v, err := anchor.ParseWitness(c.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	return c, v
}

func witness(t testing.TB, memory anchor.Memory) (*anchor.Witness, note.Verifier) {
	t.Helper()
	c, v := cosigner(t, 1)
	_, log := evidencetest.Keys()
	w, err := anchor.NewWitness(c, []note.Verifier{log}, memory, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return w, v
}

// history is a log of leaves that are all its own.
type history struct {
	t    testing.TB
	tree *evidence.MemoryTree
	name string
}

func newHistory(t testing.TB, name string) *history {
	signer, _ := evidencetest.Keys()
	return &history{t, evidence.NewMemoryTree(signer), name}
}

func (h *history) grow(n int) []byte {
	h.t.Helper()
	for range n {
		size, err := h.tree.Size(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := h.tree.Append(h.t.Context(), [][]byte{fmt.Appendf(nil, "%s %d", h.name, size)}); err != nil {
			h.t.Fatal(err)
		}
	}
	b, err := h.tree.Checkpoint(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// ask is the request of a log that believes the witness to be at old.
func (h *history) ask(old uint64, cp []byte) []byte {
	h.t.Helper()
	c, err := evidence.ReadCheckpoint(cp)
	if err != nil {
		h.t.Fatal(err)
	}
	proof, err := h.tree.Consistency(h.t.Context(), old, c.Size)
	if err != nil {
		h.t.Fatal(err)
	}
	if old == c.Size {
		proof = nil
	}
	return anchor.AddRequest(old, proof, cp)
}

func TestAWitnessCosignsWhatContinues(t *testing.T) {
	w, key := witness(t, &anchor.MemoryMemory{})
	h := newHistory(t, "a")
	old := uint64(0)
	for _, n := range []int{0, 1, 0, 4, 300, 1} {
		cp := h.grow(n)
		line, err := w.Add(t.Context(), h.ask(old, cp))
		if err != nil {
			t.Fatalf("from %d: %v", old, err)
		}
		a, at, err := anchor.Cosigned(cp, line, key)
		if err != nil {
			t.Fatal(err)
		}
		old += uint64(n)
		if want := (anchor.At{Time: noon, By: key.Name(), Size: old}); at != want || a.Kind != anchor.KindCosignature {
			t.Errorf("%s %+v, want %+v", a.Kind, at, want)
		}
	}
}

// What the format's own library takes we make, and what it makes we take.
func TestCosignaturesAreThoseOfTheFormat(t *testing.T) {
	c, key := cosigner(t, 1)
	theirs, err := fnote.NewVerifierForCosignatureV1(c.VerifierKey())
	if err != nil || theirs.KeyHash() != key.KeyHash() || theirs.Name() != key.Name() {
		t.Fatalf("their verifier of our key: %v, %v", theirs, err)
	}
	w, _ := witness(t, &anchor.MemoryMemory{})
	h := newHistory(t, "a")
	cp := h.grow(3)
	line, err := w.Add(t.Context(), h.ask(0, cp))
	if err != nil {
		t.Fatal(err)
	}
	_, log := evidencetest.Keys()
	n, err := note.Open(append(bytes.Clone(cp), line...), note.VerifierList(theirs, log))
	if err != nil || len(n.Sigs) != 2 {
		t.Fatalf("by their verifier: %+v, %v", n, err)
	}
	when, err := fnote.CoSigV1Timestamp(n.Sigs[1])
	if err != nil || !when.Equal(noon) {
		t.Errorf("their reading of the time: %s, %v; want %s", when, err, noon)
	}

	secret, public, err := note.GenerateKey(nil, "other.example/w")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := fnote.NewSignerForCosignatureV1(secret)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(cp), "\n\n")
	signed, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	_, theirLine, _ := strings.Cut(string(signed), "\n\n")
	forCosignature, err := fnote.VKeyToCosignatureV1(public)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{public, forCosignature} {
		v, err := anchor.ParseWitness(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, at, err := anchor.Cosigned(cp, []byte(theirLine), v); err != nil || at.By != "other.example/w" || at.Size != 3 {
			t.Errorf("their line by %s: %+v, %v", k, at, err)
		}
	}
}

func TestAWitnessRefuses(t *testing.T) {
	_, log := evidencetest.Keys()
	stranger, _ := evidence.NewSigner("stranger.example/log", [32]byte{8})
	forger, _ := evidence.NewSigner(evidencetest.Origin, [32]byte{9})
	sign := func(s note.Signer, size uint64) []byte {
		b, err := evidence.SignCheckpoint(evidence.Checkpoint{Origin: s.Name(), Size: size, Root: vedette.Digest{1}}, s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	h, fork := newHistory(t, "a"), newHistory(t, "b")
	five := h.grow(5)
	eight := h.grow(3)
	otherFive := fork.grow(5)
	otherEight := fork.grow(3)
	good := h.ask(5, eight)
	for name, tt := range map[string]struct {
		body []byte
		want error
	}{
		"nothing":                             {nil, anchor.ErrMalformed},
		"no empty line":                       {[]byte("old 5\n"), anchor.ErrMalformed},
		"no size":                             {bytes.Replace(good, []byte("old 5"), []byte("old x"), 1), anchor.ErrMalformed},
		"a size with a zero before it":        {bytes.Replace(good, []byte("old 5"), []byte("old 05"), 1), anchor.ErrMalformed},
		"a line that is no hash":              {bytes.Replace(good, []byte("old 5\n"), []byte("old 5\nAAAA\n"), 1), anchor.ErrMalformed},
		"a proof that is too long":            {anchor.AddRequest(5, make([]vedette.Digest, 64), eight), anchor.ErrMalformed},
		"a request that is too large":         {append(bytes.Clone(good), make([]byte, anchor.MaxAdd)...), anchor.ErrMalformed},
		"no checkpoint":                       {[]byte("old 5\n\nhello\n"), anchor.ErrMalformed},
		"a log that it does not know":         {anchor.AddRequest(0, nil, sign(stranger, 1)), anchor.ErrStranger},
		"a known log and another's signature": {anchor.AddRequest(5, nil, sign(forger, 5)), anchor.ErrUnsigned},
		"an old size over the new":            {anchor.AddRequest(9, nil, eight), anchor.ErrMalformed},
		"an old size that it never cosigned":  {h.ask(3, eight), &anchor.StaleError{Size: 5}},
		"an old size of zero":                 {h.ask(0, eight), &anchor.StaleError{Size: 5}},
		"a step back":                         {anchor.AddRequest(3, nil, newHistory(t, "a").grow(3)), &anchor.StaleError{Size: 5}},
		"no proof":                            {anchor.AddRequest(5, nil, eight), anchor.ErrFork},
		"another history of that size":        {anchor.AddRequest(5, nil, otherFive), anchor.ErrFork},
		"another history's proof":             {fork.ask(5, otherEight), anchor.ErrFork},
	} {
		t.Run(name, func(t *testing.T) {
			memory := &anchor.MemoryMemory{}
			w, _ := witness(t, memory)
			if _, err := w.Add(t.Context(), h.ask(0, five)); err != nil {
				t.Fatal(err)
			}
			line, err := w.Add(t.Context(), tt.body)
			var stale, wantStale *anchor.StaleError
			switch {
			case errors.As(tt.want, &wantStale):
				if !errors.As(err, &stale) || *stale != *wantStale {
					t.Errorf("Add = %q, %v; want %v", line, err, tt.want)
				}
			case !errors.Is(err, tt.want):
				t.Errorf("Add = %q, %v; want %v", line, err, tt.want)
			}
			// What it refused left nothing behind: it stands where it stood.
			last, err := memory.Latest(t.Context(), evidencetest.Origin)
			if c, _ := evidence.OpenCheckpoint(last, log); err != nil || c.Size != 5 {
				t.Errorf("afterwards it stands at %+v, %v", c, err)
			}
			if _, err := w.Add(t.Context(), good); err != nil {
				t.Errorf("the good one afterwards: %v", err)
			}
		})
	}
}

// Two logs with one key and one name, each shown to somebody else: whichever the witness saw first, it cosigns no other, at no size.
func TestASplitViewIsFound(t *testing.T) {
	w, _ := witness(t, &anchor.MemoryMemory{})
	shown, hidden := newHistory(t, "shown"), newHistory(t, "hidden")
	if _, err := w.Add(t.Context(), shown.ask(0, shown.grow(7))); err != nil {
		t.Fatal(err)
	}
	hidden.grow(7)
	_, log := evidencetest.Keys()
	for n := range 20 {
		cp := hidden.grow(min(n, 1))
		_, err := w.Add(t.Context(), hidden.ask(7, cp))
		var fork *anchor.ForkError
		if !errors.As(err, &fork) || fork.Same != (n == 0) {
			t.Fatalf("the other history of %d leaves: %v", 7+n, err)
		}
		was, err1 := evidence.OpenCheckpoint(fork.Was, log)
		now, err2 := evidence.OpenCheckpoint(fork.Now, log)
		if err1 != nil || err2 != nil || was.Size != 7 || was.Root == now.Root {
			t.Fatalf("both sides, signed by the log: %+v, %v; %+v, %v", was, err1, now, err2)
		}
	}
	if _, err := w.Add(t.Context(), shown.ask(7, shown.grow(1))); err != nil {
		t.Errorf("the history that it saw goes on: %v", err)
	}
}

// Whatever is asked, by however many at once: what was cosigned is one history, each the beginning of the next.
func TestAWitnessNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		memory := &anchor.MemoryMemory{}
		w, key := witness(t, memory)
		logs := []*history{newHistory(t, "a"), newHistory(t, "b")}
		var texts [2][][]byte
		for i, l := range logs {
			for range 12 {
				texts[i] = append(texts[i], l.grow(1))
			}
		}
		type cosigned struct {
			log  int
			size uint64
		}
		var all []cosigned
		for range rapid.IntRange(1, 20).Draw(r, "requests") {
			i, to := rapid.IntRange(0, 1).Draw(r, "log"), rapid.IntRange(1, 12).Draw(r, "to")
			old := uint64(rapid.IntRange(0, to).Draw(r, "old"))
			cp := texts[i][to-1]
			line, err := w.Add(context.Background(), logs[i].ask(old, cp))
			if err != nil {
				continue
			}
			if _, at, err := anchor.Cosigned(cp, line, key); err != nil || at.Size != uint64(to) {
				r.Fatalf("cosigned %+v, %v", at, err)
			}
			all = append(all, cosigned{i, uint64(to)})
		}
		for i := 1; i < len(all); i++ {
			if all[i].log != all[0].log || all[i].size < all[i-1].size {
				r.Fatalf("cosigned one after the other: %v", all)
			}
		}
	})
}

func TestManyAtOnceGetOneHistory(t *testing.T) {
	w, _ := witness(t, &anchor.MemoryMemory{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	given := map[string]bool{}
	for i := range 16 {
		h := newHistory(t, fmt.Sprint(i))
		body := h.ask(0, h.grow(3))
		wg.Go(func() {
			if _, err := w.Add(context.Background(), body); err == nil {
				mu.Lock()
				given[fmt.Sprint(i)] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(given) != 1 {
		t.Errorf("%d histories were cosigned, want one", len(given))
	}
}

// A memory that fails has cosigned nothing.
func TestWhatCannotBeKeptIsNotCosigned(t *testing.T) {
	w, _ := witness(t, broken{})
	h := newHistory(t, "a")
	if line, err := w.Add(t.Context(), h.ask(0, h.grow(1))); line != nil || !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Add = %q, %v", line, err)
	}
}

type broken struct{}

func (broken) Latest(context.Context, string) ([]byte, error) { return nil, nil }
func (broken) Advance(context.Context, string, []byte, []byte) error {
	return fmt.Errorf("no room: %w", vedette.ErrUnavailable)
}

func TestMemoryMemory(t *testing.T) {
	anchortest.RunMemory(t, func(*testing.T) (anchor.Memory, func() anchor.Memory) {
		m := &anchor.MemoryMemory{}
		return m, func() anchor.Memory { return m }
	})
}

func TestABentCosignatureIsRefused(t *testing.T) {
	w, key := witness(t, &anchor.MemoryMemory{})
	_, another := cosigner(t, 2)
	h := newHistory(t, "a")
	cp := h.grow(3)
	line, err := w.Add(t.Context(), h.ask(0, cp))
	if err != nil {
		t.Fatal(err)
	}
	good := anchor.Anchor{Kind: anchor.KindCosignature, Checkpoint: cp, Token: line}
	for i := range line {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bent := good
			bent.Token = bytes.Clone(line)
			bent.Token[i] ^= flip
			if at, err := bent.Verify(anchor.Trust{Witnesses: []note.Verifier{key}}); !errors.Is(err, anchor.ErrUnfit) {
				t.Errorf("byte %d altered by %#x: %+v, %v", i, flip, at, err)
			}
		}
	}
	text, _, _ := strings.Cut(string(cp), "\n\n")
	for i := range text {
		bent := good
		bent.Checkpoint = bytes.Clone(cp)
		bent.Checkpoint[i] ^= 1
		if at, err := bent.Verify(anchor.Trust{Witnesses: []note.Verifier{key}}); !errors.Is(err, anchor.ErrUnfit) {
			t.Errorf("byte %d of the checkpoint altered: %+v, %v", i, at, err)
		}
	}
	raw, _ := base64.StdEncoding.DecodeString(strings.Fields(string(line))[2])
	_, log := evidencetest.Keys()
	_, own, _ := strings.Cut(string(cp), "\n\n")
	for name, tt := range map[string]struct {
		token string
		trust []note.Verifier
	}{
		"another witness":            {string(line), []note.Verifier{another}},
		"no witness":                 {string(line), nil},
		"two lines":                  {string(line) + string(line), []note.Verifier{key}},
		"nothing":                    {"", []note.Verifier{key}},
		"the log's own signature":    {own, []note.Verifier{log}},
		"a signature cut short":      {"— " + key.Name() + " " + base64.StdEncoding.EncodeToString(raw[:70]) + "\n", []note.Verifier{key}},
		"an empty line before it":    {"\n" + string(line), []note.Verifier{key}},
		"a line that does not end":   {strings.TrimSuffix(string(line), "\n"), []note.Verifier{key}},
		"the log as its own witness": {string(line), []note.Verifier{log}},
	} {
		bent := good
		bent.Token = []byte(tt.token)
		if at, err := bent.Verify(anchor.Trust{Witnesses: tt.trust}); !errors.Is(err, anchor.ErrUnfit) {
			t.Errorf("%s: %+v, %v", name, at, err)
		}
	}
}

func TestWitnessKeys(t *testing.T) {
	c, _ := cosigner(t, 1)
	key := c.VerifierKey()
	for _, bad := range []string{
		"", "x", key[:len(key)-2], strings.Replace(key, "+", "+0", 1), strings.Replace(key, "witness", "wItness", 1), "a b" + key, key + "+x",
		strings.Replace(key, "+B", "+C", 1), "+" + key,
	} {
		if v, err := anchor.ParseWitness(bad); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("ParseWitness(%q) = %v, %v", bad, v, err)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\n", "a\u2003b", "a\u0085b"} {
		if _, err := anchor.NewCosigner(name, [32]byte{1}); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("a witness named %q: %v", name, err)
		}
	}
}

// No request makes a witness sign what is no continuation, nor panic.
func FuzzAdd(f *testing.F) {
	h := newHistory(f, "a")
	five := h.grow(5)
	eight := h.grow(3)
	f.Add(h.ask(5, eight))
	first := h.ask(0, five)
	f.Add(first)
	f.Add([]byte("old 0\n\n"))
	_, log := evidencetest.Keys()
	f.Fuzz(func(t *testing.T, body []byte) {
		w, key := witness(t, &anchor.MemoryMemory{})
		if _, err := w.Add(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		line, err := w.Add(t.Context(), body)
		if err != nil {
			return
		}
		_, cp, _ := bytes.Cut(body, []byte("\n\n"))
		c, err := evidence.OpenCheckpoint(cp, log)
		if err != nil || c.Size != 5 && c.Size != 8 {
			t.Errorf("%q was cosigned: %+v, %v", body, c, err)
		}
		if _, _, err := anchor.Cosigned(cp, line, key); err != nil {
			t.Error(err)
		}
	})
}
