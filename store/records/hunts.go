package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette"
	"vedette/watch/hunt"
)

// Hunts keeps what was asked of the past: a hunt.Ledger.
type Hunts struct{ db *sql.DB }

var _ hunt.Ledger = (*Hunts)(nil)

// Hunts returns the ledger of hunts.
func (d *DB) Hunts() *Hunts { return &Hunts{d.db} }

// Add implements hunt.Ledger.
func (s *Hunts) Add(ctx context.Context, e hunt.Entry) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO hunt (id, at, what, tenant, question, text, names, refused, by, matter, given, why, found, of)
		 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, milli(e.At), string(e.What), string(e.Tenant), e.Question[:], blob(e.Text), e.Names, e.Refused, e.By, e.Case, e.Given, e.Why, e.Found.String(), e.Of)
	if breaksRule(err) {
		return fmt.Errorf("records: hunt %s: %w", e.ID, vedette.ErrConflict)
	}
	return fault("add hunt", err)
}

// blob gives nil as NULL, whatever its type.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Answer implements hunt.Ledger.
func (s *Hunts) Answer(ctx context.Context, id string, found hunt.Count) error {
	r, err := s.db.ExecContext(ctx, `UPDATE hunt SET found = ? WHERE id = ? AND found = 'unanswered'`, found.String(), id)
	if err != nil {
		return fault("answer hunt", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		return fault("answer hunt", err)
	}
	if _, err := s.Entry(ctx, id); err != nil {
		return err
	}
	return fmt.Errorf("records: hunt %s was answered: %w", id, vedette.ErrConflict)
}

const huntColumns = `id, at, what, tenant, question, text, names, refused, by, matter, given, why, found, of`

func scanHunt(row interface{ Scan(dest ...any) error }) (e hunt.Entry, err error) {
	var at int64
	var question []byte
	var found string
	err = row.Scan(&e.ID, &at, (*string)(&e.What), (*string)(&e.Tenant), &question, &e.Text, &e.Names, &e.Refused, &e.By, &e.Case, &e.Given, &e.Why, &found, &e.Of)
	if err != nil {
		return e, err
	}
	e.At = moment(at)
	copy(e.Question[:], question)
	return e, e.Found.UnmarshalText([]byte(found))
}

// Entry implements hunt.Ledger.
func (s *Hunts) Entry(ctx context.Context, id string) (hunt.Entry, error) {
	e, err := scanHunt(s.db.QueryRowContext(ctx, `SELECT `+huntColumns+` FROM hunt WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return hunt.Entry{}, fmt.Errorf("records: hunt %.40q: %w", id, vedette.ErrUnknown)
	}
	return e, fault("hunt", err)
}

// Entries implements hunt.Ledger.
func (s *Hunts) Entries(ctx context.Context, t vedette.Tenant, since time.Time, limit int) (out []hunt.Entry, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+huntColumns+` FROM hunt WHERE tenant = ? AND at >= ? ORDER BY number LIMIT ?`, string(t), milli(since), limit)
	if err != nil {
		return nil, fault("hunts", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanHunt(rows)
		if err != nil {
			return nil, fault("hunts", err)
		}
		out = append(out, e)
	}
	return out, fault("hunts", rows.Err())
}

// Spent implements hunt.Ledger.
func (s *Hunts) Spent(ctx context.Context, t vedette.Tenant, since time.Time) (out []hunt.Spent, err error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT at, names FROM hunt WHERE tenant = ? AND at >= ? AND given = 1 AND what IN ('ask', 'again', 'stand') ORDER BY at, number`, string(t), milli(since))
	if err != nil {
		return nil, fault("spent", err)
	}
	defer rows.Close()
	for rows.Next() {
		var x hunt.Spent
		var at int64
		if err := rows.Scan(&at, &x.Names); err != nil {
			return nil, fault("spent", err)
		}
		x.At = moment(at)
		out = append(out, x)
	}
	return out, fault("spent", rows.Err())
}

// Stand implements hunt.Ledger.
func (s *Hunts) Stand(ctx context.Context, h hunt.Standing) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO hunt_standing (id, tenant, question, text, by, since, until, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		h.ID, string(h.Tenant), h.Question[:], h.Text, h.By, milli(h.From), milli(h.Until), milli(h.Ended))
	if breaksRule(err) {
		return fmt.Errorf("records: standing hunt %s: %w", h.ID, vedette.ErrConflict)
	}
	return fault("stand", err)
}

// Standing implements hunt.Ledger.
func (s *Hunts) Standing(ctx context.Context) (out []hunt.Standing, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, tenant, question, text, by, since, until FROM hunt_standing WHERE ended = 0 ORDER BY id`)
	if err != nil {
		return nil, fault("standing hunts", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h hunt.Standing
		var since, until int64
		var question []byte
		if err := rows.Scan(&h.ID, (*string)(&h.Tenant), &question, &h.Text, &h.By, &since, &until); err != nil {
			return nil, fault("standing hunts", err)
		}
		copy(h.Question[:], question)
		h.From, h.Until = moment(since), moment(until)
		out = append(out, h)
	}
	return out, fault("standing hunts", rows.Err())
}

// End implements hunt.Ledger.
func (s *Hunts) End(ctx context.Context, id string, at time.Time) error {
	r, err := s.db.ExecContext(ctx, `UPDATE hunt_standing SET ended = ? WHERE id = ? AND ended = 0`, milli(at), id)
	if err != nil {
		return fault("end standing hunt", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		return fault("end standing hunt", err)
	}
	return fmt.Errorf("records: standing hunt %.40q: %w", id, vedette.ErrUnknown)
}

// Met implements hunt.Ledger.
func (s *Hunts) Met(ctx context.Context, id string, day time.Time) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO hunt_met (id, day) SELECT id, ?2 FROM hunt_standing WHERE id = ?1 ON CONFLICT DO NOTHING`, id, day.Unix()/86400)
	return fault("standing hunt met", err)
}

