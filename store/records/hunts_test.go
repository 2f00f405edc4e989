package records_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"vedette/watch/hunt"
	"vedette/watch/hunt/ledgertest"
)

func TestHunts(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) (hunt.Ledger, func() hunt.Ledger) {
		dir := t.TempDir()
		d := openIn(t, dir)
		return d.Hunts(), func() hunt.Ledger {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = openIn(t, dir)
			return d.Hunts()
		}
	})
}

func TestWhatWasAskedOfThePastCannotBeChanged(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir).Hunts()
	if err := s.Add(t.Context(), hunt.Entry{ID: "hunt_1", At: time.UnixMilli(1), What: hunt.WhatAsk, Tenant: "a", By: "ana", Text: []byte("{}"), Given: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Answer(t.Context(), "hunt_1", hunt.Some); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(dir, "records.db")}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{
		`DELETE FROM hunt`, `UPDATE hunt SET by = 'omar'`, `UPDATE hunt SET found = 'none'`, `UPDATE hunt SET text = x'00'`, `UPDATE hunt SET given = 0`,
		`UPDATE hunt SET at = 5`, `UPDATE hunt SET matter = 'case-1'`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err == nil {
			t.Errorf("%s: went through", q)
		}
	}
}
