// Package sentry keeps the slow watch at the journal: it takes what the gate took, keeps what was seen, hands on what was found, and asks the gate for warnings.
//
// In:     the journal's entries, in order; what people made of a cell; for whom partners vouch; who was erased.
// Out:    each Finding once, also after a crash; the list of watch entries that the gate should have.
// Keeps:  population and detectors, in one state of the journal together with its place in it, saved at each tick of event time and when Run ends.
// Fails:  what cannot be handed on is tried again, and the place stays before it. A saved state that is damaged, or of another model, is said, and the watch
//
//	begins anew from what the journal has.
//
// Source: docs/decisions/0024-watch-at-the-gate.md, docs/formats/watch.md
package sentry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
	"vedette/watch/targeting"
)

// Follower is the name under which its place in the journal is kept.
const Follower = "watch"

const (
	state  = journal.FollowerState + Follower
	people = "watch/people" // judgements, partners' words and erasures: what no journal tells again
)

// Bounds of what is kept beside the detectors.
const (
	maxTold  = 1000           // findings that are kept to be shown
	maxOf    = 8              // entries of one cell
	maxAsked = 256            // entries at one time
	stay     = 72 * time.Hour // how long an entry speaks
	stale    = 24 * time.Hour // what is later than that is not taken: it would all seem to happen now
	week     = 7
)

// Config is what a team sets.
type Config struct {
	Population population.Config // of one partition
	Rehearsal  rehearsal.Config
	Targeting  targeting.Config
	// Friction is how many warnings a week all entries together may cause, for a million active accounts; at least 10 are always allowed. Default 200; 1 to 100,000.
	Friction float64
	// PerEntry is how many warnings one entry may cause. Default 64; 1 to 100,000.
	PerEntry int
}

// leastFriction lets a small platform have any warning at all.
const leastFriction = 10

// Filled returns the configuration with its defaults.
func (c Config) Filled() Config {
	c.Population.Partitions = 1
	c.Friction = cmp.Or(c.Friction, 200)
	c.PerEntry = cmp.Or(c.PerEntry, 64)
	return c
}

// Validate names what is out of range. Its error wraps vedette.ErrInvalid.
func (c Config) Validate() error {
	c = c.Filled()
	var errs []error
	errs = append(errs, c.Population.Validate(), c.Rehearsal.Validate(), c.Targeting.Validate())
	if !(c.Friction >= 1 && c.Friction <= 100_000) {
		errs = append(errs, fmt.Errorf("watch.friction: %v is not 1 to 100000: %w", c.Friction, vedette.ErrInvalid))
	}
	if c.PerEntry < 1 || c.PerEntry > 100_000 {
		errs = append(errs, fmt.Errorf("watch.per_entry: %d is not 1 to 100000: %w", c.PerEntry, vedette.ErrInvalid))
	}
	return errors.Join(errs...)
}

