package vault_test

import (
	"bytes"
	"errors"
	"testing"

	"vedette"
	"vedette/record/authority"
	"vedette/record/vault"
)

func TestABoxOpensToAPermitInItsCaseAlone(t *testing.T) {
	m := new(authority.Memory)
	right := permit(t, m, authority.PurposeProtect, "a") // in case-7
	v := open(t, vault.NewMemory(), vault.WithClock(clock), vault.WithRecorder(m))
	s := tenant(t, v, "a")
	box, err := s.Box("case-7", "message", []byte("made up"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(box, []byte("made up")) {
		t.Error("the box shows its content")
	}
	before, _ := m.Asked(t.Context())
	got, err := v.Unbox(t.Context(), right, "a", "case-7", "message", box)
	if err != nil || string(got) != "made up" {
		t.Fatalf("Unbox = %q, %v", got, err)
	}
	if after, _ := m.Asked(t.Context()); len(after) != len(before)+1 {
		t.Error("opening a box was not recorded")
	}
	other, err := s.Box("case-8", "message", []byte("of another case"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		p            authority.Permit
		matter, what string
		box          []byte
		want         error
	}{
		{"without a permit", authority.Permit{}, "case-7", "message", box, vedette.ErrForbidden},
		{"with a permit in another case", right, "case-8", "message", other, vedette.ErrForbidden},
		{"a box of another case under this one's name", right, "case-7", "message", other, vedette.ErrInvalid},
		{"under another name", right, "case-7", "link", box, vedette.ErrInvalid},
		{"cut", right, "case-7", "message", box[:10], vedette.ErrInvalid},
	} {
		if _, err := v.Unbox(t.Context(), tt.p, "a", tt.matter, tt.what, tt.box); !errors.Is(err, tt.want) {
			t.Errorf("Unbox %s = %v, want %v", tt.name, err, tt.want)
		}
	}
	for i := range box {
		changed := bytes.Clone(box)
		changed[i] ^= 1
		if _, err := v.Unbox(t.Context(), right, "a", "case-7", "message", changed); !errors.Is(err, vedette.ErrInvalid) {
			t.Fatalf("Unbox with byte %d changed = %v, want invalid", i, err)
		}
	}
}
