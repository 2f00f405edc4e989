package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/exhibit"
	"vedette/record/anchor"
	"vedette/record/authority"
)

// exhibiting is what an exhibit is to hold, and by whose word.
type exhibiting struct {
	Choice       exhibit.Choice      `json:"choice"`
	Recipient    authority.Recipient `json:"recipient"`
	Basis        string              `json:"basis,omitempty"`
	Jurisdiction string              `json:"jurisdiction,omitempty"`
	Until        time.Time           `json:"until"`
	Approvals    [][]byte            `json:"approvals,omitempty"`
	Propose      bool                `json:"propose,omitempty"`
}

// exhibited is what was made, or what people must sign for it.
type exhibited struct {
	Acts       [][]byte       `json:"acts,omitempty"` // of metadata, then of indicators
	Zip        []byte         `json:"zip,omitempty"`
	Records    int            `json:"records"`
	Disclosed  int            `json:"disclosed"`
	Withheld   int            `json:"withheld"`
	Disclosure uint64         `json:"disclosure"`
	Seal       uint64         `json:"seal"`
	SHA256     vedette.Digest `json:"sha256,omitzero"`
}

// handings are the disclosures that a choice needs.
func (in *exhibiting) handings() []authority.Handing {
	h := authority.Handing{
		Recipient: in.Recipient, Data: authority.DataMetadata, Tenant: in.Choice.Tenant, Case: in.Choice.Case, Basis: in.Basis, Jurisdiction: in.Jurisdiction,
		Until: in.Until, About: in.Choice.Digest(),
	}
	out := []authority.Handing{h}
	if slices.Contains(in.Choice.Disclose, exhibit.Indicators) {
		h.Data = authority.DataIndicators
		out = append(out, h)
	}
	return out
}

var opExhibit = operation[exhibiting, exhibited]{"exhibit.create", func(ctx context.Context, h *house, in exhibiting) (exhibited, error) {
	if err := h.settle(ctx); err != nil {
		return exhibited{}, err
	}
	in.Choice.Tenant = h.cfg.Tenant
	if err := in.Choice.Check(); err != nil {
		return exhibited{}, err
	}
	if _, err := h.aCase(ctx, casefile.ID(in.Choice.Case)); err != nil {
		return exhibited{}, err
	}
	var out exhibited
	now := h.now().UTC()
	m := exhibit.Making{Recipient: in.Recipient, Build: buildText(), Now: now.Truncate(time.Millisecond)}
	for _, x := range in.handings() {
		act, err := x.Act()
		if err != nil {
			return out, err
		}
		if out.Acts = append(out.Acts, act.Canonical()); in.Propose {
			continue
		}
		d, err := h.people.Disclosure(ctx, x, in.Approvals, now)
		if err != nil {
			return exhibited{}, err
		}
		m.Disclosures = append(m.Disclosures, d)
	}
	if in.Propose {
		return out, nil
	}
	log, err := h.proof.get()
	if err != nil {
		return exhibited{}, err
	}
	if err := h.eachAnchor(ctx, func(k anchor.Kept) {
		m.Anchors = append(m.Anchors, exhibit.Anchor{Kind: string(k.Kind), By: k.By, Checkpoint: k.Checkpoint, Token: k.Token})
	}); err != nil {
		return exhibited{}, err
	}
	made, err := exhibit.Create(ctx, log, in.Choice, m)
	if err != nil {
		return exhibited{}, err
	}
	return exhibited{nil, made.Zip, made.Records, made.Disclosed, made.Withheld, made.Disclosure, made.Seal, exhibit.Digest(made.Zip)}, nil
}}

// buildText names this program as custody needs it.
func buildText() string {
	b := thisBuild()
	s := "vedette " + b.Version
	if b.Revision != "" {
		s += " revision " + b.Revision
	}
	if b.Modified {
		s += " (modified)"
	}
	return s + " " + b.Go
}

func (g *global) exhibit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exhibit", Short: "Put what the log holds of a case into a file that a court can check",
		Long: `An exhibit is a zip with the records of one case, as far as two people let them be shown: with proofs that they stand in the signed log unchanged, a timeline, the
list of what is withheld, drafts of certificates, and a report in HTML and PDF. Whoever has the public key checks it offline: vedette verify.`,
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.exhibitCreate())
	return cmd
}

