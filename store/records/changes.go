package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"vedette"
	"vedette/act/response"
	"vedette/record/indicator"
)

// Deeds keeps what people ordered and what came of it: a response.Deeds.
type Deeds struct{ db *sql.DB }

var _ response.Deeds = (*Deeds)(nil)

// Deeds returns the store of deeds.
func (d *DB) Deeds() *Deeds { return &Deeds{d.db} }

// Intend implements response.Deeds.
func (s *Deeds) Intend(ctx context.Context, d response.Deed) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO deed (act, what, text, matter, tenant, people, at, until, value, scope, verdict, harmless, about, upto, state, ended, generation, why)
		 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?7, zeroblob(16), '')`,
		d.Act[:], string(d.What), d.Text, d.Case, string(d.Tenant), idText(d.People), milli(d.At), milli(d.Until), d.Value, int(d.Scope),
		int(d.Verdict), d.Harmless, d.About[:], d.Upto, string(response.Intended))
	if breaksRule(err) {
		return fmt.Errorf("records: act %s is known: %w", d.Act, vedette.ErrConflict)
	}
	return fault("keep an intent", err)
}

// Became implements response.Deeds.
func (s *Deeds) Became(ctx context.Context, act vedette.Digest, state response.State, at time.Time, g vedette.GenerationID, why string) error {
	r, err := s.db.ExecContext(ctx,
		`UPDATE deed SET state = ?2, ended = ?3, why = ?5, generation = iif(?4 = zeroblob(16), generation, ?4) WHERE act = ?1`,
		act[:], string(state), milli(at), g[:], why)
	if err != nil {
		return fault("keep an outcome", err)
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return fmt.Errorf("records: act %s: %w", act, vedette.ErrUnknown)
	}
	return fault("keep an outcome", err)
}

const deedColumns = `act, what, text, matter, tenant, people, at, until, value, scope, verdict, harmless, about, upto, state, ended, generation, why`

func scanDeed(row interface{ Scan(...any) error }) (d response.Deed, err error) {
	var act, about, generation []byte
	var people string
	var at, until, ended int64
	var scope, verdict uint8
	err = row.Scan(&act, (*string)(&d.What), &d.Text, &d.Case, (*string)(&d.Tenant), &people, &at, &until, &d.Value, &scope, &verdict,
		&d.Harmless, &about, &d.Upto, (*string)(&d.State), &ended, &generation, &d.Why)
	copy(d.Act[:], act)
	copy(d.About[:], about)
	copy(d.Generation[:], generation)
	d.People, d.At, d.Until, d.Ended = idList(people), moment(at), moment(until), moment(ended)
	d.Scope, d.Verdict = indicator.Scope(scope), vedette.Verdict(verdict)
	return d, err
}

// Deed implements response.Deeds.
func (s *Deeds) Deed(ctx context.Context, act vedette.Digest) (response.Deed, error) {
	d, err := scanDeed(s.db.QueryRowContext(ctx, `SELECT `+deedColumns+` FROM deed WHERE act = ?`, act[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return response.Deed{}, fmt.Errorf("records: act %s: %w", act, vedette.ErrUnknown)
	}
	return d, fault("read a deed", err)
}

// List implements response.Deeds.
func (s *Deeds) List(ctx context.Context, what response.What, states ...response.State) (out []response.Deed, err error) {
	query, args := `SELECT `+deedColumns+` FROM deed WHERE (?1 = '' OR what = ?1)`, []any{string(what)}
	if len(states) > 0 {
		query += ` AND state IN (` + marks(len(states)) + `)`
		for _, st := range states {
			args = append(args, string(st))
		}
	}
	rows, err := s.db.QueryContext(ctx, query+` ORDER BY number`, args...)
	if err != nil {
		return nil, fault("list deeds", err)
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanDeed(rows)
		if err != nil {
			return nil, fault("list deeds", err)
		}
		out = append(out, d)
	}
	return out, fault("list deeds", rows.Err())
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// poll is how often a wait looks by itself, so that it also sees what another value of this type has put.
const poll = time.Second

// Outbox keeps what has changed until everybody has it: a response.Outbox.
type Outbox struct {
	db *sql.DB

	mu  sync.Mutex    // guards put
	put chan struct{} // closed and replaced at each Put that brought something
}

var _ response.Outbox = (*Outbox)(nil)

// Outbox returns the store of changes. Who waits on one value learns at once what is put through it, and within a second what is put through
// another.
func (d *DB) Outbox() response.Outbox { return &Outbox{db: d.db, put: make(chan struct{})} }

// write runs f in one transaction.
func (o *Outbox) write(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return fault(what, err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return fault(what, tx.Commit())
}

// Put implements response.Outbox.
func (o *Outbox) Put(ctx context.Context, changes []response.Changed) (n int, err error) {
	if err := response.CheckPut(changes); err != nil {
		return 0, err
	}
	const what = "put changes"
	err = o.write(ctx, what, func(tx *sql.Tx) error {
		last := map[vedette.Tenant]int64{}
		add, err := tx.PrepareContext(ctx, `INSERT INTO change (tenant, seq, id, event, at, was, now, would, reasons, generation, cause, recall, until, later, made_by, takes_back, asks, asks_would, rested)
			VALUES (`+marks(19)+`) ON CONFLICT (tenant, id) DO NOTHING`)
		if err != nil {
			return fault(what, err)
		}
		for i := range changes {
			c := &changes[i]
			seq, ok := last[c.Tenant]
			if !ok {
				if err := tx.QueryRowContext(ctx, `INSERT INTO change_tenant (tenant, last, halted) VALUES (?, 0, 0) ON CONFLICT DO UPDATE SET last = last RETURNING last`, string(c.Tenant)).Scan(&seq); err != nil {
					return fault(what, err)
				}
			}
			reasons, err := json.Marshal(c.Reasons)
			if err != nil {
				return fmt.Errorf("records: %s: %w: %w", what, vedette.ErrInvalid, err)
			}
			later, err := json.Marshal(c.Later)
			if err != nil {
				return fmt.Errorf("records: %s: %w: %w", what, vedette.ErrInvalid, err)
			}
			r, err := add.ExecContext(ctx, string(c.Tenant), seq+1, c.ID[:], c.Event[:], milli(c.At), int(c.Was), int(c.Is), int(c.Would), string(reasons), c.Generation[:],
				string(c.Cause), string(c.Recall), milli(c.Until), string(later), c.Of[:], c.Back[:], int(c.Asks), int(c.AsksWould), c.Rested)
			if err != nil {
				return fault(what, err)
			}
			got, err := r.RowsAffected()
			if err != nil {
				return fault(what, err)
			}
			n += int(got)
			last[c.Tenant] = seq + got
		}
		for _, c := range changes {
			if seq, ok := last[c.Tenant]; ok {
				if _, err := tx.ExecContext(ctx, `UPDATE change_tenant SET last = ? WHERE tenant = ?`, seq, string(c.Tenant)); err != nil {
					return fault(what, err)
				}
				delete(last, c.Tenant)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if n > 0 {
		o.mu.Lock()
		close(o.put)
		o.put = make(chan struct{})
		o.mu.Unlock()
	}
	return n, nil
}

const changeColumns = `c.seq, c.tenant, c.id, c.event, c.at, c.was, c.now, c.would, c.reasons, c.generation, c.cause, c.recall, c.until, c.later, c.made_by, c.takes_back, c.asks, c.asks_would, c.rested`

func scanChange(row interface{ Scan(...any) error }, c *response.Changed, more ...any) error {
	var id, event, generation, of, back []byte
	var reasons, later string
	var at, until int64
	err := row.Scan(append([]any{
		&c.Seq, (*string)(&c.Tenant), &id, &event, &at, (*uint8)(&c.Was), (*uint8)(&c.Is), (*uint8)(&c.Would), &reasons, &generation,
		(*string)(&c.Cause), (*string)(&c.Recall), &until, &later, &of, &back, (*uint8)(&c.Asks), (*uint8)(&c.AsksWould), &c.Rested,
	}, more...)...)
	if err != nil {
		return err
	}
	copy(c.ID[:], id)
	copy(c.Event[:], event)
	copy(c.Generation[:], generation)
	copy(c.Of[:], of)
	copy(c.Back[:], back)
	c.At, c.Until = moment(at), moment(until)
	if err := json.Unmarshal([]byte(reasons), &c.Reasons); err != nil {
		return err
	}
	return json.Unmarshal([]byte(later), &c.Later)
}

func (o *Outbox) list(ctx context.Context, query string, args ...any) (out []response.Changed, err error) {
	rows, err := o.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fault("read changes", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c response.Changed
		if err := scanChange(rows, &c); err != nil {
			return nil, fault("read changes", err)
		}
		out = append(out, c)
	}
	return out, fault("read changes", rows.Err())
}

// After implements response.Outbox.
func (o *Outbox) After(ctx context.Context, seq uint64, tenant vedette.Tenant, limit int) ([]response.Changed, error) {
	if seq > 1<<62 {
		return nil, nil
	}
	return o.list(ctx, `SELECT `+changeColumns+` FROM change c WHERE c.tenant = ? AND c.seq > ? ORDER BY c.seq LIMIT ?`, string(tenant), int64(seq), limit)
}

// Bounds implements response.Outbox.
func (o *Outbox) Bounds(ctx context.Context, tenant vedette.Tenant) (first, last uint64, err error) {
	err = o.db.QueryRowContext(ctx,
		`SELECT coalesce((SELECT min(seq) FROM change WHERE tenant = ?1), coalesce((SELECT last FROM change_tenant WHERE tenant = ?1), 0) + 1),
		        coalesce((SELECT last FROM change_tenant WHERE tenant = ?1), 0)`, string(tenant)).Scan(&first, &last)
	return first, last, fault("bounds of changes", err)
}

// Wait implements response.Outbox.
func (o *Outbox) Wait(ctx context.Context, after uint64, tenant vedette.Tenant) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		o.mu.Lock()
		signal := o.put
		o.mu.Unlock()
		_, last, err := o.Bounds(ctx, tenant)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case last > after:
			return nil
		}
		select {
		case <-signal:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Of implements response.Outbox.
func (o *Outbox) Of(ctx context.Context, tenant vedette.Tenant, events []vedette.EventID) (out []response.Changed, err error) {
	if len(events) > response.MaxChunk {
		return nil, fmt.Errorf("records: changes of %d messages, at most %d: %w", len(events), response.MaxChunk, vedette.ErrTooLarge)
	}
	if len(events) == 0 {
		return nil, nil
	}
	args := []any{string(tenant)}
	for i := range events {
		args = append(args, events[i][:])
	}
	return o.list(ctx, `SELECT `+changeColumns+` FROM change c WHERE c.tenant = ? AND c.event IN (`+marks(len(events))+`) ORDER BY c.seq`, args...)
}

// Count implements response.Outbox.
func (o *Outbox) Count(ctx context.Context, tenant vedette.Tenant, of vedette.Digest, since time.Time) (n int, err error) {
	query, args := `SELECT count(*) FROM change WHERE tenant = ? AND at >= ?`, []any{string(tenant), milli(since)}
	if !of.IsZero() {
		query, args = query+` AND made_by = ?`, append(args, of[:])
	}
	err = o.db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, fault("count changes", err)
}

// waiting selects what a subscriber (?1 tenant, ?2 name) has still to get.
const waiting = ` FROM change c LEFT JOIN delivery d ON d.tenant = ?1 AND d.name = ?2 AND d.seq = c.seq
	WHERE c.tenant = ?1 AND c.seq > coalesce((SELECT upto FROM subscription WHERE tenant = ?1 AND name = ?2), 0) AND coalesce(d.state, 'tried') = 'tried'`

// first leaves out what must wait for an earlier change of the same message.
const first = ` AND NOT EXISTS (SELECT 1 FROM change e LEFT JOIN delivery f ON f.tenant = ?1 AND f.name = ?2 AND f.seq = e.seq
	WHERE e.tenant = ?1 AND e.event = c.event AND e.seq < c.seq
	AND e.seq > coalesce((SELECT upto FROM subscription WHERE tenant = ?1 AND name = ?2), 0) AND coalesce(f.state, 'tried') = 'tried')`

const deliveryColumns = `, coalesce(d.tries, 0), coalesce(d.first, 0), coalesce(d.next, 0), coalesce(d.why, '')`

func (o *Outbox) deliveries(ctx context.Context, query string, args ...any) (out []response.Delivery, err error) {
	rows, err := o.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fault("read deliveries", err)
	}
	defer rows.Close()
	for rows.Next() {
		var l response.Delivery
		var first, next int64
		if err := scanChange(rows, &l.Changed, &l.Tries, &first, &next, &l.Why); err != nil {
			return nil, fault("read deliveries", err)
		}
		l.First, l.Next = moment(first), moment(next)
		out = append(out, l)
	}
	return out, fault("read deliveries", rows.Err())
}

// Pending implements response.Outbox.
func (o *Outbox) Pending(ctx context.Context, s response.Subscriber, at time.Time, limit int) (list []response.Delivery, due time.Time, err error) {
	list, err = o.deliveries(ctx, `SELECT `+changeColumns+deliveryColumns+waiting+first+` AND coalesce(d.next, 0) <= ?3 ORDER BY c.seq LIMIT ?4`,
		string(s.Tenant), s.Name, milli(at), limit)
	if err != nil {
		return nil, due, err
	}
	var next sql.NullInt64
	// Only what was tried has a time, and only few have been: they are found by their state.
	err = o.db.QueryRowContext(ctx, `SELECT min(d.next) FROM delivery d JOIN change c ON c.tenant = ?1 AND c.seq = d.seq
		WHERE d.tenant = ?1 AND d.name = ?2 AND d.state = 'tried' AND d.next > ?3`+first, string(s.Tenant), s.Name, milli(at)).Scan(&next)
	return list, moment(next.Int64), fault("read deliveries", err)
}

// settle ends the waiting of one change, and moves the mark below which all are settled.
func (o *Outbox) settle(ctx context.Context, what string, s response.Subscriber, seq uint64, at time.Time, state, why string) error {
	return o.write(ctx, what, func(tx *sql.Tx) error {
		wait, err := o.waits(ctx, tx, s, seq)
		if err != nil || !wait {
			return fault(what, err)
		}
		for _, q := range []struct {
			query string
			args  []any
		}{
			{`INSERT INTO delivery (tenant, name, seq, state, tries, first, next, why) VALUES (?1, ?2, ?3, ?4, 1, ?5, 0, ?6)
				ON CONFLICT DO UPDATE SET state = ?4, tries = tries + 1, next = 0, why = ?6`, []any{string(s.Tenant), s.Name, int64(seq), state, milli(at), why}},
			{`INSERT INTO subscription (tenant, name, upto, disabled, why) VALUES (?, ?, 0, 0, '') ON CONFLICT DO NOTHING`, []any{string(s.Tenant), s.Name}},
			{`UPDATE subscription SET upto = max(upto, coalesce((SELECT min(c.seq) - 1` + waiting + `), (SELECT last FROM change_tenant WHERE tenant = ?1)))
				WHERE tenant = ?1 AND name = ?2`, []any{string(s.Tenant), s.Name}},
			{`DELETE FROM delivery WHERE tenant = ?1 AND name = ?2 AND state = 'delivered' AND seq <= (SELECT upto FROM subscription WHERE tenant = ?1 AND name = ?2)`, []any{string(s.Tenant), s.Name}},
		} {
			if _, err := tx.ExecContext(ctx, q.query, q.args...); err != nil {
				return fault(what, err)
			}
		}
		return nil
	})
}

func (o *Outbox) waits(ctx context.Context, tx *sql.Tx, s response.Subscriber, seq uint64) (bool, error) {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1`+waiting+` AND c.seq = ?3`, string(s.Tenant), s.Name, int64(seq)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Delivered implements response.Outbox.
func (o *Outbox) Delivered(ctx context.Context, s response.Subscriber, seq uint64, at time.Time) error {
	return o.settle(ctx, "note a delivery", s, seq, at, "delivered", "")
}

