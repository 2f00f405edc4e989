package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/watch/campaign"
	"vedette/watch/hunt"
	"vedette/watch/sibling"
)

// drawing is what a campaign is drawn for. With approvals people are drawn too, under labels.
type drawing struct {
	Case      casefile.ID    `json:"case"`
	Format    string         `json:"format"` // "json", "graphml" or "svg"
	Ask       *authority.Ask `json:"ask,omitempty"`
	Approvals [][]byte       `json:"approvals,omitempty"`
	Propose   bool           `json:"propose,omitempty"` // only the act that two people sign is wanted
}

type drawn struct {
	Act     []byte            `json:"act,omitempty"`
	Names   []string          `json:"names,omitempty"` // that the act is about, defanged
	Content []byte            `json:"content"`
	Reach   campaign.Reach    `json:"reach"`
	Block   []campaign.Block  `json:"block"`
	Derived []sibling.Derived `json:"derived"`
	Notes   sibling.Notes     `json:"notes"`
	State   casefile.State    `json:"state"`
	About   string            `json:"about"`
	Left    int               `json:"left"`
}

var opCampaign = operation[drawing, drawn]{"campaign.show", func(ctx context.Context, h *house, in drawing) (drawn, error) {
	if err := h.settle(ctx); err != nil {
		return drawn{}, err
	}
	whole, err := h.cases.Get(ctx, in.Case)
	if err != nil {
		return drawn{}, err
	}
	out := drawn{State: whole.State, About: whole.Display}
	s, err := h.scene(ctx, whole)
	if err != nil {
		return drawn{}, err
	}
	var graph *campaign.Graph
	if in.Ask == nil {
		graph, err = campaign.Outline(ctx, s.incident, s.sources)
	} else {
		in.Ask.About = campaign.Names(s.incident, s.sources)
		if in.Propose {
			act, err := in.Ask.Act()
			out.Act, out.Names = act.Canonical(), s.covers()
			return out, err
		}
		var permit authority.Permit
		if permit, err = h.people.Permit(ctx, *in.Ask, in.Approvals, h.now().UTC()); err == nil {
			graph, err = campaign.Draw(ctx, permit, s.incident, s.sources, campaign.Budget{})
		} else if len(in.Approvals) > 0 {
			err = fmt.Errorf("%w\nThe names of the campaign may be others than when it was signed: propose it again", err)
		}
	}
	if err != nil {
		return drawn{}, err
	}
	switch in.Format {
	case "svg":
		out.Content = graph.SVG()
	case "graphml":
		out.Content = graph.GraphML()
	default:
		out.Content = graph.JSON()
	}
	out.Reach, out.Block, out.Derived, out.Notes = graph.Reached(), graph.Block(), s.derived, s.notes
	for _, l := range graph.Left {
		out.Left += int(l.Count)
	}
	return out, nil
}}

// scene is what a campaign is drawn from: the case's reports and hosts, and what was derived from them.
type scene struct {
	incident campaign.Incident
	sources  campaign.Sources
	derived  []sibling.Derived
	notes    sibling.Notes
}

// covers are the names that a drawing follows whole, for people.
func (s *scene) covers() (out []string) {
	for _, x := range s.incident.Hosts {
		out = append(out, fmt.Sprintf("%s (%s)", link.Defang(x.Name), x.Scope))
	}
	for _, d := range s.derived {
		if d.Strength > vedette.Allow {
			out = append(out, fmt.Sprintf("%s (%s), derived", d.Display, d.Scope))
		}
	}
	return out
}

// reach is how far before the first report a campaign is looked for: as long as history is kept.
const reach = 90 * 24 * time.Hour

// maxCaseReports is how many reports of a case are drawn.
const maxCaseReports = 1000

