package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"vedette"
	"vedette/record/evidence"
	"vedette/record/vault"
	"vedette/watch/sentry"
)

// gateState is where the watch entries of the generation in force are kept (docs/formats/watch.md).
const gateState = "watch/gate"

// watchConfig is what a person may set of the watch.
type watchConfig struct {
	// On: the watch follows the journal. Default true.
	On bool
	sentry.Config
}

// atRisk asks the vault about one account: whether it is enrolled now. It lists nobody.
type atRisk struct {
	sealer *vault.Sealer
	now    func() time.Time
}

func (a atRisk) Enrolled(account vedette.AccountID) bool { return a.sealer.AtRisk(account, a.now()) }

// newSentry makes the watch. In a scratch folder nothing is recorded and no gate is asked for anything: it only counts.
func (h *house) newSentry(ctx context.Context, scratch bool) error {
	sealer, err := h.sealer()
	if err != nil {
		return err
	}
	deps := sentry.Deps{Journal: h.journal, Log: h.log, Registerer: h.metrics, AtRisk: atRisk{sealer, h.now}, Key: h.watchKey[:]}
	if !scratch {
		deps.Found, deps.Proven, deps.Post = h.found, h.proven, h.postWatch
	}
	if h.sentry, err = sentry.New(h.cfg.Watch.Config, deps); err != nil || h.cfg.Watch.On {
		return err
	}
	// What is off keeps nothing of anybody, holds up no retention, and asks for no warnings.
	h.watching.Store(nil)
	return sentry.Remove(ctx, h.journal)
}

// found records a finding and opens its case, in this order: what is in a case is in the record.
func (h *house) found(ctx context.Context, f *vedette.Finding, p sentry.Provenance) error {
	if !p.Recorded() {
		if _, err := h.proof.Append(ctx, findingRecord(h.cfg.Tenant, h.now(), f, p)); err != nil {
			return err
		}
	}
	_, err := h.cases.FromFinding(ctx, h.cfg.Tenant, *f)
	return err
}

// findingRecord tells whom a finding is about by a digest alone: who has the accounts can show that they were meant.
func findingRecord(t vedette.Tenant, at time.Time, f *vedette.Finding, p sentry.Provenance) evidence.Record {
	subjects := sha256.New()
	for _, a := range f.Subjects {
		subjects.Write(a[:])
	}
	list := func(v any) []byte {
		b, _ := json.Marshal(v) // names and numbers: it cannot fail
		return b
	}
	var links []string
	for _, l := range f.Links {
		links = append(links, tokenText(l))
	}
	field := func(name, value string) evidence.Field {
		return evidence.Field{Name: name, Value: []byte(value)}
	}
	return evidence.Record{Kind: evidence.KindFinding, At: at.UTC().Truncate(time.Millisecond), Tenant: t, Fields: []evidence.Field{
		field("finding", f.ID.String()), field("detector", f.Detector), field("cell", p.Cell.String()),
		field("subjects", vedette.Digest(subjects.Sum(nil)).String()), field("size", strconv.Itoa(len(f.Subjects))),
		field("score", strconv.Itoa(int(f.Score))), field("seen_from", f.From.UTC().Format(time.RFC3339Nano)), field("seen_to", f.To.UTC().Format(time.RFC3339Nano)),
		field("links", string(list(links))), field("basis", string(list(f.Basis))), field("reasons", string(list(f.Reasons))),
		field("model", p.Model.String()), field("parameters", p.Parameters.String()),
	}}
}

// tokenText is how a token is written for people who compare tokens: kind, epoch, bytes.
func tokenText(t vedette.Token) string {
	return fmt.Sprintf("%s:%d:%x", [...]string{"none", "domain", "host", "tenant", "url"}[min(t.Kind, 4)], t.Epoch, t.Bytes)
}

