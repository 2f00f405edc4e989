package records

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"vedette"
	"vedette/act/casefile"
)

// Cases keeps reports and cases: a casefile.Store.
type Cases struct{ db *sql.DB }

var _ casefile.Store = (*Cases)(nil)

// Cases returns the store of reports and cases.
func (d *DB) Cases() *Cases { return &Cases{d.db} }

// inOne runs f in one transaction. A row that breaks a rule of its table is a conflict: two writers met.
func inOne(ctx context.Context, db *sql.DB, what string, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fault(what, err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first failure is the one to tell
		switch {
		case errors.Is(err, vedette.ErrConflict):
			return err
		case breaksRule(err):
			return fmt.Errorf("records: %s: %w: %w", what, vedette.ErrConflict, err)
		}
		return fault(what, err)
	}
	return fault(what, tx.Commit())
}

// Keep implements casefile.Store.
func (s *Cases) Keep(ctx context.Context, c casefile.Change) error {
	return inOne(ctx, s.db, "keep a case", func(tx *sql.Tx) error {
		for i := range c.Cases {
			if err := keepCase(ctx, tx, &c.Cases[i]); err != nil {
				return err
			}
		}
		for i := range c.Steps {
			k := &c.Steps[i]
			by, err := json.Marshal(k.By)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx,
				`INSERT INTO matter_step (matter, number, at, state, by, why, act, value, display, scope, finding) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				string(k.Case), k.Number, milli(k.At), string(k.State), string(by), k.Why, k.Act[:], k.Value, k.Display, k.Scope, k.Finding[:]); err != nil {
				return err
			}
		}
		for _, v := range c.Voices {
			if _, err := tx.ExecContext(ctx, `INSERT INTO matter_voice (matter, who, voices) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET voices = excluded.voices`,
				string(v.Case), v.Who[:], int64(v.Voices)); err != nil {
				return err
			}
		}
		if c.Report == nil {
			return nil
		}
		return keepReport(ctx, tx, c.Report)
	})
}

func keepCase(ctx context.Context, tx *sql.Tx, c *casefile.Case) error {
	about := tokenBytes(nil, c.About)
	rest := []any{
		string(c.State), c.Kind, c.Name, c.Display, milli(c.Opened), milli(c.Changed), milli(c.First), milli(c.Last), int64(c.Weight), c.Voices,
		c.Reports, c.Shared, int(c.Best), c.Findings, int64(c.Score), c.Steps, int64(c.Settled), int64(c.Version),
	}
	if c.Version == 1 {
		_, err := tx.ExecContext(ctx, `INSERT INTO matter (state, kind, name, display, opened, changed, first, last, weight, voices, reports, shared, best, findings,
			score, steps, settled, version, id, tenant, about) VALUES (`+strings.Repeat("?, ", 20)+`?)`, append(rest, string(c.ID), string(c.Tenant), about)...)
		return err
	}
	r, err := tx.ExecContext(ctx, `UPDATE matter SET state = ?, kind = ?, name = ?, display = ?, opened = ?, changed = ?, first = ?, last = ?, weight = ?, voices = ?,
		reports = ?, shared = ?, best = ?, findings = ?, score = ?, steps = ?, settled = ?, version = ? WHERE id = ?`, append(rest, string(c.ID))...)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return fmt.Errorf("records: case %s is not there: %w", c.ID, vedette.ErrConflict)
}

func keepReport(ctx context.Context, tx *sql.Tx, r *casefile.Report) error {
	var number int64
	err := tx.QueryRowContext(ctx, `INSERT INTO report (tenant, id, bytes, at, taken, reporter, subject, message, category, grade, recorded, why, share, matter,
		opened, age, component) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, id) DO UPDATE SET bytes = excluded.bytes, at = excluded.at, taken = excluded.taken, reporter = excluded.reporter,
		subject = excluded.subject, message = excluded.message, category = excluded.category, grade = excluded.grade, recorded = excluded.recorded,
		why = excluded.why, share = excluded.share, matter = excluded.matter, opened = excluded.opened, age = excluded.age, component = excluded.component
		RETURNING number`,
		string(r.Tenant), r.ID[:], r.Bytes[:], milli(r.At), milli(r.Taken), r.Reporter[:], r.Subject[:], r.Message[:], int(r.Category), int(r.Grade), r.Recorded,
		r.Why, r.Share, string(r.Case), orNull(r.Opened), int64(r.Age), int64(r.Component)).Scan(&number)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM report_link WHERE report = ?`, number); err != nil {
		return err
	}
	for i := range r.Links {
		l := &r.Links[i]
		if _, err := tx.ExecContext(ctx, `INSERT INTO report_link (report, place, matter, host, display, tokens, url) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			number, i, string(l.Case), l.Host, l.Display, linkBytes(&l.Tokens), orNull(l.URL)); err != nil {
			return err
		}
	}
	return nil
}

// orNull keeps nothing as NULL, so that what was not opened is not an empty message.
func orNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// tokenBytes writes a token as docs/formats/token.md has it.
func tokenBytes(b []byte, t vedette.Token) []byte {
	b = append(b, byte(t.Kind))
	b = binary.BigEndian.AppendUint16(b, t.Epoch)
	return append(b, t.Bytes[:]...)
}

const tokenSize = 19

func readToken(b []byte) (t vedette.Token) {
	t.Kind, t.Epoch = vedette.TokenKind(b[0]), binary.BigEndian.Uint16(b[1:])
	copy(t.Bytes[:], b[3:tokenSize])
	return t
}

// linkVersion is the first byte of a kept link: then the place, four tokens, and the shape in eleven bytes.
const linkVersion = 1

const linkSize = 2 + 4*tokenSize + 11

func linkBytes(l *vedette.Link) []byte {
	b := make([]byte, 0, linkSize)
	b = append(b, linkVersion, byte(l.Where))
	for _, t := range [...]vedette.Token{l.Domain, l.Host, l.Tenant, l.URL} {
		b = tokenBytes(b, t)
	}
	s := &l.Shape
	b = binary.BigEndian.AppendUint32(b, uint32(s.Flags))
	b = append(b, s.TokenLike, s.Entropy, s.PathSegments, s.QueryKeys, s.HostLabels)
	return binary.BigEndian.AppendUint16(b, s.Length)
}

func readLink(b []byte) (l vedette.Link, err error) {
	if len(b) != linkSize || b[0] != linkVersion {
		return l, fmt.Errorf("records: a kept link is of no version that is known: %w", vedette.ErrUnavailable)
	}
	l.Where = vedette.Place(b[1])
	b = b[2:]
	for _, t := range [...]*vedette.Token{&l.Domain, &l.Host, &l.Tenant, &l.URL} {
		*t, b = readToken(b), b[tokenSize:]
	}
	l.Shape = vedette.Shape{
		Flags: vedette.ShapeFlag(binary.BigEndian.Uint32(b)), TokenLike: b[4], Entropy: b[5], PathSegments: b[6], QueryKeys: b[7], HostLabels: b[8],
		Length: binary.BigEndian.Uint16(b[9:]),
	}
	return l, nil
}

const reportColumns = `r.number, r.tenant, r.id, r.bytes, r.at, r.taken, r.reporter, r.subject, r.message, r.category, r.grade, r.recorded, r.why, r.share, r.matter,
	r.opened, r.age, r.component`

type scanner interface{ Scan(...any) error }

func scanReport(row scanner) (number int64, r casefile.Report, err error) {
	var id, bytes, reporter, subject, message []byte
	var at, taken, age, component int64
	err = row.Scan(&number, (*string)(&r.Tenant), &id, &bytes, &at, &taken, &reporter, &subject, &message, (*uint8)(&r.Category), (*uint8)(&r.Grade), &r.Recorded,
		&r.Why, &r.Share, (*string)(&r.Case), &r.Opened, &age, &component)
	copy(r.ID[:], id)
	copy(r.Bytes[:], bytes)
	copy(r.Reporter[:], reporter)
	copy(r.Subject[:], subject)
	copy(r.Message[:], message)
	r.At, r.Taken, r.Age, r.Component = moment(at), moment(taken), time.Duration(age), uint64(component)
	return number, r, err
}

// Report implements casefile.Store.
func (s *Cases) Report(ctx context.Context, t vedette.Tenant, id vedette.EventID) (casefile.Report, error) {
	number, r, err := scanReport(s.db.QueryRowContext(ctx, `SELECT `+reportColumns+` FROM report r WHERE r.tenant = ? AND r.id = ?`, string(t), id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return casefile.Report{}, fmt.Errorf("records: report %s: %w", id, vedette.ErrUnknown)
	}
	if err != nil {
		return casefile.Report{}, fault("report", err)
	}
	rs := []casefile.Report{r}
	return rs[0], s.links(ctx, map[int64]int{number: 0}, rs, `report = ?`, number)
}

// links fills in the links of reports, whose places in rs are known by number.
func (s *Cases) links(ctx context.Context, place map[int64]int, rs []casefile.Report, where string, args ...any) error {
	rows, err := s.db.QueryContext(ctx, `SELECT report, matter, host, display, tokens, url FROM report_link WHERE `+where+` ORDER BY report, place`, args...)
	if err != nil {
		return fault("links of reports", err)
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var l casefile.Link
		var tokens []byte
		if err := rows.Scan(&number, (*string)(&l.Case), &l.Host, &l.Display, &tokens, &l.URL); err != nil {
			return fault("links of reports", err)
		}
		if l.Tokens, err = readLink(tokens); err != nil {
			return err
		}
		if i, ok := place[number]; ok {
			rs[i].Links = append(rs[i].Links, l)
		}
	}
	return fault("links of reports", rows.Err())
}

// Reports implements casefile.Store.
func (s *Cases) Reports(ctx context.Context, id casefile.ID, skip, limit int) ([]casefile.Report, error) {
	const within = `SELECT number FROM report WHERE number IN (SELECT report FROM report_link WHERE matter = ?) ORDER BY taken, id LIMIT ? OFFSET ?`
	rows, err := s.db.QueryContext(ctx, `SELECT `+reportColumns+` FROM report r WHERE r.number IN (`+within+`) ORDER BY r.taken, r.id`, string(id), limit, skip)
	if err != nil {
		return nil, fault("reports", err)
	}
	defer rows.Close()
	var out []casefile.Report
	place := map[int64]int{}
	for rows.Next() {
		number, r, err := scanReport(rows)
		if err != nil {
			return nil, fault("reports", err)
		}
		place[number] = len(out)
		out = append(out, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fault("reports", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, s.links(ctx, place, out, `report IN (`+within+`)`, string(id), limit, skip)
}

const caseColumns = `id, tenant, state, about, kind, name, display, opened, changed, first, last, weight, voices, reports, shared, best, findings, score, steps,
	settled, version`

func scanCase(row scanner) (c casefile.Case, err error) {
	var about []byte
	var opened, changed, first, last, version int64
	err = row.Scan((*string)(&c.ID), (*string)(&c.Tenant), (*string)(&c.State), &about, &c.Kind, &c.Name, &c.Display, &opened, &changed, &first, &last,
		(*int)(&c.Weight), &c.Voices, &c.Reports, &c.Shared, (*uint8)(&c.Best), &c.Findings, (*int32)(&c.Score), &c.Steps, (*int)(&c.Settled), &version)
	if err != nil {
		return c, err
	}
	c.About, c.Opened, c.Changed, c.First, c.Last, c.Version = readToken(about), moment(opened), moment(changed), moment(first), moment(last), uint64(version)
	return c, nil
}

// Case implements casefile.Store.
func (s *Cases) Case(ctx context.Context, id casefile.ID) (casefile.Case, error) {
	c, err := scanCase(s.db.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM matter WHERE id = ?`, string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("records: %s: %w", id, vedette.ErrUnknown)
	}
	return c, fault("case", err)
}

// Steps implements casefile.Store.
func (s *Cases) Steps(ctx context.Context, id casefile.ID) (out []casefile.Step, err error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT number, at, state, by, why, act, value, display, scope, finding FROM matter_step WHERE matter = ? ORDER BY number`, string(id))
	if err != nil {
		return nil, fault("steps", err)
	}
	defer rows.Close()
	for rows.Next() {
		k := casefile.Step{Case: id}
		var at int64
		var by string
		var act, finding []byte
		if err := rows.Scan(&k.Number, &at, (*string)(&k.State), &by, &k.Why, &act, &k.Value, &k.Display, &k.Scope, &finding); err != nil {
			return nil, fault("steps", err)
		}
		if err := json.Unmarshal([]byte(by), &k.By); err != nil {
			return nil, fault("steps", err)
		}
		k.At = moment(at)
		copy(k.Act[:], act)
		copy(k.Finding[:], finding)
		out = append(out, k)
	}
	return out, fault("steps", rows.Err())
}

// Voice implements casefile.Store.
func (s *Cases) Voice(ctx context.Context, id casefile.ID, who [17]byte) (casefile.Voices, error) {
	var n int64
	err := s.db.QueryRowContext(ctx, `SELECT voices FROM matter_voice WHERE matter = ? AND who = ?`, string(id), who[:]).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return casefile.Voices(n), fault("voice", err)
}

// Hosts implements casefile.Store.
func (s *Cases) Hosts(ctx context.Context, id casefile.ID, shared bool) (out []casefile.Counted, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT l.host, min(l.display), count(DISTINCT l.report) n FROM report_link l JOIN report r ON r.number = l.report
		WHERE l.matter = ? AND l.host <> '' AND (r.share OR NOT ?) GROUP BY l.host ORDER BY n DESC, l.host`, string(id), shared)
	if err != nil {
		return nil, fault("hosts", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c casefile.Counted
		if err := rows.Scan(&c.Host, &c.Display, &c.Reports); err != nil {
			return nil, fault("hosts", err)
		}
		out = append(out, c)
	}
	return out, fault("hosts", rows.Err())
}

// List implements casefile.Store.
func (s *Cases) List(ctx context.Context, f casefile.Filter) (out []casefile.Case, err error) {
	where, args := `state <> 'closed'`, []any{}
	if len(f.States) > 0 {
		where = `state IN ` + holes(1, len(f.States))
		for _, st := range f.States {
			args = append(args, string(st))
		}
	}
	if f.Tenant != "" {
		where, args = where+` AND tenant = ?`, append(args, string(f.Tenant))
	}
	rows, err := s.db.QueryContext(ctx, `SELECT `+caseColumns+` FROM matter WHERE `+where+` ORDER BY weight DESC, opened, id LIMIT ? OFFSET ?`, append(args, f.Limit, f.Skip)...)
	if err != nil {
		return nil, fault("list cases", err)
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanCase(rows)
		if err != nil {
			return nil, fault("list cases", err)
		}
		out = append(out, c)
	}
	return out, fault("list cases", rows.Err())
}

// Erase implements casefile.Store.
func (s *Cases) Erase(ctx context.Context, t vedette.Tenant, a vedette.AccountID) (n int, err error) {
	who := append([]byte{'a'}, a[:]...)
	err = inOne(ctx, s.db, "erase from reports", func(tx *sql.Tx) error {
		const his = `tenant = ?1 AND (reporter = ?2 OR subject = ?2)`
		if _, err := tx.ExecContext(ctx, `UPDATE report_link SET url = NULL WHERE report IN (SELECT number FROM report WHERE `+his+`)`, string(t), a[:]); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `UPDATE report SET opened = NULL, component = iif(reporter = ?2, 0, component),
			reporter = iif(reporter = ?2, zeroblob(16), reporter), subject = iif(subject = ?2, zeroblob(16), subject) WHERE `+his, string(t), a[:])
		if err != nil {
			return err
		}
		changed, err := r.RowsAffected()
		if n = int(changed); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT v.matter FROM matter_voice v JOIN matter m ON m.id = v.matter WHERE v.who = ? AND m.tenant = ?`, who, string(t))
		if err != nil {
			return err
		}
		defer rows.Close()
		var in []string
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			in = append(in, id)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, id := range in {
			nobody := append([]byte{'x'}, make([]byte, 16)...)
			_, _ = rand.Read(nobody[1:]) // never fails since Go 1.24
			if _, err := tx.ExecContext(ctx, `UPDATE matter_voice SET who = ? WHERE matter = ? AND who = ?`, nobody, id, who); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// Expire implements casefile.Store.
func (s *Cases) Expire(ctx context.Context, before time.Time) (n int, err error) {
	const old = `taken < ? AND NOT EXISTS (SELECT 1 FROM report_link l JOIN matter m ON m.id = l.matter WHERE l.report = report.number AND m.state <> 'closed')
		AND (reporter <> zeroblob(16) OR subject <> zeroblob(16) OR opened IS NOT NULL)`
	err = inOne(ctx, s.db, "expire reports", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE report_link SET url = NULL WHERE report IN (SELECT number FROM report WHERE `+old+`)`, milli(before)); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `UPDATE report SET opened = NULL, reporter = zeroblob(16), subject = zeroblob(16), component = 0 WHERE `+old, milli(before))
		if err != nil {
			return err
		}
		changed, err := r.RowsAffected()
		n = int(changed)
		return err
	})
	return n, err
}
