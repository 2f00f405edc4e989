package evidence_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vedette"
	"vedette/internal/corpus"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

var update = flag.Bool("update", false, "write testdata anew")

func evidenceHash(leaf []byte) vedette.Digest { return vedette.Digest(tlog.RecordHash(leaf)) }

func proofOf(t testing.TB) (evidence.Proof, note.Verifier) {
	l, _, _ := fresh(t)
	for i := range 5 {
		add(t, l, hunt(i))
	}
	p, err := l.Prove(context.Background(), 3)
	if err != nil {
		t.Fatal(err)
	}
	_, v := evidencetest.Keys()
	return p, v
}

func TestAProofShowsSomeFieldsAndNamesTheRest(t *testing.T) {
	p, v := proofOf(t)
	all, err := evidence.Verify(p, v)
	if err != nil {
		t.Fatal(err)
	}
	if all.Kind != evidence.KindHunt || all.Tenant != "north" || all.At != hunt(3).At || all.Index != 3 || all.Size != 5 || len(all.Fields) != 3 || len(all.Withheld) != 0 {
		t.Errorf("the whole proof says %+v", all)
	}
	for name, part := range map[string]evidence.Proof{
		"without": p.Without("what", "nothing", "-tenant", "no_such"), "only": p.Only("answer", "-kind", "-at"),
		"in steps": p.Without("what").Only("answer", "-kind", "-at", "what"),
	} {
		file, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{base64.StdEncoding.EncodeToString([]byte("asked")), base64.StdEncoding.EncodeToString([]byte("north"))} {
			if strings.Contains(string(file), secret) {
				t.Errorf("%s: what is withheld is in the file: %s", name, file)
			}
		}
		var read evidence.Proof
		if err := json.Unmarshal(file, &read); err != nil {
			t.Fatal(err)
		}
		got, err := evidence.Verify(read, v)
		if err != nil || got.Leaf != all.Leaf || got.Kind != all.Kind || got.At != all.At || got.Tenant != "" || len(got.Fields) != 1 ||
			!slices.Equal(got.Withheld, []string{"-tenant", "nothing", "what"}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestABentProofIsRefused(t *testing.T) {
	_, v := proofOf(t)
	_, stranger := evidence.NewSigner(evidencetest.Origin, [32]byte{9})
	for name, bend := range map[string]func(p *evidence.Proof){
		"another value":             func(p *evidence.Proof) { p.Parts[3].Value = []byte("4") },
		"another salt":              func(p *evidence.Proof) { p.Parts[3].Salt[0] ^= 1 },
		"a short salt":              func(p *evidence.Proof) { p.Parts[3].Salt = p.Parts[3].Salt[:31] },
		"another name":              func(p *evidence.Proof) { p.Parts[3].Name = "answes" },
		"another time":              func(p *evidence.Proof) { p.Parts[0].Value[7] ^= 1 },
		"another kind":              func(p *evidence.Proof) { p.Parts[1].Value = []byte("report") },
		"a field left out":          func(p *evidence.Proof) { p.Parts = slices.Delete(p.Parts, 4, 5) },
		"a field added":             func(p *evidence.Proof) { p.Parts = append(p.Parts, evidence.ProofPart{Name: "zzz"}) },
		"fields in another order":   func(p *evidence.Proof) { p.Parts[3], p.Parts[4] = p.Parts[4], p.Parts[3] },
		"a field twice":             func(p *evidence.Proof) { p.Parts[4] = p.Parts[3] },
		"a withheld digest changed": func(p *evidence.Proof) { *p = p.Without("what"); p.Parts[5].Digest[0] ^= 1 },
		"a withheld value slipped in": func(p *evidence.Proof) {
			*p = p.Without("what")
			p.Parts[5].Value = []byte("other")
		},
		"another place":      func(p *evidence.Proof) { p.Index = 2 },
		"a place behind":     func(p *evidence.Proof) { p.Index = 5 },
		"a step less":        func(p *evidence.Proof) { p.Path = p.Path[:len(p.Path)-1] },
		"a step more":        func(p *evidence.Proof) { p.Path = append(p.Path, vedette.Digest{}) },
		"another step":       func(p *evidence.Proof) { p.Path[0][0] ^= 1 },
		"another size":       func(p *evidence.Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n5\n", "\n6\n", 1) },
		"another origin":     func(p *evidence.Proof) { p.Checkpoint = "x" + p.Checkpoint },
		"no signature":       func(p *evidence.Proof) { p.Checkpoint, _, _ = strings.Cut(p.Checkpoint, "\n\n") },
		"another format":     func(p *evidence.Proof) { p.Format = "vedette-evidence-proof-2" },
		"nothing at all":     func(p *evidence.Proof) { *p = evidence.Proof{} },
		"no fields":          func(p *evidence.Proof) { p.Parts = nil },
		"a particular moved": func(p *evidence.Proof) { p.Parts[0], p.Parts[1] = p.Parts[1], p.Parts[0] },
	} {
		p, _ := proofOf(t)
		bend(&p)
		if got, err := evidence.Verify(p, v); !errors.Is(err, evidence.ErrUnfit) || !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("%s: %+v, %v; want unfit", name, got, err)
		}
	}
	p, _ := proofOf(t)
	if _, err := evidence.Verify(p, stranger); !errors.Is(err, evidence.ErrUnfit) {
		t.Errorf("by another key: %v, want unfit", err)
	}
	if _, err := evidence.Verify(p, nil); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("without a key: %v, want invalid", err)
	}
}

// No change of a proof's file makes it say anything else about the same leaf.
func FuzzVerify(f *testing.F) {
	file, err := os.ReadFile(filepath.Join("testdata", "leaf-v1.json")) // the same leaf in each process that fuzzes
	if err != nil {
		f.Fatal(err)
	}
	var known vector
	if err := json.Unmarshal(file, &known); err != nil {
		f.Fatal(err)
	}
	p := known.Proof
	v, err := note.NewVerifier(known.Key)
	if err != nil {
		f.Fatal(err)
	}
	want, err := evidence.Verify(p, v)
	if err != nil {
		f.Fatal(err)
	}
	for _, q := range []evidence.Proof{p, p.Only(), p.Without("answer")} {
		b, _ := json.Marshal(q)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var q evidence.Proof
		if json.Unmarshal(b, &q) != nil {
			return
		}
		got, err := evidence.Verify(q, v)
		if err != nil {
			return
		}
		if got.Receipt != want.Receipt || got.Checkpoint != want.Checkpoint {
			t.Fatalf("a good proof of something else: %+v", got)
		}
		for _, field := range got.Fields {
			if was, ok := want.Get(field.Name); !ok || string(was) != string(field.Value) {
				t.Fatalf("field %s says %q", field.Name, field.Value)
			}
		}
		if got.Kind != "" && got.Kind != want.Kind || got.Tenant != "" && got.Tenant != want.Tenant || !got.At.IsZero() && got.At != want.At {
			t.Fatalf("the proof says %+v", got)
		}
	})
}

func TestCheckpoints(t *testing.T) {
	s, v := evidencetest.Keys()
	want := evidence.Checkpoint{Origin: evidencetest.Origin, Size: 12, Root: vedette.Digest{1, 2}}
	b, err := evidence.SignCheckpoint(want, s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := evidence.OpenCheckpoint(b, v); err != nil || got != want {
		t.Errorf("OpenCheckpoint = %+v, %v", got, err)
	}
	key, err := note.NewVerifier(evidence.VerifierKey(s))
	if err != nil || key.KeyHash() != v.KeyHash() || key.Name() != evidencetest.Origin {
		t.Errorf("VerifierKey gives %v, %v", key, err)
	}
	for _, origin := range []string{"", "a b", "a+b", "a\nb"} {
		if s, v := evidence.NewSigner(origin, [32]byte{}); s != nil || v != nil {
			t.Errorf("NewSigner(%q) made a key", origin)
		}
	}
	other := want
	other.Origin = "other.example/log"
	if b, err := evidence.SignCheckpoint(other, s); err != nil {
		t.Fatal(err)
	} else if _, err := evidence.OpenCheckpoint(b, v); !errors.Is(err, evidence.ErrUnfit) {
		t.Errorf("a checkpoint of another origin: %v, want unfit", err)
	}
	text := string(b)
	for name, bent := range map[string]string{
		"empty": "", "a number with a zero before it": strings.Replace(text, "\n12\n", "\n012\n", 1), "a sign": strings.Replace(text, "\n12\n", "\n+12\n", 1),
		"no root": strings.Replace(text, "AQI", "AQ", 1), "too few lines": "a\n1\n\n",
	} {
		if c, err := evidence.ReadCheckpoint([]byte(bent)); !errors.Is(err, evidence.ErrUnfit) {
			t.Errorf("%s: %+v, %v; want unfit", name, c, err)
		}
	}
}

// vector is what docs/formats/leaf.md draws: a body, its leaf, its hash, and a proof.
type vector struct {
	Parts []struct{ Name, Salt, Value, Digest, Commitment string }
	Leaf  string
	Hash  string
	Key   string
	Proof evidence.Proof
}

// What version 1 wrote is read for ever.
func TestLeafVector(t *testing.T) {
	path := filepath.Join("testdata", "leaf-v1.json")
	if *update {
		write(t, path)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want vector
	if err := json.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	b := evidence.Body{}
	for _, p := range want.Parts {
		salt, err1 := hex.DecodeString(p.Salt)
		value, err2 := hex.DecodeString(p.Value)
		digest, err3 := hex.DecodeString(p.Digest)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		part := evidence.Part{Name: p.Name, Salt: salt, Value: value}
		if p.Salt == "" {
			part.Salt, part.Value = nil, nil
			copy(part.Digest[:], digest)
		}
		if got := part.Commit(); got.String() != p.Digest {
			t.Errorf("part %s commits to %s, want %s", p.Name, got, p.Digest)
		}
		b.Parts = append(b.Parts, part)
	}
	leaf := b.Leaf()
	if got := hex.EncodeToString(leaf); got != want.Leaf {
		t.Errorf("Leaf() = %s, want %s", got, want.Leaf)
	}
	if got := evidenceHash(leaf).String(); got != want.Hash {
		t.Errorf("hash = %s, want %s", got, want.Hash)
	}
	for i, p := range want.Parts {
		if at := len("vedette/leaf/1\x00") + 1 + 32*i; hex.EncodeToString(leaf[at:at+32]) != p.Commitment {
			t.Errorf("commitment %s = %x, want %s", p.Name, leaf[at:at+32], p.Commitment)
		}
	}
	key, err := note.NewVerifier(want.Key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := evidence.Verify(want.Proof, key)
	if err != nil || got.Leaf.String() != want.Hash || got.Kind != evidence.KindHunt || got.Tenant != "north" || got.At != evidencetest.Start {
		t.Errorf("Verify = %+v, %v", got, err)
	}
	if v, ok := got.Get("answer"); !ok || string(v) != "10 and more" || !slices.Equal(got.Withheld, []string{"asked_by"}) {
		t.Errorf("answer = %q, withheld %v", v, got.Withheld)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	at := []byte{0, 0, 1, 0x9c, 0xa9, 0, 0, 0}
	ms := evidencetest.Start.UnixMilli()
	for i := range 8 {
		at[i] = byte(ms >> (56 - 8*i))
	}
	b := evidence.Body{Index: 1}
	for i, p := range []struct{ name, value string }{{"-at", string(at)}, {"-kind", "hunt"}, {"-tenant", "north"}, {"answer", "10 and more"}, {"asked_by", "ana"}} {
		salt := make([]byte, 32)
		for j := range salt {
			salt[j] = byte(16*i + j%16)
		}
		b.Parts = append(b.Parts, evidence.Part{Name: p.name, Salt: salt, Value: []byte(p.value)})
	}
	// asked_by is erased: its commitment stays.
	last := &b.Parts[len(b.Parts)-1]
	last.Digest = last.Commit()
	last.Salt, last.Value = nil, nil
	s, _ := evidencetest.Keys()
	tree, shelf := evidence.NewMemoryTree(s), evidence.NewMemoryShelf()
	l := open(t, tree, shelf)
	add(t, l, hunt(0))
	if err := shelf.Put(t.Context(), 1, []evidence.Body{b}); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Append(t.Context(), [][]byte{b.Leaf(), []byte("another leaf")}); err != nil {
		t.Fatal(err)
	}
	l = open(t, tree, shelf)
	proof, err := l.Prove(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	leaf := b.Leaf()
	v := vector{Leaf: hex.EncodeToString(leaf), Hash: evidenceHash(leaf).String(), Key: evidence.VerifierKey(s), Proof: proof}
	for i := range b.Parts {
		p := &b.Parts[i]
		from := len("vedette/leaf/1\x00") + 1 + 32*i
		v.Parts = append(v.Parts, struct{ Name, Salt, Value, Digest, Commitment string }{
			p.Name, hex.EncodeToString(p.Salt), hex.EncodeToString(p.Value), p.Commit().String(), hex.EncodeToString(leaf[from : from+32]),
		})
	}
	file, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll("testdata", 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, append(file, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The vectors of the Merkle proofs that others publish: what they refuse we refuse, what they take we take.
func TestOthersVectorsOfMerkleProofs(t *testing.T) {
	f, err := os.Open(corpus.Path(t, "conformance", "merkle", "transparency-dev-merkle-testdata.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	digest := func(b []byte) (d vedette.Digest, ok bool) {
		copy(d[:], b)
		return d, len(b) == 32
	}
	checked := map[string]int{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(filepath.ToSlash(h.Name), "/")
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(h.Name, ".json") || len(parts) < 3 {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			LeafIdx, TreeSize, Size1, Size2 uint64
			Root, LeafHash, Root1, Root2    []byte
			Proof                           [][]byte
			WantErr                         bool
		}
		of := slices.IndexFunc(parts, func(s string) bool { return s == "inclusion" || s == "consistency" })
		if of < 0 {
			continue
		}
		if err := json.Unmarshal(data, &c); err != nil {
			continue // a number beyond what fits
		}
		ok := true
		var path []vedette.Digest
		for _, p := range c.Proof {
			d, good := digest(p)
			ok = ok && good
			path = append(path, d)
		}
		switch parts[of] {
		case "inclusion":
			root, a := digest(c.Root)
			leaf, b := digest(c.LeafHash)
			ok = ok && a && b && evidence.CheckInclusion(leaf, c.LeafIdx, c.TreeSize, path, root) == nil
		case "consistency":
			r1, a := digest(c.Root1)
			r2, b := digest(c.Root2)
			if (!a || !b) && !c.WantErr {
				continue // roots that are no hashes, where it does not matter: a digest here has 32 bytes
			}
			ok = ok && a && b && evidence.CheckConsistency(evidence.Checkpoint{Size: c.Size1, Root: r1}, evidence.Checkpoint{Size: c.Size2, Root: r2}, path) == nil
		}
		checked[parts[of]]++
		if ok == c.WantErr {
			t.Errorf("%s: taken %t, want %t", h.Name, ok, !c.WantErr)
		}
	}
	if checked["inclusion"] < 50 || checked["consistency"] < 50 {
		t.Errorf("only %v were checked", checked)
	}
	t.Logf("%v", checked)
}
