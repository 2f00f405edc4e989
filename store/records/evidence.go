package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"vedette"
	"vedette/record/evidence"
	"vedette/record/journal"
)

// Shelf returns the store of the evidence log's bodies.
func (d *DB) Shelf() evidence.Shelf { return &shelf{d.db} }

type shelf struct{ db *sql.DB }

// inTx runs do in one transaction that writes.
func inTx(ctx context.Context, db *sql.DB, what string, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fault(what, err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := do(tx); err != nil {
		return err
	}
	return fault(what, tx.Commit())
}

// Put implements evidence.Shelf.
func (s *shelf) Put(ctx context.Context, from uint64, bodies []evidence.Body) error {
	if err := evidence.CheckPut(from, bodies); err != nil {
		return err
	}
	return inTx(ctx, s.db, "put down evidence", func(tx *sql.Tx) error {
		var mark uint64
		if err := tx.QueryRowContext(ctx, `SELECT size FROM evidence_mark`).Scan(&mark); err != nil {
			return fault("put down evidence", err)
		}
		if from < mark {
			return fmt.Errorf("records: put down evidence at %d, in front of the mark at %d: %w", from, mark, vedette.ErrConflict)
		}
		for _, q := range []string{`DELETE FROM evidence_part WHERE idx >= ?`, `DELETE FROM evidence_seal WHERE idx >= ?`} {
			if _, err := tx.ExecContext(ctx, q, from); err != nil {
				return fault("put down evidence", err)
			}
		}
		part, err := tx.PrepareContext(ctx, `INSERT INTO evidence_part (idx, name, salt, value, digest) VALUES (?, ?, ?, ?, ?)`)
		if err != nil {
			return fault("put down evidence", err)
		}
		defer part.Close()
		for i := range bodies {
			b := &bodies[i]
			for j := range b.Parts {
				p := &b.Parts[j]
				var digest []byte
				if p.Erased() {
					digest = p.Digest[:]
				}
				if _, err := part.ExecContext(ctx, b.Index, p.Name, p.Salt, p.Value, digest); err != nil {
					return fault("put down evidence", err)
				}
			}
			if q := b.Sealed; q != nil {
				_, err := tx.ExecContext(ctx,
					`INSERT INTO evidence_seal (idx, part, from_frame, from_index, to_frame, to_index, leaves) VALUES (?, ?, ?, ?, ?, ?, ?)`,
					b.Index, q.Partition, q.From.Frame, q.From.Index, q.To.Frame, q.To.Index, joinLeaves(q.Leaves))
				if err != nil {
					return fault("put down evidence", err)
				}
			}
		}
		return nil
	})
}

// Place implements evidence.Shelf.
func (s *shelf) Place(ctx context.Context, size uint64, checkpoint []byte) error {
	_, err := s.db.ExecContext(ctx, `UPDATE evidence_mark SET size = ?, checkpoint = ?`, size, checkpoint)
	if breaksRule(err) {
		return fmt.Errorf("records: the mark of the evidence back to %d: %w", size, vedette.ErrConflict)
	}
	return fault("move the mark of the evidence", err)
}

// Placed implements evidence.Shelf.
func (s *shelf) Placed(ctx context.Context) (size uint64, checkpoint []byte, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT size, checkpoint FROM evidence_mark`).Scan(&size, &checkpoint)
	return size, checkpoint, fault("mark of the evidence", err)
}

// page is how many bodies are read at once: no reading stays open while the reader does other things.
const page = 128

// bodies returns up to n bodies from an index on.
func (s *shelf) bodies(ctx context.Context, from uint64, n int) (out []evidence.Body, err error) {
	if from > 1<<62 {
		return nil, nil
	}
	rows, err := s.db.QueryContext(ctx, `
		SELECT p.idx, p.name, p.salt, p.value, p.digest, s.part, s.from_frame, s.from_index, s.to_frame, s.to_index
		FROM (SELECT DISTINCT idx FROM evidence_part WHERE idx >= ? ORDER BY idx LIMIT ?) i
		JOIN evidence_part p ON p.idx = i.idx LEFT JOIN evidence_seal s ON s.idx = i.idx
		ORDER BY p.idx, p.name`, from, n)
	if err != nil {
		return nil, fault("evidence", err)
	}
	defer rows.Close()
	for rows.Next() {
		var idx uint64
		var p evidence.Part
		var digest []byte
		var part, fromFrame, fromIndex, toFrame, toIndex sql.NullInt64
		if err := rows.Scan(&idx, &p.Name, &p.Salt, &p.Value, &digest, &part, &fromFrame, &fromIndex, &toFrame, &toIndex); err != nil {
			return nil, fault("evidence", err)
		}
		if digest != nil {
			copy(p.Digest[:], digest)
			p.Salt, p.Value = nil, nil
		} else if p.Value == nil {
			p.Value = []byte{} // the driver gives an empty value as nil
		}
		if len(out) == 0 || out[len(out)-1].Index != idx {
			b := evidence.Body{Index: idx}
			if part.Valid {
				b.Sealed = &evidence.Sealed{
					Index: idx, Partition: uint16(part.Int64),
					From: journal.Position{Frame: uint64(fromFrame.Int64), Index: uint16(fromIndex.Int64)},
					To:   journal.Position{Frame: uint64(toFrame.Int64), Index: uint16(toIndex.Int64)},
				}
			}
			out = append(out, b)
		}
		b := &out[len(out)-1]
		b.Parts = append(b.Parts, p)
	}
	return out, fault("evidence", rows.Err())
}

// Body implements evidence.Shelf.
func (s *shelf) Body(ctx context.Context, index uint64) (evidence.Body, error) {
	bs, err := s.bodies(ctx, index, 1)
	if err != nil {
		return evidence.Body{}, err
	}
	if len(bs) == 0 || bs[0].Index != index {
		return evidence.Body{}, fmt.Errorf("records: evidence %d: %w", index, vedette.ErrUnknown)
	}
	return bs[0], nil
}

// Bodies implements evidence.Shelf.
func (s *shelf) Bodies(ctx context.Context, from uint64) iter.Seq2[evidence.Body, error] {
	return func(yield func(evidence.Body, error) bool) {
		var last sql.NullInt64
		if err := s.db.QueryRowContext(ctx, `SELECT max(idx) FROM evidence_part`).Scan(&last); err != nil {
			yield(evidence.Body{}, fault("evidence", err))
			return
		}
		for next := from; last.Valid && next <= uint64(last.Int64); {
			bs, err := s.bodies(ctx, next, page)
			if err != nil {
				yield(evidence.Body{}, err)
				return
			}
			for _, b := range bs {
				if b.Index > uint64(last.Int64) || !yield(b, nil) {
					return
				}
				next = b.Index + 1
			}
			if len(bs) < page {
				return
			}
		}
	}
}

// Erase implements evidence.Shelf. What was erased is overwritten in the database (secure_delete), and the write-ahead log, which still holds
// it, is brought in and cut.
func (s *shelf) Erase(ctx context.Context, index uint64, names ...string) error {
	b, err := s.Body(ctx, index)
	if err != nil {
		return err
	}
	err = inTx(ctx, s.db, "erase evidence", func(tx *sql.Tx) error {
		for _, name := range names {
			var found bool
			for i := range b.Parts {
				p := &b.Parts[i]
				if p.Name != name {
					continue
				}
				if found = true; p.Erased() {
					break
				}
				digest := p.Commit()
				if _, err := tx.ExecContext(ctx,
					`UPDATE evidence_part SET salt = NULL, value = NULL, digest = ? WHERE idx = ? AND name = ? AND salt IS NOT NULL`, digest[:], index, name); err != nil {
					return fault("erase evidence", err)
				}
			}
			if !found {
				return fmt.Errorf("records: evidence %d has no %.50q: %w", index, name, vedette.ErrUnknown)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.cut(ctx)
}

// cut brings the write-ahead log into the database and empties it. Its error wraps vedette.ErrBusy when a reader of old rows kept it from that.
func (s *shelf) cut(ctx context.Context) error {
	var busy, frames, moved int
	if err := s.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return fault("cut the write-ahead log", err)
	}
	if busy != 0 {
		return fmt.Errorf("records: what was erased is still in the write-ahead log, which somebody reads: %w", vedette.ErrBusy)
	}
	return nil
}

const sealColumns = `idx, part, from_frame, from_index, to_frame, to_index`

// seal reads one seal; leaves is a column, or NULL.
func (s *shelf) seal(ctx context.Context, leaves, where string, args ...any) (evidence.Sealed, error) {
	var q evidence.Sealed
	var b []byte
	err := s.db.QueryRowContext(ctx, `SELECT `+sealColumns+`, `+leaves+` FROM evidence_seal WHERE `+where, args...).
		Scan(&q.Index, &q.Partition, &q.From.Frame, &q.From.Index, &q.To.Frame, &q.To.Index, &b)
	if errors.Is(err, sql.ErrNoRows) {
		return evidence.Sealed{}, fmt.Errorf("records: seal: %w", vedette.ErrUnknown)
	}
	if err != nil {
		return evidence.Sealed{}, fault("seal", err)
	}
	for ; len(b) >= 32; b = b[32:] {
		q.Leaves = append(q.Leaves, vedette.Digest(b[:32]))
	}
	return q, nil
}

func joinLeaves(leaves []vedette.Digest) []byte {
	if len(leaves) == 0 {
		return nil
	}
	b := make([]byte, 0, 32*len(leaves))
	for i := range leaves {
		b = append(b, leaves[i][:]...)
	}
	return b
}

const placed = ` AND idx < (SELECT size FROM evidence_mark)`

// LastSeal implements evidence.Shelf.
func (s *shelf) LastSeal(ctx context.Context, partition uint16) (evidence.Sealed, bool, error) {
	q, err := s.seal(ctx, `NULL`, `part = ?`+placed+` ORDER BY to_frame DESC, to_index DESC LIMIT 1`, partition)
	if errors.Is(err, vedette.ErrUnknown) {
		return evidence.Sealed{}, false, nil
	}
	return q, err == nil, err
}

// SealOf implements evidence.Shelf.
func (s *shelf) SealOf(ctx context.Context, partition uint16, at journal.Position) (evidence.Sealed, error) {
	q, err := s.seal(ctx, `leaves`, `part = ? AND (to_frame, to_index) >= (?, ?)`+placed+` ORDER BY to_frame, to_index LIMIT 1`, partition, at.Frame, at.Index)
	if err == nil && at.Less(q.From) {
		err = fmt.Errorf("records: no seal over %s of partition %d: %w", at, partition, vedette.ErrUnknown)
	}
	if err != nil {
		return evidence.Sealed{}, err
	}
	return q, nil
}

// SealAt implements evidence.Shelf.
func (s *shelf) SealAt(ctx context.Context, index uint64) (evidence.Sealed, error) {
	return s.seal(ctx, `leaves`, `idx = ?`, index)
}

// Trim implements evidence.Shelf.
func (s *shelf) Trim(ctx context.Context, partition uint16, before uint64) error {
	_, err := s.db.ExecContext(ctx,
		`UPDATE evidence_seal SET leaves = NULL WHERE part = ? AND to_frame < ? AND leaves IS NOT NULL`+placed, partition, before)
	return fault("forget leaves of seals", err)
}
