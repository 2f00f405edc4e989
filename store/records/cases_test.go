package records_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/casefile/casefiletest"
	"vedette/store/records"
)

func TestCaseStore(t *testing.T) {
	casefiletest.Run(t, func(t *testing.T) (casefile.Store, func() casefile.Store) {
		dir := t.TempDir()
		d := openIn(t, dir)
		return d.Cases(), func() casefile.Store {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return openIn(t, dir).Cases()
		}
	})
}

func TestALogOfACaseCannotBeChanged(t *testing.T) {
	dir := t.TempDir()
	d := openIn(t, dir)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := casefile.Case{ID: casefile.About("chat", vedette.Token{Kind: vedette.TokenHost}), Tenant: "chat", About: vedette.Token{Kind: vedette.TokenHost}, State: casefile.Signal, Opened: at, Version: 1, Steps: 1}
	r := casefile.Report{ID: vedette.EventID{1}, Tenant: "chat", At: at, Taken: at, Grade: casefile.Claim}
	if err := d.Cases().Keep(t.Context(), casefile.Change{
		Report: &r, Cases: []casefile.Case{c}, Steps: []casefile.Step{{Case: c.ID, Number: 1, At: at, State: casefile.Signal, By: []string{"vedette"}}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(dir, "records.db")}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{
		`DELETE FROM matter_step`, `UPDATE matter_step SET why = 'x'`, `DELETE FROM matter`, `UPDATE matter SET state = 'closed'`,
		`UPDATE matter SET about = x'00000000000000000000000000000000000001', version = version + 1`, `DELETE FROM report`,
		`INSERT INTO matter_step SELECT matter, 3, at, state, by, why, act, value, display, scope, finding FROM matter_step`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err == nil {
			t.Errorf("%s: done, want refused", q)
		}
	}
}

// BenchmarkTakeReports is what one more report of one link costs where very many were taken.
func BenchmarkTakeReports(b *testing.B) {
	d, err := records.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	s := d.Cases()
	c := casefile.Case{Tenant: "chat", About: vedette.Token{Kind: vedette.TokenDomain, Epoch: 52}, State: casefile.Signal}
	c.ID = casefile.About(c.Tenant, c.About)
	r := casefile.Report{Tenant: "chat", Grade: casefile.Claim, Opened: make([]byte, 400), Links: []casefile.Link{{Host: "a.example", Case: c.ID, URL: make([]byte, 100)}}}
	b.ReportAllocs()
	for b.Loop() {
		c.Version++
		n := c.Version
		r.ID, r.Reporter = vedette.EventID{byte(n), byte(n >> 8), byte(n >> 16)}, vedette.AccountID{byte(n), byte(n >> 8), byte(n >> 16)}
		v := casefile.Voice{Case: c.ID, Who: [17]byte{'a', byte(n), byte(n >> 8), byte(n >> 16)}, Voices: 50}
		if err := s.Keep(b.Context(), casefile.Change{Report: &r, Cases: []casefile.Case{c}, Voices: []casefile.Voice{v}}); err != nil {
			b.Fatal(err)
		}
	}
}
