package evidence_test

import (
	"testing"

	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

func TestMemoryTree(t *testing.T) {
	evidencetest.RunTree(t, func(*testing.T) (evidence.Tree, func() evidence.Tree) {
		s, _ := evidencetest.Keys()
		return evidence.NewMemoryTree(s), nil
	})
}

func TestMemoryShelf(t *testing.T) {
	evidencetest.RunShelf(t, func(*testing.T) (evidence.Shelf, func() evidence.Shelf) { return evidence.NewMemoryShelf(), nil })
}
