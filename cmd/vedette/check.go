package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/inline/decision"
	"vedette/link"
	"vedette/record/indicator"
)

// checking is the argument of check.
type checking struct {
	URLs []string  `json:"urls"`
	At   time.Time `json:"at"`
}

// checked is what vedette sees in a link, and would say.
type checked struct {
	Input       string      `json:"input"`
	Error       string      `json:"error,omitempty"`
	Canonical   string      `json:"canonical"`
	Host        string      `json:"host"`
	Registrable string      `json:"registrable_domain"`
	Display     string      `json:"display"`
	Defanged    string      `json:"defanged"`
	Marks       []link.Mark `json:"marks"`
	Skeleton    string      `json:"skeleton"`
	Tenant      string      `json:"hoster_tenant,omitempty"`
	Expressions []string    `json:"expressions"`
	Shape       shaped      `json:"shape"`
	Matches     []matched   `json:"matches"`
	Verdict     string      `json:"verdict"` // the judgement, armed or not, of a link from somebody who is no stranger
	Answer      string      `json:"answer"`  // what a platform would get, as armed now
	Reasons     []reasonOut `json:"reasons"`
	Note        string      `json:"note"`
}

type shaped struct {
	Properties   []string `json:"properties"`
	TokenLike    int      `json:"token_like"`
	Entropy      float64  `json:"entropy_bits"`
	PathSegments int      `json:"path_segments"`
	QueryKeys    int      `json:"query_keys"`
	HostLabels   int      `json:"host_labels"`
	Length       int      `json:"length"`
}

type matched struct {
	List       string    `json:"list"`
	Label      string    `json:"label"`
	Operator   string    `json:"operator,omitempty"`
	Scope      string    `json:"scope"`
	Grade      string    `json:"grade"`
	TLP        string    `json:"tlp,omitempty"`
	Verdict    string    `json:"verdict"`
	Bits       float64   `json:"bits"`
	ValidFrom  time.Time `json:"valid_from,omitzero"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	KnownFrom  time.Time `json:"known_from,omitzero"`
}

type reasonOut struct {
	Rule    string  `json:"rule"`
	Verdict string  `json:"verdict"`
	Bits    float64 `json:"bits"`
	Link    int     `json:"link"`
	Armed   string  `json:"armed"`
	Shadow  bool    `json:"shadow,omitempty"`
	Text    string  `json:"text"`
}

func reasonsOut(rs []vedette.Reason) []reasonOut {
	out := make([]reasonOut, 0, len(rs))
	for _, r := range rs {
		out = append(out, reasonOut{string(r.Rule), r.Verdict.String(), bits(r.Weight), int(r.Link), r.Armed.String(), r.Shadow, r.Text})
	}
	return out
}

// shapeNames are in the order of the flags.
var shapeNames = []string{
	"shortener", "embedded-url", "address", "idn", "mixed-script", "confusable", "userinfo", "port", "insecure", "foreign-scheme",
	"shared-host", "invalid-punycode", "deceptive", "unread", "long-host", "no-registrable-domain",
}

func shapeOut(s vedette.Shape) shaped {
	out := shaped{
		Properties: []string{}, TokenLike: int(s.TokenLike), Entropy: float64(s.Entropy) / 16, PathSegments: int(s.PathSegments),
		QueryKeys: int(s.QueryKeys), HostLabels: int(s.HostLabels), Length: int(s.Length),
	}
	for i, n := range shapeNames {
		if s.Flags&(1<<i) != 0 {
			out.Properties = append(out.Properties, n)
		}
	}
	return out
}

var opCheck = operation[checking, []checked]{"check", checkLinks}

func checkLinks(_ context.Context, h *house, in checking) ([]checked, error) {
	out := make([]checked, 0, len(in.URLs))
	gen := h.judging.Load().generation
	for _, raw := range in.URLs {
		out = append(out, checkLink(gen, h.judging.Load().set, raw, in.At))
	}
	return out, nil
}

func checkLink(gen *decision.Generation, set *indicator.Set, raw string, at time.Time) checked {
	c := checked{
		Input: raw, Marks: []link.Mark{}, Expressions: []string{}, Matches: []matched{}, Reasons: []reasonOut{},
		Note: "judged as one link from somebody whom the recipient knows; sender, recipient and history are asked only of real events",
	}
	u, err := link.Parse(raw)
	if err != nil {
		c.Error = err.Error()
		c.Verdict, c.Answer = vedette.Allow.String(), vedette.Allow.String()
		c.Note = "no usual client opens this as a link"
		return c
	}
	d := u.Display()
	c.Canonical, c.Host, c.Registrable = u.Canonical(), u.Host(), u.Registrable()
	c.Display, c.Defanged, c.Skeleton = d.Unicode, u.Defanged(), d.Skeleton
	c.Marks = append(c.Marks, d.Marks...)
	c.Tenant = u.HostTenant()
	c.Expressions = append(c.Expressions, u.Expressions()...)
	c.Shape = shapeOut(u.Shape())
	for _, m := range set.Match(&u, at, false, nil) {
		e := set.Entry(m.Number)
		c.Matches = append(c.Matches, matched{
			List: string(e.List), Label: e.Label, Operator: e.Operator, Scope: e.Scope.String(), Grade: e.Grade.String(), TLP: e.TLP.String(),
			Verdict: e.Verdict.String(), Bits: bits(e.Weight), ValidFrom: e.ValidFrom, ValidUntil: e.ValidUntil, KnownFrom: e.KnownFrom,
		})
	}
	ev := vedette.Event{At: at, Seen: at, Tier: vedette.Tier2, Body: &vedette.LinkSent{Links: []vedette.Link{{Shape: u.Shape()}}, Stranger: vedette.No}}
	dec := gen.Decide(&decision.Input{Event: &ev, Links: []link.URL{u}, Measures: make([]vedette.Measures, 1)})
	c.Verdict, c.Answer, c.Reasons = dec.Would.String(), dec.Verdict.String(), reasonsOut(dec.Reasons)
	return c
}

func (g *global) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check URL…",
		Short: "Say what vedette sees in a link, and what it would say",
		Long: `Reads links as a client would open them and as a person sees them, and asks the folder's indicators and rules. Nothing is fetched,
resolved or looked up. Defanged spellings (hxxps://evil[.]example) are understood. "vedette check -" reads one link a line from standard
input. Exits with 3 when a link would not be allowed.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "this needs at least one URL")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			urls := args
			if len(args) == 1 && args[0] == "-" {
				urls = nil
				sc := bufio.NewScanner(cmd.InOrStdin())
				for sc.Scan() {
					if line := strings.TrimSpace(sc.Text()); line != "" {
						urls = append(urls, line)
					}
				}
				if err := sc.Err(); err != nil {
					return err
				}
			}
			for i, u := range urls {
				if strings.Contains(u, "[.]") || strings.HasPrefix(strings.ToLower(u), "hxxp") {
					urls[i] = link.Refang(u)
				}
			}
			out, err := opCheck.do(cmd.Context(), g, checking{urls, time.Now().UTC()})
			if err != nil {
				return err
			}
			code := exitOK
			for i := range out {
				if out[i].Verdict != vedette.Allow.String() {
					code = exitFinding
				}
			}
			switch {
			case g.json && len(out) == 1:
				err = printJSON(cmd.OutOrStdout(), out[0])
			case g.json:
				err = printJSON(cmd.OutOrStdout(), out)
			default:
				for i := range out {
					if i > 0 {
						fmt.Fprintln(cmd.OutOrStdout())
					}
					out[i].print(cmd.OutOrStdout(), g.paint(cmd))
				}
			}
			if err == nil && code != exitOK {
				return &exit{code: code}
			}
			return err
		},
	}
}

