package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"vedette"
	"vedette/record/authority"
)

// Arming keeps what was armed, when and by whom: an authority.ArmStore. It is only ever added to.
type Arming struct{ db *sql.DB }

var _ authority.ArmStore = (*Arming)(nil)

// Arming returns the store of what is armed.
func (d *DB) Arming() *Arming { return &Arming{d.db} }

// AddChange implements authority.ArmStore.
func (s *Arming) AddChange(ctx context.Context, c authority.Change) error {
	by, err := json.Marshal(c.By)
	if err != nil {
		return fmt.Errorf("records: arm: %w: %w", vedette.ErrInvalid, err)
	}
	// The condition and the row are one statement: two that saw the same state cannot both be the next revision.
	r, err := s.db.ExecContext(ctx,
		`INSERT INTO arming (revision, target, verdict, at, until, by, why, act)
		 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?1 = (SELECT coalesce(max(revision), 0) + 1 FROM arming)`,
		int64(c.Revision), string(c.Target), c.Verdict.String(), milli(c.At), milli(c.Until), string(by), c.Why, c.Act[:])
	if err != nil {
		return fault("arm", err)
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return fmt.Errorf("records: armed meanwhile: revision %d is not the next: %w", c.Revision, vedette.ErrConflict)
	}
	return fault("arm", err)
}

// Changes implements authority.ArmStore.
func (s *Arming) Changes(ctx context.Context) (out []authority.Change, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT revision, target, verdict, at, until, by, why, act FROM arming ORDER BY revision`)
	if err != nil {
		return nil, fault("arming", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c authority.Change
		var revision, at, until int64
		var verdict, by string
		var act []byte
		if err := rows.Scan(&revision, (*string)(&c.Target), &verdict, &at, &until, &by, &c.Why, &act); err != nil {
			return nil, fault("arming", err)
		}
		if c.Verdict, err = vedette.ParseVerdict(verdict); err != nil {
			return nil, fmt.Errorf("records: arming %d: %w", revision, err)
		}
		if err := json.Unmarshal([]byte(by), &c.By); err != nil {
			return nil, fmt.Errorf("records: arming %d: %w: %w", revision, vedette.ErrUnavailable, err)
		}
		c.Revision, c.At, c.Until = uint64(revision), moment(at), moment(until)
		copy(c.Act[:], act)
		out = append(out, c)
	}
	return out, fault("arming", rows.Err())
}
