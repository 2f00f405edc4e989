package anchor_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vedette/record/anchor"
)

var update = flag.Bool("update", false, "write the vector anew")

// vector is a checkpoint with an anchor of each kind, as docs/formats/anchor.md has them.
type vector struct {
	Checkpoint  string
	Stamp       []byte // base64 of DER
	Roots       string // PEM
	Cosignature string
	Witness     string
	Stamped     anchor.At
	Cosigned    anchor.At
}

// Yesterday's anchors verify: the stamp is OpenSSL's, its certificates have ended since or will.
func TestAnchorVector(t *testing.T) {
	path := filepath.Join("testdata", "anchor-v1.json")
	if *update {
		a := authority(t, false)
		w, _ := witness(t, &anchor.MemoryMemory{})
		c, _ := cosigner(t, 1)
		h := newHistory(t, "a")
		cp := h.grow(7)
		line, err := w.Add(t.Context(), h.ask(0, cp))
		if err != nil {
			t.Fatal(err)
		}
		s, at := stamped(t, a, cp, "")
		b, err := json.MarshalIndent(vector{
			string(cp), s.Token, string(a.RootPEM), string(line), c.VerifierKey(), at, anchor.At{Time: noon, By: c.Name(), Size: 7},
		}, "", "  ")
		if err == nil {
			err = os.MkdirAll("testdata", 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind  anchor.Kind
		token []byte
		trust string
		want  anchor.At
	}{
		{anchor.KindStamp, v.Stamp, v.Roots, v.Stamped},
		{anchor.KindCosignature, []byte(v.Cosignature), v.Witness, v.Cosigned},
	} {
		trust, err := anchor.Believe(tt.trust)
		if err != nil {
			t.Fatal(err)
		}
		got, err := anchor.Anchor{Kind: tt.kind, Checkpoint: []byte(v.Checkpoint), Token: tt.token}.Verify(trust)
		if err != nil || !got.Time.Equal(tt.want.Time) || got.By != tt.want.By || got.Size != 7 || got.Time.Location() != time.UTC {
			t.Errorf("%s: %+v, %v; want %+v", tt.kind, got, err, tt.want)
		}
	}
}

func TestWhomToBelieve(t *testing.T) {
	c, _ := cosigner(t, 1)
	b, err := os.ReadFile(filepath.Join("testdata", "anchor-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]struct{ roots, witnesses bool }{
		v.Roots: {true, false}, v.Roots + v.Roots: {true, false}, c.VerifierKey(): {false, true}, "# the other side\n\n" + c.VerifierKey() + "\n": {false, true},
	} {
		if got, err := anchor.Believe(text); err != nil || (got.Roots != nil) != want.roots || (len(got.Witnesses) > 0) != want.witnesses {
			t.Errorf("Believe(%.40q) = %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "#\n", "hello", c.VerifierKey() + "x", v.Roots + "more", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", v.Roots[:100],
	} {
		if got, err := anchor.Believe(text); err == nil {
			t.Errorf("Believe(%.40q) = %+v", text, got)
		}
	}
}
