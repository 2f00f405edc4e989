package records

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/record/indicator"
)

// Indicators keeps indicators and their history. It is an indicator.Store.
type Indicators struct {
	db *sql.DB
}

// Indicators returns the database's store of indicators.
func (d *DB) Indicators() *Indicators { return &Indicators{db: d.db} }

var _ indicator.Store = (*Indicators)(nil)

const rowsAtOnce = 100 // rows in one statement: fewer cost calls, more cost nothing less

func holes(rows, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(row+",", rows), ",")
}

func optionalMillis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

func instant(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMilli(n.Int64).UTC()
}

// terms is what an indicator says besides its name, as kept in indicator_terms.
type terms struct {
	source, operator       string
	grade                  indicator.Admiralty
	confidence             indicator.Confidence
	tlp                    indicator.TLP
	from, until, published sql.NullInt64
	verdict                vedette.Verdict
	weight                 vedette.MilliBits
}

func termsOf(in *indicator.Indicator) terms {
	return terms{
		in.Source, in.Operator, in.Grade, in.Confidence, in.TLP,
		optionalMillis(in.ValidFrom), optionalMillis(in.ValidUntil), optionalMillis(in.Published), in.Verdict, in.Weight,
	}
}

// content digests what is said, so that saying it again is noticed. Where it was written (original, ref, note) is no part of it.
func (t *terms) content(override bool) []byte {
	var b []byte
	for _, s := range []string{t.operator, t.grade.String(), t.confidence.String()} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, n := range []sql.NullInt64{t.from, t.until, t.published} {
		b = binary.AppendVarint(b, n.Int64)
		if n.Valid {
			b = append(b, 1)
		}
	}
	b = append(b, byte(t.tlp), byte(t.verdict))
	b = binary.AppendVarint(b, int64(t.weight))
	if override {
		b = append(b, 1)
	}
	sum := sha256.Sum256(b)
	return sum[:8]
}

func (t *terms) fill(in *indicator.Indicator) {
	in.Source, in.Operator, in.Grade, in.Confidence, in.TLP = t.source, t.operator, t.grade, t.confidence, t.tlp
	in.ValidFrom, in.ValidUntil, in.Published = instant(t.from), instant(t.until), instant(t.published)
	in.Verdict, in.Weight = t.verdict, t.weight
}

func (t *terms) args() []any {
	var confidence any
	if p, ok := t.confidence.Percent(); ok {
		confidence = p
	}
	return []any{t.source, t.operator, t.grade.String(), confidence, int(t.tlp), t.from, t.until, t.published, int(t.verdict), int(t.weight)}
}

// write runs f in one transaction.
func (s *Indicators) write(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("records: %s: %w", what, kindOf(err))
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("records: %s: %w", what, kindOf(err))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("records: %s: %w", what, kindOf(err))
	}
	return nil
}

