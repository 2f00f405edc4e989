package records_test

import (
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette"
	"vedette/record/order"
)

func TestOrdersKeepEveryVersion(t *testing.T) {
	dir := t.TempDir()
	d := openIn(t, dir)
	s := d.Orders()
	version := func(id string, number int, text string) order.Version {
		return order.Version{ID: id, Number: number, Digest: order.FileDigest([]byte(text)), Text: []byte(text), By: "ana", At: time.UnixMilli(int64(number)).UTC()}
	}
	a1, a2, b1 := version("a", 1, "one"), version("a", 2, "two"), version("b", 1, "other")
	for _, v := range []order.Version{a1, b1, a2} {
		if err := s.Add(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(t.Context(), a2); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("a number that is taken: %v", err)
	}
	note := order.Note{Clock: "clock-1", Number: 1, What: order.NoteNotTriggered, Matter: "m", Noted: a1.At, By: "ana", Why: "because", Duties: order.BuiltIn()}
	if err := s.AddNote(t.Context(), note); err != nil {
		t.Fatal(err)
	}
	if err := s.AddNote(t.Context(), note); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("a note twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, dir).Orders()
	if got, err := s.Versions(t.Context(), "a"); err != nil || !cmp.Equal(got, []order.Version{a1, a2}) {
		t.Errorf("Versions(a) = %+v, %v", got, err)
	}
	if got, err := s.Versions(t.Context(), "c"); err != nil || len(got) != 0 {
		t.Errorf("Versions(c) = %+v, %v", got, err)
	}
	if got, err := s.Latest(t.Context()); err != nil || !cmp.Equal(got, []order.Version{a2, b1}) {
		t.Errorf("Latest() = %+v, %v", got, err)
	}
	if got, err := s.Notes(t.Context()); err != nil || !cmp.Equal(got, []order.Note{note}) {
		t.Errorf("Notes() = %+v, %v", got, err)
	}

	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(dir, "records.db")}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{
		`DELETE FROM court_order`, `UPDATE court_order SET text = x'00'`, `UPDATE court_order SET by = 'omar'`, `DELETE FROM duty_note`, `UPDATE duty_note SET note = x'00'`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err == nil {
			t.Errorf("%s: went through", q)
		}
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO court_order (id, number, digest, text, by, at) VALUES ('c', 1, zeroblob(32), x'00', 'omar', 0)`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Versions(t.Context(), "c"); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("a text that does not fit its digest: %v", err)
	}
}
