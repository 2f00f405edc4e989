package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/order"
)

type orderImport struct {
	Text []byte             `json:"text"`
	By   authority.PersonID `json:"by"`
}

// orderKept is a version with its file, byte for byte.
type orderKept struct {
	order.Version
	Text []byte `json:"text"`
}

// opOrderImport keeps a file as the newest version of its order. What is not the same file again is a version of its own; none is ever taken away.
var opOrderImport = operation[orderImport, order.Version]{"order.import", func(ctx context.Context, h *house, in orderImport) (order.Version, error) {
	o, err := order.Read(in.Text)
	if err != nil {
		return order.Version{}, err
	}
	if err := h.enrolled(ctx, in.By); err != nil {
		return order.Version{}, err
	}
	h.entering.Lock()
	defer h.entering.Unlock()
	had, err := h.db.Orders().Versions(ctx, o.ID)
	if err != nil {
		return order.Version{}, err
	}
	v := order.Version{ID: o.ID, Number: len(had) + 1, Digest: order.FileDigest(in.Text), Text: in.Text, By: string(in.By), At: h.now().UTC().Truncate(time.Millisecond)}
	if n := len(had); n > 0 && had[n-1].Digest == v.Digest {
		return order.Version{}, fmt.Errorf("this very file is version %d of %s already, since %s: %w", n, o.ID, moment(had[n-1].At), vedette.ErrConflict)
	}
	// In the log first: an order that somebody slipped in would be worth less than none.
	_, err = h.proof.Append(ctx, evidence.Record{Kind: evidence.KindOrder, At: v.At, Tenant: h.cfg.Tenant, Fields: []evidence.Field{
		{Name: "id", Value: []byte(v.ID)},
		{Name: "version", Value: strconv.AppendInt(nil, int64(v.Number), 10)},
		{Name: "digest", Value: []byte(v.Digest.String())},
		{Name: "by", Value: []byte(v.By)},
	}})
	if err != nil {
		return order.Version{}, err
	}
	return v, h.db.Orders().Add(ctx, v)
}}

// opOrders returns all versions of an order, or with no id the newest of each.
var opOrders = operation[string, []orderKept]{"order.kept", func(ctx context.Context, h *house, id string) ([]orderKept, error) {
	var list []order.Version
	var err error
	if id == "" {
		list, err = h.db.Orders().Latest(ctx)
	} else {
		list, err = h.db.Orders().Versions(ctx, id)
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("no order %.64q is kept; see vedette order list: %w", id, vedette.ErrUnknown)
		}
	}
	out := []orderKept{}
	for _, v := range list {
		out = append(out, orderKept{v, v.Text})
	}
	return out, err
}}

// caseActs are what a case gives to hold against an order: links that reports told of and the journal has, groups that a person confirmed to be a rehearsal, hosts
// that people confirmed. Who did it is in no case.
var opOrderFacts = operation[casefile.ID, []order.Act]{"order.facts", func(ctx context.Context, h *house, id casefile.ID) ([]order.Act, error) {
	if err := h.settle(ctx); err != nil {
		return nil, err
	}
	whole, err := h.aCase(ctx, id)
	if err != nil {
		return nil, err
	}
	records, err := h.caseRecords(ctx, whole)
	if err != nil {
		return nil, err
	}
	out := []order.Act{}
	add := func(a order.Act) {
		a.ID = fmt.Sprintf("act-%d", len(out)+1)
		out = append(out, a)
	}
	reports, err := h.db.Cases().Reports(ctx, id, 0, 100)
	if err != nil {
		return nil, err
	}
	for _, r := range reports {
		if !r.Recorded {
			continue // only somebody's word yet
		}
		a := order.Act{Kind: order.ActLinkSent, Text: "A link that was reported had been sent to a person.", Evidence: append([]string{r.Message.String()}, records[r.ID.String()]...)}
		if e, err := h.journal.Find(ctx, h.cfg.Tenant, r.Message, time.Time{}); err == nil {
			a.At = order.Exactly(e.Event.At.UTC())
		}
		add(a)
	}
	for _, s := range whole.Log {
		switch {
		case s.State == casefile.Confirmed && s.Display != "":
			add(order.Act{
				Kind: order.ActInfrastructure, Text: fmt.Sprintf("People confirmed by signature that %s is used for it.", s.Display),
				At: order.Moment{Latest: s.At.UTC()}, Evidence: records["confirm"],
			})
		case !s.Finding.IsZero():
			f := records[s.Finding.String()]
			text := "A detector told of a group of accounts that tried links on one another; no person has confirmed it."
			if len(records["judged "+s.Finding.String()]) > 0 {
				text = "A group of accounts tried links on one another; a person confirmed that it is a rehearsal."
			}
			for _, kind := range []order.ActKind{order.ActTestAccountKept, order.ActGroup} {
				a := order.Act{Kind: kind, Text: text, Evidence: records["judged "+s.Finding.String()]}
				if len(a.Evidence) > 0 {
					a.Evidence = append(a.Evidence, f...)
				}
				if seen := records["seen "+s.Finding.String()]; len(seen) == 2 {
					from, err1 := time.Parse(time.RFC3339Nano, seen[0])
					to, err2 := time.Parse(time.RFC3339Nano, seen[1])
					if err1 == nil && err2 == nil {
						until := order.Exactly(to)
						a.At, a.Until = order.Exactly(from), &until
					}
				}
				add(a)
			}
		}
	}
	return out, nil
}}