// kindOf gives an error of the database a kind: what is not ours to mend will pass or a person must look.
func kindOf(err error) error {
	for _, kind := range []error{vedette.ErrInvalid, vedette.ErrUnknown, vedette.ErrConflict, vedette.ErrUnavailable, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", err, vedette.ErrUnavailable)
}

// last is what indicator_last says of a key.
type last struct {
	seq     int64
	content string
}

// Put implements indicator.Store.
func (s *Indicators) Put(ctx context.Context, list []indicator.Indicator, at time.Time) (indicator.Changes, error) {
	var done indicator.Changes
	if len(list) == 0 {
		return done, nil
	}
	keys := make([]indicator.Key, len(list))
	for i := range list {
		in := &list[i]
		if c, err := indicator.Canonical(in.Value, in.Scope); err != nil || c != in.Value {
			return done, fmt.Errorf("records: put indicator: %q is not in canonical form (%q): %w", in.Value, c, vedette.ErrInvalid)
		}
		keys[i] = in.Key()
	}
	err := s.write(ctx, "put indicators", func(tx *sql.Tx) error {
		// The index over random keys must stay in memory while a million of them come in.
		if _, err := tx.ExecContext(ctx, "PRAGMA cache_size = -131072"); err != nil {
			return err
		}
		known, err := lastOf(ctx, tx, keys)
		if err != nil {
			return err
		}
		var seq int64
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM indicator_version").Scan(&seq); err != nil {
			return err
		}
		t := termTable{ids: map[terms]int64{}}
		versions := rowWriter{ctx: ctx, tx: tx, columns: 12, head: "INSERT OR ROLLBACK INTO indicator_version (seq, prev, key, change, recorded, known, value, scope, terms, original, ref, note) VALUES "}
		var lasts []lastRow
		lastRows := rowWriter{ctx: ctx, tx: tx, columns: 3, head: "INSERT OR REPLACE INTO indicator_last (key, seq, content) VALUES "}
		firsts := map[indicator.Key]time.Time{} // of what this batch wrote: it may say a thing twice
		for i := range list {
			in := &list[i]
			said := termsOf(in)
			content := string(said.content(in.Override))
			old, ok := known[keys[i]]
			if ok && old.content == content {
				done.Same++
				continue
			}
			first := in.KnownFrom
			if first.IsZero() {
				first = at
			}
			change := indicator.Added
			if ok && old.content != "" {
				change = indicator.Changed
				done.Changed++
				var here bool
				if first, here = firsts[keys[i]]; !here {
					var ms int64
					if err := tx.QueryRowContext(ctx, "SELECT known FROM indicator_version WHERE seq = ?", old.seq).Scan(&ms); err != nil {
						return err
					}
					first = time.UnixMilli(ms)
				}
			} else {
				done.Added++
			}
			firsts[keys[i]] = first
			if in.Override {
				change = indicator.Overrode
			}
			id, err := t.id(ctx, tx, said)
			if err != nil {
				return err
			}
			seq++
			if err := versions.add(seq, old.seq, keys[i][:], int(change), at.UnixMilli(), first.UnixMilli(), in.Value, int(in.Scope), id, in.Original, in.Ref, in.Note); err != nil {
				return err
			}
			lasts = append(lasts, lastRow{keys[i], seq, content})
			known[keys[i]] = last{seq, content}
		}
		if err := versions.flush(); err != nil {
			return err
		}
		// In the order of the table, so that each of its pages is touched once; of one key the last one wins.
		slices.SortStableFunc(lasts, func(a, b lastRow) int { return bytes.Compare(a.key[:], b.key[:]) })
		for _, l := range lasts {
			if err := lastRows.add(l.key[:], l.seq, []byte(l.content)); err != nil {
				return err
			}
		}
		return lastRows.flush()
	})
	if err != nil {
		return indicator.Changes{}, err
	}
	return done, nil
}

type lastRow struct {
	key     indicator.Key
	seq     int64
	content string
}