// Dead implements response.Outbox.
func (o *Outbox) Dead(ctx context.Context, s response.Subscriber, seq uint64, at time.Time, why string) error {
	return o.settle(ctx, "give a delivery up", s, seq, at, "dead", why)
}

// Failed implements response.Outbox.
func (o *Outbox) Failed(ctx context.Context, s response.Subscriber, seq uint64, at, next time.Time, why string) error {
	const what = "note a failed delivery"
	return o.write(ctx, what, func(tx *sql.Tx) error {
		wait, err := o.waits(ctx, tx, s, seq)
		if err != nil || !wait {
			return fault(what, err)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO delivery (tenant, name, seq, state, tries, first, next, why) VALUES (?1, ?2, ?3, 'tried', 1, ?4, ?5, ?6)
			ON CONFLICT DO UPDATE SET tries = tries + 1, next = ?5, why = ?6, first = iif(first = 0, ?4, first)`, string(s.Tenant), s.Name, int64(seq), milli(at), milli(next), why)
		return fault(what, err)
	})
}

// Letters implements response.Outbox.
func (o *Outbox) Letters(ctx context.Context, s response.Subscriber, limit int) ([]response.Delivery, error) {
	return o.deliveries(ctx, `SELECT `+changeColumns+deliveryColumns+` FROM delivery d JOIN change c ON c.tenant = d.tenant AND c.seq = d.seq
		WHERE d.tenant = ? AND d.name = ? AND d.state = 'dead' ORDER BY d.seq LIMIT ?`, string(s.Tenant), s.Name, limit)
}

// Revive implements response.Outbox.
func (o *Outbox) Revive(ctx context.Context, s response.Subscriber, seq uint64) error {
	const what = "revive a delivery"
	return o.write(ctx, what, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM delivery WHERE tenant = ? AND name = ? AND seq = ? AND state = 'dead'`, string(s.Tenant), s.Name, int64(seq))
		if err != nil {
			return fault(what, err)
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			if err != nil {
				return fault(what, err)
			}
			return fmt.Errorf("records: change %d was not given up for %s: %w", seq, s.Name, vedette.ErrUnknown)
		}
		// What lies between it and the mark stays settled.
		if _, err := tx.ExecContext(ctx, `INSERT INTO delivery (tenant, name, seq, state, tries, first, next, why)
			SELECT ?1, ?2, c.seq, 'delivered', 0, 0, 0, '' FROM change c
			WHERE c.tenant = ?1 AND c.seq > ?3 AND c.seq <= (SELECT upto FROM subscription WHERE tenant = ?1 AND name = ?2) ON CONFLICT DO NOTHING`,
			string(s.Tenant), s.Name, int64(seq)); err != nil {
			return fault(what, err)
		}
		_, err = tx.ExecContext(ctx, `UPDATE subscription SET upto = min(upto, ?3 - 1) WHERE tenant = ?1 AND name = ?2`, string(s.Tenant), s.Name, int64(seq))
		return fault(what, err)
	})
}