// Deps are what a Sentry works with.
type Deps struct {
	Journal journal.Journal
	// Found takes a finding, durable when it returns nil. Its error stops the watch, which comes again with the same one. nil: findings are only counted.
	Found func(ctx context.Context, f *vedette.Finding, p Provenance) error
	// Proven returns how many records there are, and the ids of the findings that are among those from one on. nil: none was recorded.
	Proven func(ctx context.Context, from uint64) (ids []vedette.Digest, size uint64, err error)
	// Post gives the gate the whole list of entries that it should have from now on. nil: there is no gate.
	Post func(ctx context.Context, entries []vedette.Watched) error
	// AtRisk says who asked for protection. nil: nobody did. Key, 32 bytes, seals what is saved of it, and hides for whom partners vouch.
	AtRisk     targeting.AtRisk
	Key        []byte
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Provenance says by what a finding was found.
type Provenance struct {
	Model      vedette.Digest // of what the detector was taught
	Parameters vedette.Digest // of the configuration in force
	Cell       vedette.Digest // zero: it is of none
}

// Told is a finding as it is kept to be shown: without its accounts.
type Told struct {
	ID       vedette.Digest    `json:"id"`
	Detector string            `json:"detector"`
	Cell     vedette.Digest    `json:"cell"`
	Members  int               `json:"members"`
	Links    []vedette.Token   `json:"links"`
	Score    vedette.MilliBits `json:"score"`
	From     time.Time         `json:"from"`
	To       time.Time         `json:"to"`
	Basis    []vedette.EventID `json:"basis"`
	Reasons  []vedette.Reason  `json:"reasons"`
}

// Asked is a watch entry with what became of it.
type Asked struct {
	vedette.Watched
	First   time.Time `json:"first"`             // when it was first asked for
	Warned  int       `json:"warned"`            // people whom it warned, over all its times
	Ended   string    `json:"ended,omitempty"`   // why it does not come again; empty: it may
	Renewed int       `json:"renewed,omitempty"` // how often the cell went on with the link after it had ended
}

// kept is what the sentry itself has, beside population and detectors.
type kept struct {
	Ticked time.Time      `json:"ticked"`
	Last   time.Time      `json:"last"` // event time of the latest event
	Live   bool           `json:"live"` // events come as they happen, so that the journal's ticks tell the time
	Stale  uint64         `json:"stale"`
	Told   []Told         `json:"told"`
	Asked  []Asked        `json:"asked"`
	Days   map[int64]int  `json:"days"`   // warnings by day, of the last week
	Judged []Judgement    `json:"judged"` // those that were taken
	Found  map[string]int `json:"found"`
	Digest vedette.Digest `json:"digest"` // of all findings so far
	Proven uint64         `json:"proven"` // records that are known to hold no finding that is not among Told
}

// Judgement is what a person made of a cell.
type Judgement struct {
	Cell vedette.Digest        `json:"cell"`
	What rehearsal.Disposition `json:"what"`
	At   time.Time             `json:"at"` // event time
}

type erasure struct {
	Account vedette.AccountID `json:"account"`
	Frame   uint64            `json:"frame"`
	Index   uint16            `json:"index"`
	Ticked  time.Time         `json:"ticked"` // the tick before it
}

// byPeople is kept in a state of its own: the journal does not tell it again.
type byPeople struct {
	Judged  []Judgement `json:"judged,omitempty"`
	Erased  []erasure   `json:"erased,omitempty"`
	Vouched []vouched   `json:"vouched,omitempty"`
}

// Sentry follows one partition's journal. It is deterministic: the same journal, judgements, partners' words and erasures give the same findings and entries, however often
// it was interrupted. Run is called once at a time; the other methods at any time.
type Sentry struct {
	cfg        Config
	deps       Deps
	log        *slog.Logger
	m          *metrics
	model      vedette.Digest
	parameters vedette.Digest

	mu       sync.Mutex
	restored bool
	pop      *population.Population
	cells    *rehearsal.Detector
	aims     *targeting.Detector
	hand     *hand
	at       journal.Position // the last entry that was taken
	saved    journal.Position
	ticks    int // since the last save
	kept     kept
	people   byPeople
	ticking  time.Time // the tick that is looked at, or was last
	pending  []found
	known    map[vedette.Digest]bool // findings that the record has and that did not come again yet
	asked    bool                    // known was read
	dirty    bool                    // the gate's list has changed
	rebuilt  string                  // why the saved state was not used; empty: it was
}

type found struct {
	f    vedette.Finding
	cell vedette.Digest
}

// hand is what the population holds: detectors come and go beneath it.
type hand struct{ s *Sentry }

func (h *hand) Before(st *population.State, e *population.Event) {
	h.s.cells.Before(st, e)
	h.s.aims.Before(st, e)
}
func (h *hand) Tick(st *population.State, at time.Time) { h.s.tick(st, at) }

// New makes a sentry. Its error wraps vedette.ErrInvalid.
func New(cfg Config, deps Deps) (*Sentry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Journal == nil {
		return nil, fmt.Errorf("sentry: without a journal: %w", vedette.ErrInvalid)
	}
	s := &Sentry{cfg: cfg.Filled(), deps: deps, log: deps.Log, m: newMetrics(deps.Registerer)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.model, err = digest(rehearsal.Standard()); err != nil {
		return nil, err
	}
	if s.parameters, err = digest(s.cfg); err != nil {
		return nil, err
	}
	return s, s.begin()
}

func digest(v any) (vedette.Digest, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return vedette.Digest{}, fmt.Errorf("sentry: %w", err)
	}
	return sha256.Sum256(b), nil
}

// begin makes everything empty.
func (s *Sentry) begin() (err error) {
	s.hand = &hand{s}
	if s.cells, err = rehearsal.New(s.cfg.Rehearsal, nil); err != nil {
		return err
	}
	s.cells.Vouchers = voucher{s}
	if s.aims, err = targeting.New(s.cfg.Targeting, s.others(s.cells)); err != nil {
		return err
	}
	s.pop, err = population.New(s.cfg.Population, s.hand)
	s.at, s.kept, s.pending = journal.Position{}, kept{Days: map[int64]int{}, Found: map[string]int{}}, nil
	return err
}

// others are what targeting knows from elsewhere.
func (s *Sentry) others(cells *rehearsal.Detector) targeting.Known {
	return targeting.Known{AtRisk: s.deps.AtRisk, Kinship: cells, Vouchers: voucher{s}, Key: s.deps.Key}
}

// Run watches until ctx ends, and saves then. It returns ctx's error, or the first of the journal, of Found or of Post.
func (s *Sentry) Run(ctx context.Context) error {
	if err := s.restore(ctx); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		at := s.at
		s.mu.Unlock()
		err := s.read(ctx, next(at))
		if err == nil {
			err = s.deps.Journal.Wait(ctx, at)
		}
		if err != nil {
			return errors.Join(err, s.Flush(context.WithoutCancel(ctx)))
		}
	}
}

