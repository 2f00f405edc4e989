package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/response"
	"vedette/edge/intake"
	"vedette/inline/sequence"
	"vedette/record/authority"
	"vedette/record/enrichment"
	"vedette/sim"
	"vedette/watch/campaign"
	"vedette/watch/hunt"
)

// A person in the loop, simulated. Nobody publishes how long an analyst takes; these medians are guesses, and stand in every table that rests on
// them. Half of the first looks come within 8 minutes of a report, the second person signs within 4 more; one in eight takes more than four times that.
const (
	lookMedian   = 8 * time.Minute
	secondMedian = 4 * time.Minute
	waitSigma    = 1.2
)

// reacted is what a replay with the reaction loop prints.
type reacted struct {
	Events    int                   `json:"events"`
	Campaigns []reactedOne          `json:"campaigns"`
	Whole     reactedSum            `json:"whole"`
	ByKind    map[string]reactedSum `json:"by_kind"`
	Person    string                `json:"person"` // how the person in the loop was simulated
	Facts     int                   `json:"facts"`
	Without   []string              `json:"without,omitempty"`
	Seed      uint64                `json:"seed"`
}

// reactedOne is one campaign. Minutes are of event time, Machine is this program's own.
type reactedOne struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Targets int      `json:"targets"`                 // people reached before the sweep
	ByHost  int      `json:"by_host"`                 // of them found by the reported host alone
	Found   int      `json:"found"`                   // of them found by the campaign's drawing
	Extra   []string `json:"extra"`                   // people named who are no targets: why they were
	Derived int      `json:"derived"`                 // hosts that were derived
	Right   int      `json:"right"`                   // of them the operator's
	Wrong   []string `json:"wrong,omitempty"`         // of them somebody else's, defanged, with the verdict asked
	Report  float64  `json:"first_to_report_minutes"` // first target to report
	Confirm float64  `json:"report_to_confirmed_minutes"`
	Block   float64  `json:"report_to_blocked_minutes"`
	Swept   float64  `json:"report_to_swept_minutes"`
	Machine float64  `json:"machine_ms"`               // deriving, drawing, blocking, sweeping
	Changed int      `json:"changed"`                  // decisions that were changed after delivery
	Later   int      `json:"later"`                    // messages to targets after the block
	Stopped int      `json:"later_stopped"`            // of them stopped or warned of by what was blocked
	Back    int      `json:"return"`                   // messages of the return
	Caught  int      `json:"return_caught"`            // of them stopped or warned of by what was blocked or derived
	ByRules int      `json:"return_by_rules"`          // of the others, warned of by a rule
	Again   float64  `json:"return_to_caught_minutes"` // from the first message of the return to the first that was caught; -1: none was

	Why string `json:"why,omitempty"` // of no reaction

	targets map[vedette.AccountID]time.Time
	started time.Time
	blocked time.Time
	back    time.Time
}

type reactedSum struct {
	Campaigns       int     `json:"campaigns"`
	Reported        int     `json:"reported"`
	Targets         int     `json:"targets"`
	ByHost          int     `json:"by_host"`
	Found           int     `json:"found"`
	Extra           int     `json:"extra"`
	Recall          float64 `json:"recall"`
	RecallLow       float64 `json:"recall_low"`
	RecallHigh      float64 `json:"recall_high"`
	Precision       float64 `json:"precision"`
	PrecisionLow    float64 `json:"precision_low"`
	PrecisionHigh   float64 `json:"precision_high"`
	Derived         int     `json:"derived"`
	Right           int     `json:"right"`
	Later           int     `json:"later"`
	Stopped         int     `json:"later_stopped"`
	Back            int     `json:"return"`
	Caught          int     `json:"return_caught"`
	BackCampaigns   int     `json:"return_campaigns"`
	CaughtCampaigns int     `json:"return_campaigns_caught"`
	BlockMedian     float64 `json:"report_to_blocked_minutes_median"`
	BlockWorst      float64 `json:"report_to_blocked_minutes_p90"`
	MachineMedian   float64 `json:"machine_ms_median"`
	MachineWorst    float64 `json:"machine_ms_max"`
}