// caseRecords finds what the evidence log has of a case: ids of records by report, by finding, "confirm", and "judged" with a finding for what a person confirmed of
// its cell. A detector's finding is a lead: it counts as evidence only beside a person's judgement.
func (h *house) caseRecords(ctx context.Context, whole casefile.Whole) (map[string][]string, error) {
	log, err := h.proof.get()
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	cells := map[string]string{}  // finding by cell
	judged := map[string]string{} // the last judgement of a cell
	by := map[string]uint64{}
	for k, err := range log.Read(ctx, 0) {
		if err != nil {
			return nil, err
		}
		get := func(name string) string { b, _ := k.Get(name); return string(b) }
		id := fmt.Sprintf("record-%d", k.Index)
		switch k.Kind {
		case evidence.KindReport:
			if slices.Contains(strings.Split(get("cases"), ","), string(whole.ID)) {
				out[get("report")] = append(out[get("report")], id)
			}
		case evidence.KindConfirm:
			if get("case") == string(whole.ID) {
				out["confirm"] = append(out["confirm"], id)
			}
		case evidence.KindFinding:
			if f := get("finding"); slices.ContainsFunc(whole.Log, func(s casefile.Step) bool { return s.Finding.String() == f }) {
				out[f] = append(out[f], id)
				out["seen "+f] = []string{get("seen_from"), get("seen_to")}
				cells[get("cell")] = f
			} else if w := get("judged"); w != "" && get("cell") != "" {
				judged[get("cell")], by[get("cell")] = w, k.Index
			}
		}
	}
	for cell, f := range cells {
		if judged[cell] == "confirmed" {
			out["judged "+f] = []string{fmt.Sprintf("record-%d", by[cell])}
		}
	}
	return out, nil
}

type asserting struct {
	Order     string      `json:"order"`
	Acts      []order.Act `json:"acts"`
	Approvals [][]byte    `json:"approvals,omitempty"`
	Propose   bool        `json:"propose,omitempty"`
}

type asserted struct {
	Act   []byte             `json:"act,omitempty"`
	Tests []order.ClauseTest `json:"tests"`
	By    string             `json:"by,omitempty"`
}

