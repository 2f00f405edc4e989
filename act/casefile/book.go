package casefile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/journal"
)

// Boxer seals for a case, and makes the tokens by which a name is held against a case. *vault.Sealer is one.
type Boxer interface {
	// Box seals bytes for a case, under a name within it.
	Box(matter, what string, content []byte) ([]byte, error)
	// TokenIn returns a name's token in an epoch.
	TokenIn(epoch uint16, kind vedette.TokenKind, name string) vedette.Token
}

// Register says whose approvals are good.
type Register interface {
	// ApprovedBy returns who approved an act, in order of enrolment, at least need of them. Its error wraps vedette.ErrForbidden.
	ApprovedBy(ctx context.Context, act authority.Act, approvals [][]byte, at time.Time, need int) ([]authority.PersonID, error)
}

// Deps is what the book needs of other rooms. Book and Boxers are required.
type Deps struct {
	// Book is the evidence log: each change stands there before it is kept here.
	Book evidence.Book
	// Boxers returns what seals for a tenant.
	Boxers func(vedette.Tenant) (Boxer, error)
	// Register judges approvals. Nil: nothing can be confirmed.
	Register Register
	// Find returns a recorded event, for reports that name a message and no link. Its error wraps vedette.ErrUnknown. Nil: such reports open nothing.
	Find func(context.Context, vedette.Tenant, vedette.EventID) (journal.Entry, error)
	// Component tells which reporters hang together: equal numbers count once, 0 is not known. Nil: nobody is known to.
	Component func(vedette.Tenant, vedette.AccountID) uint64

	Now        func() time.Time // nil: the clock
	Log        *slog.Logger     // nil logs nothing
	Registerer prometheus.Registerer
}

// Book is the book of cases. It is safe for concurrent use, and starts nothing.
type Book struct {
	store   Store
	deps    Deps
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics

	mu sync.Mutex // one change at a time, so that two reports of one link do not undo one another
}

// NewBook makes the book. Its error wraps vedette.ErrInvalid.
func NewBook(store Store, deps Deps) (*Book, error) {
	if store == nil || deps.Book == nil || deps.Boxers == nil {
		return nil, fmt.Errorf("casefile: a store, Book and Boxers are needed: %w", vedette.ErrInvalid)
	}
	b := &Book{store: store, deps: deps, now: deps.Now, log: deps.Log}
	if b.now == nil {
		b.now = time.Now
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if b.metrics, err = newMetrics(deps.Registerer); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Book) clock() time.Time { return b.now().UTC().Truncate(time.Millisecond) }

// OpenLink is a link as a report brings it: what the journal keeps of it, and the link itself, which is sealed.
type OpenLink struct {
	Tokens vedette.Link
	URL    string // as it was sent; "": only tokens are known
}

// Incoming is a report as it is handed over: read, graded, its people already surrogates. Links, Case and Opened of the report are made here;
// what stands there is not looked at.
type Incoming struct {
	Report
	Sent    []OpenLink
	Content []byte // the opened message; nil: nothing was opened. Sealed for the case, and dropped where there is none
	Tag     []byte // commitment and tag of a franked report, for the evidence log
}

// Receipt is what became of a report. None of it is for the reporter.
type Receipt struct {
	New   bool // it was not known, or only a weaker one
	Grade Grade
	Cases []ID // those that it belongs to, in the order of its links
}

// Take keeps a report and opens or joins a case for each name that its links are about. Taking one again changes nothing; a stronger grade
// of the same report replaces a weaker one, and its opened form what the follower took of the journal. It is recorded first. Its error wraps vedette.ErrInvalid, ErrConflict (the id with other bytes) or
// ErrUnavailable; then nothing was kept, and it is safe to hand it over again.
func (b *Book) Take(ctx context.Context, in Incoming) (Receipt, error) {
	rs, errs, err := b.take(ctx, []Incoming{in})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return Receipt{}, err
	}
	return rs[0], nil
}

