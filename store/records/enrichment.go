package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/record/enrichment"
)

// Enrichment keeps what was imported about hosts: an enrichment.Store.
type Enrichment struct{ db *sql.DB }

var _ enrichment.Store = (*Enrichment)(nil)

// Enrichment returns the store of facts about hosts.
func (d *DB) Enrichment() enrichment.Store { return &Enrichment{d.db} }

// The kinds' numbers follow the order of their words, so that both sort alike. They are kept: append, never reorder.
var factKinds = [...]enrichment.Kind{
	"", enrichment.Address, enrichment.Origin, enrichment.Certificate, enrichment.Issuer, enrichment.NameServer, enrichment.Registered,
	enrichment.Registrar, enrichment.NewlySeen,
}

func factKind(k enrichment.Kind) int { return slices.Index(factKinds[:], k) }

// write runs f in one transaction.
func (s *Enrichment) write(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	return (&Indicators{s.db}).write(ctx, what, f)
}

// Put implements enrichment.Store.
func (s *Enrichment) Put(ctx context.Context, facts []enrichment.Fact) (enrichment.Changes, error) {
	for i := range facts {
		if c, err := enrichment.Canonical(facts[i]); err != nil || c != facts[i] {
			return enrichment.Changes{}, fmt.Errorf("records: put facts: fact %d of %.80q is not in canonical form: %w", i, facts[i].Host, vedette.ErrInvalid)
		}
	}
	var done enrichment.Changes
	err := s.write(ctx, "put facts", func(tx *sql.Tx) error {
		p := factWriter{ctx: ctx, hosts: map[string]int64{}, sources: map[string]int64{}}
		if err := p.prepare(tx); err != nil {
			return err
		}
		for i := range facts {
			if err := p.put(&facts[i], &done); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return enrichment.Changes{}, err
	}
	return done, nil
}

// factWriter puts facts within one transaction, which closes its statements.
type factWriter struct {
	ctx                              context.Context
	hosts, sources                   map[string]int64
	host, newHost, source, newSource *sql.Stmt
	insert, look, widen              *sql.Stmt
}

func (p *factWriter) prepare(tx *sql.Tx) (err error) {
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&p.host, "SELECT id FROM enrichment_host WHERE host = ?"},
		{&p.newHost, "INSERT INTO enrichment_host (host, body) VALUES (?, ?)"},
		{&p.source, "SELECT id FROM enrichment_source WHERE name = ?"},
		{&p.newSource, "INSERT INTO enrichment_source (name) VALUES (?)"},
		{&p.insert, "INSERT INTO enrichment_fact (host, kind, value, source, first, last, network) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"},
		{&p.look, "SELECT first, last FROM enrichment_fact WHERE host = ? AND kind = ? AND value = ? AND source = ?"},
		{&p.widen, "UPDATE enrichment_fact SET first = ?, last = ? WHERE host = ? AND kind = ? AND value = ? AND source = ?"},
	} {
		if *s.to, err = tx.PrepareContext(p.ctx, s.sql); err != nil {
			return err
		}
	}
	return nil
}

func (p *factWriter) id(known map[string]int64, name string, find, add *sql.Stmt, more ...any) (int64, error) {
	if id, ok := known[name]; ok {
		return id, nil
	}
	var id int64
	err := find.QueryRowContext(p.ctx, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		var res sql.Result
		if res, err = add.ExecContext(p.ctx, append([]any{name}, more...)...); err == nil {
			id, err = res.LastInsertId()
		}
	}
	if err == nil {
		known[name] = id
	}
	return id, err
}

