package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/response"
	"vedette/edge/intake"
	"vedette/inline/sequence"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/enrichment"
	"vedette/record/indicator"
	"vedette/sim"
	"vedette/watch/campaign"
)

// demoed is what a demo prints with --once --json.
type demoed struct {
	Events       int            `json:"events"`
	LinksStopped int            `json:"links_stopped"` // messages with a link that were held or blocked
	LinksWarned  int            `json:"links_warned"`
	Decisions    map[string]int `json:"decisions"` // by answer
	Missed       []string       `json:"missed"`    // events that the story's truth says should have been answered more strongly
	Wrong        []string       `json:"wrong"`     // honest events that were answered more strongly than is right
	Story        []string       `json:"story"`
	Watch        *demoWatched   `json:"watch"`             // what came of the rehearsal
	Report       *demoReport    `json:"report"`            // what came of the story's one report
	Exhibit      string         `json:"exhibit,omitempty"` // path
	Key          string         `json:"key,omitempty"`     // path of the log's public key, with which it is verified
	Proof        *demoProof     `json:"proof,omitempty"`   // what verifying said of it, and of a copy with one byte altered
	OK           bool           `json:"ok"`

	reached []vedette.AccountID // by what no list knows
}

// demoReport is what came of one person's report.
type demoReport struct {
	Case    string   `json:"case"`
	About   string   `json:"about"`   // defanged
	Blocked []string `json:"blocked"` // defanged
	Derived []string `json:"derived"` // defanged
	Reached int      `json:"reached"` // people
	Kept    int      `json:"kept_from"`
	Senders int      `json:"senders"`
	Changed int      `json:"changed"` // delivered messages about which the platform is told
	Silent  int      `json:"silent"`  // of those reached: people who had reported nothing
	Missed  int      `json:"missed"`  // people who were reached by the operator's unlisted hosts and not found
}

// storyStart is a constant, so that two demos tell the same story.
var storyStart = time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)