// proven tells which findings the record has, from one of its records on.
func (h *house) proven(ctx context.Context, from uint64) (ids []vedette.Digest, size uint64, err error) {
	log, err := h.proof.get()
	if err != nil {
		return nil, 0, err
	}
	if size = log.Size(); from >= size {
		return nil, size, nil
	}
	for k, err := range log.Read(ctx, from) {
		if err != nil {
			return nil, 0, err
		}
		if k.Kind != evidence.KindFinding {
			continue
		}
		for _, f := range k.Fields {
			var id vedette.Digest
			if f.Name == "finding" && id.UnmarshalText(f.Value) == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids, size, nil
}

// postWatch puts the watch's list in force: kept, so that the gate has it after a restart, and in the next generation. What the guard spares, and what has ended
// by the house's clock, is left out.
func (h *house) postWatch(ctx context.Context, entries []vedette.Watched) error {
	now := h.now()
	entries = slices.DeleteFunc(slices.Clone(entries), func(e vedette.Watched) bool { return !h.demo && e.Until.Before(now) })
	if len(entries) > 0 {
		spared, err := h.guarded(entries)
		if err != nil {
			return err
		}
		entries = slices.DeleteFunc(entries, func(e vedette.Watched) bool { return spared[e.Token] })
	}
	slices.SortFunc(entries, func(a, b vedette.Watched) int {
		return cmp.Or(cmp.Compare(a.Token.Kind, b.Token.Kind), cmp.Compare(a.Token.Epoch, b.Token.Epoch), bytes.Compare(a.Token.Bytes[:], b.Token.Bytes[:]))
	})
	had := h.watching.Load()
	if had == nil && len(entries) == 0 || had != nil && reflect.DeepEqual(*had, entries) {
		return nil
	}
	b, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	if err := h.journal.SaveState(ctx, gateState, h.journal.Last(), b); err != nil {
		return err
	}
	h.watching.Store(&entries)
	h.log.LogAttrs(ctx, slog.LevelInfo, "the watch asks the gate for warnings", slog.Int("entries", len(entries)))
	if err := h.rearm(ctx, now); err != nil {
		h.watching.Store(had) // asked again: what is in force and what is said to be in force must not part
		return err
	}
	return nil
}

// guarded tells which tokens are of names that the guard spares: popular and shared hosts, and what stands above or below them as a domain.
func (h *house) guarded(entries []vedette.Watched) (map[vedette.Token]bool, error) {
	sealer, err := h.sealer()
	if err != nil {
		return nil, err
	}
	asked, epochs := map[vedette.Token]bool{}, map[uint16]bool{}
	for _, e := range entries {
		asked[e.Token], epochs[e.Token.Epoch] = true, true
	}
	out := map[vedette.Token]bool{}
	for name := range h.guardNow().Names() {
		for epoch := range epochs {
			for _, kind := range [...]vedette.TokenKind{vedette.TokenDomain, vedette.TokenHost, vedette.TokenTenant} {
				if t := sealer.TokenIn(epoch, kind, name); asked[t] {
					out[t] = true
				}
			}
		}
	}
	return out, nil
}

// readWatching reads the entries of the generation that was in force.
func (h *house) readWatching(ctx context.Context) error {
	states, err := h.journal.LoadStates(ctx, gateState)
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.Name != gateState {
			continue
		}
		var entries []vedette.Watched
		if err := json.Unmarshal(s.Data, &entries); err != nil {
			// Warnings alone are lost, until the watch asks for them again.
			h.log.LogAttrs(ctx, slog.LevelError, "the watch entries of the last generation cannot be read; the gate goes on without them", slog.Any("cause", err))
			continue
		}
		h.watching.Store(&entries)
	}
	return nil
}

// settleWatch waits until the watch has all that the journal has now.
func (h *house) settleWatch(ctx context.Context) error {
	if !h.cfg.Watch.On {
		return errWatchOff
	}
	if !h.following.Load() {
		return h.sentry.CatchUp(ctx)
	}
	last := h.journal.Last()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	before, moved := h.sentry.Position(), h.now()
	for {
		at := h.sentry.Position()
		if !at.Less(last) {
			return nil
		}
		if at != before {
			before, moved = at, h.now()
		} else if h.now().Sub(moved) >= stuck {
			return fmt.Errorf("the watch stands still before %s, so the answer would be of the past; the server's log says why: %w", last, vedette.ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

// watchedOut is what the watch made of a replay.
type watchedOut struct {
	Silent     string         `json:"silent,omitempty"`  // why nothing was told: too few people, too early, blind
	Findings   map[string]int `json:"by_detector"`       // told
	Digest     string         `json:"digest"`            // of all findings, whoever the people are
	Rate       float64        `json:"alerts_per_10k"`    // and week, since the bound was set; 0 where none was
	Accounts   int            `json:"accounts"`          // active at the end
	Weeks      float64        `json:"weeks"`             // of events
	Watched    float64        `json:"weeks_watched"`     // since the bound was set
	Cells      int            `json:"cells"`             // followed at the end
	Entries    int            `json:"entries"`           // links that a gate would have been asked to warn of while this happened
	InForce    int            `json:"entries_in_force"`  // of them, in the gate now: for what comes after the replay
	Measurable bool           `json:"links_seen"`        // link tokens came
	Bound      float64        `json:"bound_bits"`        // 0: none was set
	Promised   float64        `json:"promised_per_week"` // false alerts
}

// watchPlayed brings the watch to the end of what was played and sums it up.
func (h *house) watchPlayed(ctx context.Context) (*watchedOut, error) {
	if !h.cfg.Watch.On {
		return &watchedOut{Silent: "the watch is off (watch.on)", Findings: map[string]int{}}, nil
	}
	if err := h.sentry.CatchUp(ctx); err != nil {
		return nil, err
	}
	s, err := h.sentry.Status(ctx)
	if err != nil {
		return nil, err
	}
	weeks := func(from, to time.Time) float64 {
		if from.IsZero() || !to.After(from) {
			return 0
		}
		return math.Round(10*to.Sub(from).Hours()/168) / 10
	}
	out := &watchedOut{
		Silent: cmp.Or(s.Silent, s.Learning), Findings: s.Found, Digest: s.Digest.String(), Accounts: s.Active, Weeks: weeks(s.From, s.Last),
		Watched: weeks(s.Set, s.Last), Cells: s.Cells, Entries: len(s.Entries), Measurable: s.Links, Bound: bits(s.Bound), Promised: s.Promised,
		InForce: len(h.judging.Load().generation.Watching()),
	}
	if out.Watched > 0 && s.Active > 0 {
		n := 0
		for _, k := range s.Found {
			n += k
		}
		out.Rate = math.Round(1000*float64(n)/out.Watched/(float64(s.Active)/10_000)) / 1000
	}
	return out, nil
}

// diagnoseWatch looks at the watch: a silent one is no proof that nobody rehearses.
func (h *house) diagnoseWatch(ctx context.Context, find finder) error {
	if !h.cfg.Watch.On {
		find("warn", "set watch.on: true", "the watch is off: nobody looks for groups that rehearse")
		return nil
	}
	s, err := h.sentry.Status(ctx)
	if err != nil {
		find("wrong", "look at the log of the server", "the watch does not answer: %s", words(err))
		return nil
	}
	if s.Rebuilt != "" {
		find("warn", "nothing, if it was updated; else look at the disk of "+h.folder.dir, "the watch's saved state could not be used, and it began anew from the journal: %s", s.Rebuilt)
	}
	switch {
	case s.Last.IsZero():
	case s.Silent != "":
		find("note", "vedette watch status", "the watch judges nothing yet: %s", s.Silent)
	case s.Learning != "":
		find("note", "vedette watch status", "the watch tells of nothing yet: %s", s.Learning)
	}
	if s.Counts.Taken > 1000 && !s.Links {
		find("warn", "an adapter of tier 2, or clients that send tokens (tier 1)", "the watch has seen no link token: it measures nothing of links")
	}
	if s.Measured > 2*s.Promised && s.Alerts > 0 {
		find("warn", "vedette watch cells; then vedette watch judge CELL --wrong, or --confirmed", "the watch tells more than was promised: %.1f false alerts a week, promised %.1f", s.Measured, s.Promised)
	}
	if armed := h.judging.Load().generation.Armed().For(vedette.RuleWatch); s.InForce > 0 && armed < vedette.Warn {
		find("note", "vedette arm "+string(vedette.RuleWatch)+" --verdict warn, after looking at what it shows", "%s links of groups that look like a rehearsal are watched for, and nothing warns of them", count(s.InForce))
	}
	return nil
}

func (o *watchedOut) print(w io.Writer) {
	n := 0
	for _, k := range o.Findings {
		n += k
	}
	fmt.Fprintf(w, "\nThe watch, over %s active accounts and %.1f weeks:\n", count(o.Accounts), o.Weeks)
	switch {
	case o.Silent != "" && n == 0:
		fmt.Fprintf(w, "  silent: %s\n", o.Silent)
	case n == 0:
		fmt.Fprintf(w, "  nothing was told in the %.1f weeks since the bound was set\n", o.Watched)
	default:
		for _, k := range byCount(o.Findings) {
			fmt.Fprintf(w, "  %s: %s\n", k, counted(o.Findings[k], "finding", "findings"))
		}
		fmt.Fprintf(w, "  %.3g for 10,000 accounts and week; vedette watch cells\n", o.Rate)
		if o.Entries > 0 {
			fmt.Fprintf(w, "  the gate would have been asked to warn of %s while this happened; %d in force now\n", counted(o.Entries, "link", "links"), o.InForce)
		}
	}
	if o.Digest != "" { // it is on
		fmt.Fprintln(w, "  It looked after the last event: no answer above has a warning of its.")
	}
	if !o.Measurable && o.Accounts > 0 {
		fmt.Fprintln(w, "  no link token came: nothing was measured of links")
	}
}
