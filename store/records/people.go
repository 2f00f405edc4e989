package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"vedette"
	"vedette/record/authority"
)

// People keeps who is enrolled and what was asked: an authority.Store.
type People struct{ db *sql.DB }

var _ authority.Store = (*People)(nil)

// People returns the store of people.
func (d *DB) People() *People { return &People{d.db} }

// AddPerson implements authority.Store.
func (s *People) AddPerson(ctx context.Context, p authority.Person) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO person (id, name, role, key, enrolled, enrolled_by, founder) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		string(p.ID), p.Name, string(p.Role), []byte(p.Key), milli(p.Enrolled), idText(p.EnrolledBy), p.Founder)
	if breaksRule(err) {
		return fmt.Errorf("records: person %s: the id or key is enrolled already, or the folder has its founders: %w", p.ID, vedette.ErrConflict)
	}
	return fault("add person", err)
}

// People implements authority.Store.
func (s *People) People(ctx context.Context) (out []authority.Person, err error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT id, name, role, key, enrolled, enrolled_by, founder, revoked FROM person ORDER BY number`)
	if err != nil {
		return nil, fault("people", err)
	}
	defer rows.Close()
	for rows.Next() {
		var p authority.Person
		var key []byte
		var by string
		var enrolled, revoked int64
		if err := rows.Scan((*string)(&p.ID), &p.Name, (*string)(&p.Role), &key, &enrolled, &by, &p.Founder, &revoked); err != nil {
			return nil, fault("people", err)
		}
		p.Key, p.Enrolled, p.EnrolledBy, p.Revoked = key, moment(enrolled), idList(by), moment(revoked)
		out = append(out, p)
	}
	return out, fault("people", rows.Err())
}

// RevokePerson implements authority.Store.
func (s *People) RevokePerson(ctx context.Context, id authority.PersonID, at time.Time) error {
	return revoke(ctx, s.db, "person", string(id), at)
}

// Record implements authority.Recorder.
func (s *People) Record(ctx context.Context, a authority.Asked) error {
	purpose := ""
	if a.Purpose != 0 {
		purpose = a.Purpose.String()
	}
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO asked (at, what, purpose, tenant, matter, people, act, given, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		milli(a.At), a.What, purpose, string(a.Tenant), a.Case, idText(a.People), a.Act[:], a.Given, a.Why)
	return fault("record what was asked", err)
}

// Asked returns what was asked since a time, in order, at most limit of it.
func (s *People) Asked(ctx context.Context, since time.Time, limit int) (out []authority.Asked, err error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT at, what, purpose, tenant, matter, people, act, given, why FROM asked WHERE at >= ? ORDER BY number LIMIT ?`, milli(since), limit)
	if err != nil {
		return nil, fault("asked", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a authority.Asked
		var at int64
		var purpose, people string
		var act []byte
		if err := rows.Scan(&at, &a.What, &purpose, (*string)(&a.Tenant), &a.Case, &people, &act, &a.Given, &a.Why); err != nil {
			return nil, fault("asked", err)
		}
		if err := a.Purpose.UnmarshalText([]byte(purpose)); err != nil {
			return nil, fmt.Errorf("records: asked: %w", err)
		}
		a.At, a.People = moment(at), idList(people)
		copy(a.Act[:], act)
		out = append(out, a)
	}
	return out, fault("asked", rows.Err())
}

// revoke stamps a row once. table is a constant of this package.
func revoke(ctx context.Context, db *sql.DB, table, id string, at time.Time) error {
	r, err := db.ExecContext(ctx, `UPDATE `+table+` SET revoked = ? WHERE id = ? AND revoked = 0`, milli(at), id)
	if err != nil {
		return fault("revoke", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		return fault("revoke", err)
	}
	var one int
	err = db.QueryRowContext(ctx, `SELECT 1 FROM `+table+` WHERE id = ?`, id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("records: %s %q: %w", table, id, vedette.ErrUnknown)
	}
	return fault("revoke", err)
}

// milli and moment keep times as Unix milliseconds, the zero time as 0.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func idText(ids []authority.PersonID) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = string(id)
	}
	return strings.Join(s, ",")
}

func idList(s string) (ids []authority.PersonID) {
	if s == "" {
		return nil
	}
	for id := range strings.SplitSeq(s, ",") {
		ids = append(ids, authority.PersonID(id))
	}
	return ids
}

// fault says what failed and gives a database's failure its kind.
func fault(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("records: %s: %w: %w", what, vedette.ErrUnavailable, err)
}

// breaksRule tells whether a row broke a rule of its table.
func breaksRule(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}