// CatchUp watches to the end that the journal has now, and saves.
func (s *Sentry) CatchUp(ctx context.Context) error {
	if err := s.restore(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	if at.Less(s.deps.Journal.Last()) {
		if err := s.read(ctx, next(at)); err != nil {
			return err
		}
	}
	return s.Flush(ctx)
}

func next(at journal.Position) journal.Position {
	if at == (journal.Position{}) {
		return at // without a place it takes what is retained
	}
	return journal.Position{Frame: at.Frame, Index: at.Index + 1}
}

// chunk is how many entries are taken between two deliveries at most.
const chunk = 4 * journal.MaxFrame

func (s *Sentry) read(ctx context.Context, from journal.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.deliver(ctx); err != nil { // what an error left
		return err
	}
	n := 0
	for e, err := range s.deps.Journal.Read(ctx, from) {
		if err != nil {
			return err
		}
		s.take(&e)
		if n++; n%chunk == 0 {
			if err := s.deliver(ctx); err != nil {
				return err
			}
			// Others may have something to ask or to erase.
			s.mu.Unlock()
			s.mu.Lock()
		}
	}
	if err := s.deliver(ctx); err != nil {
		return err
	}
	return s.post(ctx)
}

// take is called with the lock held.
func (s *Sentry) take(e *journal.Entry) {
	if !s.at.Less(e.Position) {
		return
	}
	s.at = e.Position
	s.m.entries.Inc()
	ev := &e.Event
	switch kind := ev.Kind(); {
	case kind == vedette.KindGeneration:
	case kind == vedette.KindTick:
		if s.kept.Live {
			s.pop.Reached(0, ev.At)
		}
	case s.isErased(e):
	case s.kept.Last.Sub(ev.At) > stale:
		s.kept.Stale++
	default:
		s.friction(e)
		if ev.At.After(s.kept.Last) {
			s.kept.Last = ev.At
		}
		s.kept.Live = ev.Source != vedette.SourceReplay && ev.Seen.Sub(ev.At) < population.Lateness
		s.pop.Take(0, ev)
	}
}

func (s *Sentry) isErased(e *journal.Entry) bool {
	if len(s.people.Erased) == 0 {
		return false
	}
	return slices.ContainsFunc(s.people.Erased, func(x erasure) bool {
		return !x.upto().Less(e.Position) && slices.Contains(accountsOf(&e.Event), x.Account)
	})
}

func (x *erasure) upto() journal.Position { return journal.Position{Frame: x.Frame, Index: x.Index} }

// accountsOf are those that an event makes the watch know.
func accountsOf(e *vedette.Event) []vedette.AccountID {
	out := []vedette.AccountID{e.Actor}
	switch b := e.Body.(type) {
	case *vedette.GroupJoined:
		out = append(out, b.Member)
	case *vedette.GroupLeft:
		out = append(out, b.Member)
	case *vedette.MessageSent:
		out = append(out, b.To.Account)
	case *vedette.LinkSent:
		out = append(out, b.To.Account)
	case *vedette.LinkPreviewed:
		out = append(out, b.From)
	case *vedette.LinkOpened:
		out = append(out, b.From)
	case *vedette.NumberLookedUp:
		out = append(out, b.Target)
	case *vedette.UserBlocked:
		out = append(out, b.Subject)
	case *vedette.UserUnblocked:
		out = append(out, b.Subject)
	case *vedette.UserReported:
		out = append(out, b.Subject)
	}
	return out
}

// tick lets the detectors look, takes what they found, and says what the gate should warn of.
func (s *Sentry) tick(st *population.State, at time.Time) {
	for _, x := range s.people.Erased { // of what still waited to be put in order
		st.Forget(x.Account)
		if !x.Ticked.Before(s.kept.Ticked.Add(-s.every())) { // nothing waits for longer
			s.aims.Forget(st, x.Account)
		}
	}
	s.ticking = at
	s.cells.Tick(st, at)
	s.aims.Tick(st, at)
	for _, j := range s.people.Judged {
		if !at.Before(j.At) && !slices.Contains(s.kept.Judged, j) {
			_ = s.judge(j) // what is not followed any more: the judgement has no use
		}
	}
	s.kept.Judged = slices.DeleteFunc(s.kept.Judged, func(j Judgement) bool { return !slices.Contains(s.people.Judged, j) })
	s.kept.Ticked = at
	s.ticks++
	for _, f := range slices.Concat(s.cells.Findings(), s.aims.Findings()) {
		s.find(f)
	}
	s.entries(st, at)
}

// judge takes a judgement of a cell or of a finding, once.
func (s *Sentry) judge(j Judgement) error {
	s.kept.Judged = append(s.kept.Judged, j)
	err := s.cells.Judge(j.Cell, j.What)
	if err != nil {
		return s.aims.Judge(j.Cell, j.What)
	}
	if j.What == rehearsal.Confirmed {
		for _, c := range s.cells.Cells() {
			if c.ID == j.Cell {
				s.aims.Incident(c.Members...)
			}
		}
	}
	return nil
}

// discreet leaves out of the reasons that somebody asked for protection: beside the events of a finding it would tell of a few people that one of them did.
func discreet(rs []vedette.Reason) []vedette.Reason {
	return slices.DeleteFunc(slices.Clone(rs), func(r vedette.Reason) bool {
		return r.Rule == vedette.RuleID("targeting/"+targeting.Protected.String()) || r.Rule == vedette.RuleID("targeting/"+targeting.Together.String())
	})
}

// find keeps a finding to be shown, and to be handed on.
func (s *Sentry) find(f vedette.Finding) {
	f.Reasons = discreet(f.Reasons)
	var cell vedette.Digest
	if f.Detector == rehearsal.Name && len(f.Subjects) > 0 {
		cell, _, _ = s.cells.Account(f.Subjects[0])
	}
	s.kept.Found[f.Detector]++
	s.m.findings.WithLabelValues(f.Detector).Inc()
	s.kept.Digest = chain(s.kept.Digest, &f)
	s.kept.Told = append(s.kept.Told, Told{f.ID, f.Detector, cell, len(f.Subjects), f.Links, f.Score, f.From, f.To, f.Basis, f.Reasons})
	if over := len(s.kept.Told) - maxTold; over > 0 {
		s.kept.Told = slices.Delete(s.kept.Told, 0, over)
	}
	s.pending = append(s.pending, found{f, cell})
}

// chain adds a finding to the digest of all, whatever people are called in it.
func chain(before vedette.Digest, f *vedette.Finding) vedette.Digest {
	h := sha256.New()
	h.Write(before[:])
	fmt.Fprintf(h, "%s %d %d %d %d %d\n", f.Detector, len(f.Subjects), len(f.Links), f.Score, f.From.UnixMilli(), f.To.UnixMilli())
	for _, r := range f.Reasons {
		fmt.Fprintf(h, "%s %d %s\n", r.Rule, r.Weight, r.Text)
	}
	return vedette.Digest(h.Sum(nil))
}

// deliver hands on what was found and saves when a tick has passed. It is called with the lock held.
func (s *Sentry) deliver(ctx context.Context) error {
	for len(s.pending) > 0 {
		p := &s.pending[0]
		if err := s.handOn(ctx, p); err != nil {
			return err
		}
		s.log.LogAttrs(ctx, slog.LevelInfo, "the watch found something", slog.String("detector", p.f.Detector), slog.String("finding", p.f.ID.String()))
		s.pending = s.pending[1:]
	}
	if s.ticks == 0 {
		return nil
	}
	return s.save(ctx)
}

func (s *Sentry) handOn(ctx context.Context, p *found) error {
	if s.deps.Found == nil {
		return nil
	}
	if !s.asked {
		clear(s.known)
		if s.deps.Proven != nil {
			ids, _, err := s.deps.Proven(ctx, s.kept.Proven)
			if err != nil {
				return fmt.Errorf("sentry: what is recorded: %w", err)
			}
			for _, id := range ids {
				s.known[id] = true
			}
		}
		s.asked = true
	}
	by := Provenance{Model: s.model, Parameters: s.parameters, Cell: p.cell}
	f := p.f
	if s.known[f.ID] {
		by.Model = vedette.Digest{} // recorded before a crash: only what comes after the record is done again
	}
	if err := s.deps.Found(ctx, &f, by); err != nil {
		s.asked = false // it may be recorded or not
		return fmt.Errorf("sentry: finding: %w", err)
	}
	delete(s.known, f.ID)
	return nil
}

// Recorded tells whether the record has the finding already.
func (p Provenance) Recorded() bool { return p.Model.IsZero() }

// post gives the gate its list, when it has changed. It is called with the lock held.
func (s *Sentry) post(ctx context.Context) error {
	if !s.dirty || s.deps.Post == nil {
		s.dirty = false
		return nil
	}
	if err := s.deps.Post(ctx, s.inForce()); err != nil {
		return fmt.Errorf("sentry: watch entries: %w", err)
	}
	s.dirty = false
	return nil
}

// Flush hands on and saves what was taken so far.
func (s *Sentry) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.restored {
		return nil
	}
	if err := s.deliver(ctx); err != nil {
		return err
	}
	if err := s.post(ctx); err != nil {
		return err
	}
	if s.at == s.saved {
		return nil
	}
	return s.save(ctx)
}

