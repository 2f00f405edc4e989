package sentry

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
	"vedette/watch/targeting"
)

// Aims is what the watch is doing about first contacts.
type Aims struct {
	Silent   string                       `json:"silent"`   // why nothing is measured; empty: it is
	Learning string                       `json:"learning"` // why nothing is told yet; empty: it is
	Set      time.Time                    `json:"bounds_set,omitzero"`
	Bounds   map[string]vedette.MilliBits `json:"bounds"` // by queue
	Promised float64                      `json:"promised_false_alerts_a_week"`
	Measured float64                      `json:"measured_false_alerts_a_week"`
	Alerts   int                          `json:"alerts"`
	False    int                          `json:"false_alerts"`
}

// Status is what the watch is doing. It tells of nobody.
type Status struct {
	Silent   string            `json:"silent"`   // why nothing is judged; empty: groups are judged
	Learning string            `json:"learning"` // why nothing is told yet, though groups are judged; empty: cells are told of
	Rebuilt  string            `json:"rebuilt"`  // why the watch began anew at the last start; empty: it went on
	Active   int               `json:"active_accounts"`
	Known    int               `json:"known_accounts"`
	Links    bool              `json:"links"` // link tokens were seen
	From     time.Time         `json:"from,omitzero"`
	Ticked   time.Time         `json:"tick,omitzero"`
	Last     time.Time         `json:"last_event,omitzero"`
	Cells    int               `json:"cells"`
	Alerted  int               `json:"cells_alerted"`
	Bound    vedette.MilliBits `json:"bound"` // an alert needs more; 0: none is set yet
	Set      time.Time         `json:"bound_set,omitzero"`
	Promised float64           `json:"promised_false_alerts_a_week"`
	Measured float64           `json:"measured_false_alerts_a_week"`
	Alerts   int               `json:"alerts"`
	False    int               `json:"false_alerts"`
	Aims     Aims              `json:"first_contacts"`
	Found    map[string]int    `json:"findings"` // by detector, since the watch began
	Digest   vedette.Digest    `json:"findings_digest"`
	Warned   int               `json:"warned_this_week"`
	Allowed  int               `json:"warnings_allowed_a_week"`
	Entries  []Asked           `json:"entries"`  // of three weeks
	InForce  int               `json:"in_force"` // of them, now
	Vouches  []Vouch           `json:"vouches"`  // partners' words, those that have ended last
	Position string            `json:"position"`
	Behind   bool              `json:"behind"` // the journal has more
	Counts   population.Counts `json:"events"`
	Stale    uint64            `json:"stale_events"` // a day late and more: not taken
	Model    vedette.Digest    `json:"model"`
}

// Status tells what the watch is doing.
func (s *Sentry) Status(ctx context.Context) (Status, error) {
	if err := s.restore(ctx); err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, b := s.pop.State(), s.cells.Budget()
	out := Status{
		Silent: s.cells.Silent(), Rebuilt: s.rebuilt, Active: st.Active(), Known: st.Len(), Links: st.Linked(), Ticked: s.kept.Ticked, Last: s.kept.Last,
		Bound: b.Bound, Set: b.Set, Promised: b.PerWeek, Measured: b.Measured, Alerts: b.Alerts, False: b.False,
		Found: maps.Clone(s.kept.Found), Digest: s.kept.Digest, Warned: s.week(), Allowed: s.allowed(), InForce: len(s.inForce()), Entries: slices.Clone(s.kept.Asked),
		Vouches: s.vouches(), Position: s.at.String(), Behind: s.at.Less(s.deps.Journal.Last()), Counts: s.pop.Counts(), Stale: s.kept.Stale, Model: s.model,
	}
	t := s.aims.Budget()
	out.Aims = Aims{Silent: s.aims.Silent(), Set: t.Set, Promised: t.Promised, Measured: t.Measured, Bounds: map[string]vedette.MilliBits{}}
	for q := range t.Alerts {
		if targeting.Queue(q) != targeting.Followed { // people's word is its bound
			out.Aims.Bounds[targeting.Queue(q).String()] = t.Bounds[q]
		}
		out.Aims.Alerts, out.Aims.False = out.Aims.Alerts+t.Alerts[q], out.Aims.False+t.False[q]
	}
	if out.Aims.Silent == "" && t.Set.IsZero() {
		out.Aims.Learning = cmp.Or(t.Cold, "cold: the bounds for alerts are set when the time of learning is over")
	}
	if s.kept.Ticked.IsZero() && !s.kept.Last.IsZero() {
		out.Silent = fmt.Sprintf("too early: everybody is looked at once in %s of the events' time, and that has not passed", s.every())
	}
	if st.Len() > 0 {
		out.From = st.Started()
	}
	if out.Silent == "" && b.Set.IsZero() {
		out.Learning = "cold: the bound for alerts is set when the time of learning is over"
	}
	for _, c := range s.cells.Cells() {
		out.Cells++
		if !c.Alerted.IsZero() {
			out.Alerted++
		}
	}
	if out.Entries == nil {
		out.Entries = []Asked{}
	}
	return out, nil
}