// opOrderAssert makes element tests somebody's word: one enrolled person signs the order's version, the acts and the tests. It does nothing to anybody.
var opOrderAssert = operation[asserting, asserted]{"order.assert", func(ctx context.Context, h *house, in asserting) (out asserted, err error) {
	vs, err := h.db.Orders().Versions(ctx, in.Order)
	if err != nil {
		return out, err
	}
	if len(vs) == 0 {
		return out, fmt.Errorf("no order %.64q is kept; what is asserted is asserted of an order that was imported: %w", in.Order, vedette.ErrUnknown)
	}
	v := vs[len(vs)-1]
	o, err := order.Read(v.Text)
	if err != nil {
		return out, err
	}
	out.Tests = []order.ClauseTest{}
	var ids, clauses []string
	for i := range in.Acts {
		out.Tests = append(out.Tests, order.Hold(&in.Acts[i], o)...)
		ids = append(ids, in.Acts[i].ID)
	}
	if len(ids) == 0 {
		return out, fmt.Errorf("there is no act to assert anything of: %w", vedette.ErrInvalid)
	}
	for i := range o.Clauses {
		clauses = append(clauses, o.Clauses[i].ID)
	}
	digest := func(x any) string {
		b, merr := json.Marshal(x)
		if merr != nil {
			err = merr
		}
		return vedette.Digest(sha256.Sum256(b)).String()
	}
	acts, tests := digest(in.Acts), digest(out.Tests)
	if err != nil {
		return out, err
	}
	act, err := authority.NewAct(map[string]any{"act": "order.assert", "tenant": h.cfg.Tenant, "order": v.ID, "version": v.Number, "digest": v.Digest, "acts": acts, "tests": tests})
	if err != nil || in.Propose {
		out.Act = act.Canonical()
		return out, err
	}
	now := h.now().UTC().Truncate(time.Millisecond)
	people, refusal := h.people.ApprovedBy(ctx, act, in.Approvals, now, 1)
	if err := h.answered(ctx, authority.Asked{At: now, What: "order.assert", Tenant: h.cfg.Tenant, People: people, Act: act.Digest()}, refusal); err != nil {
		return out, err
	}
	a, err := order.Assertion{}.Assert(peopleWords(people), act.Digest())
	if err != nil {
		return out, err
	}
	_, err = h.proof.Append(ctx, evidence.Record{Kind: evidence.KindOrder, At: now, Tenant: h.cfg.Tenant, Fields: []evidence.Field{
		{Name: "id", Value: []byte(v.ID)},
		{Name: "version", Value: strconv.AppendInt(nil, int64(v.Number), 10)},
		{Name: "digest", Value: []byte(v.Digest.String())},
		{Name: "asserted", Value: []byte(act.Digest().String())},
		{Name: "acts", Value: []byte(strings.Join(ids, ","))},
		{Name: "clauses", Value: []byte(strings.Join(clauses, ","))},
		{Name: "by", Value: []byte(peopleWords(people))},
		{Name: "tests", Value: []byte(tests)},
	}})
	for i := range out.Tests {
		out.Tests[i].Status = a.Words()
	}
	out.By = peopleWords(people)
	return out, err
}}

func (g *global) order() *cobra.Command {
	cmd := &cobra.Command{
		Use: "order", Short: "Keep court orders clause by clause, and hold acts against them", Aliases: []string{"orders"},
		Long: `Keeps court orders, and policies as the lesser authority, as a person entered them from the paper (docs/formats/order.md): clauses with their
text and its digest, who is bound and how, when they had notice, and when each clause was in force, stayed, modified or vacated, by which paper. What is not
known is answered with "unknown", never with "yes". An order describes an adversary's duties: it permits nobody here anything, and nothing acts on its answers.`,
		Example: "  vedette order validate docs/examples/order.yaml\n  vedette order import docs/examples/order.yaml --by ana\n  vedette order in-force --clause C3 --party vendor --at 2025-12-20T12:00:00Z",
		Args:    noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.orderValidate(), g.orderImport(), g.orderList(), g.orderShow(), g.orderHistory(), g.orderDiff(), g.orderInForce(), g.orderHold(), g.orderAssertions(), g.orderFinding())
	return cmd
}

// orderFile reads a file and everything that is wrong with it.
func orderFile(path string) ([]byte, *order.Order, error) {
	b, err := boundedFile(path)
	if err != nil {
		return nil, nil, err
	}
	o, err := order.Read(b)
	if err != nil {
		return nil, nil, inFile(path, err)
	}
	return b, o, nil
}

// inFile puts the file's name before each line that tells of a fault.
func inFile(path string, err error) error {
	return fmt.Errorf("%s: %w", path, prefixed{path + ": ", err})
}

