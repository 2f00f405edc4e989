package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vedette"
	"vedette/edge/intake"
	"vedette/inline/sequence"
	"vedette/link"
	"vedette/record/authority"
	"vedette/sim/world"
)

//go:embed demo.yaml
var demoScenario []byte

// demoSeed draws a world in which the operator has a rehearsal before he writes to anybody. How often such groups are found, and how often others are taken for
// one, is measured over many worlds, not here.
const demoSeed = 3

// demoWatchConfig is of a platform of 1,500 people that is watched for five weeks: a real one has more of both. It is written into the demo's folder, so that
// commands that look at it later watch as the demo did.
const demoWatchConfig = `# Of the demo: a small platform, for a few weeks. A real one leaves all of this out.
watch.least: 500
watch.settling: 240h
watch.warm_up: 1h
watch.learning: 240h
watch.per_week: 1
`

// demoRehearsal is where the platform that is watched has its folder: people of two made-up platforms in one would look as if they had come at once.
func demoRehearsal(dir string) string { return filepath.Join(dir, "rehearsal") }

// demoFolder writes the demo's configuration beside its data, unless there is one.
func demoFolder(dir string) error {
	path := filepath.Join(dir, "vedette.yaml")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return os.WriteFile(path, []byte(demoWatchConfig), 0o600)
}