func (s *Sentry) every() time.Duration { return cmp.Or(s.cfg.Population.Tick, 6*time.Hour) }

// Cell is a group that is followed, as it may be shown: without its accounts.
type Cell struct {
	ID       vedette.Digest    `json:"cell"`
	Score    vedette.MilliBits `json:"score"`
	Size     int               `json:"size"`
	First    time.Time         `json:"first"`
	Last     time.Time         `json:"last"`
	Alerted  time.Time         `json:"alerted,omitzero"`
	Judged   string            `json:"judged"`
	Channels []Channel         `json:"channels"`
}

// Channel is what one kind of evidence says against a group.
type Channel struct {
	Name string            `json:"channel"`
	Bits vedette.MilliBits `json:"bits"`
}

func shownCell(c *rehearsal.Cell) Cell {
	out := Cell{ID: c.ID, Score: c.Score, Size: len(c.Members), First: c.First, Last: c.Last, Alerted: c.Alerted, Judged: Disposition(c.Judged), Channels: []Channel{}}
	for ch := range rehearsal.Channels {
		if b := vedette.MilliBits(1000 * c.Grounds.Channels[ch]); b >= 1000 {
			out.Channels = append(out.Channels, Channel{ch.String(), b})
		}
	}
	slices.SortStableFunc(out.Channels, func(x, y Channel) int { return int(y.Bits) - int(x.Bits) })
	return out
}