// prefixed is an error of several lines, each behind the first with a prefix.
type prefixed struct {
	prefix string
	err    error
}

func (p prefixed) Error() string { return strings.ReplaceAll(p.err.Error(), "\n", "\n"+p.prefix) }
func (p prefixed) Unwrap() error { return p.err }

// boundedFile reads a file that is not larger than what the room reads.
func boundedFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, order.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	return b, nil
}

// keptOrder returns one kept version: the newest unless a number is said; of the only order when no id is.
func (g *global) keptOrder(ctx context.Context, id string, number int) (*order.Order, orderKept, error) {
	list, err := opOrders.do(ctx, g, id)
	if err != nil {
		return nil, orderKept{}, err
	}
	switch {
	case len(list) == 0:
		return nil, orderKept{}, fmt.Errorf("no order is kept yet; see vedette order import --help: %w", vedette.ErrUnknown)
	case id == "" && len(list) > 1:
		ids := make([]string, len(list))
		for i := range list {
			ids[i] = list[i].ID
		}
		return nil, orderKept{}, fmt.Errorf("several orders are kept, so --order is needed: %s: %w", strings.Join(ids, ", "), vedette.ErrInvalid)
	}
	v := list[len(list)-1]
	if number != 0 && id == "" {
		return g.keptOrder(ctx, v.ID, number)
	}
	if number != 0 {
		i := slices.IndexFunc(list, func(x orderKept) bool { return x.Number == number })
		if i < 0 {
			return nil, orderKept{}, fmt.Errorf("%s has versions 1 to %d, not %d: %w", v.ID, v.Number, number, vedette.ErrUnknown)
		}
		v = list[i]
	}
	o, err := order.Read(v.Text)
	return o, v, err
}

func placeholders(o *order.Order) (ids []string) {
	for i := range o.Clauses {
		if o.Clauses[i].Wording == order.Placeholder {
			ids = append(ids, o.Clauses[i].ID)
		}
	}
	return ids
}

type orderValid struct {
	ID           string         `json:"id"`
	Digest       vedette.Digest `json:"digest"`
	Kind         order.Kind     `json:"kind"`
	Clauses      int            `json:"clauses"`
	Parties      int            `json:"parties"`
	Placeholders []string       `json:"placeholders"`
}

func (g *global) orderValidate() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE", Short: "Read an order and tell everything that is wrong with it, with lines", Args: exactly(1, "an order's file (YAML)"),
		Long:    "Reads an order as import would, and keeps nothing. It needs no data folder. It tells all faults at once, and which clauses are placeholders.",
		Example: "  vedette order validate docs/examples/order.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			b, o, err := orderFile(args[0])
			if err != nil {
				return err
			}
			out := orderValid{o.ID, order.FileDigest(b), o.Kind, len(o.Clauses), len(o.Parties), append([]string{}, placeholders(o)...)}
			w := cmd.OutOrStdout()
			if g.json {
				return printJSON(w, out)
			}
			fmt.Fprintf(w, "%s can be read: %s, %s, %s\nfile SHA-256 %s\n", o.ID, visible(o.Caption), counted(out.Clauses, "clause", "clauses"), counted(out.Parties, "party", "parties"), out.Digest)
			if len(out.Placeholders) > 0 {
				fmt.Fprintf(w, "not verbatim, to be entered from the paper: %s\n", strings.Join(out.Placeholders, ", "))
			}
			return nil
		},
	}
}

func (g *global) orderImport() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "import FILE --by NAME", Short: "Keep an order, as a new version of what is kept under its id", Args: exactly(1, "an order's file (YAML)"),
		Long:    "Keeps an order, byte for byte, in the records and by its digest in the evidence log. Every earlier version stays: see vedette order history and diff.",
		Example: "  vedette order import docs/examples/order.yaml --by ana",
		RunE: func(cmd *cobra.Command, args []string) error {
			if by == "" {
				return usage(cmd, "--by is needed: your short name, as enrolled")
			}
			b, o, err := orderFile(args[0])
			if err != nil {
				return err
			}
			v, err := opOrderImport.do(cmd.Context(), g, orderImport{b, authority.PersonID(by)})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if g.json {
				return printJSON(w, v)
			}
			fmt.Fprintf(w, "%s is kept as version %d, by %s: %s\nfile SHA-256 %s\n", v.ID, v.Number, v.By, visible(o.Caption), v.Digest)
			if p := placeholders(o); len(p) > 0 {
				fmt.Fprintf(w, "not verbatim, to be entered from the paper: %s\n", strings.Join(p, ", "))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "your short name, as enrolled (needed)")
	return cmd
}