func lastOf(ctx context.Context, tx *sql.Tx, keys []indicator.Key) (map[indicator.Key]last, error) {
	out := make(map[indicator.Key]last, len(keys))
	for chunk := range slices.Chunk(keys, 500) {
		args := make([]any, len(chunk))
		for i := range chunk {
			args[i] = chunk[i][:]
		}
		rows, err := tx.QueryContext(ctx, "SELECT key, seq, content FROM indicator_last WHERE key IN ("+strings.TrimSuffix(strings.Repeat("?,", len(chunk)), ",")+")", args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var k, content []byte
			var l last
			if err := rows.Scan(&k, &l.seq, &content); err != nil {
				_ = rows.Close()
				return nil, err
			}
			l.content = string(content)
			out[indicator.Key(k)] = l
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// termTable finds or makes the row for what many indicators share. It is asked within one transaction.
type termTable struct {
	ids map[terms]int64
}

func (t *termTable) id(ctx context.Context, tx *sql.Tx, said terms) (int64, error) {
	if id, ok := t.ids[said]; ok {
		return id, nil
	}
	if len(t.ids) == 0 { // the first time: what is there already, the newest that a file is likely to say again
		rows, err := tx.QueryContext(ctx, "SELECT id, source, operator, grade, confidence, tlp, valid_from, valid_until, published, verdict, weight FROM indicator_terms WHERE source = ? ORDER BY id DESC LIMIT 20000", said.source)
		if err != nil {
			return 0, err
		}
		for rows.Next() {
			id, old, err := scanTerms(rows)
			if err != nil {
				_ = rows.Close()
				return 0, err
			}
			t.ids[old] = id
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return 0, err
		}
		if id, ok := t.ids[said]; ok {
			return id, nil
		}
	}
	res, err := tx.ExecContext(ctx, "INSERT INTO indicator_terms (source, operator, grade, confidence, tlp, valid_from, valid_until, published, verdict, weight) VALUES "+holes(1, 10), said.args()...)
	if err != nil {
		return 0, err
	}
	id, err := res.LastInsertId()
	t.ids[said] = id
	return id, err
}

func scanTerms(rows *sql.Rows) (int64, terms, error) {
	var id int64
	var t terms
	var grade string
	var confidence sql.NullInt64
	err := rows.Scan(&id, &t.source, &t.operator, &grade, &confidence, &t.tlp, &t.from, &t.until, &t.published, &t.verdict, &t.weight)
	if err == nil {
		t.grade, err = indicator.ParseAdmiralty(grade)
	}
	if err == nil && confidence.Valid {
		t.confidence, err = indicator.ConfidenceOf(int(confidence.Int64))
	}
	return id, t, err
}

// rowWriter gathers rows into statements.
type rowWriter struct {
	ctx     context.Context
	tx      *sql.Tx
	head    string
	columns int
	args    []any
	full    *sql.Stmt
}

func (w *rowWriter) add(args ...any) error {
	w.args = append(w.args, args...)
	if len(w.args) < rowsAtOnce*w.columns {
		return nil
	}
	if w.full == nil {
		var err error
		if w.full, err = w.tx.PrepareContext(w.ctx, w.head+holes(rowsAtOnce, w.columns)); err != nil { // closed with the transaction
			return err
		}
	}
	_, err := w.full.ExecContext(w.ctx, w.args...)
	w.args = w.args[:0]
	runtime.Gosched() // a long import must not make answers wait for its next turn
	return err
}

func (w *rowWriter) flush() error {
	if len(w.args) == 0 {
		return nil
	}
	_, err := w.tx.ExecContext(w.ctx, w.head+holes(len(w.args)/w.columns, w.columns), w.args...)
	w.args = w.args[:0]
	return err
}

// Keep implements indicator.Store.
func (s *Indicators) Keep(ctx context.Context, list []indicator.Kept, at time.Time) error {
	return s.write(ctx, "keep what is not about links", func(tx *sql.Tx) error {
		w := rowWriter{ctx: ctx, tx: tx, columns: 7, head: "INSERT OR IGNORE INTO indicator_kept (key, type, value, source, ref, note, recorded) VALUES "}
		for _, k := range list {
			sum := sha256.Sum256([]byte(k.Type + "\x00" + k.Source + "\x00" + k.Value))
			if err := w.add(sum[:16], k.Type, k.Value, k.Source, k.Ref, k.Note, at.UnixMilli()); err != nil {
				return err
			}
		}
		return w.flush()
	})
}

// CountKept implements indicator.Store.
func (s *Indicators) CountKept(ctx context.Context) (map[string]int, error) {
	return s.count(ctx, "SELECT type, count(*) FROM indicator_kept GROUP BY type")
}

// Count implements indicator.Store.
func (s *Indicators) Count(ctx context.Context) (map[string]int, error) {
	return s.count(ctx, `SELECT t.source, sum(n) FROM (
			SELECT v.terms, count(*) AS n FROM indicator_version v
			WHERE v.change <> 3 AND NOT EXISTS (SELECT 1 FROM indicator_version w WHERE w.prev = v.seq AND w.prev <> 0)
			GROUP BY v.terms) c
		JOIN indicator_terms t ON t.id = c.terms GROUP BY t.source`)
}

func (s *Indicators) count(ctx context.Context, query string) (map[string]int, error) {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("records: count indicators: %w", kindOf(err))
	}
	defer func() { _ = rows.Close() }()
	out := map[string]int{}
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fmt.Errorf("records: count indicators: %w", kindOf(err))
		}
		out[name] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("records: count indicators: %w", kindOf(err))
	}
	return out, nil
}