// markWords says what is the matter with one character. It is named by its number too: the eye alone is what it deceives.
func markWords(m link.Mark) string {
	s := fmt.Sprintf("%s (%U) %s", visible(string(m.Rune)), m.Rune, m.Why)
	if m.Looks != "" {
		s += " " + visible(m.Looks)
	}
	return s
}

// visible writes what a terminal could obey or hide as its number: what a stranger wrote must not move the cursor.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "<%U>", r)
		}
	}
	return b.String()
}

func (c *checked) print(w io.Writer, p paint) {
	if c.Error != "" {
		fmt.Fprintf(w, "unreadable  %s\n  %s; %s\n", p.bold(visible(link.Defang(c.Input))), strings.TrimSuffix(strings.TrimPrefix(c.Error, "link: "), ": "+vedette.ErrInvalid.Error()), c.Note)
		return
	}
	v, _ := vedette.ParseVerdict(c.Verdict)
	a, _ := vedette.ParseVerdict(c.Answer)
	fmt.Fprintf(w, "%s  %s\n", p.verdict(v), p.bold(c.Defanged))
	t := newTable(w)
	if c.Host != "" {
		t.row("  host", link.Defang(c.Host))
	}
	if c.Registrable != "" {
		t.row("  registrable domain", link.Defang(c.Registrable))
	}
	if c.Display != "" && c.Display != c.Canonical {
		t.row("  a person sees", visible(link.Defang(c.Display)))
	}
	for _, m := range c.Marks {
		t.row("  mark", markWords(m))
	}
	if c.Tenant != "" {
		t.row("  on a shared host, of", link.Defang(c.Tenant))
	}
	if len(c.Shape.Properties) > 0 {
		t.row("  shape", strings.Join(c.Shape.Properties, ", "))
	}
	for _, m := range c.Matches {
		t.row("  indicator", fmt.Sprintf("%s, %s, scope %s, grade %s, asks for %s", m.Label, m.List, m.Scope, m.Grade, m.Verdict))
	}
	for _, r := range c.Reasons {
		t.row("  reason", fmt.Sprintf("%s: %s (%s, %.1f bits)", r.Verdict, r.Text, r.Rule, r.Bits))
	}
	t.flush()
	if a < v {
		fmt.Fprintf(w, "  A platform would get %s today: what speaks here is not armed. See: vedette arm --help\n", p.verdict(a))
	}
}
