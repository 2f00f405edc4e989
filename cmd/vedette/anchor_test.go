package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"vedette/record/anchor"
	"vedette/record/evidence"
)

// keepAnchor puts a witness's word about the log as it is into the records, without its record.
func keepAnchor(t *testing.T, h *house, at time.Time) {
	t.Helper()
	log, err := h.proof.get()
	if err != nil {
		t.Fatal(err)
	}
	text, cp, err := log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.db.Anchors().Keep(t.Context(), anchor.Kept{
		Anchor: anchor.Anchor{Kind: anchor.KindCosignature, Checkpoint: text, Token: []byte("x")}, At: anchor.At{Time: at, By: "witness.example/w", Size: cp.Size}, Made: at, Trust: "k",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDoctorSaysHowOldTheLastAnchorIs(t *testing.T) {
	h, _ := testHouse(t)
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	log, err := h.proof.get()
	if err != nil {
		t.Fatal(err)
	}
	add := func() {
		t.Helper()
		if _, err := h.proof.Append(t.Context(), evidence.Record{Kind: evidence.KindHunt}, evidence.Record{Kind: evidence.KindHunt}); err != nil {
			t.Fatal(err)
		}
	}
	says := func(level, what string) {
		t.Helper()
		var got []string
		if err := h.diagnoseAnchors(t.Context(), func(l, _, format string, args ...any) { got = append(got, l+": "+format) }, log, now); err != nil {
			t.Fatal(err)
		}
		if what == "" && len(got) == 0 {
			return
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], level+": ") || !strings.Contains(got[0], what) {
			t.Errorf("doctor says %q, want %s: %s", got, level, what)
		}
	}
	says("", "")
	add()
	says("note", "nobody else vouches")
	keepAnchor(t, h, now.Add(-8*24*time.Hour))
	says("note", "was last anchored") // old, and nothing has come since
	add()
	says("warn", "have come since")
	keepAnchor(t, h, now.Add(-time.Hour))
	says("note", "was last anchored")
}

// An anchor whose process ended before it was recorded is recorded with the next, once.
func TestAnAnchorWithoutARecordGetsOne(t *testing.T) {
	h, _ := testHouse(t)
	log, err := h.proof.get()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.proof.Append(t.Context(), evidence.Record{Kind: evidence.KindHunt}); err != nil {
		t.Fatal(err)
	}
	keepAnchor(t, h, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	for range 2 {
		if err := h.recordAnchors(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.db.Anchors().Anchors(context.Background(), 1, 10)
	if err != nil || len(got) != 1 || got[0].Record != 1 || log.Size() != 2 {
		t.Errorf("%+v, %v, of %d records; want its record at 1, and 2 records", got, err, log.Size())
	}
	// What does not verify is told, whatever is kept of it.
	r, err := opEvidenceCheck.run(t.Context(), h, checkAsked{})
	if err != nil || r.Good() || r.Anchors != 0 || !strings.Contains(r.Places[0].What, "anchor 1 of 2026-06-01") {
		t.Errorf("check says %+v, %v", r, err)
	}
}