// Revoke implements indicator.Store.
func (s *Indicators) Revoke(ctx context.Context, key indicator.Key, reason string, at time.Time) error {
	return s.write(ctx, "revoke an indicator", func(tx *sql.Tx) error {
		known, err := lastOf(ctx, tx, []indicator.Key{key})
		if err != nil {
			return err
		}
		old, ok := known[key]
		if !ok || old.content == "" {
			return fmt.Errorf("no live indicator %x: %w", key, vedette.ErrUnknown)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO indicator_version (seq, prev, key, change, recorded, known, value, scope, terms, original, ref, note)
			SELECT (SELECT max(seq) + 1 FROM indicator_version), seq, key, 3, ?, known, value, scope, terms, original, ref, ? FROM indicator_version WHERE seq = ?`,
			at.UnixMilli(), reason, old.seq); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE indicator_last SET seq = (SELECT max(seq) FROM indicator_version), content = x'' WHERE key = ?", key[:])
		return err
	})
}

const versionColumns = "v.seq, v.prev, v.change, v.recorded, v.known, v.value, v.scope, v.terms, v.original, v.ref, v.note"

type versionRow struct {
	indicator.Version
	seq, prev, terms int64
}

func scanVersion(rows interface{ Scan(...any) error }) (versionRow, error) {
	var v versionRow
	var recorded, known int64
	err := rows.Scan(&v.seq, &v.prev, &v.Change, &recorded, &known, &v.Value, &v.Scope, &v.terms, &v.Original, &v.Ref, &v.Note)
	v.Recorded, v.KnownFrom = time.UnixMilli(recorded).UTC(), time.UnixMilli(known).UTC()
	v.Override = v.Change == indicator.Overrode
	if v.Change == indicator.Revoked {
		v.Reason, v.Note = v.Note, ""
	}
	return v, err
}

func (s *Indicators) allTerms(ctx context.Context) (map[int64]terms, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, source, operator, grade, confidence, tlp, valid_from, valid_until, published, verdict, weight FROM indicator_terms")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := map[int64]terms{}
	for rows.Next() {
		id, t, err := scanTerms(rows)
		if err != nil {
			return nil, err
		}
		out[id] = t
	}
	return out, rows.Err()
}

// Known implements indicator.Store.
func (s *Indicators) Known(ctx context.Context, at time.Time) iter.Seq2[indicator.Indicator, error] {
	return s.known(ctx, at, versionColumns)
}

// Compile yields what Known does without what a Set does not hold (original, ref, note), at about twice the speed.
func (s *Indicators) Compile(ctx context.Context, at time.Time) iter.Seq2[indicator.Indicator, error] {
	return s.known(ctx, at, "")
}

func (s *Indicators) known(ctx context.Context, at time.Time, columns string) iter.Seq2[indicator.Indicator, error] {
	return func(yield func(indicator.Indicator, error) bool) {
		fail := func(err error) {
			yield(indicator.Indicator{}, fmt.Errorf("records: read indicators: %w", kindOf(err)))
		}
		ms := int64(1<<62 - 1)
		if !at.IsZero() {
			ms = at.UnixMilli()
		}
		full := columns != ""
		if !full {
			columns = "v.change, v.known, v.value, v.scope, v.terms"
		}
		rows, err := s.db.QueryContext(ctx, "SELECT "+columns+` FROM indicator_version v WHERE v.recorded <= ?1 AND v.change <> 3
			AND NOT EXISTS (SELECT 1 FROM indicator_version w WHERE w.prev = v.seq AND w.prev <> 0 AND w.recorded <= ?1)`, ms)
		if err != nil {
			fail(err)
			return
		}
		defer func() { _ = rows.Close() }()
		// Read after the first statement began, so that no version is without its terms.
		shared, err := s.allTerms(ctx)
		if err != nil {
			fail(err)
			return
		}
		for rows.Next() {
			var v versionRow
			if full {
				v, err = scanVersion(rows)
			} else {
				var known int64
				err = rows.Scan(&v.Change, &known, &v.Value, &v.Scope, &v.terms)
				v.KnownFrom = time.UnixMilli(known).UTC()
				v.Override = v.Change == indicator.Overrode
			}
			if err != nil {
				fail(err)
				return
			}
			t, ok := shared[v.terms]
			if !ok {
				fail(fmt.Errorf("version %d has no terms %d", v.seq, v.terms))
				return
			}
			t.fill(&v.Indicator)
			if !yield(v.Indicator, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

func (s *Indicators) version(ctx context.Context, seq int64) (versionRow, error) {
	v, err := scanVersion(s.db.QueryRowContext(ctx, "SELECT "+versionColumns+" FROM indicator_version v WHERE v.seq = ?", seq))
	if err != nil {
		return v, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT id, source, operator, grade, confidence, tlp, valid_from, valid_until, published, verdict, weight FROM indicator_terms WHERE id = ?", v.terms)
	if err != nil {
		return v, err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return v, errors.Join(rows.Err(), fmt.Errorf("version %d has no terms %d", v.seq, v.terms))
	}
	_, t, err := scanTerms(rows)
	t.fill(&v.Indicator)
	return v, err
}

// Lookup implements indicator.Store.
func (s *Indicators) Lookup(ctx context.Context, value string) ([]indicator.Version, error) {
	fail := func(err error) ([]indicator.Version, error) {
		return nil, fmt.Errorf("records: look up an indicator: %w", kindOf(err))
	}
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT source FROM indicator_terms ORDER BY source")
	if err != nil {
		return fail(err)
	}
	var sources []string
	for rows.Next() {
		var source string
		if err := rows.Scan(&source); err != nil {
			_ = rows.Close()
			return fail(err)
		}
		sources = append(sources, source)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fail(err)
	}
	var out []indicator.Version
	for scope := indicator.ScopeURL; scope <= indicator.ScopeDomain; scope++ {
		canonical, err := indicator.Canonical(value, scope)
		if err != nil {
			continue // this scope has no such value
		}
		for _, source := range sources {
			in := indicator.Indicator{Value: canonical, Scope: scope, Source: source}
			key := in.Key()
			var seq int64
			switch err := s.db.QueryRowContext(ctx, "SELECT seq FROM indicator_last WHERE key = ?", key[:]).Scan(&seq); {
			case errors.Is(err, sql.ErrNoRows):
				continue
			case err != nil:
				return fail(err)
			}
			v, err := s.version(ctx, seq)
			if err != nil {
				return fail(err)
			}
			out = append(out, v.Version)
		}
	}
	return out, nil
}

// History implements indicator.Store.
func (s *Indicators) History(ctx context.Context, key indicator.Key) ([]indicator.Version, error) {
	var seq int64
	err := s.db.QueryRowContext(ctx, "SELECT seq FROM indicator_last WHERE key = ?", key[:]).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("records: history of indicator %x: %w", key, vedette.ErrUnknown)
	}
	var out []indicator.Version
	for err == nil && seq != 0 {
		var v versionRow
		if v, err = s.version(ctx, seq); err == nil {
			out = append(out, v.Version)
			seq = v.prev
		}
	}
	if err != nil {
		return nil, fmt.Errorf("records: history of an indicator: %w", kindOf(err))
	}
	slices.Reverse(out)
	return out, nil
}

// PutOverride implements indicator.Store.
func (s *Indicators) PutOverride(ctx context.Context, o indicator.Overridden) error {
	approvals, err := json.Marshal(o.Approvals)
	if err != nil {
		return fmt.Errorf("records: put an override: %w", err)
	}
	return s.write(ctx, "put an override", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO indicator_override (act, approvals, at) VALUES (?, ?, ?)", o.Act, string(approvals), o.At.UnixMilli())
		return err
	})
}

// Overrides implements indicator.Store. They come in the order in which they were approved; Override itself is left to Guard.Allow.
func (s *Indicators) Overrides(ctx context.Context) ([]indicator.Overridden, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT act, approvals, at FROM indicator_override ORDER BY seq")
	if err != nil {
		return nil, fmt.Errorf("records: read overrides: %w", kindOf(err))
	}
	defer func() { _ = rows.Close() }()
	var out []indicator.Overridden
	for rows.Next() {
		var o indicator.Overridden
		var approvals string
		var at int64
		err := rows.Scan(&o.Act, &approvals, &at)
		if err == nil {
			err = json.Unmarshal([]byte(approvals), &o.Approvals)
		}
		if err != nil {
			return nil, fmt.Errorf("records: read overrides: %w", kindOf(err))
		}
		o.At = time.UnixMilli(at).UTC()
		out = append(out, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("records: read overrides: %w", kindOf(err))
	}
	return out, nil
}

// PutGuardList implements indicator.Store.
func (s *Indicators) PutGuardList(ctx context.Context, l indicator.GuardList) error {
	if l.Name == "" {
		return fmt.Errorf("records: put a guard list: no name: %w", vedette.ErrInvalid)
	}
	return s.write(ctx, "put a guard list", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO indicator_guard (name, kind, data, added) VALUES (?, ?, ?, ?)", l.Name, int(l.Kind), l.Data, l.Added.UnixMilli())
		return err
	})
}

// GuardLists implements indicator.Store.
func (s *Indicators) GuardLists(ctx context.Context) ([]indicator.GuardList, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT name, kind, data, added FROM indicator_guard ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("records: read guard lists: %w", kindOf(err))
	}
	defer func() { _ = rows.Close() }()
	var out []indicator.GuardList
	for rows.Next() {
		var l indicator.GuardList
		var added int64
		if err := rows.Scan(&l.Name, &l.Kind, &l.Data, &added); err != nil {
			return nil, fmt.Errorf("records: read guard lists: %w", kindOf(err))
		}
		l.Added = time.UnixMilli(added).UTC()
		out = append(out, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("records: read guard lists: %w", kindOf(err))
	}
	return out, nil
}