// Position returns the last entry that was taken.
func (s *Sentry) Position() journal.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// Judge takes what a person made of a cell, or of a finding about first contacts. It holds at once, and also when the watch begins anew. Its error wraps
// vedette.ErrUnknown where no such cell is followed, and no such finding kept.
func (s *Sentry) Judge(ctx context.Context, cell vedette.Digest, what rehearsal.Disposition) error {
	if err := s.restore(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := Judgement{cell, what, s.kept.Ticked}
	if err := s.judge(j); err != nil {
		return err
	}
	s.people.Judged = slices.DeleteFunc(s.people.Judged, func(j Judgement) bool { return j.Cell == cell || s.kept.Ticked.Sub(j.At) > 400*24*time.Hour })
	s.people.Judged = append(s.people.Judged, j)
	if err := s.savePeople(ctx); err != nil {
		return err
	}
	if what == rehearsal.Wrong || what == rehearsal.Unclear {
		for i := range s.kept.Asked {
			if a := &s.kept.Asked[i]; a.Cell == cell && a.Ended == "" {
				a.Ended, s.dirty = "a person judged its cell "+judged[what], true
			}
		}
	}
	if err := s.deliver(ctx); err != nil {
		return err
	}
	if err := s.post(ctx); err != nil {
		return err
	}
	return s.save(ctx)
}

var judged = [...]string{"not yet", "confirmed", "wrong", "unclear"}

// Disposition says in a word what a person made of a cell.
func Disposition(d rehearsal.Disposition) string { return judged[min(int(d), len(judged)-1)] }

// Erase takes an account out of everything that is kept, also out of what was not taken from the journal yet. The caller has erased the vault's mapping, so
// that nothing new comes under the surrogate.
func (s *Sentry) Erase(ctx context.Context, account vedette.AccountID) error {
	if account.IsZero() {
		return fmt.Errorf("sentry: erase nobody: %w", vedette.ErrInvalid)
	}
	if err := s.restore(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.deps.Journal.Last()
	x := erasure{account, last.Frame, last.Index, s.kept.Ticked}
	if !slices.ContainsFunc(s.people.Erased, func(y erasure) bool { return y.Account == account && y.upto() == last }) {
		first := s.deps.Journal.First() // what the journal has forgotten cannot come again
		s.people.Erased = append(slices.DeleteFunc(s.people.Erased, func(x erasure) bool { return x.upto().Less(first) }), x)
	}
	s.unmark(account)
	// First, so that a replay after a crash does not bring it back.
	if err := s.savePeople(ctx); err != nil {
		return err
	}
	if err := s.deliver(ctx); err != nil {
		return err
	}
	s.pop.State().Forget(account)
	for _, c := range s.cells.Cells() {
		c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(a vedette.AccountID) bool { return a == account })
	}
	s.aims.Forget(s.pop.State(), account)
	// What the detector still knows beside its cells goes with the one that is read back.
	blob := s.encode()
	if err := s.decode(blob); err != nil {
		return fmt.Errorf("sentry: erase: %w", err)
	}
	return s.save(ctx)
}

func (s *Sentry) savePeople(ctx context.Context) error {
	b, err := json.Marshal(s.people)
	if err != nil {
		return fmt.Errorf("sentry: %w", err)
	}
	if err := s.deps.Journal.SaveState(ctx, people, s.deps.Journal.Last(), b); err != nil {
		return fmt.Errorf("sentry: what people said: %w", err)
	}
	return nil
}

// save keeps everything with its place. It is called with the lock held, and with nothing pending.
func (s *Sentry) save(ctx context.Context) error {
	if s.deps.Proven != nil && s.asked && len(s.known) == 0 { // as long as some are recorded that did not come again, the next start must read of them again
		_, size, err := s.deps.Proven(ctx, math.MaxUint64)
		if err != nil {
			return fmt.Errorf("sentry: what is recorded: %w", err)
		}
		s.kept.Proven = size
	}
	if s.retire() {
		if err := s.savePeople(ctx); err != nil {
			return err
		}
	}
	if err := s.deps.Journal.SaveState(ctx, state, s.at, s.encode()); err != nil {
		return fmt.Errorf("sentry: keep the watch's place: %w", err)
	}
	s.saved, s.ticks = s.at, 0
	s.m.show(s)
	return nil
}

// restore finds everything as it was, or begins anew and says why.
func (s *Sentry) restore(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restored {
		return nil
	}
	j := s.deps.Journal
	states, err := j.LoadStates(ctx, people)
	if err != nil {
		return fmt.Errorf("sentry: what people said: %w", err)
	}
	for _, x := range states {
		if x.Name == people && json.Unmarshal(x.Data, &s.people) != nil {
			return fmt.Errorf("sentry: what people said about cells cannot be read: %w", vedette.ErrUnavailable)
		}
	}
	if states, err = j.LoadStates(ctx, state); err != nil {
		return fmt.Errorf("sentry: the watch's place: %w", err)
	}
	s.known = map[vedette.Digest]bool{}
	known := false
	for _, x := range states {
		if x.Name != state {
			continue
		}
		if len(x.Data) == 0 { // begun, and killed before anything was seen
			known, s.at, s.saved = true, x.At, x.At
			continue
		}
		err := s.decode(x.Data)
		if err == nil {
			known, s.at, s.saved = true, x.At, x.At
			continue
		}
		if !errors.Is(err, vedette.ErrInvalid) {
			return err
		}
		s.rebuilt = err.Error()
		s.log.LogAttrs(ctx, slog.LevelError, "the watch's saved state cannot be used; it begins anew from what the journal has", slog.Any("err", err))
		if err := s.begin(); err != nil {
			return err
		}
	}
	if !known {
		// From now on retention waits for us.
		if err := j.SaveState(ctx, state, journal.Position{}, []byte{}); err != nil {
			return fmt.Errorf("sentry: keep the watch's place: %w", err)
		}
	}
	s.restored, s.dirty = true, true
	return nil
}