func (g *global) demo() *cobra.Command {
	var once bool
	var listen, ops string
	var pace time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a small made-up platform: what is sent, what is stopped, and why",
		Long: `Plays five weeks on range.example and three days on harbour.example, platforms that do not exist: people who chat, an operator who is found while he tries his
links on his own accounts, and one whose links a list knows. The events go through the same engine as yours would. Then a server stays
open with its API page, until you stop it. With --once it ends after the story. Everything happens in a folder of its own that is
removed at the end, unless you name one with --data. An exhibit of the story's case, and the key that verifies it, stay where the demo says.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := *g
			exhibits := g.data
			if !cmd.Flags().Changed("data") {
				exhibits = "" // a folder that stays
				dir, err := os.MkdirTemp("", "vedette-demo-")
				if err != nil {
					return err
				}
				defer func() { _ = os.RemoveAll(dir) }()
				d.data = filepath.Join(dir, "data")
				d.key = filepath.Join(dir, "root.key")
			}
			return d.runDemo(cmd, exhibits, once, listen, ops, pace)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the story")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8480", "where the API is served afterwards")
	cmd.Flags().StringVar(&ops, "ops", "127.0.0.1:8481", "where health and metrics are served afterwards")
	cmd.Flags().DurationVar(&pace, "pace", 350*time.Millisecond, "pause after each line of the story, on a terminal")
	return cmd
}

func (g *global) runDemo(cmd *cobra.Command, exhibits string, once bool, listen, ops string, pace time.Duration) error {
	ctx := cmd.Context()
	out := cmd.OutOrStdout()
	p := g.paint(cmd)
	say := func(format string, args ...any) {
		if !g.json {
			fmt.Fprintf(out, format+"\n", args...)
		}
	}
	if g.json || !terminal(out) {
		pace = 0
	}
	say("%s", p.bold("vedette demo: five weeks and three days on platforms that do not exist"))
	say("")
	slowly := func(line string) error {
		say("%s", line)
		if pace == 0 {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
			return nil
		}
	}
	var before []string
	watched, err := g.demoWatch(ctx, func(plain, shown string) error {
		before = append(before, plain)
		return slowly(shown)
	}, p)
	if err != nil {
		return err
	}
	h, err := open(ctx, g, opening{gate: true, demo: true})
	if err != nil {
		return err
	}
	defer func() { _ = h.close() }()
	say("")
	say("%s", p.bold("Then three days on harbour.example, where a list is known"))
	if err := h.prepareDemo(ctx); err != nil {
		return err
	}
	say("A list of %d hosts is imported, %s.", bytes.Count(sim.StoryIndicators(), []byte("\n"))-2, p.dim("as published by "+sim.StoryPublisher))
	say("The list and the starter rules are armed: a fresh install would only observe.")
	sum, err := h.tell(ctx, slowly, p)
	if err != nil {
		return err
	}
	sum.Watch, sum.Story = watched, append(before, sum.Story...)
	sum.OK = sum.OK && watched.Lead != "" && watched.Reached == 0
	if err := h.tellReport(ctx, sum, say, p); err != nil {
		return err
	}
	if err := h.tellExhibit(ctx, sum, exhibits, say, p); err != nil {
		return err
	}
	if g.json {
		if err := printJSON(out, sum); err != nil {
			return err
		}
	} else {
		say("")
		say("In the last three days: %s events decided and kept: %s stopped, %s warned of, %s allowed.", count(sum.Events),
			p.red(count(sum.Decisions["block"]+sum.Decisions["hold"])), p.amber(count(sum.Decisions["warn"])), p.green(count(sum.Decisions["allow"])))
		if len(sum.Missed)+len(sum.Wrong) > 0 {
			say("%s missed: %v, wrongly stopped: %v", p.red("Against the story's truth:"), sum.Missed, sum.Wrong)
		}
	}
	if !sum.OK {
		return &exit{exitFinding, errors.New("the story did not end as it should")}
	}
	if once {
		return nil
	}
	h.cfg.Listen, h.cfg.Ops = listen, ops
	_, key, err := h.machines.Create(ctx, accessOrder(h.cfg.Tenant, "harbour.example", authority.ScopeDecide|authority.ScopeEvents|authority.ScopeRead))
	if err != nil {
		return err
	}
	return h.listen(ctx, func(address string) {
		say("")
		say("%s", p.bold("Now try it. A server is open until you press Ctrl-C:"))
		say("")
		say("  the API, described   http://%s/docs", address)
		say("  health and metrics   http://%s/readyz   http://%s/metrics", ops, ops)
		say("")
		say("  curl -s http://%s/v1/decide -H 'Authorization: Bearer %s' \\", address, key)
		say("    -H 'Content-Type: application/json' -d '%s'", demoEvent())
		say("")
		if sum.Report != nil {
			say("")
			say("  vedette hunt --indicator '%s' --data %s", sum.Report.About, g.data)
			say("  vedette campaign show %s --data %s", sum.Report.Case, g.data)
			say("  vedette watch show %.12s --data %s", sum.Watch.Cell, demoRehearsal(g.data))
		}
		say("")
		say("Next: %s for your own platform, %s for a file of events,", p.bold("vedette serve"), p.bold("vedette replay FILE"))
		say("      %s to see through a link, and README.md.", p.bold("vedette check URL"))
	})
}

// demoEvent is the README's example: a first contact with a link to a host of the story's list, as its operator would spell it.
func demoEvent() string {
	return fmt.Sprintf(`{"id":"try-1","kind":"link.sent","at":"%s","actor":"@stranger:harbour.example","to":{"account":"@salma:harbour.example"},"stranger":true,"links":[{"url":"HTTP://WWW.%s:80/a/7Kq2x"}]}`,
		time.Now().UTC().Format(time.RFC3339), storyHost())
}

// storyHost is the first host of the story's list.
func storyHost() string {
	for line := range bytes.Lines(sim.StoryIndicators()) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return string(line)
		}
	}
	return "none.example"
}

// tell plays the story through the engine and tells what is worth telling.
func (h *house) tell(ctx context.Context, say func(string) error, p paint) (*demoed, error) {
	sealer, err := h.vault.Tenant(h.cfg.Tenant)
	if err != nil {
		return nil, err
	}
	sum := &demoed{Decisions: map[string]int{}, Missed: []string{}, Wrong: []string{}, Story: []string{}}
	tell := func(plain, shown string) error {
		sum.Story = append(sum.Story, plain)
		return say(shown)
	}
	day := ""
	flush := func(scenes []sim.Scene, arrivals []sequence.Arrival, ids []string) error {
		for i, out := range h.seq.Submit(ctx, arrivals) {
			if out.Err != nil {
				return out.Err
			}
			sc, d := scenes[i], out.Decision
			sum.Events++
			if arrivals[i].Event.Kind() == vedette.KindUserReported {
				cases, err := h.takeOpened(ctx, &arrivals[i])
				if err != nil {
					return err
				}
				if len(cases) > 0 {
					sum.Report = &demoReport{Case: string(cases[0])}
				}
			}
			if t := sc.Truth; t != nil && t.Injected && t.Value == "" && d.Verdict < vedette.Hold {
				if b, ok := arrivals[i].Event.Body.(*vedette.LinkSent); ok && b.Stranger == vedette.Yes {
					sum.reached = append(sum.reached, b.To.Account)
				}
			}
			sum.Decisions[d.Verdict.String()]++
			hasLink := len(arrivals[i].Event.Links()) > 0
			if hasLink && d.Verdict >= vedette.Hold {
				sum.LinksStopped++
			}
			if hasLink && d.Verdict == vedette.Warn {
				sum.LinksWarned++
			}
			if t := sc.Truth; t != nil {
				switch {
				case t.Injected && d.Verdict < t.Want:
					sum.Missed = append(sum.Missed, ids[i])
				case !t.Injected && d.Verdict > t.Want:
					sum.Wrong = append(sum.Wrong, ids[i])
				}
			}
			if sc.Say == "" && d.Verdict == vedette.Allow {
				continue
			}
			if now := sc.At.UTC().Format("Monday 2 January"); now != day {
				day = now
				if err := tell(now, "\n"+p.bold(now)); err != nil {
					return err
				}
			}
			clock := sc.At.UTC().Format("15:04")
			if sc.Say != "" {
				if err := tell(clock+" "+sc.Say, p.dim(clock)+" "+sc.Say); err != nil {
					return err
				}
			}
			if d.Verdict == vedette.Allow {
				if sc.Truth != nil {
					if err := tell("      allow", "      "+p.verdict(d.Verdict)); err != nil {
						return err
					}
				}
				continue
			}
			for j, r := range d.Reasons {
				if r.Shadow || j > 1 {
					continue
				}
				word, shown := d.Verdict.String(), p.verdict(d.Verdict)
				if j > 0 {
					word, shown = "and", "and"
				}
				line := fmt.Sprintf("      %-5s %s (%s)", word, r.Text, r.Rule)
				if err := tell(line, fmt.Sprintf("      %s%*s %s %s", shown, 5-len(word), "", r.Text, p.dim("("+string(r.Rule)+")"))); err != nil {
					return err
				}
			}
		}
		return nil
	}
	var scenes []sim.Scene
	var arrivals []sequence.Arrival
	var ids []string
	for sc := range sim.Story(1, storyStart) {
		d, err := intake.Decode(sc.Wire, sealer, intake.DecodeOptions{Tenant: h.cfg.Tenant, Platform: "harbour.example", Source: vedette.SourceReplay})
		if err != nil {
			return nil, fmt.Errorf("story: %w", err)
		}
		scenes, arrivals, ids = append(scenes, sc), append(arrivals, d.Arrival), append(ids, d.ID)
		if len(arrivals) == 64 {
			if err := flush(scenes, arrivals, ids); err != nil {
				return nil, err
			}
			scenes, arrivals, ids = nil, nil, nil
		}
	}
	if err := flush(scenes, arrivals, ids); err != nil {
		return nil, err
	}
	sum.OK = len(sum.Missed) == 0 && len(sum.Wrong) == 0 && sum.LinksStopped > 0 && sum.Report != nil
	return sum, nil
}

// tellReport plays what two people make of the story's one report: the link, its siblings, who sent them, who else was reached, what to block.
func (h *house) tellReport(ctx context.Context, sum *demoed, say func(string, ...any), p paint) error {
	if sum.Report == nil {
		return nil
	}
	rep := sum.Report
	feed := enrichment.Importer{Store: h.facts}
	if _, err := feed.Import(ctx, bytes.NewReader(sim.StoryFacts()), "harbour-feed.csv", enrichment.Options{Source: "harbour-feed", At: h.now().UTC()}); err != nil {
		return err
	}
	if err := h.settle(ctx); err != nil {
		return err
	}
	team, err := h.demoTeam(ctx)
	if err != nil {
		return err
	}
	whole, err := h.cases.Get(ctx, casefile.ID(rep.Case))
	if err != nil {
		return err
	}
	rep.About = whole.Display
	say("")
	say("%s", p.bold("What hangs on Petra's report"))
	say("It opened %s, about %s. Ana, an analyst, looks, and signs that the host is bad.", rep.Case, whole.Display)
	if whole.State == casefile.Signal || whole.State == casefile.Open {
		if whole, err = team.confirm(ctx, whole, "a story: she recognised it", "ana"); err != nil {
			return err
		}
	}
	s, err := h.scene(ctx, whole)
	if err != nil {
		return err
	}
	for _, d := range s.derived {
		if d.Strength < vedette.Warn {
			continue
		}
		var ties []string
		for _, tie := range d.Ties {
			ties = append(ties, string(tie.Kind))
		}
		rep.Derived = append(rep.Derived, d.Display)
		say("  sibling  %s: %s; may %s", p.bold(d.Display), strings.Join(ties, ", "), p.verdict(d.Strength))
	}
	for _, o := range s.orders(whole, h.now().UTC().Add(30*24*time.Hour).Truncate(24*time.Hour)) {
		changed, err := team.block(ctx, o, "ana", "omar")
		if errors.Is(err, vedette.ErrConflict) {
			continue // a second demo in the same folder
		}
		if err != nil {
			return err
		}
		rep.Changed += changed
		rep.Blocked = append(rep.Blocked, link.Defang(o.Value))
	}
	permit, err := team.permit(ctx, whole.ID, "ana", "omar")
	if err != nil {
		return err
	}
	s.incident.At = h.now().UTC()
	graph, err := campaign.Draw(ctx, permit, s.incident, s.sources, campaign.Budget{})
	if err != nil {
		return err
	}
	r := graph.Reached()
	rep.Reached, rep.Kept, rep.Senders = r.Delivered, r.Stopped, r.Senders
	found, told := map[vedette.AccountID]bool{}, map[vedette.AccountID]bool{}
	for _, x := range s.incident.Reports {
		told[x.Reporter] = true
	}
	for _, x := range r.Persons {
		a, ok := graph.Account(x.Label)
		if !ok {
			continue
		}
		found[a] = true
		if !x.Delivered.IsZero() && !told[a] {
			rep.Silent++
		}
	}
	for _, a := range sum.reached {
		if !found[a] {
			rep.Missed++
		}
	}
	sum.OK = sum.OK && rep.Missed == 0
	say("Omar signs too. %s people got a link of this campaign, from %d accounts; from %d more it was kept. Of the %d, %d had reported nothing.",
		p.bold(count(r.Delivered)), r.Senders, r.Stopped, r.Delivered, rep.Silent)
	say("Blocked for 30 days: %s. The platform is told to take back %d messages that it had delivered.", strings.Join(rep.Blocked, ", "), rep.Changed)
	say("Who they are stands behind both signatures, and every step in the evidence log.")
	return nil
}

// demoTeam enrols Ana and Omar and keeps their keys beside the data, where the commands that the demo names find them.
func (h *house) demoTeam(ctx context.Context) (team, error) {
	t := team{h, map[authority.PersonID]ed25519.PrivateKey{}}
	for id, name := range map[authority.PersonID]string{"ana": "Ana Duarte", "omar": "Omar Nasser"} {
		path := filepath.Join(h.folder.dir, string(id)+".key")
		key, err := authority.ReadKey(path)
		if errors.Is(err, vedette.ErrUnknown) {
			var pub ed25519.PublicKey
			if pub, key, err = authority.GenerateKey(); err == nil {
				_, err = h.people.Enrol(ctx, authority.Person{ID: id, Name: name, Role: authority.RoleAnalyst, Key: pub}, nil, h.now().UTC())
			}
			if err == nil {
				err = authority.WriteKey(path, key)
			}
		}
		if err != nil {
			return t, err
		}
		t.keys[id] = key
	}
	return t, nil
}

// demoSource is the name under which the story's list is imported.
const demoSource = "harbour-lab"

// prepareDemo imports the story's list and arms it and the starter rules, as a person would after looking.
func (h *house) prepareDemo(ctx context.Context) error {
	published := time.Date(2026, 1, 12, 0, 0, 0, 0, time.UTC)
	grade, err := indicator.ParseAdmiralty("B2")
	if err != nil {
		return err
	}
	block := vedette.Block
	im := indicator.Importer{Store: h.known, Guard: indicator.NewGuard()}
	if _, err := im.Import(ctx, bytes.NewReader(sim.StoryIndicators()), "harbour-hosts.txt", indicator.ImportOptions{
		Source: demoSource, Grade: grade, Published: published, KnownFrom: published, At: time.Now().UTC().Truncate(time.Millisecond), Verdict: &block,
	}); err != nil {
		return err
	}
	for _, c := range []authority.Change{
		{Target: response.TargetBlocks, Verdict: vedette.Block, By: []string{"demo"}, Why: "what people block holds"},
		{Target: "list:" + demoSource, Verdict: vedette.Block, By: []string{"demo"}, Why: "a list that the story trusts"},
		{Target: authority.Ceiling, Verdict: vedette.Warn, By: []string{"demo"}, Why: "every rule may warn"},
	} {
		if now := h.judging.Load().generation.Armed(); c.Target == authority.Ceiling && now.Ceiling >= c.Verdict || now.Each[c.Target] >= c.Verdict {
			continue // a second demo in the same folder
		}
		if _, err := h.arms.Change(ctx, c, nil, time.Now().UTC()); err != nil {
			return err
		}
	}
	return h.refresh(ctx)
}
