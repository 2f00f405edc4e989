package records_test

import (
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/authority/authoritytest"
	"vedette/store/records"
)

type both struct {
	authority.Store
	authority.ArmStore
}

func openIn(t *testing.T, dir string) *records.DB {
	t.Helper()
	d, err := records.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestAuthorityStore(t *testing.T) {
	authoritytest.Run(t, func(t *testing.T) (authoritytest.Store, func() authoritytest.Store) {
		dir := t.TempDir()
		d := openIn(t, dir)
		return both{d.People(), d.Arming()}, func() authoritytest.Store {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d := openIn(t, dir)
			return both{d.People(), d.Arming()}
		}
	})
}

func TestAskedComesBack(t *testing.T) {
	s := openIn(t, t.TempDir()).People()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := []authority.Asked{
		{At: at, What: "permit", Purpose: authority.PurposeErase, Tenant: "a", Case: "case-1", People: []authority.PersonID{"ana", "omar"}, Act: vedette.Digest{1}, Given: true},
		{At: at.Add(time.Second), What: "vault.open", Why: "no permit"},
	}
	for _, a := range want {
		if err := s.Record(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Asked(t.Context(), at, 10)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Asked() = %+v, %v; want %+v", got, err, want)
	}
	if got, err := s.Asked(t.Context(), at.Add(time.Second), 10); err != nil || len(got) != 1 {
		t.Errorf("Asked since later = %d, %v; want 1", len(got), err)
	}
}

func TestWhatWasAskedAndArmedCannotBeChanged(t *testing.T) {
	dir := t.TempDir()
	d := openIn(t, dir)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	err := errors.Join(
		d.People().Record(t.Context(), authority.Asked{At: at, What: "permit"}),
		d.People().AddPerson(t.Context(), authority.Person{ID: "ana", Name: "Ana", Role: authority.RoleLead, Key: make([]byte, 32), Enrolled: at, Founder: true}),
		d.Arming().AddChange(t.Context(), authority.Change{Revision: 1, At: at, By: []string{"ana"}}),
		d.Machines().AddMachine(t.Context(), authority.Machine{ID: "m", Tenant: "a", Scopes: authority.ScopeRead, Created: at}),
		d.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(dir, "records.db")}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{
		`DELETE FROM asked`, `UPDATE asked SET given = 1`, `DELETE FROM arming`, `UPDATE arming SET verdict = 'allow'`,
		`DELETE FROM person`, `UPDATE person SET key = x'00'`, `UPDATE person SET enrolled = 0`, `DELETE FROM machine`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err == nil {
			t.Errorf("%s: done, want refused", q)
		}
	}
}

func TestMachines(t *testing.T) {
	dir := t.TempDir()
	d := openIn(t, dir)
	s := d.Machines()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := []authority.Machine{
		{ID: "b", Tenant: "a", Platform: "chat", Scopes: authority.ScopeDecide | authority.ScopeRead, Rate: 2.5, Burst: 3, Created: at, Expires: at.Add(time.Hour), Secret: vedette.Digest{1}},
		{ID: "a", Tenant: "b", Platform: "chat", Scopes: authority.ScopeAdmin, Created: at, Secret: vedette.Digest{2}},
	}
	for _, m := range want {
		if err := s.AddMachine(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddMachine(t.Context(), want[0]); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("AddMachine twice = %v", err)
	}
	for _, when := range []time.Time{at.Add(time.Minute), at.Add(time.Hour)} {
		if err := s.RevokeMachine(t.Context(), "a", when); err != nil {
			t.Fatal(err)
		}
	}
	want[1].Revoked = at.Add(time.Minute)
	if err := s.RevokeMachine(t.Context(), "nobody", at); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("RevokeMachine of nobody = %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := openIn(t, dir).Machines().Machines(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Machines() = %+v, %v; want %+v", got, err, want)
	}
}