func (h *house) scene(ctx context.Context, whole casefile.Whole) (scene, error) {
	var s scene
	now := h.now().UTC().Truncate(time.Millisecond)
	// The book tells reports to a permit; here they are read for the drawing, which itself shows people to a permit alone.
	reports, err := h.db.Cases().Reports(ctx, whole.ID, 0, maxCaseReports)
	if err != nil {
		return s, err
	}
	first := whole.Opened
	for _, r := range reports {
		if r.At.Before(first) {
			first = r.At
		}
		if r.Message.IsZero() {
			continue
		}
		// A message may be reported long after it came.
		if e, err := h.journal.Find(ctx, whole.Tenant, r.Message, time.Time{}); err == nil && e.Event.At.Before(first) {
			first = e.Event.At
		}
	}
	w := hunt.Window{From: first.Add(-reach), To: now.Add(time.Minute)}
	s.incident = campaign.Incident{Case: string(whole.ID), Tenant: whole.Tenant, At: now, Window: w}
	for _, r := range reports {
		x := campaign.Report{ID: r.ID, At: r.At, Message: r.Message, Reporter: r.Reporter, Grade: r.Grade.String(), Category: r.Category}
		for _, l := range r.Links {
			if l.Case == whole.ID { // what else somebody put into a report leads to nobody
				x.Links = append(x.Links, l.Tokens)
			}
		}
		s.incident.Reports = append(s.incident.Reports, x)
		if !r.Message.IsZero() {
			s.incident.Events = append(s.incident.Events, r.Message)
		} else {
			s.incident.Events = append(s.incident.Events, r.ID)
		}
	}
	tokens, err := h.tokensOf(whole.Tenant)
	if err != nil {
		return s, err
	}
	var confirmed []sibling.Host
	for _, n := range caseNames(whole) {
		host, err := h.drawnHost(ctx, tokens, n, w)
		if err != nil {
			return s, err
		}
		host.Reported = !confirmedIn(whole)
		s.incident.Hosts = append(s.incident.Hosts, host)
		name, _, _ := strings.Cut(n.Value, "/")
		if !slices.ContainsFunc(confirmed, func(c sibling.Host) bool { return c.Host == name }) {
			confirmed = append(confirmed, sibling.Host{Host: name})
		}
	}
	guard := h.guardNow()
	confirmed = slices.DeleteFunc(confirmed, func(c sibling.Host) bool {
		return guard.Strict(&indicator.Indicator{Value: c.Host, Scope: indicator.ScopeHost}).Refused
	})
	if len(confirmed) > 0 {
		known, err := h.knownNames(ctx)
		if err != nil {
			return s, err
		}
		s.derived, s.notes, err = sibling.Derive(ctx, confirmed, sibling.Sources{
			Guard: guard, Facts: h.facts, Names: known,
			Reach: func(ctx context.Context, host string, scope indicator.Scope) (int, error) {
				n, known, err := h.met(ctx, host, scope)
				if err == nil && !known {
					n = -1
				}
				return n, err
			},
		}, sibling.Params{At: now})
		if err != nil {
			return s, err
		}
	}
	for _, d := range s.derived {
		x, err := h.drawnHost(ctx, tokens, hunt.Name{Value: d.Host, Scope: d.Scope}, w)
		if err != nil {
			return s, err
		}
		s.sources.Derived = append(s.sources.Derived, campaign.Derived{Derived: d, Wanted: x.Wanted, Indicators: x.Indicators, Facts: x.Facts})
	}
	sealer, err := h.sealer()
	if err != nil {
		return s, err
	}
	s.sources.Read = h.readSpan
	s.sources.Find = func(ctx context.Context, id vedette.EventID) (journal.Entry, error) {
		return h.journal.Find(ctx, whole.Tenant, id, time.Time{})
	}
	s.sources.History = h.past
	s.sources.Erased = func(ctx context.Context, a vedette.AccountID) (bool, error) {
		_, err := sealer.SeedOf(ctx, a)
		if errors.Is(err, vedette.ErrUnknown) {
			return true, nil
		}
		return false, err
	}
	s.sources.Recorder = h.proof.recorder(h.db.People())
	return s, nil
}

// confirmedIn tells whether people have confirmed a name in a case.
func confirmedIn(whole casefile.Whole) bool {
	return slices.ContainsFunc(whole.Log, func(s casefile.Step) bool { return s.Value != "" })
}