func (g *global) orderList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the orders that are kept", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := opOrders.do(cmd.Context(), g, "")
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if g.json {
				out := []order.Version{}
				for _, v := range list {
					out = append(out, v.Version)
				}
				return printJSON(w, out)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintln(w, "No order is kept yet. See vedette order import --help")
				return err
			}
			t := newTable(w, "order", "kind", "version", "by", "at", "clauses", "caption")
			for _, v := range list {
				o, err := order.Read(v.Text)
				if err != nil {
					return fmt.Errorf("%s, version %d: %w", v.ID, v.Number, err)
				}
				t.row(v.ID, string(o.Kind), strconv.Itoa(v.Number), v.By, moment(v.At), strconv.Itoa(len(o.Clauses)), visible(o.Caption))
			}
			t.flush()
			return nil
		},
	}
}

func (g *global) orderHistory() *cobra.Command {
	return &cobra.Command{
		Use: "history ID", Short: "List every version of an order: who imported it, when, what changed", Args: exactly(1, "an order's id, from \"vedette order list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := opOrders.do(cmd.Context(), g, args[0])
			if err != nil {
				return err
			}
			type changed struct {
				order.Version
				Changes []order.Change `json:"changes"`
			}
			out := []changed{}
			var before *order.Order
			for _, v := range list {
				o, err := order.Read(v.Text)
				if err != nil {
					return fmt.Errorf("%s, version %d: %w", v.ID, v.Number, err)
				}
				c := changed{v.Version, []order.Change{}}
				if before != nil {
					c.Changes = append(c.Changes, order.Diff(before, o)...)
				}
				before, out = o, append(out, c)
			}
			w := cmd.OutOrStdout()
			if g.json {
				return printJSON(w, out)
			}
			for _, c := range out {
				fmt.Fprintf(w, "version %d  %s  by %s  %s\n", c.Number, moment(c.At), c.By, c.Digest)
				printChanges(w, c.Changes)
			}
			return nil
		},
	}
}

func printChanges(w io.Writer, list []order.Change) {
	for _, c := range list {
		switch {
		case c.Was == "":
			fmt.Fprintf(w, "  %s: new: %s\n", c.Where, visible(c.Is))
		case c.Is == "":
			fmt.Fprintf(w, "  %s: gone: %s\n", c.Where, visible(c.Was))
		default:
			fmt.Fprintf(w, "  %s: was: %s\n  %s: is:  %s\n", c.Where, visible(c.Was), strings.Repeat(" ", len(c.Where)), visible(c.Is))
		}
	}
}

func (g *global) orderDiff() *cobra.Command {
	return &cobra.Command{
		Use: "diff A [B]", Short: "Tell what differs between two orders, or a file and what is kept",
		Long: `Tells what B changes of A. Each is a file, or a kept order's id, or ID@VERSION. Without B, A is a file, and is compared with the newest version that is
kept under its id. Clauses, parties and exclusions are compared by their ids: another order of them is no difference.`,
		Example: "  vedette order diff order.yaml\n  vedette order diff chat-v-vendor@1 chat-v-vendor@2\n  vedette order diff old.yaml new.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage(cmd, "this needs one or two orders: files, ids, or ID@VERSION")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			one := func(name string) (*order.Order, error) {
				if _, err := os.Stat(name); err == nil {
					_, o, err := orderFile(name)
					return o, err
				}
				id, number, numbered := strings.Cut(name, "@")
				n := 0
				if numbered {
					var err error
					if n, err = strconv.Atoi(number); err != nil || n < 1 {
						return nil, usage(cmd, "%q is no version: ID@1, ID@2, …", name)
					}
				}
				o, _, err := g.keptOrder(cmd.Context(), id, n)
				if err != nil {
					return nil, fmt.Errorf("%s is no file, and as a kept order: %w", name, err)
				}
				return o, nil
			}
			b, err := one(args[len(args)-1])
			if err != nil {
				return err
			}
			var a *order.Order
			if len(args) == 2 {
				a, err = one(args[0])
			} else {
				a, _, err = g.keptOrder(cmd.Context(), b.ID, 0)
			}
			if err != nil {
				return err
			}
			changes := append([]order.Change{}, order.Diff(a, b)...)
			w := cmd.OutOrStdout()
			if g.json {
				return printJSON(w, changes)
			}
			if len(changes) == 0 {
				_, err := fmt.Fprintln(w, "They say the same.")
				return err
			}
			printChanges(w, changes)
			return nil
		},
	}
}