// Cells are the groups that are followed, those that were told of first, then by score.
func (s *Sentry) Cells(ctx context.Context) ([]Cell, error) {
	if err := s.restore(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Cell{}
	for _, c := range s.cells.Cells() {
		out = append(out, shownCell(c))
	}
	slices.SortStableFunc(out, func(x, y Cell) int {
		if x.Alerted.IsZero() != y.Alerted.IsZero() {
			if y.Alerted.IsZero() {
				return -1
			}
			return 1
		}
		return int(y.Score) - int(x.Score)
	})
	return out, nil
}

// Told are the findings about first contacts that are kept, the latest first, without accounts.
func (s *Sentry) Told(ctx context.Context) ([]Told, error) {
	if err := s.restore(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Told{}
	for _, t := range slices.Backward(s.kept.Told) {
		if t.Detector == targeting.Name {
			out = append(out, t)
		}
	}
	return out, nil
}

// Whole is a cell with everything that a permit or the drawing of its path needs. Its members are for those alone.
type Whole struct {
	Cell
	Told    []Told
	Entries []Asked
	Members []vedette.AccountID
	Lives   []Life // beside Members
}

// Life is what is known of a member.
type Life struct {
	Registered time.Time `json:"registered,omitzero"` // zero: before anything was seen here
	Woke       time.Time `json:"woke,omitzero"`       // came back after silence
	Last       time.Time `json:"last,omitzero"`
	Gone       bool      `json:"gone"`
	Devices    int       `json:"shared_devices"`  // that others are on too
	Networks   int       `json:"shared_networks"` // likewise
	Links      int       `json:"new_links"`       // domains that are new to the platform
}

func lifeOf(st *population.State, id vedette.AccountID) (l Life) {
	r, ok := st.Find(id)
	if !ok {
		return l
	}
	a := st.Account(r)
	hour := func(h uint32) time.Time {
		if h == 0 {
			return time.Time{}
		}
		return time.Unix(int64(h)*3600, 0).UTC()
	}
	l.Registered, l.Woke, l.Gone = hour(a.Born), hour(a.Woke), a.Flags&population.Gone != 0
	if a.Flags&population.Acted != 0 {
		l.Last = hour(a.Last)
	}
	for _, x := range st.ThingsOf(a) {
		switch t := st.Thing(x); {
		case t.N < 2:
		case t.Kind == population.SharedDevice:
			l.Devices++
		case t.Kind == population.SharedNetwork:
			l.Networks++
		}
	}
	for _, x := range st.DomainsOf(a) {
		if st.IsFresh(st.Domain(x)) {
			l.Links++
		}
	}
	return l
}

// Cell returns one cell. Its error wraps vedette.ErrUnknown.
func (s *Sentry) Cell(ctx context.Context, id vedette.Digest) (Whole, error) {
	if err := s.restore(ctx); err != nil {
		return Whole{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cells.Cells() {
		if c.ID != id {
			continue
		}
		w := Whole{Cell: shownCell(c), Members: slices.Clone(c.Members)}
		for _, a := range w.Members {
			w.Lives = append(w.Lives, lifeOf(s.pop.State(), a))
		}
		for _, t := range s.kept.Told {
			if t.Cell == id {
				w.Told = append(w.Told, t)
			}
		}
		for _, a := range s.kept.Asked {
			if a.Cell == id {
				w.Entries = append(w.Entries, a)
			}
		}
		return w, nil
	}
	return Whole{}, fmt.Errorf("sentry: no such cell is followed: %w", vedette.ErrUnknown)
}

// Links are the tokens of a cell's links, each once: those of its findings, then those that were asked for since.
func (w *Whole) Links() (out []vedette.Token) {
	add := func(t vedette.Token) {
		if !t.IsZero() && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	for _, t := range w.Told {
		for _, l := range t.Links {
			add(l)
		}
	}
	for _, a := range w.Entries {
		add(a.Token)
	}
	return out
}

// Remove takes everything out of a journal that a sentry keeps there, but people's word.
func Remove(ctx context.Context, j journal.Journal) error {
	if err := j.SaveState(ctx, state, journal.Position{}, nil); err != nil {
		return fmt.Errorf("sentry: remove: %w", err)
	}
	return nil
}

type metrics struct {
	entries  prometheus.Counter
	warned   prometheus.Counter
	findings *prometheus.CounterVec
	cells    prometheus.Gauge
	active   prometheus.Gauge
	asked    prometheus.Gauge
	silent   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_watch_entries_total", Help: "Journal entries that the watch has read. Standing still while events come in means that it is stuck.",
		}),
		warned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_watch_warned_total", Help: "First contacts that watch entries warned of. A rise means an attack, or an entry that bothers honest people; a budget ends it.",
		}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_watch_findings_total", Help: "Findings, by detector. A rise over the promised number means work for people, or an attack.",
		}, []string{"detector"}),
		cells: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vedette_watch_cells", Help: "Groups that are followed. A sudden rise means that the platform's people behave anew, or that an adapter tells less.",
		}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vedette_watch_active_accounts", Help: "Accounts that were active in ten days. A fall below watch.least silences the watch.",
		}),
		asked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vedette_watch_gate_entries", Help: "Links that the watch asks the gate to warn of. A rise means that cells are at work.",
		}),
		silent: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vedette_watch_silent", Help: "1 while the watch judges nothing: too few people, too early, or blind. vedette watch status says why.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.entries, m.warned, m.findings, m.cells, m.active, m.asked, m.silent)
	}
	return m
}

func (m *metrics) show(s *Sentry) {
	m.cells.Set(float64(len(s.cells.Cells())))
	m.active.Set(float64(s.pop.State().Active()))
	m.asked.Set(float64(len(s.inForce())))
	silent := 0.0
	if s.cells.Silent() != "" {
		silent = 1
	}
	m.silent.Set(silent)
}
