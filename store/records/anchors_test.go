package records_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"vedette"
	"vedette/record/anchor"
	"vedette/record/anchor/anchortest"
)

func TestAWitnessRemembers(t *testing.T) {
	anchortest.RunMemory(t, func(t *testing.T) (anchor.Memory, func() anchor.Memory) {
		dir := t.TempDir()
		return openIn(t, dir).Witnessed(), func() anchor.Memory { return openIn(t, dir).Witnessed() }
	})
}

func TestAnchorsStayAsTheyCame(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir).Anchors()
	if k, ok, err := s.Last(t.Context()); err != nil || ok {
		t.Fatalf("Last of none = %+v, %v", k, err)
	}
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	want := []anchor.Kept{
		{Anchor: anchor.Anchor{Kind: anchor.KindCosignature, Checkpoint: []byte("c1"), Token: []byte("t1")}, At: anchor.At{Time: at.Add(time.Hour), By: "w", Size: 3}, Made: at, Trust: "k", Record: -1},
		{Anchor: anchor.Anchor{Kind: anchor.KindStamp, Checkpoint: []byte("c2"), Token: []byte("t2")}, At: anchor.At{Time: at, By: "a", Size: 4}, Made: at, Trust: "r", Record: -1},
	}
	for i := range want {
		n, err := s.Keep(t.Context(), want[i])
		if err != nil || n != i+1 {
			t.Fatalf("Keep = %d, %v", n, err)
		}
		want[i].Number = n
	}
	if err := s.Recorded(t.Context(), 2, 0); err != nil {
		t.Fatal(err)
	}
	want[1].Record = 0
	for _, n := range []int{2, 3} {
		if err := s.Recorded(t.Context(), n, 9); !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("a second record of %d: %v", n, err)
		}
	}
	s = openIn(t, dir).Anchors()
	got, err := s.Anchors(t.Context(), 1, 10)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Anchors = %+v, %v; want %+v", got, err, want)
	}
	if got, err := s.Anchors(t.Context(), 2, 10); err != nil || len(got) != 1 {
		t.Errorf("from 2: %+v, %v", got, err)
	}
	if k, ok, err := s.Last(t.Context()); err != nil || !ok || k.Number != 1 {
		t.Errorf("Last = %+v, %v; want number 1, the newest by its time", k, err)
	}
}