func (g *global) orderShow() *cobra.Command {
	var number int
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show an order: clauses, who is bound, notice, intervals", Args: exactly(1, "an order's id, from \"vedette order list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, v, err := g.keptOrder(cmd.Context(), args[0], number)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if g.json {
				return printJSON(w, struct {
					order.Version
					Order *order.Order `json:"order"`
				}{v.Version, o})
			}
			printOrder(w, g.paint(cmd), o, v.Version)
			return nil
		},
	}
	cmd.Flags().IntVar(&number, "version", 0, "a version; 0: the newest")
	return cmd
}

func printOrder(w io.Writer, p paint, o *order.Order, v order.Version) {
	fmt.Fprintf(w, "%s  %s\n", p.bold(o.ID), visible(o.Caption))
	if o.Kind == order.KindPolicy {
		fmt.Fprintf(w, "a policy of %s, the lesser authority; %s\n", visible(o.Issuer), o.Date)
	} else {
		fmt.Fprintf(w, "%s, %s; %s\n", visible(o.Court), visible(o.Docket), o.Date)
	}
	fmt.Fprintf(w, "on %s; version %d, by %s, %s\n", strings.Join(o.Platforms, ", "), v.Number, v.By, moment(v.At))
	if o.Note != "" {
		fmt.Fprintln(w, visible(strings.TrimSpace(o.Note)))
	}
	fmt.Fprintln(w, "\nClauses")
	for _, c := range o.Clauses {
		mark := ""
		if c.Wording == order.Placeholder {
			mark = " " + p.amber("(placeholder, not verbatim)")
		}
		fmt.Fprintf(w, "  %s%s  %s\n", c.ID, mark, visible(strings.Join(strings.Fields(c.Text), " ")))
		for _, x := range c.Exceptions {
			fmt.Fprintf(w, "    except %s  %s\n", x.ID, visible(strings.TrimSpace(x.Text)))
		}
	}
	fmt.Fprintln(w, "\nWho is bound")
	for _, x := range o.Parties {
		fmt.Fprintf(w, "  %s  %s: %s (%s)\n", x.ID, visible(x.Name), x.Way.Words(), x.Ground)
		for _, n := range x.Notice {
			fmt.Fprintf(w, "    notice to %s, %s: %s; %s\n", visible(n.Who), n.When, visible(n.How), visible(n.Proof))
		}
		if len(x.Notice) == 0 {
			fmt.Fprintln(w, "    no notice is recorded")
		}
	}
	fmt.Fprintln(w, "\nIntervals")
	for _, x := range o.Intervals {
		what := "the whole order"
		if len(x.Clauses) > 0 {
			what = strings.Join(x.Clauses, ", ")
		}
		if x.As != "" {
			what += " as " + x.As
		}
		to := "until another instrument"
		if x.To != nil {
			to = "until " + x.To.String()
		}
		fmt.Fprintf(w, "  %s  %s, from %s %s; %s\n", strings.ReplaceAll(string(x.State), "_", " "), what, x.From, to, visible(x.Instrument))
	}
	if len(o.Exclusions) > 0 {
		fmt.Fprintln(w, "\nNot reached")
	}
	for _, x := range o.Exclusions {
		fmt.Fprintf(w, "  %s  %s\n", x.ID, visible(strings.TrimSpace(x.Text)))
	}
}