func (o *Outbox) disable(ctx context.Context, s response.Subscriber, at time.Time, why string) error {
	_, err := o.db.ExecContext(ctx, `INSERT INTO subscription (tenant, name, upto, disabled, why) VALUES (?1, ?2, 0, ?3, ?4)
		ON CONFLICT DO UPDATE SET disabled = ?3, why = ?4`, string(s.Tenant), s.Name, milli(at), why)
	return fault("disable or enable a subscriber", err)
}

// Disable implements response.Outbox.
func (o *Outbox) Disable(ctx context.Context, s response.Subscriber, at time.Time, why string) error {
	return o.disable(ctx, s, at, why)
}

// Enable implements response.Outbox.
func (o *Outbox) Enable(ctx context.Context, s response.Subscriber) error {
	return o.disable(ctx, s, time.Time{}, "")
}

// Subscription implements response.Outbox.
func (o *Outbox) Subscription(ctx context.Context, s response.Subscriber) (out response.Subscription, err error) {
	var disabled int64
	err = o.db.QueryRowContext(ctx, `SELECT upto, disabled, why FROM subscription WHERE tenant = ? AND name = ?`, string(s.Tenant), s.Name).Scan(&out.Upto, &disabled, &out.Why)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return out, fault("read a subscription", err)
	}
	out.Disabled = moment(disabled)
	err = o.db.QueryRowContext(ctx, `SELECT (SELECT count(*)`+waiting+`), (SELECT count(*) FROM delivery WHERE tenant = ?1 AND name = ?2 AND state = 'dead')`,
		string(s.Tenant), s.Name).Scan(&out.Waiting, &out.Dead)
	return out, fault("read a subscription", err)
}

