package records

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vedette"
	"vedette/record/authority"
)

// Machines keeps what is known about keys of machines: an access.Store.
type Machines struct{ db *sql.DB }

// Machines returns the store of machines.
func (d *DB) Machines() *Machines { return &Machines{d.db} }

// AddMachine keeps a new machine, durable when it returns. Its error wraps vedette.ErrConflict when the id is taken.
func (s *Machines) AddMachine(ctx context.Context, m authority.Machine) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO machine (id, tenant, platform, scopes, rate, burst, created, expires, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, string(m.Tenant), m.Platform, m.Scopes.String(), m.Rate, m.Burst, milli(m.Created), milli(m.Expires), m.Secret[:])
	if breaksRule(err) {
		return fmt.Errorf("records: machine %s: %w", m.ID, vedette.ErrConflict)
	}
	return fault("add machine", err)
}

// Machines returns all machines, revoked and expired ones included, by the time of their making.
func (s *Machines) Machines(ctx context.Context) (out []authority.Machine, err error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT id, tenant, platform, scopes, rate, burst, created, expires, revoked, secret FROM machine ORDER BY number`)
	if err != nil {
		return nil, fault("machines", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m authority.Machine
		var scopes string
		var created, expires, revoked int64
		var secret []byte
		if err := rows.Scan(&m.ID, (*string)(&m.Tenant), &m.Platform, &scopes, &m.Rate, &m.Burst, &created, &expires, &revoked, &secret); err != nil {
			return nil, fault("machines", err)
		}
		if m.Scopes, err = authority.ParseScope(scopes); err != nil {
			return nil, fmt.Errorf("records: machine %s: %w", m.ID, err)
		}
		m.Created, m.Expires, m.Revoked = moment(created), moment(expires), moment(revoked)
		copy(m.Secret[:], secret)
		out = append(out, m)
	}
	return out, fault("machines", rows.Err())
}

// RevokeMachine stamps a machine as revoked; the first stamp stays. Its error wraps vedette.ErrUnknown when there is none.
func (s *Machines) RevokeMachine(ctx context.Context, id string, at time.Time) error {
	return revoke(ctx, s.db, "machine", id, at)
}