func (p *factWriter) put(f *enrichment.Fact, done *enrichment.Changes) error {
	source, err := p.id(p.sources, f.Source, p.source, p.newSource)
	if err != nil {
		return err
	}
	host, err := p.id(p.hosts, f.Host, p.host, p.newHost, enrichment.Body(f.Host))
	if err != nil {
		return err
	}
	var network sql.NullString
	if f.Kind == enrichment.Address {
		network = sql.NullString{String: enrichment.Network(f.Value), Valid: true}
	}
	kind := factKind(f.Kind)
	res, err := p.insert.ExecContext(p.ctx, host, kind, f.Value, source, optionalMillis(f.First), optionalMillis(f.Last), network)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		done.Added++
		return err
	}
	var first, last sql.NullInt64
	if err := p.look.QueryRowContext(p.ctx, host, kind, f.Value, source).Scan(&first, &last); err != nil {
		return err
	}
	old := enrichment.Fact{First: instant(first), Last: instant(last)}
	now := old
	if enrichment.Merge(&now, *f); now == old {
		done.Same++
		return nil
	}
	done.Widened++
	_, err = p.widen.ExecContext(p.ctx, optionalMillis(now.First), optionalMillis(now.Last), host, kind, f.Value, source)
	return err
}

// Forget implements enrichment.Store.
func (s *Enrichment) Forget(ctx context.Context, source string) (int, error) {
	var n int64
	err := s.write(ctx, "forget a source", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM enrichment_fact WHERE source = (SELECT id FROM enrichment_source WHERE name = ?)", source)
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM enrichment_host WHERE NOT EXISTS (SELECT 1 FROM enrichment_fact f WHERE f.host = enrichment_host.id)"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM enrichment_source WHERE name = ?", source)
		return err
	})
	return int(n), err
}

