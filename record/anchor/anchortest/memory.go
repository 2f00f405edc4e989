package anchortest

import (
	"bytes"
	"errors"
	"testing"

	"vedette"
	"vedette/record/anchor"
	"vedette/record/evidence"
)

// RunMemory is the suite of every anchor.Memory. open returns an empty one, and how to open the same again.
func RunMemory(t *testing.T, open func(t *testing.T) (anchor.Memory, func() anchor.Memory)) {
	const origin = "log.example/a"
	signer, _ := evidence.NewSigner(origin, [32]byte{4})
	cp := func(size uint64, root byte) []byte {
		b, err := evidence.SignCheckpoint(evidence.Checkpoint{Origin: origin, Size: size, Root: vedette.Digest{root}}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	latest := func(t *testing.T, m anchor.Memory, want []byte) {
		t.Helper()
		if got, err := m.Latest(t.Context(), origin); err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("Latest = %q, %v; want %q", got, err, want)
		}
	}
	m, again := open(t)
	latest(t, m, nil)
	five, eight := cp(5, 1), cp(8, 2)
	if err := m.Advance(t.Context(), origin, nil, five); err != nil {
		t.Fatal(err)
	}
	latest(t, m, five)
	for name, tt := range map[string]struct{ was, now []byte }{
		"from nothing, when there is something": {nil, eight},
		"from what is not the last":             {cp(4, 1), eight},
		"a step back":                           {five, cp(4, 1)},
		"another root of the same size":         {five, cp(5, 3)},
		"what is no checkpoint":                 {five, []byte("x")},
	} {
		if err := m.Advance(t.Context(), origin, tt.was, tt.now); !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
		latest(t, m, five)
	}
	if err := m.Advance(t.Context(), "log.example/b", nil, five); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("another log's checkpoint: %v, want a conflict", err)
	}
	if err := m.Advance(t.Context(), origin, five, five); err != nil {
		t.Errorf("the same again: %v", err)
	}
	m = again()
	latest(t, m, five)
	if err := m.Advance(t.Context(), origin, five, eight); err != nil {
		t.Fatal(err)
	}
	latest(t, again(), eight)
}