func (g *global) exhibitCreate() *cobra.Command {
	var in exhibiting
	var out, variant, disclose, recipient, until, propose string
	var approvals []string
	cmd := &cobra.Command{
		Use: "create --case ID --out FILE", Short: "Make an exhibit of a case",
		Long: `Makes an exhibit. It shows the least: of each record its kind, time, state and outcome. --disclose shows more, as far as the variant lets: indicators (links and hosts;
any variant), words (reasons in people's own words) and machine (digests) in sealed and attorneys-eyes, staff (who did it) in attorneys-eyes. Opinions, scores, other
cases, what is about a reporter, and identifiers of the journal are never shown. Nobody searches people's own words for names: read them first.

Two people sign this very choice: write the act with --propose, let both sign it with "vedette approve", and create with the approvals. Indicators take a second act, beside
the first, for both to sign too. That it is disclosed stands in the evidence log before the file is there. The approvals hold until --until (by default the end of tomorrow, UTC).`,
		Example: `  vedette exhibit create --case case_0123456789abc --label 'Harbour v. Doe' --propose act.json
  vedette approve act.json --person ana --person-key ana.key
  vedette exhibit create --case case_0123456789abc --label 'Harbour v. Doe' --out harbour.zip --approval act.ana.approval --approval act.omar.approval`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Choice.Case == "" {
				return usage(cmd, "--case is needed: of which case")
			}
			id, err := casefile.ParseID(in.Choice.Case)
			if err != nil {
				return usage(cmd, "--case: %s", err)
			}
			in.Choice.Case = string(id)
			if out == "" && propose == "" {
				return usage(cmd, "--out is needed: where the exhibit goes")
			}
			if in.Choice.Variant, err = exhibit.ParseVariant(variant); err != nil {
				return usage(cmd, "--variant: %s", err)
			}
			var groups []string
			if disclose != "" {
				groups = strings.Split(disclose, ",")
			}
			if in.Choice.Disclose, err = exhibit.ParseGroups(groups); err != nil {
				return usage(cmd, "--disclose: %s", err)
			}
			if in.Recipient, err = recipientOf(recipient); err != nil {
				return usage(cmd, "--recipient: %s", err)
			}
			in.Until = time.Now().UTC().Truncate(24 * time.Hour).Add(48 * time.Hour)
			if until != "" {
				if in.Until, err = parseDay(until); err != nil {
					return usage(cmd, "--until: %s", err)
				}
			}
			if in.Choice.Label == "" {
				in.Choice.Label = "Case 1"
			}
			in.Propose = propose != ""
			if in.Approvals, err = readApprovals(approvals); err != nil {
				return err
			}
			if !in.Propose { // found out before the log says that something was disclosed
				if _, err := os.Lstat(out); err == nil {
					return fmt.Errorf("%s is there already; an exhibit is not written over another file: %w", out, vedette.ErrConflict)
				}
			}
			made, err := opExhibit.do(cmd.Context(), g, in)
			if err != nil {
				return unsigned(err, "two people", in.Propose || len(approvals) > 0)
			}
			w := cmd.OutOrStdout()
			if in.Propose {
				return writeActs(cmd, propose, made.Acts)
			}
			if err := writeNew(out, made.Zip); err != nil {
				return err
			}
			made.Zip = nil
			if g.json {
				return printJSON(w, struct {
					exhibited
					Out string `json:"out"`
				}{made, out})
			}
			p := g.paint(cmd)
			fmt.Fprintf(w, "%s %s: %s of the case, %d shown at least in part, %d withheld as a whole\n", p.green("Wrote"), out, counted(made.Records, "record", "records"), made.Disclosed, made.Withheld)
			fmt.Fprintf(w, "SHA-256 %s\n", made.SHA256)
			fmt.Fprintf(w, "The evidence log holds that it was disclosed (record %d) and what it holds (record %d).\n", made.Disclosure, made.Seal)
			fmt.Fprintf(w, "Check it as its reader will: vedette verify --key KEY %s\n", out)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Choice.Case, "case", "", "the case, from \"vedette case list\" (needed)")
	f.StringVar(&out, "out", "", "where the exhibit goes; a file that is not there yet (needed)")
	f.StringVar(&variant, "variant", "public", "public, sealed or attorneys-eyes")
	f.StringVar(&disclose, "disclose", "", "what to show beyond the least, between commas: indicators, machine, staff, words")
	f.StringVar(&in.Choice.Label, "label", "", "what the case is called in the exhibit (default: Case 1)")
	f.StringVar(&in.Choice.Mark, "mark", "EX", "what exhibit ids begin with: 1 to 8 of A to Z and 0 to 9")
	f.StringVar(&in.Choice.For, "for", "counsel", "who asked for it")
	f.StringVar(&recipient, "recipient", "court", "to whom it goes: subject, partner, platform, court, government or public")
	f.StringVar(&in.Basis, "basis", "", "the law, order or consent that lets it; needed for a government")
	f.StringVar(&in.Jurisdiction, "jurisdiction", "", "the recipient's country, two letters; needed with a basis")
	f.StringVar(&until, "until", "", "until when the approvals hold (default: the end of tomorrow, UTC)")
	f.StringVar(&propose, "propose", "", "only write what two people must sign to this file")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file; may be given again")
	return cmd
}