// HasMet implements hunt.Ledger.
func (s *Hunts) HasMet(ctx context.Context, id string, day time.Time) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM hunt_met WHERE id = ? AND day = ?`, id, day.Unix()/86400).Scan(&n)
	return n > 0, fault("standing hunt met", err)
}

// Keep implements hunt.Ledger.
func (s *Hunts) Keep(ctx context.Context, list []hunt.Kept) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fault("keep", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for i := range list {
		k := &list[i]
		_, err := tx.ExecContext(ctx,
			`INSERT INTO hunt_kept (id, part, tenant, matter, question, name, at, until, sightings, box) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			k.ID, k.Part, string(k.Tenant), k.Case, k.Question[:], k.Name, milli(k.At), milli(k.Until), k.Sightings, k.Box)
		if breaksRule(err) {
			return fmt.Errorf("records: sealed copy %s/%d: %w", k.ID, k.Part, vedette.ErrConflict)
		}
		if err != nil {
			return fault("keep", err)
		}
	}
	return fault("keep", tx.Commit())
}

// Kept implements hunt.Ledger.
func (s *Hunts) Kept(ctx context.Context, t vedette.Tenant, matter string) (out []hunt.Kept, err error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT id, part, tenant, matter, question, name, at, until, sightings, box FROM hunt_kept WHERE tenant = ? AND matter = ? ORDER BY id, part`, string(t), matter)
	if err != nil {
		return nil, fault("kept", err)
	}
	defer rows.Close()
	for rows.Next() {
		var k hunt.Kept
		var at, until int64
		var question []byte
		if err := rows.Scan(&k.ID, &k.Part, (*string)(&k.Tenant), &k.Case, &question, &k.Name, &at, &until, &k.Sightings, &k.Box); err != nil {
			return nil, fault("kept", err)
		}
		copy(k.Question[:], question)
		k.At, k.Until = moment(at), moment(until)
		out = append(out, k)
	}
	return out, fault("kept", rows.Err())
}

// Expire implements hunt.Ledger.
func (s *Hunts) Expire(ctx context.Context, at, textsBefore time.Time) (gone int64, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fault("expire hunts", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, q := range []struct {
		sql string
		arg int64
	}{
		{`DELETE FROM hunt_kept WHERE until <= ?`, milli(at)},
		{`DELETE FROM hunt_standing WHERE until <= ?1 OR (ended <> 0 AND ended <= ?1)`, milli(at)},
		{`UPDATE hunt SET text = NULL WHERE text IS NOT NULL AND at < ? AND id NOT IN (SELECT id FROM hunt_standing)`, milli(textsBefore)},
	} {
		r, err := tx.ExecContext(ctx, q.sql, q.arg)
		if err != nil {
			return 0, fault("expire hunts", err)
		}
		n, err := r.RowsAffected()
		if err != nil {
			return 0, fault("expire hunts", err)
		}
		gone += n
	}
	return gone, fault("expire hunts", tx.Commit())
}
