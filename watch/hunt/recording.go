package hunt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/journal"
)

// Rules say what goes into history and when it goes out. They are part of what the platform promises to its people.
type Rules struct {
	// Term is how long a sighting is kept. Default 90 days; 1 to 90 days.
	Term time.Duration
	// Rare is how many people may have met a link's unit while it is still recorded. Default 64; 1 to 64.
	Rare int
	// Established is the age from which an account counts as somebody's own. Default 30 days; 30 days to 1 year.
	Established time.Duration
	// Apart is how many established people, none of whom is joined with another by sends of the unit, must have passed it on before its
	// sightings go early. Default 64; at least 64.
	Apart int
	// Linger is how long sightings stay at least once very many people meet their unit, so that a report still finds them. Default 7 days; 1 day to Term.
	Linger time.Duration
	// FlushRows and FlushEvery make sightings durable after so many of them, or so much event time. Default 65,536 and 15 minutes; at most 1 hour.
	FlushRows  int
	FlushEvery time.Duration
}

// refusedSends is how many sends of a unit in seven days end the recording of refused ones: nobody meets what is refused, so that a flood of
// it would never become popular. It costs the later targets of a campaign that is refused anyway.
const refusedSends = 1024

func (r Rules) filled() Rules {
	day := 24 * time.Hour
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&r.Term, 90*day)
	set(&r.Established, 30*day)
	set(&r.Linger, min(7*day, r.Term))
	set(&r.FlushEvery, 15*time.Minute)
	for _, n := range []struct {
		at *int
		to int
	}{{&r.Rare, 64}, {&r.Apart, 64}, {&r.FlushRows, 1 << 16}} {
		if *n.at == 0 {
			*n.at = n.to
		}
	}
	return r
}

// Validate names the key that is wrong. Its error wraps vedette.ErrInvalid.
func (r Rules) Validate() error {
	day := 24 * time.Hour
	r = r.filled()
	for _, c := range []struct {
		bad  bool
		what string
	}{
		{r.Term < day || r.Term > 90*day, fmt.Sprintf("history.term: %s: 1 to 90 days", r.Term)},
		{r.Rare < 1 || r.Rare > 64, fmt.Sprintf("history.rare: %d: 1 to 64", r.Rare)},
		{r.Established < 30*day || r.Established > 366*day, fmt.Sprintf("history.established: %s: 30 days to 1 year", r.Established)},
		{r.Apart < 64 || r.Apart > maxNodes/4, fmt.Sprintf("history.apart: %d: 64 to %d", r.Apart, maxNodes/4)},
		{r.Linger < day || r.Linger > r.Term, fmt.Sprintf("history.linger: %s: 1 day to the term", r.Linger)},
		{r.FlushRows < 1, fmt.Sprintf("history.flush_rows: %d: at least 1", r.FlushRows)},
		{r.FlushEvery < time.Second || r.FlushEvery > time.Hour, fmt.Sprintf("history.flush_every: %s: 1 second to 1 hour", r.FlushEvery)},
	} {
		if c.bad {
			return fmt.Errorf("%s: %w", c.what, vedette.ErrInvalid)
		}
	}
	return nil
}

// RecordingDeps are what a Recording works with.
type RecordingDeps struct {
	Journal journal.Journal
	History History
	// Seen gets new sightings before history does, each at least once: Hunter.Seen, for standing hunts. Its error stops the recording. May be nil.
	Seen       func(ctx context.Context, sightings []Sighting) error
	Log        *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: nothing is registered
}

// Names of what a Recording keeps in its journal.
const (
	recordingFollower = "history"
	recordingState    = journal.FollowerState + recordingFollower
	erasedState       = "history/erased"
)

// Recording follows a journal and writes what may be remembered into history. It is deterministic: the same journal gives the same history,
// however often it was interrupted. Run is called once at a time; the other methods at any time.
type Recording struct {
	rules Rules
	deps  RecordingDeps
	log   *slog.Logger
	m     *recordingMetrics

	mu       sync.Mutex
	restored bool
	sieve    *sieve
	at       journal.Position // the last entry that was taken
	durable  journal.Position // history's, when it was restored: what it has is not added again
	saved    journal.Position
	pending  []Sighting
	rows     int   // given to history since the last flush
	flushed  int64 // event time of the last flush; Unix milliseconds
	erased   []erasure
}

// erasure is somebody of whom nothing may come into history from entries up to a position.
type erasure struct {
	Account vedette.AccountID `json:"account"`
	Group   vedette.GroupID   `json:"group"`
	Frame   uint64            `json:"frame"`
	Index   uint16            `json:"index"`
}