// Halt implements response.Outbox.
func (o *Outbox) Halt(ctx context.Context, tenant vedette.Tenant, until time.Time) error {
	_, err := o.db.ExecContext(ctx, `INSERT INTO change_tenant (tenant, last, halted) VALUES (?1, 0, ?2) ON CONFLICT DO UPDATE SET halted = ?2`, string(tenant), milli(until))
	return fault("halt changes", err)
}

// Halted implements response.Outbox.
func (o *Outbox) Halted(ctx context.Context, tenant vedette.Tenant) (time.Time, error) {
	var ms int64
	err := o.db.QueryRowContext(ctx, `SELECT halted FROM change_tenant WHERE tenant = ?`, string(tenant)).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return moment(ms), fault("whether changes are halted", err)
}

// Expire implements response.Outbox.
func (o *Outbox) Expire(ctx context.Context, before time.Time) (n int64, err error) {
	const what = "expire changes"
	err = o.write(ctx, what, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM change WHERE at < ?`, milli(before))
		if err != nil {
			return fault(what, err)
		}
		if n, err = r.RowsAffected(); err != nil || n == 0 {
			return fault(what, err)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM delivery AS d WHERE NOT EXISTS (SELECT 1 FROM change c WHERE c.tenant = d.tenant AND c.seq = d.seq)`)
		return fault(what, err)
	})
	return n, err
}