// caseNames are what people confirmed in a case, or, as long as nobody did, the hosts that were reported.
func caseNames(whole casefile.Whole) []hunt.Name {
	var out []hunt.Name
	add := func(value string, scope indicator.Scope) {
		if n, err := hunt.NameOf(value, scope); err == nil && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	for _, step := range whole.Log {
		if step.Value == "" {
			continue
		}
		if scope, err := indicator.ParseScope(step.Scope); err == nil {
			add(step.Value, scope)
		}
	}
	if len(out) > 0 {
		return out
	}
	switch whole.Kind {
	case "tenant":
		if strings.Contains(whole.Name, "/") {
			add(whole.Name, indicator.ScopePath)
		} else {
			add(whole.Name, indicator.ScopeHost) // a tenant whose name stands before the hoster's
		}
	case "domain":
		add(whole.Name, indicator.ScopeDomain)
	case "host":
		add(whole.Name, indicator.ScopeHost)
	}
	return out
}

// drawnHost is a name with its keys, what lists say of it, and what was imported about it.
func (h *house) drawnHost(ctx context.Context, t hunt.Tokens, n hunt.Name, w hunt.Window) (campaign.Host, error) {
	out := campaign.Host{Name: n.Value, Scope: n.Scope}
	units, own := hunt.Keys(t, n, w)
	for _, u := range units {
		for _, k := range own {
			out.Wanted = append(out.Wanted, campaign.Wanted{Unit: u, Name: k})
		}
	}
	vs, err := h.known.Lookup(ctx, n.Value)
	if err != nil {
		return out, err
	}
	for _, v := range vs {
		if v.Change != indicator.Revoked {
			out.Indicators = append(out.Indicators, campaign.Indicator{Entry: v.Label(), Source: v.Source, Grade: v.Grade.String()})
		}
	}
	host, _, _ := strings.Cut(n.Value, "/")
	out.Facts, err = h.facts.Of(ctx, host)
	return out, err
}

// knownNames are the names that lists hold: siblings are looked for among them, and among those that facts were imported about.
func (h *house) knownNames(ctx context.Context) (*sibling.Names, error) {
	var failed error
	names := sibling.NewNames(func(yield func(string) bool) {
		for in, err := range h.known.Known(ctx, time.Time{}) {
			if err != nil {
				failed = err
				return
			}
			host, _, _ := strings.Cut(in.Value, "/")
			if !yield(host) {
				return
			}
		}
	})
	return names, failed
}

// readSpan yields the journal's entries of a span.
func (h *house) readSpan(ctx context.Context, from, to time.Time) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		w := hunt.Window{From: from, To: to}
		for e, err := range h.journal.Read(ctx, h.journal.First()) {
			if err == nil && !w.Covers(e.Event.At) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (g *global) campaign() *cobra.Command {
	cmd := &cobra.Command{
		Use: "campaign", Short: "Draw what hangs together around a case, and say how long finding and stopping took",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var svg, graphml bool
	var until, purpose, propose string
	var approvals []string
	show := &cobra.Command{
		Use:   "show CASE",
		Short: "Draw a case's campaign: links, siblings, senders, who was reached",
		Long: `From what was reported: the link, its siblings, what to block now, and how many were reached, as none, some, or ten and more. With two people's
approval also the sender's cell and each person reached, under labels of this drawing; write the act with --propose, let both sign it with "vedette
approve". The act is about the names that are known then: with another sibling it is signed again. It starts at the case and is bounded: there is no way to ask for a person. With --json, --graphml or --svg it is written as such.`,
		Example: `  vedette campaign show case_0123456789abc
  vedette campaign show case_0123456789abc --until 2026-12-01 --propose act.json
  vedette campaign show case_0123456789abc --until 2026-12-01 --approval act.ana.approval --approval act.omar.approval --svg > campaign.svg`,
		Args: exactly(1, "a case's id; see vedette case list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := casefile.ParseID(args[0])
			if err != nil {
				return err
			}
			in := drawing{Case: id, Format: "json"}
			switch {
			case svg && graphml || svg && g.json || graphml && g.json:
				return usage(cmd, "one of --json, --graphml and --svg")
			case svg:
				in.Format = "svg"
			case graphml:
				in.Format = "graphml"
			}
			if propose != "" || len(approvals) > 0 {
				if in.Ask, err = g.caseAsk(cmd, string(id), purpose, until); err != nil {
					return err
				}
			}
			if in.Approvals, err = readApprovals(approvals); err != nil {
				return err
			}
			in.Propose = propose != ""
			out, err := opCampaign.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if in.Propose {
				fmt.Fprintln(cmd.ErrOrStderr(), "It is about whom these names reached: "+strings.Join(out.Names, ", "))
				return writeAct(cmd, propose, out.Act)
			}
			if svg || graphml || g.json {
				_, err := cmd.OutOrStdout().Write(out.Content)
				return err
			}
			printCampaign(cmd.OutOrStdout(), id, &out, in.Ask != nil, g.paint(cmd))
			return nil
		},
	}
	f := show.Flags()
	f.BoolVar(&svg, "svg", false, "draw it")
	f.BoolVar(&graphml, "graphml", false, "write it for graph tools")
	f.StringVar(&until, "until", "", "day on which the permit ends, at most 30 days away")
	f.StringVar(&purpose, "purpose", "notify", "of the permit: notify, protect or file")
	f.StringVar(&propose, "propose", "", "only write the act, for two people to approve")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file; twice")
	cmd.AddCommand(show, g.campaignTimes())
	return cmd
}

// caseAsk is what two people approve so that the people of a case are shown.
func (g *global) caseAsk(cmd *cobra.Command, matter, purpose, until string) (*authority.Ask, error) {
	cfg, err := readConfig(g)
	if err != nil {
		return nil, err
	}
	p, err := authority.ParsePurpose(purpose)
	if err != nil {
		return nil, usage(cmd, "%s", err)
	}
	if until == "" {
		return nil, usage(cmd, "--until is needed: the day on which the permit ends")
	}
	end, err := parseDay(until)
	if err != nil {
		return nil, usage(cmd, "--until: %s", err)
	}
	return &authority.Ask{Purpose: p, Tenant: cfg.Tenant, Case: matter, Until: end}, nil
}

func printCampaign(w io.Writer, id casefile.ID, out *drawn, people bool, p paint) {
	fmt.Fprintf(w, "%s, about %s (%s)\n", p.bold(string(id)), out.About, out.State)
	r := out.Reach
	if people {
		fmt.Fprintf(w, "%s people got it: %d saw it, %d opened it; from %d it was kept; %d groups; %d senders, %d links or hosts\n",
			p.bold(count(r.Delivered)), r.Previewed, r.Opened, r.Stopped, r.Groups, r.Senders, r.Hosts)
	} else {
		fmt.Fprintf(w, "people reached: %s\n", p.bold(r.People.String()))
	}
	if !r.First.IsZero() {
		fmt.Fprintf(w, "from %s to %s\n", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	}
	if people && len(r.Persons) > 0 {
		when := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			return at.Format("2006-01-02 15:04")
		}
		t := newTable(w, "who", "got it by", "delivered", "previewed", "opened", "from", "links")
		for _, x := range r.Persons {
			t.row(x.Label, x.Reach, when(x.Delivered), when(x.Previewed), when(x.Opened), strings.Join(x.By, ", "), strings.Join(x.Links, ", "))
		}
		t.flush()
	}
	if len(out.Block) > 0 {
		fmt.Fprintln(w, "\nTo block now:")
		t := newTable(w, "host", "scope", "asks for", "why")
		for _, b := range out.Block {
			t.row(b.Display, b.Scope.String(), p.verdict(b.Strongest), b.Why)
		}
		t.flush()
	}
	if len(out.Derived) > 0 {
		fmt.Fprintln(w, "\nDerived:")
		for _, d := range out.Derived {
			may := "may " + d.Strength.String()
			if d.Strength == vedette.Allow {
				may = "only scores"
			}
			fmt.Fprintf(w, "%s  %s, %s\n", d.Display, d.Weight, may)
			for _, tie := range d.Ties {
				fmt.Fprintf(w, "  - %s\n", tie.Text)
			}
		}
	}
	for _, l := range out.Notes.Lacked {
		fmt.Fprintln(w, p.dim("without: "+l))
	}
	if out.Left > 0 {
		fmt.Fprintf(w, "%s more hang on it and are left out of the drawing, over its budget\n", count(out.Left))
	}
	if !people {
		fmt.Fprintln(w, p.dim("\nWho they are is told to two people's approval: vedette campaign show --help"))
	}
}