func (e *erasure) upto() journal.Position { return journal.Position{Frame: e.Frame, Index: e.Index} }

// NewRecording makes a recording. Its error wraps vedette.ErrInvalid.
func NewRecording(rules Rules, deps RecordingDeps) (*Recording, error) {
	if err := rules.Validate(); err != nil {
		return nil, fmt.Errorf("hunt: %w", err)
	}
	if deps.Journal == nil || deps.History == nil {
		return nil, fmt.Errorf("hunt: recording without journal or history: %w", vedette.ErrInvalid)
	}
	rules = rules.filled()
	r := &Recording{rules: rules, deps: deps, log: deps.Log, m: newRecordingMetrics(deps.Registerer), sieve: newSieve(rules)}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

// Run records until ctx ends, and then makes durable what it has. It returns ctx's error, or the first of journal, history or Seen.
func (r *Recording) Run(ctx context.Context) error {
	if err := r.restore(ctx); err != nil {
		return err
	}
	for {
		r.mu.Lock()
		at := r.at
		r.mu.Unlock()
		err := r.deps.Journal.Wait(ctx, at)
		if err == nil {
			err = r.read(ctx, next(at))
		}
		if err != nil {
			// A clean stop loses no time to replay; after a fault, what was taken before it is good.
			return errors.Join(err, r.Flush(context.WithoutCancel(ctx)))
		}
	}
}

func next(at journal.Position) journal.Position {
	if at == (journal.Position{}) {
		return at // a recording without a place takes what is retained
	}
	return journal.Position{Frame: at.Frame, Index: at.Index + 1}
}

// chunk is how many entries are taken between two deliveries at most.
const chunk = 4 * journal.MaxFrame

func (r *Recording) read(ctx context.Context, from journal.Position) error {
	n := 0
	r.mu.Lock()
	defer r.mu.Unlock()
	for e, err := range r.deps.Journal.Read(ctx, from) {
		if err != nil {
			return err // what was taken before is delivered by Run's last flush
		}
		r.take(&e)
		if n++; n%chunk == 0 {
			if err := r.deliver(ctx); err != nil {
				return err
			}
			// Others may have something to erase.
			r.mu.Unlock()
			r.mu.Lock()
		}
	}
	return r.deliver(ctx)
}

// take turns one entry into pending sightings. It is called with the lock held.
func (r *Recording) take(e *journal.Entry) {
	if !r.at.Less(e.Position) {
		return
	}
	r.at = e.Position
	r.m.entries.Inc()
	first := len(r.pending)
	if r.durable.Less(e.Position) {
		r.pending = r.Take(e, r.pending)
	}
	fresh := r.pending[:first]
	for i := range r.pending[first:] {
		s := &r.pending[first+i]
		switch {
		case r.sieve.knows(s.Unit()):
			r.m.sifted.Inc()
		case r.isErased(s):
		default:
			fresh = append(fresh, *s)
		}
	}
	r.pending = fresh
	r.sieve.feed(e)
	if r.flushed == 0 {
		r.flushed = r.sieve.now
	}
}

func (r *Recording) isErased(s *Sighting) bool {
	return slices.ContainsFunc(r.erased, func(e erasure) bool {
		return !e.upto().Less(s.Position) && (!e.Account.IsZero() && (s.From == e.Account || s.To == e.Account) || !e.Group.IsZero() && s.Group == e.Group)
	})
}

// deliver hands what is pending on, and flushes when it is time. It is called with the lock held.
func (r *Recording) deliver(ctx context.Context) error {
	if err := r.keepFollowed(ctx); err != nil {
		return err
	}
	if len(r.pending) > 0 && r.deps.Seen != nil {
		if err := r.deps.Seen(ctx, r.pending); err != nil {
			return fmt.Errorf("hunt: standing hunts: %w", err)
		}
	}
	if r.durable.Less(r.at) {
		if err := r.deps.History.Add(ctx, r.pending, r.at); err != nil {
			return fmt.Errorf("hunt: add to history: %w", err)
		}
		r.durable = r.at // given, at least: within this run it is not given again
	}
	for i := range r.pending {
		r.m.sightings.WithLabelValues(r.pending[i].Act.String()).Inc()
	}
	r.rows += len(r.pending)
	r.pending = r.pending[:0]
	if r.sieve.now-r.flushed < r.rules.FlushEvery.Milliseconds() && r.rows < r.rules.FlushRows {
		return nil
	}
	return r.flush(ctx)
}

// way is by which a link came to somebody.
type way struct {
	unit Key
	from vedette.AccountID
	to   vedette.AccountID
	in   vedette.GroupID
}

func wayOf(s *Sighting) way {
	w := way{unit: s.Unit(), from: s.From, in: s.Group}
	if s.Group.IsZero() {
		w.to = s.To
	}
	return w
}

// keepFollowed drops previews and openings of links whose sending is not in history: who read what a friend sent is nobody's business. It spares
// contacts; it costs knowing that a target opened a link when the platform does not tell from whom it came.
func (r *Recording) keepFollowed(ctx context.Context) error {
	asked := map[way]bool{}
	var units []Key
	for i := range r.pending {
		if s := &r.pending[i]; s.Act == Previewed || s.Act == Opened {
			asked[wayOf(s)] = false
			units = append(units, s.Unit())
		}
	}
	if len(asked) == 0 {
		return nil
	}
	sent := func(s *Sighting) {
		if w := wayOf(s); s.Act == Sent {
			if _, ok := asked[w]; ok {
				asked[w] = true
			}
		}
	}
	if _, err := r.deps.History.Find(ctx, units, Window{}, func(_ int, s *Sighting) bool { sent(s); return true }); err != nil {
		return fmt.Errorf("hunt: by which way a link came: %w", err)
	}
	kept := r.pending[:0]
	for i := range r.pending {
		s := r.pending[i]
		sent(&s)
		if (s.Act == Previewed || s.Act == Opened) && !asked[wayOf(&s)] {
			r.m.skip(skipContact)
			continue
		}
		kept = append(kept, s)
	}
	r.pending = kept
	return nil
}

// Flush makes durable what was taken so far.
func (r *Recording) Flush(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.restored {
		return nil
	}
	if err := r.deliver(ctx); err != nil {
		return err
	}
	return r.flush(ctx)
}

func (r *Recording) flush(ctx context.Context) error {
	if err := r.deps.History.Flush(ctx); err != nil {
		return fmt.Errorf("hunt: flush history: %w", err)
	}
	r.rows, r.flushed = 0, r.sieve.now
	if r.deps.History.Position().Less(r.at) {
		return nil // not yet durable up to here: the place stays where it is, and retention waits
	}
	if due := r.sieve.due; len(due) > 0 {
		n, err := r.deps.History.Forget(ctx, due)
		if err != nil {
			return fmt.Errorf("hunt: forget what many have met: %w", err)
		}
		r.m.forgotten.Add(float64(n))
		r.sieve.due = nil
	}
	if r.at == r.saved {
		return nil
	}
	// Place and sieve are one state: a restart finds the sieve exactly as it was at the place.
	if err := r.deps.Journal.SaveState(ctx, recordingState, r.at, r.sieve.encode()); err != nil {
		return fmt.Errorf("hunt: keep the recording's place: %w", err)
	}
	r.saved = r.at
	if n := len(r.erased); n > 0 {
		r.erased = slices.DeleteFunc(r.erased, func(e erasure) bool { return !r.saved.Less(e.upto()) })
		if len(r.erased) != n {
			return r.saveErased(ctx)
		}
	}
	return nil
}

func (r *Recording) saveErased(ctx context.Context) error {
	if len(r.erased) == 0 {
		return r.deps.Journal.SaveState(ctx, erasedState, journal.Position{}, nil)
	}
	data, err := json.Marshal(r.erased)
	if err != nil {
		return fmt.Errorf("hunt: erased: %w", err)
	}
	return r.deps.Journal.SaveState(ctx, erasedState, r.deps.Journal.Last(), data)
}

// restore finds the place again. What history has durably is not added again; the sieve catches up on its own.
func (r *Recording) restore(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.restored {
		return nil
	}
	j := r.deps.Journal
	durable := r.deps.History.Position()
	if last := j.Last(); last.Less(durable) {
		return fmt.Errorf("hunt: history reaches to %s and the journal to %s: they do not belong together: %w", durable, last, vedette.ErrConflict)
	}
	states, err := j.LoadStates(ctx, recordingState)
	if err != nil {
		return fmt.Errorf("hunt: the recording's place: %w", err)
	}
	at, known := durable, false
	for _, s := range states {
		if s.Name != recordingState {
			continue
		}
		known = true
		if len(s.Data) > 0 {
			if r.sieve, err = decodeSieve(r.rules, s.Data); err != nil {
				// Without the sieve nothing is lost: what many have met stays its whole term.
				r.log.LogAttrs(ctx, slog.LevelError, "the sieve of history cannot be read; it begins anew", slog.Any("err", err))
				r.sieve = newSieve(r.rules)
			}
		}
		r.sieve.at = s.At
		r.saved = s.At
		if s.At.Less(at) {
			at = s.At
		}
	}
	if states, err = j.LoadStates(ctx, erasedState); err != nil {
		return fmt.Errorf("hunt: who was erased: %w", err)
	}
	for _, s := range states {
		if s.Name == erasedState {
			if err := json.Unmarshal(s.Data, &r.erased); err != nil {
				return fmt.Errorf("hunt: who was erased: %w: %w", vedette.ErrUnavailable, err)
			}
		}
	}
	r.at, r.durable, r.flushed = at, durable, r.sieve.now
	r.restored = true
	if !known {
		// From now on retention waits for us.
		if err := j.SaveState(ctx, recordingState, at, r.sieve.encode()); err != nil {
			return fmt.Errorf("hunt: keep the recording's place: %w", err)
		}
		r.saved = at
	}
	return nil
}

// Erase takes everybody out of history who is the account or the group, also out of what was not taken from the journal yet. The caller has
// erased the vault's mapping, so that nothing new comes under the surrogate. It tells how many sightings went.
func (r *Recording) Erase(ctx context.Context, account vedette.AccountID, group vedette.GroupID) (int64, error) {
	if account.IsZero() && group.IsZero() {
		return 0, fmt.Errorf("hunt: erase nobody: %w", vedette.ErrInvalid)
	}
	if err := r.restore(ctx); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.deps.Journal.Last()
	e := erasure{account, group, last.Frame, last.Index}
	if !slices.Contains(r.erased, e) {
		r.erased = append(r.erased, e)
	}
	// First, so that a replay after a crash does not bring it back.
	if err := r.saveErased(ctx); err != nil {
		return 0, err
	}
	r.pending = slices.DeleteFunc(r.pending, func(s Sighting) bool { return r.isErased(&s) })
	r.sieve.erase(account, group)
	n, err := r.deps.History.Erase(ctx, account, group)
	if err != nil {
		return 0, fmt.Errorf("hunt: erase from history: %w", err)
	}
	// Nothing is pending while others may take the lock: the sieve is saved at once without the erased.
	r.saved = journal.Position{}
	return n, r.flush(ctx)
}

// Expire takes out what is older than the term as of at: once a day is enough. It tells how many sightings went.
func (r *Recording) Expire(ctx context.Context, at time.Time) (int64, error) {
	n, err := r.deps.History.Expire(ctx, at.Add(-r.rules.Term))
	if err != nil {
		return n, fmt.Errorf("hunt: expire history: %w", err)
	}
	r.m.expired.Add(float64(n))
	return n, nil
}

// Position returns the last entry that was taken, and the last that is durable in history.
func (r *Recording) Position() (taken, durable journal.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, r.deps.History.Position()
}

// String returns the act's name.
func (a Act) String() string {
	names := [...]string{"none", "sent", "previewed", "opened", "posted", "reported"}
	if int(a) >= len(names) {
		return fmt.Sprintf("act(%d)", uint8(a))
	}
	return names[a]
}

// Take appends the sightings of one entry, one for each of its links that may be remembered. It reads the entry alone.
//
//	link.sent        first contacts: by the measure, or by the recipient's client (stranger); to a group likewise
//	link.previewed   rare links
//	link.opened      rare links
//	user.reported    rare links
//	group.created    rare links in its text: posted
//	profile.changed  rare links: posted
//
// A link is rare while fewer than Rules.Rare people have met its unit, before this event. A unit whose people were not measured is not
// recorded: an hour without measures must not write down everybody's links. Previews and openings are taken here by rarity alone; Run keeps
// those whose sending it recorded. A report names its link by the reporter's own wish.
func (r *Recording) Take(e *journal.Entry, dst []Sighting) []Sighting {
	return r.rules.take(e, dst, r.m)
}

func (r Rules) take(e *journal.Entry, dst []Sighting, m *recordingMetrics) []Sighting {
	ev := &e.Event
	links := ev.Links()
	if len(links) == 0 {
		return dst
	}
	s := Sighting{
		At: ev.At.UTC().Truncate(time.Millisecond), From: ev.Actor, Position: e.Position,
		Verdict: e.Decision.Verdict, Would: e.Decision.Would,
	}
	var stranger, sent bool
	switch b := ev.Body.(type) {
	case *vedette.LinkSent:
		s.Act, s.To, s.Group = Sent, b.To.Account, b.To.Group
		sent, stranger = true, b.Stranger == vedette.Yes
	case *vedette.LinkPreviewed:
		s.Act, s.From, s.To, s.Group = Previewed, b.From, ev.Actor, b.Group
	case *vedette.LinkOpened:
		s.Act, s.From, s.To, s.Group = Opened, b.From, ev.Actor, b.Group
	case *vedette.UserReported:
		s.Act, s.From, s.To, s.Group = Reported, b.Subject, ev.Actor, b.Group
	case *vedette.GroupCreated:
		s.Act, s.Group = Posted, b.Group
	case *vedette.ProfileChanged:
		s.Act = Posted
	default:
		return dst
	}
	first := len(dst)
	for i := range links {
		l := &links[i]
		x := s
		x.Domain, x.Host, x.Tenant, x.URL = KeyOf(l.Domain), KeyOf(l.Host), KeyOf(l.Tenant), KeyOf(l.URL)
		x.Place, x.Shape = l.Where, l.Shape
		if x.Domain|x.Host|x.Tenant|x.URL == 0 || i >= len(e.Measures) {
			m.skip(skipUnmeasured)
			continue
		}
		ms := &e.Measures[i]
		if sent && !stranger {
			if v, ok := ms.Get(vedette.MeasureFirstContact); !ok || v != 1 {
				m.skip(skipContact)
				continue
			}
		}
		switch people, ok := met(&x, ms); {
		case !ok:
			m.skip(skipUnmeasured)
			continue
		case people >= int64(r.Rare):
			m.skip(skipPopular)
			continue
		}
		if sent && x.Verdict >= vedette.Hold {
			if n, ok := ms.Get(vedette.MeasureDomainSends); ok && n >= refusedSends {
				m.skip(skipPopular)
				continue
			}
		}
		if s.Act == Sent || s.Act == Posted {
			// Only then is the actor, whose age is measured, the one that the link is from.
			age, ok := ms.Get(vedette.MeasureAccountAge)
			x.Established = ok && age >= int64(r.Established/time.Second)
		}
		if !slices.Contains(dst[first:], x) { // a message that says a link twice is one sighting
			dst = append(dst, x)
		}
	}
	return dst
}

// met returns how many people have met a link's unit before, at most: senders and recipients are counted apart and may overlap. Nobody counts
// a tenant's people: sends of the very URL stand for them, or those of the whole domain where they are fewer. Of a host without a domain,
// such as an address, the senders are counted, and sends of the URL. It is false when neither was measured.
func met(s *Sighting, ms *vedette.Measures) (int64, bool) {
	senders, ok1 := ms.Get(vedette.MeasureDomainPeople)
	recipients, ok2 := ms.Get(vedette.MeasureDomainRecipients)
	people, ok := senders+recipients, ok1 && ok2 && s.Domain != 0
	shared := s.Shape.Flags&vedette.ShapeSharedHost != 0 || s.Tenant != 0
	if s.Domain != 0 && !shared {
		return people, ok
	}
	sends, okSends := ms.Get(vedette.MeasureURLSends)
	hosts, okHosts := ms.Get(vedette.MeasureHostPeople)
	switch {
	case okSends && ok:
		return min(people, sends), true
	case !shared && okSends && okHosts:
		return max(sends, hosts), true
	case okSends:
		return sends, true
	case !shared && okHosts:
		return hosts, true
	}
	return people, ok
}

// Why a link was not recorded: a closed set.
const (
	skipContact    = "contact"
	skipPopular    = "popular"
	skipUnmeasured = "unmeasured"
)

type recordingMetrics struct {
	entries   prometheus.Counter
	sightings *prometheus.CounterVec
	skipped   *prometheus.CounterVec
	sifted    prometheus.Counter
	forgotten prometheus.Counter
	expired   prometheus.Counter
}

func newRecordingMetrics(reg prometheus.Registerer) *recordingMetrics {
	m := &recordingMetrics{
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_history_entries_total", Help: "Journal entries that history's recording has read. Standing still while events come in means that it is stuck.",
		}),
		sightings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_history_sightings_total", Help: "Sightings recorded, by what was done with the link. A rise beyond first contacts' own means that links look rarer than they are.",
		}, []string{"act"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_history_skipped_total",
			Help: "Links not recorded: between contacts, popular, or not measured. A rise of unmeasured means that the gate decides without memory, and history has a gap.",
		}, []string{"why"}),
		sifted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_history_sifted_total", Help: "Links not recorded since their unit was forgotten as popular.",
		}),
		forgotten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_history_forgotten_total", Help: "Sightings taken out early since very many established people met their unit. A sudden rise is worth a look: somebody may try to spray evidence away.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_history_expired_total", Help: "Sightings taken out at the end of their term.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.entries, m.sightings, m.skipped, m.sifted, m.forgotten, m.expired)
	}
	return m
}

func (m *recordingMetrics) skip(why string) {
	if m != nil {
		m.skipped.WithLabelValues(why).Inc()
	}
}