func (g *global) orderInForce() *cobra.Command {
	var id, clause, party, when, file string
	var number int
	cmd := &cobra.Command{
		Use: "in-force --clause ID --party NAME --at TIME", Short: "Answer whether a clause was in force against somebody at a time",
		Long: `Answers yes, no or unknown, with the reasons: the paper by which the clause was in force, stayed, modified or vacated then, how the party is bound
(Fed. R. Civ. P. 65(d)(2)), and when they had notice. "unknown" says that a paper or a date is missing here; it is never counted as yes. Exit code 0 with each of
the three answers. --order can be left out where one order alone is kept; --file asks a file that is not kept, without a data folder.`,
		Example: "  vedette order in-force --clause C3 --party vendor --at 2025-12-20T12:00:00Z\n  vedette order in-force --file docs/examples/order.yaml --clause C3 --party reseller --at 2025-11-10T09:00:00Z --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clause == "" || party == "" || when == "" {
				return usage(cmd, "--clause, --party and --at are needed: was this clause in force against them at that time?")
			}
			at, err := time.Parse(time.RFC3339, when)
			if err != nil {
				return usage(cmd, "--at: %q is no time like 2025-12-20T12:00:00Z; a day alone is too coarse for an answer that can change within it", when)
			}
			if file != "" && (id != "" || number != 0) {
				return usage(cmd, "--file, or --order and --version: one of them")
			}
			var o *order.Order
			if file != "" {
				_, o, err = orderFile(file)
			} else {
				o, _, err = g.keptOrder(cmd.Context(), id, number)
			}
			if err != nil {
				return err
			}
			a, err := o.InForce(clause, party, at)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if g.json {
				return printJSON(w, a)
			}
			p := g.paint(cmd)
			word := map[order.Truth]string{order.Yes: p.green("yes"), order.No: p.red("no"), order.Unknown: p.amber("unknown")}
			kind := ""
			if a.Authority == order.KindPolicy {
				kind = " (a policy, the lesser authority)"
			}
			fmt.Fprintf(w, "%s: was clause %s of %s%s in force against %s at %s?\n", word[a.Answer], a.Clause, a.Order, kind, visible(a.Party), moment(a.At))
			for _, r := range a.Reasons {
				paper := ""
				if r.Instrument != "" {
					paper = "  [" + visible(r.Instrument) + "]"
				}
				fmt.Fprintf(w, "  %-9s  %s: %s%s\n", r.About, r.Answer, visible(r.Text), paper)
			}
			if a.Wording == order.Placeholder {
				fmt.Fprintf(w, "  The text of %s is a placeholder: nobody has entered it from the paper.\n", a.Clause)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&id, "order", "", "the order's id; can be left out where one alone is kept")
	f.IntVar(&number, "version", 0, "a version; 0: the newest")
	f.StringVar(&file, "file", "", "ask this file, without a data folder")
	f.StringVar(&clause, "clause", "", "the clause's id (needed)")
	f.StringVar(&party, "party", "", "who: an id or a name of the order, or somebody else (needed)")
	f.StringVar(&when, "at", "", "when, RFC 3339 (needed)")
	return cmd
}