// Sources implements enrichment.Store.
func (s *Enrichment) Sources(ctx context.Context) (out []enrichment.Held, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT s.name, count(*), max(coalesce(f.last, f.first)) FROM enrichment_fact f JOIN enrichment_source s ON s.id = f.source GROUP BY s.name ORDER BY s.name")
	if err != nil {
		return nil, fault("sources of facts", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var h enrichment.Held
		var newest sql.NullInt64
		if err := rows.Scan(&h.Source, &h.Facts, &newest); err != nil {
			return nil, fault("sources of facts", err)
		}
		h.Newest = instant(newest)
		out = append(out, h)
	}
	return out, fault("sources of facts", rows.Err())
}

const factColumns = "SELECT h.host, f.kind, f.value, f.first, f.last, s.name FROM enrichment_fact f JOIN enrichment_host h ON h.id = f.host JOIN enrichment_source s ON s.id = f.source "

func (s *Enrichment) facts(ctx context.Context, query string, args ...any) (out []enrichment.Fact, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fault("facts", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var f enrichment.Fact
		var kind int
		var first, last sql.NullInt64
		if err := rows.Scan(&f.Host, &kind, &f.Value, &first, &last, &f.Source); err != nil {
			return nil, fault("facts", err)
		}
		if kind < 1 || kind >= len(factKinds) {
			return nil, fmt.Errorf("records: facts: kind %d of %.80q is none: %w", kind, f.Host, vedette.ErrInvalid)
		}
		f.Kind, f.First, f.Last = factKinds[kind], instant(first), instant(last)
		out = append(out, f)
	}
	return out, fault("facts", rows.Err())
}

// Of implements enrichment.Facts.
func (s *Enrichment) Of(ctx context.Context, host string) ([]enrichment.Fact, error) {
	return s.facts(ctx, factColumns+"WHERE f.host = (SELECT id FROM enrichment_host WHERE host = ?) ORDER BY f.kind, f.value, s.name", host)
}

// Names implements enrichment.Facts.
func (s *Enrichment) Names(ctx context.Context) (n int, err error) {
	return s.count(ctx, "SELECT count(*) FROM enrichment_host")
}

func (s *Enrichment) count(ctx context.Context, query string, args ...any) (n int, err error) {
	return n, fault("count facts", s.db.QueryRowContext(ctx, query, args...).Scan(&n))
}

func (s *Enrichment) hosts(ctx context.Context, limit int, query string, args ...any) (out []string, err error) {
	rows, err := s.db.QueryContext(ctx, query+" LIMIT ?", append(args, max(limit, 0))...)
	if err != nil {
		return nil, fault("hosts", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var h string
		if err := rows.Scan(&h); err != nil {
			return nil, fault("hosts", err)
		}
		out = append(out, h)
	}
	return out, fault("hosts", rows.Err())
}

// Sharing implements enrichment.Facts. It counts first: of a value that half the internet has, nothing is sorted unless asked for.
func (s *Enrichment) Sharing(ctx context.Context, k enrichment.Kind, value string, limit int) ([]string, int, error) {
	kind := factKind(k)
	if kind < 1 {
		return nil, 0, nil
	}
	total, err := s.count(ctx, "SELECT count(DISTINCT host) FROM enrichment_fact WHERE kind = ? AND value = ?", kind, value)
	if err != nil || total == 0 || limit <= 0 {
		return nil, total, err
	}
	hosts, err := s.hosts(ctx, limit, "SELECT DISTINCT h.host FROM enrichment_fact f JOIN enrichment_host h ON h.id = f.host WHERE f.kind = ? AND f.value = ? ORDER BY h.host", kind, value)
	return hosts, total, err
}

// some returns the first facts of each host among those that a condition finds, in an order, and how many hosts there are.
func (s *Enrichment) some(ctx context.Context, where, order string, limit int, args ...any) ([]enrichment.Fact, int, error) {
	total, err := s.count(ctx, "SELECT count(DISTINCT f.host) FROM enrichment_fact f WHERE "+where, args...)
	if err != nil || total == 0 || limit <= 0 {
		return nil, total, err
	}
	facts, err := s.facts(ctx, `SELECT host, kind, value, first, last, name FROM (
			SELECT h.host, f.kind, f.value, f.first, f.last, s.name, row_number() OVER (PARTITION BY f.host ORDER BY `+order+`) AS place
			FROM enrichment_fact f JOIN enrichment_host h ON h.id = f.host JOIN enrichment_source s ON s.id = f.source WHERE `+where+`) AS f
		WHERE place = 1 ORDER BY `+strings.NewReplacer("h.host", "host", "s.name", "name").Replace(order)+` LIMIT ?`, append(args, limit)...)
	return facts, total, err
}

// RegisteredBetween implements enrichment.Facts.
func (s *Enrichment) RegisteredBetween(ctx context.Context, from, to time.Time, limit int) ([]enrichment.Fact, int, error) {
	return s.some(ctx, "f.kind = 6 AND f.value BETWEEN ? AND ?", "f.value, h.host, s.name", limit, enrichment.Moment(from), enrichment.Moment(to))
}

// IssuedBetween implements enrichment.Facts.
func (s *Enrichment) IssuedBetween(ctx context.Context, issuer string, from, to time.Time, limit int) ([]enrichment.Fact, int, error) {
	return s.some(ctx, "f.kind = 4 AND f.value = ? AND f.first BETWEEN ? AND ?", "f.first, h.host, s.name", limit, issuer, from.UnixMilli(), to.UnixMilli())
}

// Within implements enrichment.Facts.
func (s *Enrichment) Within(ctx context.Context, address string, limit int) ([]enrichment.Fact, int, error) {
	network := enrichment.Network(address)
	if network == "" {
		return nil, 0, fmt.Errorf("records: facts within %.80q: no address: %w", address, vedette.ErrInvalid)
	}
	return s.some(ctx, "f.network = ?", "h.host, f.value, s.name", limit, network)
}

// Containing implements enrichment.Facts.
func (s *Enrichment) Containing(ctx context.Context, part string, limit int) ([]string, int, error) {
	if len(part) < enrichment.MinPart || strings.Contains(part, ".") {
		return nil, 0, nil
	}
	phrase := `"` + strings.ReplaceAll(part, `"`, `""`) + `"`
	total, err := s.count(ctx, "SELECT count(*) FROM enrichment_part WHERE body MATCH ?", phrase)
	if err != nil || total == 0 || limit <= 0 {
		return nil, total, err
	}
	hosts, err := s.hosts(ctx, limit, "SELECT h.host FROM enrichment_part p JOIN enrichment_host h ON h.id = p.rowid WHERE p.body MATCH ? ORDER BY h.host", phrase)
	return hosts, total, err
}