// demoWatch plays the watched platform in its folder.
func (g *global) demoWatch(ctx context.Context, tell func(plain, shown string) error, p paint) (_ *demoWatched, err error) {
	d := *g
	d.data = demoRehearsal(g.data)
	if err := demoFolder(d.data); err != nil {
		return nil, err
	}
	h, err := open(ctx, &d, opening{gate: true, demo: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.armWatch(ctx); err != nil {
		return nil, err
	}
	if _, err := h.demoTeam(ctx); err != nil {
		return nil, err
	}
	return h.tellWatch(ctx, tell, p)
}

// demoWatched is what came of the demo's rehearsal.
type demoWatched struct {
	Events   int       `json:"events"`
	Accounts int       `json:"accounts"`
	Weeks    float64   `json:"weeks"`
	Found    time.Time `json:"found,omitzero"` // the operator's cell
	Members  int       `json:"members"`        // of the operator's, in the cell
	Of       int       `json:"of"`
	False    int       `json:"false_alerts"` // cells that were somebody else's
	Links    int       `json:"links"`        // that the gate was asked to warn of at once, at most
	First    time.Time `json:"first_target,omitzero"`
	Lead     string    `json:"lead,omitempty"` // from being found to the first target
	Targets  int       `json:"targets"`
	Warned   int       `json:"targets_warned"`
	Reached  int       `json:"targets_reached"` // without a warning
	Wrongly  int       `json:"others_warned"`   // people who were warned of something harmless
	Case     string    `json:"case,omitempty"`
	Cell     string    `json:"cell,omitempty"`
}

// tellWatch plays five weeks and tells how a rehearsal was found, and what became of its link.
func (h *house) tellWatch(ctx context.Context, tell func(plain, shown string) error, p paint) (*demoWatched, error) {
	scenario, err := world.ReadScenario(bytes.NewReader(demoScenario))
	if err != nil {
		return nil, err
	}
	w, err := world.New(scenario, demoSeed)
	if err != nil {
		return nil, err
	}
	var wire bytes.Buffer
	if err := w.WriteWire(&wire); err != nil {
		return nil, err
	}
	truth := w.Truth()
	sealer, err := h.sealer()
	if err != nil {
		return nil, err
	}
	targets, members := map[string]bool{}, map[vedette.AccountID]bool{}
	for i := range truth.Teams {
		if !truth.Teams[i].Hostile {
			continue
		}
		for _, t := range truth.Teams[i].Targets {
			targets[t.Event.String()] = true
		}
		for _, m := range truth.Teams[i].Members {
			a, err := sealer.Account(m.String() + "@range.example")
			if err != nil {
				return nil, err
			}
			members[a] = true
		}
	}
	out := &demoWatched{Events: truth.Events, Accounts: truth.Accounts, Of: len(members), Targets: len(targets)}
	out.Weeks = truth.End.Sub(truth.Start).Hours() / 168
	s := demoWatch{house: h, out: out, tell: tell, paint: p, targets: targets, members: members, lines: map[string]string{}}
	if err := s.say("", fmt.Sprintf("Five weeks on range.example: %s people, families, classes, firms' testers, and one operator. %s events.", count(out.Accounts), count(out.Events))); err != nil {
		return nil, err
	}
	var arrivals []sequence.Arrival
	var ids []string
	for line := range bytes.Lines(wire.Bytes()) {
		d, err := intake.Decode(line, sealer, intake.DecodeOptions{Tenant: h.cfg.Tenant, Platform: "range.example", Source: vedette.SourceReplay})
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		if targets[d.ID] {
			s.lines[d.ID] = hostOnWire(line)
		}
		arrivals, ids = append(arrivals, d.Arrival), append(ids, d.ID)
		if len(arrivals) == demoChunk {
			if err := s.play(ctx, arrivals, ids); err != nil {
				return nil, err
			}
			arrivals, ids = arrivals[:0], ids[:0]
		}
	}
	if err := s.play(ctx, arrivals, ids); err != nil {
		return nil, err
	}
	return out, s.end()
}

// demoChunk is how many events the gate takes before the watch follows: some hours of the demo's platform.
const demoChunk = 512

// hostOnWire is the host of an event's link, for the story alone.
func hostOnWire(line []byte) string {
	var e struct {
		Links []struct {
			URL string `json:"url"`
		} `json:"links"`
	}
	if json.Unmarshal(line, &e) != nil || len(e.Links) == 0 {
		return ""
	}
	u, err := link.Parse(e.Links[0].URL)
	if err != nil {
		return ""
	}
	return link.Defang(u.Host())
}

type demoWatch struct {
	*house
	out     *demoWatched
	tell    func(plain, shown string) error
	paint   paint
	targets map[string]bool
	members map[vedette.AccountID]bool
	lines   map[string]string // hosts of the targets' links, by event
	cells   int
	first   bool
	day     string
}

func (s *demoWatch) say(clock, text string) error {
	if clock == "" {
		return s.tell(text, text)
	}
	return s.tell(clock+" "+text, s.paint.dim(clock)+" "+text)
}

func (s *demoWatch) dated(at time.Time) error {
	day := at.UTC().Format("Monday 2 January")
	if day == s.day {
		return nil
	}
	s.day = day
	return s.tell(day, "\n"+s.paint.bold(day))
}

// play lets the gate decide a few hours, and then the watch look.
func (s *demoWatch) play(ctx context.Context, arrivals []sequence.Arrival, ids []string) error {
	for i, o := range s.seq.Submit(ctx, arrivals) {
		if o.Err != nil {
			return o.Err
		}
		warned := o.Decision.Verdict >= vedette.Warn
		at := arrivals[i].Event.At
		switch {
		case s.targets[ids[i]] && warned:
			s.out.Warned++
		case s.targets[ids[i]]:
			s.out.Reached++
		case warned && !s.members[arrivals[i].Event.Actor]:
			s.out.Wrongly++
		}
		if !s.targets[ids[i]] || s.first {
			continue
		}
		s.first, s.out.First = true, at
		if err := s.dated(at); err != nil {
			return err
		}
		host := s.lines[ids[i]]
		if err := s.say(at.UTC().Format("15:04"), fmt.Sprintf("The operator writes to the first of his targets, from a fresh account: %s.", s.paint.bold(host))); err != nil {
			return err
		}
		for _, r := range o.Decision.Reasons {
			if r.Rule == vedette.RuleWatch {
				line := fmt.Sprintf("      %-5s %s (%s)", o.Decision.Verdict, r.Text, r.Rule)
				if err := s.tell(line, fmt.Sprintf("      %s  %s %s", s.paint.verdict(o.Decision.Verdict), r.Text, s.paint.dim("("+string(r.Rule)+")"))); err != nil {
					return err
				}
			}
		}
		if !warned {
			if err := s.tell("      allow", "      "+s.paint.verdict(vedette.Allow)); err != nil {
				return err
			}
		}
	}
	if err := s.sentry.CatchUp(ctx); err != nil {
		return err
	}
	return s.look(ctx)
}

// look tells of cells that the watch told of since the last look.
func (s *demoWatch) look(ctx context.Context) error {
	cells, err := s.sentry.Cells(ctx)
	if err != nil {
		return err
	}
	told := 0
	for _, c := range cells {
		if !c.Alerted.IsZero() {
			told++
		}
	}
	if asked := len(s.judging.Load().generation.Watching()); asked > s.out.Links {
		s.out.Links = asked
	}
	if told <= s.cells {
		return nil
	}
	for _, c := range cells {
		whole, err := s.sentry.Cell(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.Alerted.IsZero() || c.Alerted.Before(s.out.Found) || c.ID.String() == s.out.Cell {
			continue
		}
		n := 0
		for _, m := range whole.Members {
			if s.members[m] {
				n++
			}
		}
		if 2*n < len(whole.Members) {
			s.out.False++
			continue
		}
		s.out.Found, s.out.Members, s.out.Cell = c.Alerted, n, c.ID.String()
		id, err := s.caseOf(ctx, &whole)
		if err != nil {
			return err
		}
		s.out.Case = string(id)
		if err := s.dated(c.Alerted); err != nil {
			return err
		}
		if err := s.say(c.Alerted.UTC().Format("15:04"), fmt.Sprintf("The watch tells of a cell: %d accounts, %.0f bits: so seldom do the platform's own groups look like this.", c.Size, bits(c.Score))); err != nil {
			return err
		}
		for _, t := range whole.Told[:min(1, len(whole.Told))] {
			for _, r := range t.Reasons[:min(4, len(t.Reasons))] {
				text, _, _ := strings.Cut(r.Text, "; ")
				if err := s.tell("      "+text, "      "+text); err != nil {
					return err
				}
			}
		}
		if err := s.say("     ", fmt.Sprintf("It opens %s. Nobody is limited; the gate is asked to warn strangers of new links that its members try on one another.", s.out.Case)); err != nil {
			return err
		}
	}
	s.cells = told
	return nil
}

// end sums up.
func (s *demoWatch) end() error {
	o := s.out
	if o.Found.IsZero() || o.First.IsZero() {
		return s.say("", s.paint.red("The rehearsal was not found before its first target."))
	}
	lead := o.First.Sub(o.Found).Round(time.Hour)
	o.Lead = lead.String()
	return s.say("", fmt.Sprintf("Found %d hours before the first target. Of %d targets %s were warned before they could open it, %d got it without a warning; %s else was warned of anything, and %s.",
		int(lead.Hours()), o.Targets, s.paint.bold(count(o.Warned)), o.Reached, nobody(o.Wrongly), counted(o.False, "other group was told of", "other groups were told of")))
}

func nobody(n int) string {
	if n == 0 {
		return "nobody"
	}
	return counted(n, "person", "people")
}

// armWatch lets watch entries warn, as a person would after looking.
func (h *house) armWatch(ctx context.Context) error {
	if h.judging.Load().generation.Armed().Each[vedette.RuleWatch] >= vedette.Warn {
		return nil // a second demo in the same folder
	}
	if _, err := h.arms.Change(ctx, authority.Change{Target: vedette.RuleWatch, Verdict: vedette.Warn, By: []string{"demo"}, Why: "links of groups that rehearse"}, nil, time.Now().UTC()); err != nil {
		return err
	}
	return h.refresh(ctx)
}