func (g *global) react() *cobra.Command {
	var truth, facts string
	var seed uint64
	var bare bool
	cmd := &cobra.Command{
		Use:   "react EVENTS --truth FILE",
		Short: "Play a stream with campaigns, and react to each report: how many are found, and how fast",
		Long: `Plays a stream that "vedette sim overlay --campaigns" wrote, in a folder of its own that is removed at the end. When a target reports, a
simulated person looks, confirms the host and signs the block; a second one signs the sweep. From then on the block is in force for the rest of
the stream. It tells how many of the people reached were found, who was named wrongly, what of the operator's return was caught, and in what time.`,
		Args: exactly(1, "a file of events"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if truth == "" {
				return usage(cmd, "--truth is needed")
			}
			dir, err := os.MkdirTemp("", "vedette-react-")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			own := *g
			own.data, own.key = filepath.Join(dir, "data"), filepath.Join(dir, "root.key")
			out, err := own.runReact(cmd.Context(), args[0], truth, facts, seed, bare)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			out.print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().StringVar(&truth, "truth", "", "the truth beside the events (needed)")
	cmd.Flags().StringVar(&facts, "facts", "", "facts about hosts, to derive siblings from")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "of the simulated person")
	cmd.Flags().BoolVar(&bare, "host-only", false, "block the reported host alone, and derive nothing: what a list could do")
	return cmd
}

// reaction plays a stream with people in the loop.
type reaction struct {
	h      *house
	clock  time.Time
	people team
	rng    *rand.Rand
	truth  map[string]sim.Truth
	ids    map[vedette.EventID]string
	one    map[string]*reactedOne
	due    []dueReaction
	bare   bool
	events int
}

type dueReaction struct {
	at     time.Time
	report vedette.EventID
	one    *reactedOne
	id     casefile.ID
}

func (g *global) runReact(ctx context.Context, path, truth, facts string, seed uint64, bare bool) (*reacted, error) {
	tf, err := os.Open(truth)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	defer func() { _ = tf.Close() }()
	r := &reaction{
		rng: rand.New(rand.NewPCG(seed, 0x4e0)), ids: map[vedette.EventID]string{},
		one: map[string]*reactedOne{}, bare: bare,
	}
	if r.truth, err = sim.ReadTruth(tf); err != nil {
		return nil, fmt.Errorf("%s: %w", truth, err)
	}
	in, _, closeIn, err := openEvents(path, nil)
	if err != nil {
		return nil, err
	}
	defer closeIn()
	lines, err := maybeGzip(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, err, vedette.ErrInvalid)
	}
	buffered := bufio.NewReaderSize(lines, 1<<20)
	if r.clock, err = firstTime(buffered); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.h, err = open(ctx, g, opening{gate: true, replay: true, demo: true, now: func() time.Time { return r.clock }}); err != nil {
		return nil, err
	}
	defer func() { _ = r.h.close() }()
	out := &reacted{ByKind: map[string]reactedSum{}, Seed: seed, Person: fmt.Sprintf(
		"a first look after %s, a second signature %s later (medians, log-normal, sigma %.1f): guesses", lookMedian, secondMedian, waitSigma)}
	if bare {
		out.Without = []string{"siblings, the sender's cell, and all else but the reported host"}
	}
	if err := r.prepare(ctx, facts, out); err != nil {
		return nil, err
	}
	if err := r.play(ctx, buffered); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out.Events = r.events
	r.sum(out)
	return out, nil
}

// firstTime reads the time of the first event without taking it.
func firstTime(r *bufio.Reader) (time.Time, error) {
	head, _ := r.Peek(4096)
	line, _, _ := bytes.Cut(head, []byte("\n"))
	var e struct{ At time.Time }
	if err := json.Unmarshal(line, &e); err != nil || e.At.IsZero() {
		return time.Time{}, fmt.Errorf("the first line is no event: %w", vedette.ErrInvalid)
	}
	return e.At.UTC(), nil
}

// prepare enrols the two simulated people, arms what they block, and imports facts.
func (r *reaction) prepare(ctx context.Context, facts string, out *reacted) error {
	r.people = team{r.h, map[authority.PersonID]ed25519.PrivateKey{}}
	for _, id := range []authority.PersonID{"first", "second"} {
		pub, priv, err := authority.GenerateKey()
		if err != nil {
			return err
		}
		r.people.keys[id] = priv
		if _, err := r.h.people.Enrol(ctx, authority.Person{ID: id, Name: "Simulated", Role: authority.RoleAnalyst, Key: pub}, nil, r.clock); err != nil {
			return err
		}
	}
	for target, v := range map[vedette.RuleID]vedette.Verdict{response.TargetBlocks: vedette.Block, authority.Ceiling: vedette.Warn} {
		if _, err := r.h.arms.Change(ctx, authority.Change{Target: target, Verdict: v, By: []string{"first"}, Why: "simulated"}, nil, r.clock); err != nil {
			return err
		}
	}
	if facts != "" {
		f, err := os.Open(facts)
		if err != nil {
			return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
		}
		defer func() { _ = f.Close() }()
		im := enrichment.Importer{Store: r.h.facts}
		if _, err := im.Import(ctx, f, facts, enrichment.Options{Source: "feed", At: r.clock}); err != nil {
			return err
		}
	}
	n, err := r.h.facts.Names(ctx)
	out.Facts = n
	return errors.Join(err, r.h.rearm(ctx, r.clock))
}

