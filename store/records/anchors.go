package records

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette"
	"vedette/record/anchor"
	"vedette/record/evidence"
)

// Anchors returns the store of what others said about our log.
func (d *DB) Anchors() anchor.Store { return &anchors{d.db} }

type anchors struct{ db *sql.DB }

// Keep implements anchor.Store.
func (a *anchors) Keep(ctx context.Context, k anchor.Kept) (int, error) {
	res, err := a.db.ExecContext(ctx, `INSERT INTO anchor (kind, checkpoint, token, size, at, made, who, trust) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		k.Kind, k.Checkpoint, k.Token, k.Size, k.Time.UnixMilli(), k.Made.UnixMilli(), k.By, k.Trust)
	if err != nil {
		return 0, fault("keep an anchor", err)
	}
	n, err := res.LastInsertId()
	return int(n), fault("keep an anchor", err)
}

// Recorded implements anchor.Store.
func (a *anchors) Recorded(ctx context.Context, number int, record uint64) error {
	res, err := a.db.ExecContext(ctx, `UPDATE anchor SET record = ? WHERE number = ?`, record, number)
	if breaksRule(err) {
		return fmt.Errorf("records: anchor %d has its record: %w", number, vedette.ErrConflict)
	}
	if err != nil {
		return fault("record of an anchor", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("records: no anchor %d: %w", number, vedette.ErrConflict), err)
	}
	return nil
}

const anchorColumns = `SELECT number, kind, checkpoint, token, size, at, made, who, trust, record FROM anchor `

func scanAnchor(scan func(...any) error) (k anchor.Kept, err error) {
	var at, made int64
	var record sql.NullInt64
	err = scan(&k.Number, &k.Kind, &k.Checkpoint, &k.Token, &k.Size, &at, &made, &k.By, &k.Trust, &record)
	k.Time, k.Made, k.Record = time.UnixMilli(at).UTC(), time.UnixMilli(made).UTC(), -1
	if record.Valid {
		k.Record = record.Int64
	}
	return k, err
}

// Anchors implements anchor.Store.
func (a *anchors) Anchors(ctx context.Context, from, n int) (out []anchor.Kept, err error) {
	rows, err := a.db.QueryContext(ctx, anchorColumns+`WHERE number >= ? ORDER BY number LIMIT ?`, from, n)
	if err != nil {
		return nil, fault("anchors", err)
	}
	defer rows.Close()
	for rows.Next() {
		k, err := scanAnchor(rows.Scan)
		if err != nil {
			return nil, fault("anchors", err)
		}
		out = append(out, k)
	}
	return out, fault("anchors", rows.Err())
}

// Last implements anchor.Store.
func (a *anchors) Last(ctx context.Context) (anchor.Kept, bool, error) {
	k, err := scanAnchor(a.db.QueryRowContext(ctx, anchorColumns+`ORDER BY at DESC, number DESC LIMIT 1`).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return anchor.Kept{}, false, nil
	}
	return k, err == nil, fault("anchors", err)
}

// Witnessed returns the memory of a witness.
func (d *DB) Witnessed() anchor.Memory { return &witnessed{d.db} }

type witnessed struct{ db *sql.DB }

// Latest implements anchor.Memory.
func (w *witnessed) Latest(ctx context.Context, origin string) (b []byte, err error) {
	err = w.db.QueryRowContext(ctx, `SELECT checkpoint FROM witnessed WHERE origin = ?`, origin).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return b, fault("what was cosigned", err)
}

// Advance implements anchor.Memory.
func (w *witnessed) Advance(ctx context.Context, origin string, was, now []byte) error {
	if err := anchor.CheckAdvance(origin, was, now); err != nil {
		return err
	}
	c, err := evidence.ReadCheckpoint(now)
	if err != nil {
		return err
	}
	return inTx(ctx, w.db, "what was cosigned", func(tx *sql.Tx) error {
		var last []byte
		err := tx.QueryRowContext(ctx, `SELECT checkpoint FROM witnessed WHERE origin = ?`, origin).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fault("what was cosigned", err)
		}
		if (err == nil) != (was != nil) || !bytes.Equal(last, was) {
			return fmt.Errorf("records: another checkpoint of %.100q was cosigned meanwhile: %w", origin, vedette.ErrConflict)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO witnessed (origin, size, root, checkpoint) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (origin) DO UPDATE SET size = ?2, root = ?3, checkpoint = ?4`, origin, c.Size, c.Root[:], now)
		if breaksRule(err) {
			return fmt.Errorf("records: back to %d leaves of %.100q: %w", c.Size, origin, vedette.ErrConflict)
		}
		return fault("what was cosigned", err)
	})
}

// NextKey is one of the log's keys after the first.
type NextKey struct {
	Number   int
	At       time.Time
	Was, Now string // public keys, as verifiers pin them
	Upto     uint64 // leaves under the last checkpoint of the key before
	Proof    []byte // that the announcement stands, under the key before: an evidence.Proof in JSON
}

// EvidenceKeys returns the log's keys after the first, in order.
func (d *DB) EvidenceKeys(ctx context.Context) (out []NextKey, err error) {
	rows, err := d.db.QueryContext(ctx, `SELECT number, at, was, now, upto, proof FROM evidence_key ORDER BY number`)
	if err != nil {
		return nil, fault("keys of the log", err)
	}
	defer rows.Close()
	for rows.Next() {
		var k NextKey
		var at int64
		if err := rows.Scan(&k.Number, &at, &k.Was, &k.Now, &k.Upto, &k.Proof); err != nil {
			return nil, fault("keys of the log", err)
		}
		k.At = time.UnixMilli(at).UTC()
		out = append(out, k)
	}
	return out, fault("keys of the log", rows.Err())
}

// NextEvidenceKey keeps one more key. Its error wraps vedette.ErrConflict when there is one of that number.
func (d *DB) NextEvidenceKey(ctx context.Context, k NextKey) error {
	_, err := d.db.ExecContext(ctx, `INSERT INTO evidence_key (number, at, was, now, upto, proof) VALUES (?, ?, ?, ?, ?, ?)`, k.Number, k.At.UnixMilli(), k.Was, k.Now, k.Upto, k.Proof)
	if breaksRule(err) {
		return fmt.Errorf("records: key %d of the log is there: %w", k.Number, vedette.ErrConflict)
	}
	return fault("keys of the log", err)
}
