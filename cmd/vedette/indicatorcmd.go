package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/response"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/indicator"
)

// compile makes the live set of what is recorded.
func (h *house) compile(ctx context.Context) (*indicator.Set, error) {
	tokens, err := h.tokens(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	n := 0
	set, err := indicator.Build(func(yield func(indicator.Indicator) bool) {
		for in, err := range h.known.Compile(ctx, time.Time{}) {
			if err != nil {
				failed = err
				return
			}
			if n++; n%64 == 0 {
				runtime.Gosched() // whoever waits for an answer goes first: the next turn would come after 10 ms
			}
			if !yield(in) {
				return
			}
		}
	}, tokens)
	return set, errors.Join(failed, err)
}

// maxTokens is up to how many indicators a set is also compiled for tokens unless the configuration says so: each epoch adds 18 bytes to an
// indicator's 23.
const maxTokens = 250_000

// tokens makes the tokens of the epochs that the journal reaches back to, of this one and the next; or nil where the list is long and no door
// takes tokens. Then looking back (arm, doctor, decision show) rests on what was recorded.
func (h *house) tokens(ctx context.Context) (indicator.TokenMaker, error) {
	bySource, err := h.known.Count(ctx)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, c := range bySource {
		n += c
	}
	if n > maxTokens && !h.cfg.Tokens {
		return nil, nil
	}
	s, err := h.sealer()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	list := []uint16{s.Epoch(now)}
	for _, at := range []time.Time{now.Add(-h.cfg.Retention), now.Add(30 * 24 * time.Hour)} {
		if e := s.Epoch(at); !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return epochs{s, list}, nil
}

// guard knows the built-in lists, the operator's, and what two people decided. An override that no longer proves itself is left out.
func (h *house) guard(ctx context.Context) (*indicator.Guard, error) {
	g := indicator.NewGuard()
	lists, err := h.known.GuardLists(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range lists {
		if _, err := g.Add(l.Name, bytes.NewReader(l.Data), l.Kind); err != nil {
			return nil, err
		}
	}
	overrides, err := h.known.Overrides(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range overrides {
		if _, err := g.Allow(ctx, h.people, o.Act, o.Approvals, o.At); err != nil {
			h.log.Warn("an override is left out, since it does not prove itself", "cause", err.Error())
		}
	}
	return g, nil
}

type importing struct {
	Name    string                  `json:"name"`
	Data    []byte                  `json:"data"`
	Options indicator.ImportOptions `json:"options"`
	Dry     bool                    `json:"dry"`
}

type imported struct {
	Report indicator.Report `json:"report"`
	Error  string           `json:"error,omitempty"` // the file is damaged; the report tells what was taken all the same
	Asks   string           `json:"asks"`            // the strongest verdict that an indicator of the source asks for
	Force  inForce          `json:"in_force"`
	// Leads are how many corroborated names the past knows. Unasked is why it was not asked.
	Leads   int    `json:"leads"`
	Unasked string `json:"past_not_asked,omitempty"`
}

var opImport = operation[importing, imported]{"indicator.import", func(ctx context.Context, h *house, in importing) (imported, error) {
	if in.Options.Source == response.Source {
		return imported{}, fmt.Errorf("--source %s: that is the list of what people block in cases, each by a signature; name the publisher, or use vedette block: %w", in.Options.Source, vedette.ErrForbidden)
	}
	guard, err := h.guard(ctx)
	if err != nil {
		return imported{}, err
	}
	n := 0
	var taken []indicator.Indicator
	im := indicator.Importer{Store: h.known, Guard: guard, Each: func(x *indicator.Indicator) {
		taken = append(taken, *x)
		if n++; n%16 == 0 {
			runtime.Gosched()
		}
	}}
	if in.Dry {
		im.Store = nil
	}
	var out imported
	out.Report, err = im.Import(ctx, bytes.NewReader(in.Data), in.Name, in.Options)
	if err != nil && (out.Report.Seen == 0 || !errors.Is(err, vedette.ErrInvalid)) {
		return out, err
	}
	if err != nil {
		out.Error = err.Error()
	}
	if !in.Dry {
		if err := h.refresh(ctx); err != nil {
			return out, err
		}
		// What is new is asked of the past at once. A past that cannot be asked now does not undo the import.
		if out.Report.Added+out.Report.Changed > 0 {
			err := h.settle(ctx)
			if err == nil {
				out.Leads, err = h.hunter.NewIndicators(ctx, h.cfg.Tenant, taken)
			}
			if err != nil {
				out.Unasked = err.Error()
				h.log.Error("new indicators could not be asked of the past; ask with: vedette hunt --file", "cause", err.Error())
			}
		}
	}
	out.Asks = h.judging.Load().set.Asks()[vedette.RuleID("list:"+in.Options.Source)].String()
	out.Force = h.inForce()
	return out, nil
}}

type listing struct {
	Sources []sourceCount  `json:"sources"`
	Kept    map[string]int `json:"kept_not_about_links"`
	Force   inForce        `json:"in_force"`
}

type sourceCount struct {
	Source     string `json:"source"`
	Indicators int    `json:"indicators"`
	Asks       string `json:"asks"` // the strongest verdict that one of them asks for; arming further changes nothing
	Armed      string `json:"armed"`
}

var opList = operation[struct{}, listing]{"indicator.list", func(ctx context.Context, h *house, _ struct{}) (listing, error) {
	bySource, err := h.known.Count(ctx)
	if err != nil {
		return listing{}, err
	}
	out := listing{Sources: []sourceCount{}, Force: h.inForce()}
	armed, asks := h.judging.Load().generation.Armed(), h.judging.Load().set.Asks()
	for _, s := range byCount(bySource) {
		id := vedette.RuleID("list:" + s)
		out.Sources = append(out.Sources, sourceCount{s, bySource[s], asks[id].String(), armed.For(id).String()})
	}
	out.Kept, err = h.known.CountKept(ctx)
	return out, err
}}

type looking struct {
	Value string `json:"value"`
}

type lookedUp struct {
	Value    string      `json:"value"`
	Versions []versionOf `json:"versions"`
}

type versionOf struct {
	Scope      string    `json:"scope"`
	Source     string    `json:"source"`
	Label      string    `json:"label"`
	Operator   string    `json:"operator,omitempty"`
	Grade      string    `json:"grade"`
	Confidence string    `json:"confidence,omitempty"`
	TLP        string    `json:"tlp,omitempty"`
	Verdict    string    `json:"verdict"`
	Change     string    `json:"change"`
	Recorded   time.Time `json:"recorded"`
	ValidFrom  time.Time `json:"valid_from,omitzero"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	KnownFrom  time.Time `json:"known_from"`
	Published  time.Time `json:"published,omitzero"`
	Original   string    `json:"original"`
	Note       string    `json:"note,omitempty"`
	Reason     string    `json:"reason,omitempty"`
}

// opLookup finds the statements about a link, a host, and the names above it, with their history.
var opLookup = operation[looking, lookedUp]{"indicator.lookup", func(ctx context.Context, h *house, in looking) (lookedUp, error) {
	out := lookedUp{Value: in.Value, Versions: []versionOf{}}
	names := []string{in.Value}
	if u, err := link.Parse(in.Value); err == nil {
		names = append(names, u.AppendHosts(nil)...)
	}
	seen := map[indicator.Key]bool{}
	for _, name := range names {
		versions, err := h.known.Lookup(ctx, name)
		if err != nil {
			return out, err
		}
		for _, v := range versions {
			if seen[v.Key()] {
				continue
			}
			seen[v.Key()] = true
			history, err := h.known.History(ctx, v.Key())
			if err != nil {
				return out, err
			}
			for _, v := range history {
				out.Versions = append(out.Versions, versionOf{
					v.Scope.String(), v.Source, v.Label(), v.Operator, v.Grade.String(), v.Confidence.String(), v.TLP.String(), v.Verdict.String(),
					v.Change.String(), v.Recorded, v.ValidFrom, v.ValidUntil, v.KnownFrom, v.Published, link.Defang(v.Original), v.Note, v.Reason,
				})
			}
		}
	}
	return out, nil
}}

type revoking struct {
	Value     string   `json:"value"`
	Scope     string   `json:"scope"`
	Source    string   `json:"source"`
	Reason    string   `json:"reason"`
	Approvals [][]byte `json:"approvals"`
}

// act is what two people approve where revoking lowers protection.
func (in revoking) act() (authority.Act, error) {
	return authority.NewAct(map[string]any{
		"act": "indicator.revoke", "value": in.Value, "scope": in.Scope, "source": in.Source, "reason": strings.TrimSpace(in.Reason),
	})
}

var opRevoke = operation[revoking, inForce]{"indicator.revoke", func(ctx context.Context, h *house, in revoking) (inForce, error) {
	versions, err := h.known.Lookup(ctx, in.Value)
	if err != nil {
		return inForce{}, err
	}
	now := time.Now().UTC()
	armed := h.judging.Load().generation.Armed()
	var keys []indicator.Key
	stops := false
	for _, v := range versions {
		if v.Change == indicator.Revoked || in.Source != "" && v.Source != in.Source || in.Scope != "" && v.Scope.String() != in.Scope {
			continue
		}
		keys = append(keys, v.Key())
		stops = stops || min(v.Verdict, armed.For(v.List())) > vedette.Allow
	}
	if len(keys) == 0 {
		return inForce{}, fmt.Errorf("no live indicator of %s: %w", link.Defang(in.Value), vedette.ErrUnknown)
	}
	if stops { // what changes answers today protects somebody: to end it is harm
		act, err := in.act()
		if err != nil {
			return inForce{}, err
		}
		if _, err := h.people.Approved(ctx, act, in.Approvals, now); err != nil {
			return inForce{}, fmt.Errorf("its list is armed, so ending it lowers protection: %w", err)
		}
	}
	for _, k := range keys {
		if err := h.known.Revoke(ctx, k, in.Reason, now); err != nil {
			return inForce{}, err
		}
	}
	if err := h.refresh(ctx); err != nil {
		return inForce{}, err
	}
	return h.inForce(), nil
}}

type guarding struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
	Kind string `json:"kind"`
}

var opGuardAdd = operation[guarding, indicator.GuardReport]{"guard.add", func(ctx context.Context, h *house, in guarding) (indicator.GuardReport, error) {
	kind, err := guardKind(in.Kind)
	if err != nil {
		return indicator.GuardReport{}, err
	}
	rep, err := indicator.NewGuard().Add(in.Name, bytes.NewReader(in.Data), kind)
	if err != nil {
		return rep, err
	}
	return rep, h.known.PutGuardList(ctx, indicator.GuardList{Name: in.Name, Kind: kind, Data: in.Data, Added: time.Now().UTC()})
}}

func guardKind(s string) (indicator.ListKind, error) {
	switch s {
	case "", "auto":
		return 0, nil
	case "popular":
		return indicator.Popular, nil
	case "shared":
		return indicator.Shared, nil
	}
	return 0, fmt.Errorf("kind %q: auto, popular or shared: %w", s, vedette.ErrInvalid)
}

type guardAsk struct {
	Value string `json:"value"`
	Scope string `json:"scope"`
}

type guardSays struct {
	Value   string `json:"value"`
	Scope   string `json:"scope"`
	Ruling  string `json:"ruling"` // taken, narrowed, refused
	To      string `json:"to,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Lists   int    `json:"lists"`
	Expired bool   `json:"-"`
}

// opGuardCheck asks the guard about one value, and takes nothing.
var opGuardCheck = operation[guardAsk, guardSays]{"guard.check", func(ctx context.Context, h *house, in guardAsk) (guardSays, error) {
	g, err := h.guard(ctx)
	if err != nil {
		return guardSays{}, err
	}
	scope, err := indicator.ParseScope(in.Scope)
	if err != nil {
		return guardSays{}, err
	}
	value, err := indicator.Canonical(in.Value, scope)
	if err != nil {
		return guardSays{}, err
	}
	one := indicator.Indicator{Value: value, Scope: scope, Source: "guard-check"}
	ok, why := g.Apply(&one, time.Now())
	out := guardSays{Value: value, Scope: scope.String(), Ruling: "taken", Reason: why}
	switch {
	case !ok:
		out.Ruling = "refused"
	case one.Scope != scope:
		out.Ruling, out.To = "narrowed", one.Scope.String()
	}
	return out, nil
}}

type overriding struct {
	Act       []byte   `json:"act"`
	Approvals [][]byte `json:"approvals"`
}

var opOverride = operation[overriding, inForce]{"guard.override", func(ctx context.Context, h *house, in overriding) (inForce, error) {
	g, err := h.guard(ctx)
	if err != nil {
		return inForce{}, err
	}
	done, err := g.Allow(ctx, h.people, in.Act, in.Approvals, time.Now().UTC())
	if err != nil {
		return inForce{}, err
	}
	if err := h.known.PutOverride(ctx, done); err != nil {
		return inForce{}, err
	}
	if err := h.refresh(ctx); err != nil {
		return inForce{}, err
	}
	return h.inForce(), nil
}}

func (g *global) indicator() *cobra.Command {
	cmd := &cobra.Command{
		Use: "indicator", Short: "Import, look up and revoke what is known to be bad", Aliases: []string{"indicators"},
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.indicatorImport(), g.indicatorList(), g.indicatorLookup(), g.indicatorRevoke(), g.guardCmd())
	return cmd
}

func (g *global) indicatorImport() *cobra.Command {
	var source, operator, grade, verdict, scope, tlp, format, published, validFrom, validUntil, knownFrom string
	var confidence int
	var dry bool
	cmd := &cobra.Command{
		Use:   "import FILE…",
		Short: "Take indicators from STIX 2.1 bundles, MISP events, tables and lists",
		Long: `Takes indicators from files. Nothing is lost in silence: each value is taken, kept as not about links, or refused with its reason.
The guard narrows or refuses what would stop a popular or shared host. An indicator's strongest verdict follows its source's grade
(nothing, for a source that you don't grade: it is observed) unless a person says otherwise with --verdict.
What is taken is in force at once; whether it changes an answer is another question: see "vedette arm". A file named - is standard input.
Exits with 4 when a file is damaged, or nothing in it could be taken.`,
		Example: "  vedette indicator import cytrox.stix2 --source amnesty --grade A1 --verdict block",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "this needs at least one file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opt := indicator.ImportOptions{Source: source, Operator: operator, Format: format, At: time.Now().UTC().Truncate(time.Millisecond)}
			var err error
			if source == "" {
				return usage(cmd, "--source is needed: who published it")
			}
			if grade != "" {
				if opt.Grade, err = indicator.ParseAdmiralty(grade); err != nil {
					return usage(cmd, "--grade: %s", err)
				}
			}
			if verdict != "" {
				v, err := vedette.ParseVerdict(verdict)
				if err != nil {
					return usage(cmd, "--verdict: %s", err)
				}
				opt.Verdict = &v
			}
			if scope != "" {
				if opt.Scope, err = indicator.ParseScope(scope); err != nil {
					return usage(cmd, "--scope: %s", err)
				}
			}
			if tlp != "" {
				if opt.TLP, err = indicator.ParseTLP(tlp); err != nil {
					return usage(cmd, "--tlp: %s", err)
				}
			}
			if confidence >= 0 {
				if opt.Confidence, err = indicator.ConfidenceOf(confidence); err != nil {
					return usage(cmd, "--confidence: %s", err)
				}
			}
			for _, d := range []struct {
				name, text string
				to         *time.Time
			}{
				{"published", published, &opt.Published},
				{"valid-from", validFrom, &opt.ValidFrom},
				{"valid-until", validUntil, &opt.ValidUntil},
				{"known-from", knownFrom, &opt.KnownFrom},
			} {
				if d.text == "" {
					continue
				}
				if *d.to, err = parseDay(d.text); err != nil {
					return usage(cmd, "--%s: %s", d.name, err)
				}
			}
			var all []imported
			damaged := false
			for _, path := range args {
				data, name, err := readAll(path, cmd.InOrStdin())
				if err != nil {
					return err
				}
				out, err := opImport.do(cmd.Context(), g, importing{name, data, opt, dry})
				if err != nil {
					return err
				}
				all = append(all, out)
				damaged = damaged || out.Error != "" || out.Report.Taken == 0 && out.Report.KeptSum() == 0
			}
			switch {
			case g.json && len(all) == 1:
				err = printJSON(cmd.OutOrStdout(), all[0])
			case g.json:
				err = printJSON(cmd.OutOrStdout(), all)
			default:
				for i := range all {
					all[i].print(cmd.OutOrStdout(), g.paint(cmd))
				}
				last := all[len(all)-1].Force
				fmt.Fprintf(cmd.OutOrStdout(), "In force: %s indicators, generation %s\n", count(last.Indicators), last.Generation)
				if asks := all[len(all)-1].Asks; !dry && last.Indicators > 0 && (asks == vedette.Allow.String() || asks == vedette.Warn.String()) {
					fmt.Fprintf(cmd.OutOrStdout(), "list:%s asks for %s at most, however far it is armed: a source's grade alone never stops. To let it stop, import it with --verdict block\n", source, asks)
				}
			}
			if err == nil && damaged {
				return &exit{code: exitPartial}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&source, "source", "", "who published it; the list is then called list:SOURCE (needed)")
	f.StringVar(&operator, "operator", "", "whom the source names, where the file does not say")
	f.StringVar(&grade, "grade", "", "Admiralty grade of the source, A1 to F6")
	f.StringVar(&verdict, "verdict", "", "the strongest verdict, by your word: allow, warn, hold, block")
	f.StringVar(&scope, "scope", "", "url, path, host or domain (default: what each value says)")
	f.StringVar(&tlp, "tlp", "", "at least this TLP 2.0 label: clear, green, amber, amber+strict, red")
	f.IntVar(&confidence, "confidence", -1, "0 to 100, where the file gives none")
	f.StringVar(&published, "published", "", "day of publication, 2026-01-31")
	f.StringVar(&validFrom, "valid-from", "", "where the file gives none")
	f.StringVar(&validUntil, "valid-until", "", "where the file gives none")
	f.StringVar(&knownFrom, "known-from", "", "since when this house has had it (default: now)")
	f.StringVar(&format, "format", "", "stix, misp, csv or list (default: found out)")
	f.BoolVar(&dry, "dry-run", false, "only report")
	return cmd
}

func parseDay(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, errors.New("a day is needed, like 2026-01-31")
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a day (2026-01-31) nor an RFC 3339 time", s)
}

func readAll(path string, stdin io.Reader) (data []byte, name string, err error) {
	if path == "-" {
		data, err = io.ReadAll(stdin)
		return data, "standard input", err
	}
	if data, err = os.ReadFile(path); err != nil {
		return nil, "", fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	return data, filepath.Base(path), nil
}

func (o *imported) print(w io.Writer, p paint) {
	r := &o.Report
	fmt.Fprintf(w, "%s (%s): %s values: %s taken", p.bold(r.File), r.Format, count(r.Seen), count(r.Taken))
	if r.Taken > 0 {
		fmt.Fprintf(w, " (%s new, %s changed, %s narrowed)", count(r.Added), count(r.Changed), count(r.Narrowed))
	}
	fmt.Fprintf(w, ", %s not about links, %s refused\n", count(r.KeptSum()), count(r.Refused))
	some := func(title string, list []indicator.Refusal) {
		for i, x := range list {
			if i == 10 {
				fmt.Fprintf(w, "  … and %s more; --json lists them\n", count(len(list)-10))
				return
			}
			fmt.Fprintf(w, "  %s %s %s: %s\n", title, x.Where, visible(x.Value), visible(x.Reason))
		}
	}
	if r.Seen == 0 {
		fmt.Fprintln(w, "  the file holds nothing")
	}
	some("narrowed", r.Narrow)
	some("refused", r.Refusals)
	if o.Error != "" {
		fmt.Fprintf(w, "  %s %s\n", p.red("damaged:"), o.Error)
	}
	if o.Leads > 0 {
		fmt.Fprintf(w, "%s of these names are in the past: %s leads were opened; see vedette case list\n", p.red(count(o.Leads)), count(o.Leads))
	}
	if o.Unasked != "" {
		fmt.Fprintf(w, "%s the past could not be asked: %s\n", p.red("But:"), o.Unasked)
	}
}

func (g *global) indicatorList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Count the live indicators by source",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opList.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			w := cmd.OutOrStdout()
			if len(out.Sources) == 0 {
				fmt.Fprintln(w, "No indicators yet. Take some: vedette indicator import FILE --source NAME --grade B2 --verdict block")
				return nil
			}
			t := newTable(w, "list", "indicators", "asks for at most", "may answer today")
			for _, s := range out.Sources {
				t.row("list:"+s.Source, count(s.Indicators), s.Asks, s.Armed)
			}
			t.flush()
			if len(out.Kept) > 0 {
				fmt.Fprint(w, "kept, not about links:")
				for _, k := range byCount(out.Kept) {
					fmt.Fprintf(w, " %s %s;", count(out.Kept[k]), k)
				}
				fmt.Fprintln(w)
			}
			return nil
		},
	}
}

func (g *global) indicatorLookup() *cobra.Command {
	return &cobra.Command{
		Use:   "lookup VALUE",
		Short: "Say who said what about a link or host, and when",
		Args:  exactly(1, "a URL, host, or domain (defanged is understood)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := opLookup.do(cmd.Context(), g, looking{link.Refang(args[0])})
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				w := cmd.OutOrStdout()
				if len(out.Versions) == 0 {
					fmt.Fprintf(w, "nobody has said anything about %s here\n", link.Defang(out.Value))
				}
				for _, v := range out.Versions {
					fmt.Fprintf(w, "%s %s: scope %s, %s, grade %s, asks for %s\n  originally %s\n", v.Recorded.Format(time.DateOnly), v.Change, v.Scope, v.Label, v.Grade, v.Verdict, v.Original)
					for _, s := range []string{v.Note, v.Reason} {
						if s != "" {
							fmt.Fprintf(w, "  %s\n", s)
						}
					}
				}
			}
			if err == nil && len(out.Versions) == 0 {
				return &exit{code: exitError}
			}
			return err
		},
	}
}

func (g *global) indicatorRevoke() *cobra.Command {
	var source, scope, reason, propose string
	var approvals []string
	cmd := &cobra.Command{
		Use:   "revoke VALUE --reason TEXT",
		Short: "End an indicator; its history stays",
		Long: `Ends an indicator. Where its list is armed that lowers protection, so it takes two people: write the act with --propose, let both sign
it with "vedette approve", and revoke with both approvals.`,
		Args: exactly(1, "the indicator's value"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usage(cmd, "--reason is needed")
			}
			in := revoking{Value: link.Refang(args[0]), Scope: scope, Source: source, Reason: reason}
			if propose != "" {
				act, err := in.act()
				if err != nil {
					return err
				}
				return writeAct(cmd, propose, act.Canonical())
			}
			var err error
			if in.Approvals, err = readApprovals(approvals); err != nil {
				return err
			}
			out, err := opRevoke.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "revoked; in force: %s indicators, generation %s\n", count(out.Indicators), out.Generation)
			return err
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "only this source's")
	cmd.Flags().StringVar(&scope, "scope", "", "only this scope")
	cmd.Flags().StringVar(&reason, "reason", "", "why (needed)")
	cmd.Flags().StringVar(&propose, "propose", "", "only write the act to this file, for two people to approve")
	cmd.Flags().StringArrayVar(&approvals, "approval", nil, "an approval's file; twice")
	return cmd
}

func (g *global) guardCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "guard", Short: "See and feed what keeps indicators from stopping the innocent",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var kind string
	add := &cobra.Command{
		Use:   "add FILE",
		Short: "Add a list of popular or shared names (one a line, or a MISP warning list)",
		Long:  "Adds a list to the guard. It holds for imports from now on; what is in force already is checked by importing it again.",
		Args:  exactly(1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, name, err := readAll(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			out, err := opGuardAdd.do(cmd.Context(), g, guarding{name, data, kind})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s (%s): %s names, %s networks, %s entries that are neither\n", out.List, out.Kind, count(out.Names), count(out.Ranges), count(out.Ignored))
			return err
		},
	}
	add.Flags().StringVar(&kind, "kind", "auto", "auto, popular or shared")
	var scope string
	check := &cobra.Command{
		Use:   "check VALUE",
		Short: "Ask the guard about one value, and take nothing",
		Args:  exactly(1, "a host or URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := opGuardCheck.do(cmd.Context(), g, guardAsk{link.Refang(args[0]), scope})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, scope %s: %s %s\n  %s\n", link.Defang(out.Value), out.Scope, out.Ruling, out.To, out.Reason)
			return err
		},
	}
	check.Flags().StringVar(&scope, "scope", "domain", "url, path, host or domain")
	var reason, expires, oscope, out string
	propose := &cobra.Command{
		Use:   "propose VALUE --reason TEXT --expires DAY",
		Short: "Write the act by which two people may let an indicator stand against the guard",
		Args:  exactly(1, "a host or URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := indicator.ParseScope(oscope)
			if err != nil {
				return usage(cmd, "--scope: %s", err)
			}
			end, err := parseDay(expires)
			if err != nil {
				return usage(cmd, "--expires: %s", err)
			}
			act, err := (&indicator.Override{Value: link.Refang(args[0]), Scope: s, Reason: reason, Expires: end}).Act()
			if err != nil {
				return err
			}
			return writeAct(cmd, out, act)
		},
	}
	propose.Flags().StringVar(&reason, "reason", "", "why, so that a stranger understands")
	propose.Flags().StringVar(&expires, "expires", "", "day on which it ends, at most 90 days away")
	propose.Flags().StringVar(&oscope, "scope", "domain", "url, path, host or domain")
	propose.Flags().StringVar(&out, "out", "", "file for the act (default: standard output)")
	override := &cobra.Command{
		Use:   "override ACT APPROVAL APPROVAL",
		Short: "Put an act in force that two people approved",
		Args:  exactly(3, "the act's file and two approvals"),
		RunE: func(cmd *cobra.Command, args []string) error {
			act, approvals, err := readAct(args)
			if err != nil {
				return err
			}
			out, err := opOverride.do(cmd.Context(), g, overriding{act, approvals})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the guard lets it pass; import the indicator (again) to take it")
			return err
		},
	}
	cmd.AddCommand(add, check, propose, override)
	return cmd
}

func writeAct(cmd *cobra.Command, path string, act []byte) error {
	if path == "" {
		_, err := cmd.OutOrStdout().Write(append(act, '\n'))
		return err
	}
	if err := os.WriteFile(path, append(act, '\n'), 0o600); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; two people sign it: vedette approve %s --person NAME --person-key FILE\n", path, path)
	return err
}

// readApprovals reads approvals' files.
func readApprovals(paths []string) ([][]byte, error) {
	_, approvals, err := readAct(append([]string{os.DevNull}, paths...))
	return approvals, err
}

// readAct reads an act's file and the approvals' after it.
func readAct(paths []string) (act []byte, approvals [][]byte, err error) {
	for i, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
		}
		b = bytes.TrimSpace(b)
		if i == 0 {
			act = b
		} else {
			approvals = append(approvals, b)
		}
	}
	return act, approvals, nil
}