// reactChunk is how many events go to the gate at once: as few as there may be between two reactions without slowing the rest.
const reactChunk = 1024

func (r *reaction) play(ctx context.Context, lines *bufio.Reader) error {
	sealer, err := r.h.sealer()
	if err != nil {
		return err
	}
	var chunk []sequence.Arrival
	flush := func() error {
		for i, out := range r.h.seq.Submit(ctx, chunk) {
			if out.Err != nil {
				return out.Err
			}
			r.events++
			if err := r.decided(ctx, &chunk[i], &out); err != nil {
				return err
			}
		}
		chunk = chunk[:0]
		return nil
	}
	for n := 1; ; n++ {
		line, tooLong, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || tooLong {
			return fmt.Errorf("line %d: %w", n, errors.Join(err, vedette.ErrInvalid))
		}
		d, err := intake.Decode(line, sealer, intake.DecodeOptions{Tenant: r.h.cfg.Tenant, Platform: "replay", Source: vedette.SourceReplay})
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if t, told := r.truth[d.ID]; told && t.Campaign != "" {
			r.ids[d.Arrival.Event.ID] = d.ID
		}
		for len(r.due) > 0 && !d.Arrival.Event.At.Before(r.due[0].at) {
			if err := flush(); err != nil {
				return err
			}
			x := r.due[0]
			r.due = r.due[1:]
			if err := r.react(ctx, x); err != nil {
				return fmt.Errorf("react to a report of %s: %w", x.one.Name, err)
			}
		}
		chunk = append(chunk, d.Arrival)
		if d.Arrival.Event.Kind() == vedette.KindUserReported || len(chunk) == reactChunk {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for _, x := range r.due {
		if err := r.react(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

func (r *reaction) wait(median time.Duration) time.Duration {
	return time.Duration(float64(median) * math.Exp(waitSigma*r.rng.NormFloat64())).Truncate(time.Millisecond)
}

// decided holds a decision against the truth, and lets a report begin.
func (r *reaction) decided(ctx context.Context, a *sequence.Arrival, out *sequence.Outcome) error {
	r.clock = maxTime(r.clock, a.Event.At)
	raw, told := r.ids[a.Event.ID]
	if !told {
		return nil
	}
	t := r.truth[raw]
	one := r.one[t.Campaign]
	if one == nil {
		one = &reactedOne{Name: t.Campaign, Kind: t.Kind, Again: -1, targets: map[vedette.AccountID]time.Time{}, Extra: []string{}}
		r.one[t.Campaign] = one
	}
	byBlock, byRule := false, false
	for _, x := range out.Decision.Reasons {
		if x.Shadow || x.Verdict < vedette.Warn {
			continue
		}
		if x.Rule == response.TargetBlocks {
			byBlock = true
		} else {
			byRule = true
		}
	}
	switch t.Role {
	case "target":
		s := a.Event.Body.(*vedette.LinkSent)
		if one.blocked.IsZero() {
			one.targets[s.To.Account] = a.Event.At
			if one.started.IsZero() {
				one.started = a.Event.At
			}
			return nil
		}
		one.Later++
		if byBlock {
			one.Stopped++
		}
	case "return":
		if one.back.IsZero() {
			one.back = a.Event.At
		}
		one.Back++
		switch {
		case byBlock:
			one.Caught++
			if one.Again < 0 {
				one.Again = a.Event.At.Sub(one.back).Minutes()
			}
		case byRule:
			one.ByRules++
		}
	case "report":
		return r.reported(ctx, a, one)
	}
	return nil
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// reported lets a report begin its way.
func (r *reaction) reported(ctx context.Context, a *sequence.Arrival, one *reactedOne) error {
	cases, err := r.h.takeOpened(ctx, a)
	if err != nil || len(cases) == 0 {
		return err
	}
	one.Report = a.Event.At.Sub(one.started).Minutes()
	x := dueReaction{at: a.Event.At.Add(r.wait(lookMedian)), report: a.Event.ID, one: one, id: cases[0]}
	r.due = append(r.due, x)
	sort.SliceStable(r.due, func(i, j int) bool { return r.due[i].at.Before(r.due[j].at) })
	return nil
}

// takeOpened takes a report of a stream as the door does when the reporter's client opened the message: unproven, but with the link in clear.
func (h *house) takeOpened(ctx context.Context, a *sequence.Arrival) ([]casefile.ID, error) {
	e, err := h.journal.Find(ctx, h.cfg.Tenant, a.Event.ID, time.Time{})
	if err != nil {
		return nil, err
	}
	in, ok, err := h.cases.Claimed(ctx, &e)
	if err != nil || !ok {
		return nil, errors.Join(err, errors.New("a report that is none"))
	}
	for i := range in.Sent {
		if i < len(a.Links) {
			in.Sent[i].URL = a.Links[i].Canonical()
		}
	}
	got, err := h.cases.Take(ctx, in)
	return got.Cases, err
}

// react is one person's look at a case and what comes of it, in event time.
func (r *reaction) react(ctx context.Context, x dueReaction) error {
	h, one := r.h, x.one
	report, err := h.journal.Find(ctx, h.cfg.Tenant, x.report, time.Time{})
	if err != nil {
		return err
	}
	since := func() float64 { return r.clock.Sub(report.Event.At).Minutes() }
	r.clock = maxTime(r.clock, x.at)
	if !one.blocked.IsZero() {
		return nil
	}
	begin := time.Now()
	if err := h.catchUp(ctx); err != nil {
		return err
	}
	whole, err := h.cases.Get(ctx, x.id)
	if err != nil {
		return err
	}
	if len(caseNames(whole)) == 0 {
		one.Why = "the case has no name to confirm: " + whole.Kind
		return nil
	}
	if whole, err = r.people.confirm(ctx, whole, "simulated: looked at, and recognised", "first"); err != nil {
		return err
	}
	one.Confirm = since()
	s, err := h.scene(ctx, whole)
	if err != nil {
		return err
	}
	if r.bare {
		s.derived, s.sources.Derived = nil, nil
	}
	for _, d := range s.derived {
		one.Derived++
		if r.operators(one, d.Host) {
			one.Right++
		} else {
			one.Wrong = append(one.Wrong, d.Display+" "+d.Strength.String())
		}
	}
	for i, o := range s.orders(whole, r.clock.Add(30*24*time.Hour).Truncate(time.Second)) {
		changed, err := r.people.block(ctx, o, "first", "second")
		if i > 0 && (errors.Is(err, vedette.ErrForbidden) || errors.Is(err, vedette.ErrConflict)) {
			continue // another campaign blocked it before, or the guard spares it
		}
		if err != nil {
			return fmt.Errorf("block: %w", err)
		}
		one.Changed += changed
	}
	machine := time.Since(begin)
	one.blocked, one.Block = r.clock, since()
	// The second person signs, and the campaign is drawn.
	r.clock = r.clock.Add(r.wait(secondMedian))
	begin = time.Now()
	permit, err := r.people.permit(ctx, x.id, "first", "second")
	if err != nil {
		return err
	}
	s.incident.At, s.incident.Window.To = r.clock, r.clock.Add(time.Minute)
	reached := map[vedette.AccountID]string{}
	byHost, err := r.byName(ctx, s.incident)
	if err != nil {
		return err
	}
	if r.bare {
		for p := range byHost {
			reached[p] = "host"
		}
	} else {
		graph, err := campaign.Draw(ctx, permit, s.incident, s.sources, campaign.Budget{})
		if err != nil {
			return err
		}
		for _, p := range graph.Reached().Persons {
			if a, ok := graph.Account(p.Label); ok {
				reached[a] = string(p.Basis)
			}
		}
	}
	one.Machine = float64(machine+time.Since(begin)) / float64(time.Millisecond)
	one.Swept = since()
	for a := range one.targets {
		one.Targets++
		if _, ok := reached[a]; ok {
			one.Found++
		}
		if byHost[a] {
			one.ByHost++
		}
	}
	for a, why := range reached {
		if _, ok := one.targets[a]; !ok {
			one.Extra = append(one.Extra, why)
		}
	}
	slices.Sort(one.Extra)
	if err := h.cases.Contain(ctx, x.id, casefile.Note{By: "first", Why: "blocked"}); err != nil {
		return err
	}
	return h.cases.Sweep(ctx, x.id, casefile.Note{By: "first", Why: "the past was asked"})
}

// operators tells whether a host is one that this campaign uses anywhere in the stream.
func (r *reaction) operators(one *reactedOne, host string) bool {
	for _, t := range r.truth {
		if t.Campaign == one.Name && t.Injected && t.Host == host {
			return true
		}
	}
	return false
}

// byName are the people who met a name of a case, found by it alone: what a list could do.
func (r *reaction) byName(ctx context.Context, in campaign.Incident) (map[vedette.AccountID]bool, error) {
	tokens, err := r.h.tokensOf(in.Tenant)
	if err != nil {
		return nil, err
	}
	out := map[vedette.AccountID]bool{}
	for _, x := range in.Hosts {
		units, covers := hunt.Cover(tokens, hunt.Name{Value: x.Name, Scope: x.Scope}, in.Window)
		if _, err := r.h.past.Find(ctx, units, in.Window, func(_ int, s *hunt.Sighting) bool {
			if s.Act == hunt.Sent && !s.To.IsZero() && covers(s) {
				out[s.To] = true
			}
			return true
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *reaction) sum(out *reacted) {
	names := make([]string, 0, len(r.one))
	for name := range r.one {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		return len(names[i]) < len(names[j]) || len(names[i]) == len(names[j]) && names[i] < names[j]
	})
	var all []reactedOne
	byKind := map[string][]reactedOne{}
	for _, name := range names {
		one := *r.one[name]
		all = append(all, one)
		byKind[one.Kind] = append(byKind[one.Kind], one)
	}
	out.Campaigns = all
	out.Whole = sumOf(all)
	for kind, list := range byKind {
		out.ByKind[kind] = sumOf(list)
	}
}

func sumOf(list []reactedOne) (s reactedSum) {
	var blocks, machines []float64
	for _, one := range list {
		s.Campaigns++
		s.Targets, s.ByHost, s.Found, s.Extra = s.Targets+one.Targets, s.ByHost+one.ByHost, s.Found+one.Found, s.Extra+len(one.Extra)
		s.Derived, s.Right = s.Derived+one.Derived, s.Right+one.Right
		s.Later, s.Stopped, s.Back, s.Caught = s.Later+one.Later, s.Stopped+one.Stopped, s.Back+one.Back, s.Caught+one.Caught
		if one.Back > 0 {
			s.BackCampaigns++
			if one.Caught > 0 {
				s.CaughtCampaigns++
			}
		}
		if !one.blocked.IsZero() {
			s.Reported++
			blocks, machines = append(blocks, one.Block), append(machines, one.Machine)
		}
	}
	s.Recall = part(s.Found, s.Targets)
	s.RecallLow, s.RecallHigh = sim.Wilson(s.Found, s.Targets)
	s.Precision = part(s.Found, s.Found+s.Extra)
	s.PrecisionLow, s.PrecisionHigh = sim.Wilson(s.Found, s.Found+s.Extra)
	s.BlockMedian, s.BlockWorst = sim.Quantile(blocks, 0.5), sim.Quantile(blocks, 0.9)
	s.MachineMedian, s.MachineWorst = sim.Quantile(machines, 0.5), sim.Quantile(machines, 1)
	return s
}

// part is k of n as a part of 1, 0 of nothing.
func part(k, n int) float64 { return float64(k) / float64(max(n, 1)) }

func (out *reacted) print(w io.Writer) {
	fmt.Fprintf(w, "%s events, %d campaigns; %s names with facts\nperson in the loop: %s\n\n", count(out.Events), out.Whole.Campaigns, count(out.Facts), out.Person)
	t := newTable(w, "kind", "campaigns", "reached", "found by host", "found", "named wrongly", "recall", "precision", "report to block", "machine", "return caught")
	row := func(kind string, s reactedSum) {
		t.row(kind, count(s.Campaigns), count(s.Targets), count(s.ByHost), count(s.Found), count(s.Extra),
			fmt.Sprintf("%.1f %%", 100*s.Recall), fmt.Sprintf("%.1f %%", 100*s.Precision), fmt.Sprintf("%.0f min", s.BlockMedian),
			fmt.Sprintf("%.0f ms", s.MachineMedian), fmt.Sprintf("%d of %d", s.CaughtCampaigns, s.BackCampaigns))
	}
	for _, k := range sorted(out.ByKind) {
		row(k, out.ByKind[k])
	}
	row("all", out.Whole)
	t.flush()
}