func (g *global) orderHold() *cobra.Command {
	var id, file, matter, actor, confidence, platform, propose string
	var actorEvidence, approvals []string
	cmd := &cobra.Command{
		Use: "hold (--act FILE | --case ID)", Short: "Hold acts against each clause of an order, element by element",
		Long: `Holds acts against each clause, element by element: met, not met, not shown or gray, each with a sentence and the ids of its evidence. There is no sum
and no score. What comes out is a draft, and alleged: a person's signature (--propose, "vedette approve", --approval) makes it asserted by that person; only a
court's finding ends "alleged". Acts come from a file (docs/formats/order.md), or from a case, which never says who did it: say --actor, and on whose evidence.`,
		Example: "  vedette order hold --act docs/examples/acts.yaml\n  vedette order hold --case case_0123456789abc --platform chat.example --actor vendor --confidence moderate --actor-evidence 'memo 3'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (file == "") == (matter == "") {
				return usage(cmd, "either --act FILE or --case ID")
			}
			if matter == "" && (actor != "" || confidence != "" || platform != "" || len(actorEvidence) > 0) {
				return usage(cmd, "--actor, --confidence, --actor-evidence and --platform are for --case; a file says them itself")
			}
			if actor != "" && !slices.Contains([]string{"low", "moderate", "high"}, confidence) {
				return usage(cmd, "--confidence %q: low, moderate or high, for --actor", confidence)
			}
			var acts []order.Act
			if file != "" {
				b, err := boundedFile(file)
				if err != nil {
					return err
				}
				if acts, err = order.ReadActs(b); err != nil {
					return inFile(file, err)
				}
			} else {
				c, err := casefile.ParseID(matter)
				if err != nil {
					return usage(cmd, "%s", err)
				}
				if acts, err = opOrderFacts.do(cmd.Context(), g, c); err != nil {
					return err
				}
				for i := range acts {
					acts[i].Platform = platform
					acts[i].Actor = order.Actor{Party: actor, Confidence: order.Confidence(confidence), Evidence: actorEvidence}
				}
			}
			o, v, err := g.keptOrder(cmd.Context(), id, 0)
			if err != nil {
				return err
			}
			signed, err := readApprovals(approvals)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			var tests []order.ClauseTest
			if propose != "" || len(signed) > 0 {
				out, err := opOrderAssert.do(cmd.Context(), g, asserting{v.ID, acts, signed, propose != ""})
				if err != nil {
					return unsigned(err, "a person", true)
				}
				if propose != "" {
					return writeActFor(cmd, propose, out.Act, "one person signs it, after reading what is held")
				}
				tests = out.Tests
			} else {
				tests = []order.ClauseTest{}
				for i := range acts {
					tests = append(tests, order.Hold(&acts[i], o)...)
				}
			}
			if g.json {
				return printJSON(w, struct {
					Order   string             `json:"order"`
					Version int                `json:"version"`
					Acts    []order.Act        `json:"acts"`
					Tests   []order.ClauseTest `json:"tests"`
				}{v.ID, v.Number, acts, tests})
			}
			if len(acts) == 0 {
				_, err := fmt.Fprintln(w, "The case has nothing yet that can be held against a clause: no reported link that the journal has, no confirmed name, no finding.")
				return err
			}
			printTests(w, g.paint(cmd), acts, tests)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&id, "order", "", "the order's id; can be left out where one alone is kept")
	f.StringVar(&file, "act", "", "a file of acts (YAML)")
	f.StringVar(&matter, "case", "", "a case, from \"vedette case list\"")
	f.StringVar(&actor, "actor", "", "with --case: who did it, an id of the order or a name")
	f.StringVar(&confidence, "confidence", "", "with --actor: low, moderate or high")
	f.StringArrayVar(&actorEvidence, "actor-evidence", nil, "with --actor: an id of evidence")
	f.StringVar(&platform, "platform", "", "with --case: on which platform, by its name in the order")
	f.StringVar(&propose, "propose", "", "only write what a person signs who asserts it")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file")
	return cmd
}

func printTests(w io.Writer, p paint, acts []order.Act, tests []order.ClauseTest) {
	mark := map[order.ElementState]func(string) string{order.Met: p.green, order.NotMet: p.red, order.NotShown: p.dim, order.Gray: p.amber}
	for i := range acts {
		a := &acts[i]
		fmt.Fprintf(w, "%s  %s: %s\n", p.bold(a.ID), a.Kind, visible(strings.TrimSpace(a.Text)))
		for k := range tests {
			t := &tests[k]
			if t.Act != a.ID {
				continue
			}
			fmt.Fprintf(w, "\n  against %s of %s (%s)\n", t.Clause, t.Order, t.Status)
			for _, e := range t.Elements {
				ids := ""
				if len(e.Evidence) > 0 {
					ids = "  [" + visible(strings.Join(e.Evidence, "; ")) + "]"
				}
				fmt.Fprintf(w, "    %s  %-22s  %s%s\n", mark[e.State](fmt.Sprintf("%-9s", e.State)), e.Name, visible(e.Text), ids)
			}
		}
		fmt.Fprintln(w)
	}
}
