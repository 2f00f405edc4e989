package authority_test

import (
	"errors"
	"testing"

	"vedette"
	"vedette/record/authority"
)

func TestApprovers(t *testing.T) {
	h := newHouse(t)
	act, err := authority.NewAct(map[string]any{"act": "example", "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	one := [][]byte{h.sign(t, act, "ana", start)}
	for _, tt := range []struct {
		name      string
		approvals [][]byte
		need      int
		people    int
		kind      error
	}{
		{"one of one", one, 1, 1, nil},
		{"one of two", one, 2, 0, authority.ErrUnapproved},
		{"nobody of one", nil, 1, 0, authority.ErrUnapproved},
		{"one twice is one", [][]byte{one[0], one[0]}, 2, 0, authority.ErrUnapproved},
		{"nobody is no number of people", one, 0, 0, vedette.ErrInvalid},
		{"fewer than nobody", one, -1, 0, vedette.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := h.Approvers(t.Context(), act, tt.approvals, tt.need, start)
			if len(got) != tt.people || !errors.Is(err, tt.kind) {
				t.Errorf("Approvers(need %d) = %v, %v; want %d people, %v", tt.need, got, err, tt.people, tt.kind)
			}
		})
	}
}