// filed is a report that is ready to be kept.
type filed struct {
	Report
	names  map[ID]about
	joined []ID // distinct, in the order of the links
}

type about struct {
	unit    vedette.Token
	name    string
	display string
}

// take takes reports in their order. errs are the callers' own, one for each; err is ours, and what was kept before it is known the next time.
func (b *Book) take(ctx context.Context, ins []Incoming) (rs []Receipt, errs []error, err error) {
	rs, errs = make([]Receipt, len(ins)), make([]error, len(ins))
	ready := make([]*filed, len(ins))
	var records []evidence.Record
	opening := map[ID]bool{}
	for i := range ins {
		in := &ins[i]
		if errs[i] = in.validate(); errs[i] != nil {
			continue
		}
		old, err := b.store.Report(ctx, in.Tenant, in.ID)
		switch {
		case errors.Is(err, vedette.ErrUnknown):
		case err != nil:
			return nil, nil, fmt.Errorf("casefile: take: %w", err)
		case old.Bytes != in.Bytes:
			errs[i] = fmt.Errorf("casefile: report %s is known with other bytes: %w", in.ID, vedette.ErrConflict)
			continue
		case !old.less(in.Grade, &in.Report, in.opens()):
			rs[i] = Receipt{Grade: old.Grade, Cases: casesOf(&old)}
			b.metrics.report(old.Grade, resultKnown)
			continue
		}
		f, err := b.file(in)
		if err != nil {
			return nil, nil, err
		}
		ready[i] = f
		records = append(records, f.record(in, b.clock()))
		for _, id := range f.joined {
			if _, err := b.store.Case(ctx, id); errors.Is(err, vedette.ErrUnknown) && !opening[id] {
				opening[id] = true
				records = append(records, leadRecord(f.Tenant, id, f.names[id].display, Signal, []string{house}, whyReported, b.clock()))
			}
		}
	}
	if len(records) > 0 {
		// Outside the lock: the log waits for its checkpoint. Two reports that open one lead at one time record it twice, and open it once.
		if _, err := b.deps.Book.Append(ctx, records...); err != nil {
			return nil, nil, fmt.Errorf("casefile: record a report: %w", err)
		}
	}
	for i, f := range ready {
		if f == nil {
			continue
		}
		isNew, err := b.keep(ctx, f)
		if errors.Is(err, vedette.ErrInvalid) || errors.Is(err, errBytes) {
			errs[i] = err
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		rs[i] = Receipt{New: isNew, Grade: f.Grade, Cases: f.joined}
		b.metrics.report(f.Grade, resultTaken)
	}
	return rs, errs, nil
}

var errBytes = fmt.Errorf("casefile: report is known with other bytes: %w", vedette.ErrConflict)

func (in *Incoming) validate() error {
	bad := func(what string) error { return fmt.Errorf("casefile: report: %s: %w", what, vedette.ErrInvalid) }
	if _, err := vedette.ParseTenant(string(in.Tenant)); err != nil {
		return fmt.Errorf("casefile: report: %w", err)
	}
	switch {
	case in.ID.IsZero() || in.Reporter.IsZero():
		return bad("no id or no reporter")
	case in.Grade < Claim || in.Grade > Franked:
		return bad("no grade")
	case in.At.IsZero() || in.Taken.IsZero():
		return bad("no time")
	case len(in.Sent) > maxLinks:
		return bad("more than 32 links")
	case len(in.Why) > 500:
		return bad("a reason over 500 bytes")
	}
	return nil
}

// opens tells whether a report brings more than the journal has of it, for a case that it can be sealed for: what was opened, or a link itself.
func (in *Incoming) opens() bool {
	return slices.ContainsFunc(in.Sent, func(l OpenLink) bool { return (in.Content != nil || l.URL != "") && !Unit(&l.Tokens).IsZero() })
}

// opens tells the same of a report as it is kept.
func (r *Report) opens() bool {
	return r.Opened != nil || slices.ContainsFunc(r.Links, func(l Link) bool { return l.URL != nil })
}

// less tells whether a report as it is kept gives way to another form of it: one of a stronger grade, or one that was opened where the follower came
// first and took the journal's claim. What was erased does not come back: its reporter or its subject is gone.
func (r *Report) less(grade Grade, by *Report, opens bool) bool {
	return r.Grade < grade || r.Grade == grade && opens && !r.opens() && !r.Reporter.IsZero() && r.Subject == by.Subject
}

func casesOf(r *Report) (out []ID) {
	for _, l := range r.Links {
		if l.Case != "" && !slices.Contains(out, l.Case) {
			out = append(out, l.Case)
		}
	}
	return out
}

// file reads the names of a report's links and seals what is to be sealed.
func (b *Book) file(in *Incoming) (*filed, error) {
	f := &filed{Report: in.Report, names: map[ID]about{}}
	f.At, f.Taken = f.At.UTC().Truncate(time.Millisecond), f.Taken.UTC().Truncate(time.Millisecond)
	f.Links, f.Opened, f.Case = nil, nil, ""
	if f.Component == 0 && b.deps.Component != nil {
		f.Component = b.deps.Component(f.Tenant, f.Reporter)
	}
	box, err := b.deps.Boxers(in.Tenant)
	if err != nil {
		return nil, fmt.Errorf("casefile: seal a report: %w", err)
	}
	for i, s := range in.Sent {
		l := Link{Tokens: s.Tokens}
		unit := Unit(&s.Tokens)
		var u link.URL
		if s.URL != "" {
			if u, err = link.Parse(s.URL); err == nil {
				l.Host, l.Display = u.Host(), link.Defang(u.Host())
			}
		}
		if !unit.IsZero() {
			l.Case = About(in.Tenant, unit)
			if _, ok := f.names[l.Case]; !ok {
				name, display := nameOf(unit.Kind, &u)
				f.names[l.Case] = about{unit, name, display}
				f.joined = append(f.joined, l.Case)
			}
			if s.URL != "" {
				if l.URL, err = box.Box(string(l.Case), LinkBox(f.ID, i), []byte(s.URL)); err != nil {
					return nil, fmt.Errorf("casefile: seal a link: %w", err)
				}
			}
		}
		f.Links = append(f.Links, l)
	}
	// What was opened is sealed for one case, that of the first link: a permit elsewhere does not open it. Without a link there is no case in which
	// anybody could be allowed to read it, and so it is not kept.
	if len(f.joined) > 0 && in.Content != nil {
		f.Case = f.joined[0]
		if f.Opened, err = box.Box(string(f.Case), OpenedBox(f.ID), in.Content); err != nil {
			return nil, fmt.Errorf("casefile: seal what was opened: %w", err)
		}
	}
	return f, nil
}

// OpenedBox and LinkBox are the names of a report's boxes within its case, for vault.Unbox.
func OpenedBox(id vedette.EventID) string { return "report/" + id.String() }

// LinkBox names the box of a report's link, counted from 0.
func LinkBox(id vedette.EventID, i int) string {
	return "report/" + id.String() + "/link/" + strconv.Itoa(i)
}

// nameOf is what a case about such a token is called, where the link is known.
func nameOf(k vedette.TokenKind, u *link.URL) (name, display string) {
	switch k {
	case vedette.TokenDomain:
		name = u.Registrable()
	case vedette.TokenHost:
		name = u.Host()
	case vedette.TokenTenant:
		name = u.HostTenant()
	case vedette.TokenURL:
		if u.Host() != "" { // the URL itself may name one person
			return "", link.Defang(u.Host()) + "/…"
		}
	}
	return name, link.Defang(name)
}

func kindOf(k vedette.TokenKind) string {
	return [...]string{"finding", "domain", "host", "tenant", "url"}[k]
}

const (
	house       = "vedette"
	whyReported = "reported"
)

// record is what the evidence log keeps of a report: no account, no link.
func (f *filed) record(in *Incoming, at time.Time) evidence.Record {
	cases := make([]string, len(f.joined))
	for i, id := range f.joined {
		cases[i] = string(id)
	}
	r := evidence.Record{Kind: evidence.KindReport, At: at, Tenant: f.Tenant, Fields: []evidence.Field{
		{Name: "report", Value: []byte(f.ID.String())},
		{Name: "outcome", Value: []byte("taken")},
		{Name: "grade", Value: []byte(f.Grade.String())},
		{Name: "why", Value: []byte(f.Why)},
		{Name: "cases", Value: []byte(strings.Join(cases, ","))},
		{Name: "share", Value: strconv.AppendBool(nil, f.Share)},
		{Name: "taken", Value: f.Taken.AppendFormat(nil, time.RFC3339Nano)},
	}}
	if len(in.Tag) > 0 {
		r.Fields = append(r.Fields, evidence.Field{Name: "franking", Value: slices.Clone(in.Tag)})
	}
	return r
}

func leadRecord(t vedette.Tenant, id ID, display string, s State, by []string, why string, at time.Time) evidence.Record {
	return evidence.Record{Kind: evidence.KindLead, At: at, Tenant: t, Fields: []evidence.Field{
		{Name: "case", Value: []byte(id)},
		{Name: "state", Value: []byte(s)},
		{Name: "about", Value: []byte(display)},
		{Name: "by", Value: []byte(strings.Join(by, ","))},
		{Name: "why", Value: []byte(why)},
	}}
}

// keep keeps a report with what it changes.
func (b *Book) keep(ctx context.Context, f *filed) (isNew bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var opened []ID
	for range tries {
		var c Change
		opened = opened[:0]
		old, err := b.store.Report(ctx, f.Tenant, f.ID)
		known := err == nil
		switch {
		case err != nil && !errors.Is(err, vedette.ErrUnknown):
			return false, fmt.Errorf("casefile: keep: %w", err)
		case known && old.Bytes != f.Bytes:
			return false, errBytes
		case known && !old.less(f.Grade, &f.Report, f.opens()):
			return false, nil
		}
		r := f.Report
		c.Report = &r
		had := casesOf(&old)
		for _, id := range f.joined {
			k, isNew, steps, v, err := b.join(ctx, id, f, known && slices.Contains(had, id))
			if err != nil {
				return false, err
			}
			if isNew {
				opened = append(opened, id)
			}
			c.Cases, c.Steps = append(c.Cases, k), append(c.Steps, steps...)
			if v.Voices > 0 {
				c.Voices = append(c.Voices, v)
			}
		}
		switch err := b.store.Keep(ctx, c); {
		case errors.Is(err, vedette.ErrConflict):
			continue // another process of the house changed a case
		case err != nil:
			return false, fmt.Errorf("casefile: keep: %w", err)
		}
		for _, id := range opened {
			b.log.LogAttrs(ctx, slog.LevelInfo, "lead opened", slog.String("case", string(id)))
		}
		b.metrics.steps(c.Steps)
		return true, nil
	}
	return false, fmt.Errorf("casefile: keep: cases are changed faster than we can: %w", vedette.ErrUnavailable)
}

// tries is how often a change is made anew when another process of the house was faster.
const tries = 8

// join makes a case as it is with a report. again: an earlier, weaker form of the same report has joined it.
func (b *Book) join(ctx context.Context, id ID, f *filed, again bool) (k Case, isNew bool, steps []Step, v Voice, err error) {
	k, err = b.store.Case(ctx, id)
	n := f.names[id]
	switch isNew = errors.Is(err, vedette.ErrUnknown); {
	case isNew:
		k = Case{ID: id, Tenant: f.Tenant, About: n.unit, Kind: kindOf(n.unit.Kind), Opened: f.Taken}
		steps = append(steps, k.step(f.Taken, Signal, []string{house}, whyReported))
	case err != nil:
		return k, false, nil, v, fmt.Errorf("casefile: %w", err)
	case k.Tenant != f.Tenant || k.About != n.unit:
		// 64 bits of a digest without a key: a client that chooses its tokens can have two meet. It is the report's own fault, and holds up no other.
		return k, false, nil, v, fmt.Errorf("casefile: %s is about something else: %w", id, vedette.ErrInvalid)
	}
	if k.Display == "" {
		k.Name, k.Display = n.name, n.display
	}
	k.Version++
	if k.First.IsZero() || f.Taken.Before(k.First) {
		k.First = f.Taken
	}
	if f.Taken.After(k.Last) {
		k.Last = f.Taken
	}
	if !again {
		k.Reports++
		if f.Share {
			k.Shared++
		}
	}
	v = Voice{Case: id, Who: voiceOf(&f.Report), Voices: weigh(&f.Report)}
	if v.Voices > 0 {
		k.Best = max(k.Best, f.Grade)
		before, err := b.store.Voice(ctx, id, v.Who)
		if err != nil {
			return k, false, nil, v, fmt.Errorf("casefile: %w", err)
		}
		if before == 0 {
			k.Voices++
		}
		v.Voices = max(v.Voices, before) // one speaker counts once, by the best report
		k.Weight += v.Voices - before
	}
	// A lead becomes a case by weight; and a closed one a lead again, by as much that is new. No weight does more: what follows is for people.
	why, to := "", State("")
	switch {
	case k.State == Signal && k.Weight >= OpenWeight:
		to, why = Open, "independent reports reached the weight of one that is proven"
	case k.State == Closed && k.Weight >= k.Settled+OpenWeight:
		to, why = Signal, "reported by others after it was closed"
	}
	if to != "" {
		if _, err := b.deps.Book.Append(ctx, leadRecord(k.Tenant, id, k.Display, to, []string{house}, why, b.clock())); err != nil {
			return k, false, nil, v, fmt.Errorf("casefile: record a step: %w", err)
		}
		steps = append(steps, k.step(f.Taken, to, []string{house}, why))
	}
	return k, isNew, steps, v, nil
}

// step moves a case and returns the entry of its log.
func (k *Case) step(at time.Time, s State, by []string, why string) Step {
	k.Steps++
	if k.State != s {
		k.State, k.Changed = s, at
		if s == Closed {
			k.Settled = k.Weight
		}
	}
	return Step{Case: k.ID, Number: k.Steps, At: at, State: s, By: by, Why: why}
}

// Refuse records that a report was refused at the door, and why; nothing else of it is kept. why is constant text. Its error wraps
// vedette.ErrUnavailable.
func (b *Book) Refuse(ctx context.Context, t vedette.Tenant, id vedette.EventID, why string) error {
	_, err := b.deps.Book.Append(ctx, evidence.Record{Kind: evidence.KindReport, At: b.clock(), Tenant: t, Fields: []evidence.Field{
		{Name: "report", Value: []byte(id.String())},
		{Name: "outcome", Value: []byte("refused")},
		{Name: "why", Value: []byte(why)},
	}})
	if err != nil {
		return fmt.Errorf("casefile: record a refusal: %w", err)
	}
	b.metrics.refused.Inc()
	return nil
}

// Status is what a platform may read of its own report. It tells nothing of the case: whether others reported the same, or what came of it.
type Status struct {
	At, Taken time.Time
	Grade     Grade
	Why       string
}

// Status returns it. Its error wraps vedette.ErrUnknown.
func (b *Book) Status(ctx context.Context, t vedette.Tenant, id vedette.EventID) (Status, error) {
	r, err := b.store.Report(ctx, t, id)
	if err != nil {
		return Status{}, fmt.Errorf("casefile: status: %w", err)
	}
	return Status{r.At, r.Taken, r.Grade, r.Why}, nil
}

// FromFinding opens or joins the case that a detector's finding is about: its first link, or without one the finding itself. The finding's accounts
// and events are not kept. Taking it again changes nothing. Its error wraps vedette.ErrInvalid or ErrUnavailable.
func (b *Book) FromFinding(ctx context.Context, t vedette.Tenant, f vedette.Finding) (ID, error) {
	if _, err := vedette.ParseTenant(string(t)); err != nil || f.ID.IsZero() || f.Detector == "" {
		return "", fmt.Errorf("casefile: finding: a tenant, an id and a detector are needed: %w", vedette.ErrInvalid)
	}
	unit := vedette.Token{}
	id := idOf(t, "finding", f.ID[:])
	if i := slices.IndexFunc(f.Links, func(t vedette.Token) bool { return !t.IsZero() }); i >= 0 {
		unit = f.Links[i]
		id = About(t, unit)
	}
	why := f.Detector + ", " + f.Score.String()
	if len(f.Reasons) > 0 && f.Reasons[0].Text != "" {
		why += ": " + f.Reasons[0].Text
	}
	at := f.To.UTC().Truncate(time.Millisecond)
	if at.IsZero() {
		at = b.clock()
	}
	return id, b.change(ctx, id, func(k *Case, steps []Step) ([]Step, []evidence.Record, error) {
		if slices.ContainsFunc(steps, func(s Step) bool { return s.Finding == f.ID }) {
			return nil, nil, nil
		}
		if k.Version == 0 {
			*k = Case{ID: id, Tenant: t, About: unit, Kind: kindOf(unit.Kind), Opened: at}
		}
		if k.Tenant != t || k.About != unit {
			return nil, nil, fmt.Errorf("casefile: %s is about something else", id)
		}
		k.Findings++
		k.Score = max(k.Score, f.Score)
		to := k.State // a score moves nothing on: it is a lead
		if to == "" || to == Closed {
			to = Signal
		}
		s := k.step(at, to, []string{house}, why)
		s.Finding = f.ID
		rec := leadRecord(t, id, k.Display, k.State, s.By, why, b.clock())
		rec.Fields = append(rec.Fields, evidence.Field{Name: "finding", Value: []byte(f.ID.String())})
		return []Step{s}, []evidence.Record{rec}, nil
	})
}

// change makes a change of one case: recorded first, then kept; once more when another process was faster. A change without steps is none.
func (b *Book) change(ctx context.Context, id ID, do func(*Case, []Step) ([]Step, []evidence.Record, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range tries {
		k, err := b.store.Case(ctx, id)
		if err != nil && !errors.Is(err, vedette.ErrUnknown) {
			return fmt.Errorf("casefile: %w", err)
		}
		had, err := b.store.Steps(ctx, id)
		if err != nil {
			return fmt.Errorf("casefile: %w", err)
		}
		version := k.Version
		steps, records, err := do(&k, had)
		if err != nil || len(steps) == 0 {
			return err
		}
		if _, err := b.deps.Book.Append(ctx, records...); err != nil {
			return fmt.Errorf("casefile: record a step: %w", err)
		}
		k.Version = version + 1
		switch err := b.store.Keep(ctx, Change{Cases: []Case{k}, Steps: steps}); {
		case errors.Is(err, vedette.ErrConflict):
			continue
		case err != nil:
			return fmt.Errorf("casefile: keep: %w", err)
		}
		b.metrics.steps(steps)
		for _, s := range steps {
			b.log.LogAttrs(ctx, slog.LevelInfo, "case moved", slog.String("case", string(id)), slog.String("state", string(s.State)))
		}
		return nil
	}
	return fmt.Errorf("casefile: %s is changed faster than we can: %w", id, vedette.ErrUnavailable)
}