func recipientOf(s string) (authority.Recipient, error) {
	for r := authority.ToSubject; r <= authority.ToPublic; r++ {
		if r.String() == s {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%q: subject, partner, platform, court, government or public", visible(s))
}

// writeActs writes the act, and the act of indicators beside it.
func writeActs(cmd *cobra.Command, path string, acts [][]byte) error {
	for i, act := range acts {
		if i > 0 {
			ext := filepath.Ext(path)
			path = strings.TrimSuffix(path, ext) + ".indicators" + ext
		}
		if err := writeActFor(cmd, path, act, "two people must sign it"); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that is not there yet, whole or not at all.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func (g *global) verify() *cobra.Command {
	var key string
	var trust []string
	cmd := &cobra.Command{
		Use: "verify --key KEY EXHIBIT", Short: "Verify an exhibit offline, by a key that you have pinned",
		Long: `Verifies an exhibit. It needs no data folder, no network and nothing of us but the public key, which you got by another way than the exhibit (the key itself, or a file that
holds it). It gives separate verdicts: integrity (every byte is as it was sealed), signer (the pinned key signed), completeness (each record of the case's index is
shown or listed as withheld), and time (whether somebody independent says when: --trust names whom you believe). Whether what the records say is true is not tested.

Exits with 0 only if integrity, signer and completeness hold, else with 3, and says what does not fit, and where.`,
		Example: "  vedette verify --key vedette.key harbour.zip\n  vedette verify --key vedette.key --json harbour.zip",
		Args:    exactly(1, "an exhibit's file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return usage(cmd, "--key is needed: the log's public key, or a file that holds it")
			}
			v, err := verifierOf(key)
			if err != nil {
				return usage(cmd, "--key: %s", err)
			}
			b, err := readExhibit(args[0])
			if err != nil {
				return err
			}
			believe, err := believing(cmd, trust)
			if err != nil {
				return err
			}
			r := exhibit.Verify(b, v, believe)
			if g.json {
				err = printJSON(cmd.OutOrStdout(), r)
			} else {
				printVerdict(cmd.OutOrStdout(), g.paint(cmd), filepath.Base(args[0]), &r)
			}
			if err == nil && !r.Good() {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the log's public key, as \"vedette evidence key\" prints it, or a file that holds it (needed)")
	cmd.Flags().StringArrayVar(&trust, "trust", nil, "a file with whom you believe about time: root certificates (PEM) of a time-stamping authority, or witnesses' keys, one a line; may be given again")
	return cmd
}

// believing checks anchors by what files say to believe; without a file none is checked.
func believing(cmd *cobra.Command, files []string) (exhibit.VerifyAnchor, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var trusted []anchor.Trust
	for _, file := range files {
		_, t, err := readTrust(cmd, file)
		if err != nil {
			return nil, err
		}
		trusted = append(trusted, t)
	}
	return func(kind string, checkpoint, token []byte) (at time.Time, by string, err error) {
		for _, t := range trusted {
			x, wrong := anchor.Anchor{Kind: anchor.Kind(kind), Checkpoint: checkpoint, Token: token}.Verify(t)
			if wrong == nil {
				return x.Time, x.By, nil
			}
			err = errors.Join(err, wrong)
		}
		return time.Time{}, "", err
	}, nil
}

// readExhibit reads a file, and no more of it than an exhibit has.
func readExhibit(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, exhibit.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	return b, nil
}

func printVerdict(w io.Writer, p paint, name string, r *exhibit.Result) {
	if r.Good() {
		fmt.Fprintf(w, "%s: %s, %s (%s)\n", p.green("It fits"), name, visible(r.Case), r.Variant)
	} else {
		fmt.Fprintf(w, "%s: %s\n", p.red("Refused"), name)
	}
	for _, x := range []struct{ name, verdict, good string }{
		{"integrity", r.Integrity, exhibit.Intact}, {"signer", r.Signer, exhibit.Signed}, {"completeness", r.Completeness, exhibit.Complete}, {"time", r.Time, exhibit.Anchored}, {"truth", r.Truth, ""},
	} {
		shown := p.green(x.verdict)
		switch {
		case x.verdict == exhibit.NotTested, x.name == "time" && x.verdict != x.good:
			shown = p.amber(x.verdict)
		case x.verdict != x.good:
			shown = p.red(x.verdict)
		}
		fmt.Fprintf(w, "  %-13s %s\n", x.name, shown)
	}
	if r.Good() {
		fmt.Fprintf(w, "%s of the case: %d shown at least in part, %d withheld as a whole; %s withheld. Log %s, %d records, disclosed %s by its own clock\n",
			counted(r.Records, "record", "records"), r.Disclosed, r.Withheld, counted(r.Fields, "field", "fields"), r.Origin, r.Size, r.At)
	}
	fmt.Fprintln(w, "What was checked:")
	for _, c := range r.Checks {
		word := p.green("ok ")
		if !c.OK {
			word = p.red("NO ")
		}
		fmt.Fprintf(w, "  %s %s: %s\n", word, c.Name, visible(c.Detail))
	}
	fmt.Fprintln(w, p.dim("What nobody can know from this file: "+strings.Join(r.Cannot, "; ")+"."))
}
