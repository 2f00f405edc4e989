package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"vedette"
	"vedette/record/order"
)

// Orders keeps court orders and policies with their history, and what people noted of duties to report: an order.Store and an order.Notes.
type Orders struct{ db *sql.DB }

var (
	_ order.Store = (*Orders)(nil)
	_ order.Notes = (*Orders)(nil)
)

// Orders returns the store of orders.
func (d *DB) Orders() *Orders { return &Orders{d.db} }

// Add implements order.Store.
func (s *Orders) Add(ctx context.Context, v order.Version) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO court_order (id, number, digest, text, by, at) VALUES (?, ?, ?, ?, ?, ?)`,
		v.ID, v.Number, v.Digest[:], v.Text, v.By, milli(v.At))
	if breaksRule(err) {
		return fmt.Errorf("records: order %s, version %d: %w", v.ID, v.Number, vedette.ErrConflict)
	}
	return fault("add order", err)
}

// Versions implements order.Store.
func (s *Orders) Versions(ctx context.Context, id string) ([]order.Version, error) {
	return s.versions(ctx, `SELECT id, number, digest, text, by, at FROM court_order WHERE id = ? ORDER BY number`, id)
}

// Latest implements order.Store.
func (s *Orders) Latest(ctx context.Context) ([]order.Version, error) {
	return s.versions(ctx, `SELECT id, number, digest, text, by, at FROM court_order o
		WHERE number = (SELECT max(number) FROM court_order WHERE id = o.id) ORDER BY id`)
}

func (s *Orders) versions(ctx context.Context, query string, args ...any) (out []order.Version, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fault("orders", err)
	}
	defer rows.Close()
	for rows.Next() {
		var v order.Version
		var digest []byte
		var at int64
		if err := rows.Scan(&v.ID, &v.Number, &digest, &v.Text, &v.By, &at); err != nil {
			return nil, fault("orders", err)
		}
		copy(v.Digest[:], digest)
		v.At = moment(at)
		if order.FileDigest(v.Text) != v.Digest {
			return nil, fmt.Errorf("records: order %s, version %d is not the text that was imported: %w", v.ID, v.Number, vedette.ErrConflict)
		}
		out = append(out, v)
	}
	return out, fault("orders", rows.Err())
}

// AddNote implements order.Notes.
func (s *Orders) AddNote(ctx context.Context, n order.Note) error {
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("records: note of %s: %w: %w", n.Clock, vedette.ErrInvalid, err)
	}
	_, err = s.db.ExecContext(ctx, `INSERT INTO duty_note (clock, number, note) VALUES (?, ?, ?)`, n.Clock, n.Number, b)
	if breaksRule(err) {
		return fmt.Errorf("records: note %d of %s: %w", n.Number, n.Clock, vedette.ErrConflict)
	}
	return fault("add note", err)
}

// Notes implements order.Notes.
func (s *Orders) Notes(ctx context.Context) (out []order.Note, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT note FROM duty_note ORDER BY place`)
	if err != nil {
		return nil, fault("notes", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		var n order.Note
		if err := rows.Scan(&b); err != nil {
			return nil, fault("notes", err)
		}
		if err := json.Unmarshal(b, &n); err != nil {
			return nil, fault("notes", err)
		}
		out = append(out, n)
	}
	return out, fault("notes", rows.Err())
}
