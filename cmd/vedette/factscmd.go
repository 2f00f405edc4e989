package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/link"
	"vedette/record/enrichment"
)

type factsIn struct {
	Name   string `json:"name"`
	Data   []byte `json:"data"`
	ASNs   []byte `json:"asns,omitempty"`
	Source string `json:"source"`
	Format string `json:"format"`
	Dry    bool   `json:"dry,omitempty"`
}

type factsTaken struct {
	Report enrichment.Report `json:"report"`
	Error  string            `json:"error,omitempty"` // the file is damaged; the report tells what was taken all the same
}

var opFactsImport = operation[factsIn, factsTaken]{"facts.import", func(ctx context.Context, h *house, in factsIn) (factsTaken, error) {
	im := enrichment.Importer{Store: h.db.Enrichment()}
	if in.Dry {
		im.Store = nil
	}
	if len(in.ASNs) > 0 {
		var err error
		if im.ASNs, _, err = enrichment.LoadASNs(bytes.NewReader(in.ASNs), in.Source); err != nil {
			return factsTaken{}, fmt.Errorf("the table of networks: %w", err)
		}
	}
	var out factsTaken
	var err error
	out.Report, err = im.Import(ctx, bytes.NewReader(in.Data), in.Name, enrichment.Options{Source: in.Source, Format: in.Format, At: h.now().UTC()})
	if err != nil && (out.Report.Seen == 0 || !errors.Is(err, vedette.ErrInvalid)) {
		return out, err
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out, nil
}}

type factsOf struct {
	Display string      `json:"display"` // defanged
	Facts   []factShown `json:"facts"`
}

type factShown struct {
	Kind   enrichment.Kind `json:"kind"`
	Value  string          `json:"value"` // hosts and addresses defanged
	First  time.Time       `json:"first,omitzero"`
	Last   time.Time       `json:"last,omitzero"`
	Source string          `json:"source"`
}

// opFacts looks into what was imported, and nowhere else.
var opFacts = operation[string, factsOf]{"facts.show", func(ctx context.Context, h *house, host string) (factsOf, error) {
	list, err := h.db.Enrichment().Of(ctx, host)
	if err != nil {
		return factsOf{}, err
	}
	out := factsOf{Display: link.Defang(host), Facts: []factShown{}}
	for _, f := range list {
		v := f.Value
		if f.Kind == enrichment.NameServer || f.Kind == enrichment.Address {
			v = link.Defang(v)
		}
		out.Facts = append(out.Facts, factShown{f.Kind, v, f.First, f.Last, f.Source})
	}
	return out, nil
}}

type factsHeld struct {
	Names   int               `json:"names"`
	Sources []enrichment.Held `json:"sources"`
}

var opFactsCount = operation[struct{}, factsHeld]{"facts.count", func(ctx context.Context, h *house, _ struct{}) (out factsHeld, err error) {
	facts := h.db.Enrichment()
	if out.Names, err = facts.Names(ctx); err != nil {
		return out, err
	}
	list, err := facts.Sources(ctx)
	out.Sources = append([]enrichment.Held{}, list...)
	return out, err
}}

// maxFactsFile is how much of a file goes to the process that has the folder at once.
const maxFactsFile = 512 << 20

func (g *global) facts() *cobra.Command {
	cmd := &cobra.Command{
		Use: "facts", Short: "Import and look up what others have seen of hosts",
		Long: `Registrations, name servers, certificates, addresses and newly seen names, from files that you bring (docs/formats/enrichment.md). They lead from one confirmed host
to its siblings. Nothing is looked up about a host, ever: no packet goes to it, to a registry or to a resolver.`,
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var in factsIn
	var asns string
	imp := &cobra.Command{
		Use: "import FILE --source NAME", Short: "Take facts from a file: passive DNS, certificates, registrations, a table, or a list of new names",
		Long: `Takes facts from a file, packed with gzip or not; - is standard input. Each line is taken, ignored since its type is not kept, or refused with its place and
reason; a refused one costs nothing else. The same file again adds nothing. Exits with 4 when the file is damaged, or nothing in it could be taken.`,
		Example: "  vedette facts import pdns.jsonl.gz --source harbour-dns\n  vedette facts import new-domains.txt --source zone-watch --format names",
		Args:    exactly(1, "a file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Source == "" {
				return usage(cmd, "--source is needed: who published it")
			}
			if in.Data, in.Name, err = readAll(args[0], cmd.InOrStdin()); err != nil {
				return err
			}
			if len(in.Data) > maxFactsFile {
				return fmt.Errorf("%s: over %s MiB; pack it with gzip, or split it: %w", in.Name, count(maxFactsFile>>20), vedette.ErrTooLarge)
			}
			if asns != "" {
				if in.ASNs, _, err = readAll(asns, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			out, err := opFactsImport.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				out.print(cmd.OutOrStdout(), g.paint(cmd))
			}
			if err == nil && (out.Error != "" || out.Report.Taken == 0) {
				return &exit{code: exitPartial}
			}
			return err
		},
	}
	f := imp.Flags()
	f.StringVar(&in.Source, "source", "", "who published it, 1 to 64 bytes (needed)")
	f.StringVar(&in.Format, "format", "", "csv, cof, ct, registration or names (default: found out)")
	f.StringVar(&asns, "networks", "", "a table of networks and their AS numbers, which gives each address its own")
	f.BoolVar(&in.Dry, "dry-run", false, "only report")
	show := &cobra.Command{
		Use: "show HOST", Short: "Say what is known of a host, and from whom",
		Long:    "Says what was imported about a host, defanged, with its source and when the source saw it so. It asks nobody.",
		Example: "  vedette facts show 'evil[.]example'",
		Args:    exactly(1, "a host (defanged is understood)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := enrichment.Host(link.Refang(args[0]))
			if err != nil {
				return usage(cmd, "%s", err)
			}
			out, err := opFacts.do(cmd.Context(), g, host)
			if err != nil {
				return err
			}
			switch {
			case g.json:
				err = printJSON(cmd.OutOrStdout(), out)
			case len(out.Facts) == 0:
				fmt.Fprintf(cmd.OutOrStdout(), "nothing was imported about %s\n", out.Display)
			default:
				t := newTable(cmd.OutOrStdout(), "kind", "value", "first seen", "last seen", "source")
				for _, f := range out.Facts {
					t.row(string(f.Kind), visible(f.Value), moment(f.First), moment(f.Last), visible(f.Source))
				}
				t.flush()
			}
			if err == nil && len(out.Facts) == 0 {
				return &exit{code: exitError}
			}
			return err
		},
	}
	held := &cobra.Command{
		Use: "count", Short: "Count what was imported, by source", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opFactsCount.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			w := cmd.OutOrStdout()
			if len(out.Sources) == 0 {
				_, err := fmt.Fprintln(w, "No facts yet; everything works without. Take some: vedette facts import FILE --source NAME")
				return err
			}
			fmt.Fprintf(w, "%s names\n", count(out.Names))
			t := newTable(w, "source", "facts", "newest")
			for _, s := range out.Sources {
				t.row(visible(s.Source), count(s.Facts), moment(s.Newest))
			}
			t.flush()
			return nil
		},
	}
	cmd.AddCommand(imp, show, held)
	return cmd
}

func (o *factsTaken) print(w io.Writer, p paint) {
	r := &o.Report
	fmt.Fprintf(w, "%s (%s): %s lines: %s taken, %s ignored, %s refused\n", p.bold(r.File), r.Format, count(r.Seen), count(r.Taken), count(r.Ignored), count(r.Refused))
	fmt.Fprintf(w, "%s facts from %s: %s new, %s widened, %s known before\n", count(r.Facts), visible(r.Source), count(r.Added), count(r.Widened), count(r.Same))
	var kinds []string
	for _, k := range enrichment.Kinds() {
		if n := r.Kinds[k]; n > 0 {
			kinds = append(kinds, count(n)+" "+string(k))
		}
	}
	if len(kinds) > 0 {
		fmt.Fprintf(w, "  %s\n", strings.Join(kinds, ", "))
	}
	for i, x := range r.Refusals {
		if i == 10 {
			fmt.Fprintf(w, "  … and %s more; --json lists them\n", count(r.Refused-10))
			break
		}
		fmt.Fprintf(w, "  refused %s %s: %s\n", x.Where, visible(x.Value), visible(x.Reason))
	}
	for _, k := range byCount(r.Types) {
		fmt.Fprintf(w, "  ignored %s of type %s\n", count(r.Types[k]), visible(k))
	}
	if o.Error != "" {
		fmt.Fprintf(w, "  %s %s\n", p.red("damaged:"), o.Error)
	}
}
