package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/link"
	"vedette/record/evidence"
)

type evidenceAsked struct {
	From  int64 `json:"from"` // negative: the last Limit
	Limit int   `json:"limit"`
}

// evidenceRead is a part of the log as people read it.
type evidenceRead struct {
	Size    uint64    `json:"size"`
	Records []keptOut `json:"records"`
	Unfit   []string  `json:"unfit,omitempty"` // records that are not what their leaves commit to
	Stopped string    `json:"stopped,omitempty"`
	Next    uint64    `json:"next,omitempty"` // go on from here; 0: that was the end
}

type keptOut struct {
	Index  uint64          `json:"index"`
	Kind   evidence.Kind   `json:"kind"`
	At     time.Time       `json:"at"`
	Tenant vedette.Tenant  `json:"tenant,omitempty"`
	Leaf   vedette.Digest  `json:"leaf"`
	Fields []evidenceField `json:"fields"`
}

// evidenceField is one field. Text is what it says, hosts defanged; what is no text is told by its bytes.
type evidenceField struct {
	Name   string `json:"name"`
	Text   string `json:"text,omitempty"`
	Hex    string `json:"hex,omitempty"`
	Erased bool   `json:"erased,omitempty"`
}

var opEvidence = operation[evidenceAsked, evidenceRead]{"evidence.show", func(ctx context.Context, h *house, in evidenceAsked) (evidenceRead, error) {
	log, err := h.proof.get()
	if err != nil {
		return evidenceRead{}, err
	}
	out := evidenceRead{Size: log.Size(), Records: []keptOut{}}
	if err := log.Stopped(); err != nil {
		out.Stopped = err.Error()
	}
	from := uint64(max(in.From, 0))
	if n := uint64(in.Limit); in.From < 0 && out.Size > n {
		from = out.Size - n
	}
	for k, err := range log.Read(ctx, from) {
		if len(out.Records)+len(out.Unfit) == in.Limit {
			out.Next = from + uint64(in.Limit)
			break
		}
		if errors.Is(err, evidence.ErrUnfit) {
			out.Unfit = append(out.Unfit, err.Error())
			continue
		}
		if err != nil {
			return out, err
		}
		out.Records = append(out.Records, keptOut{k.Index, k.Kind, k.At, k.Tenant, k.Leaf, fieldsOut(&k)})
	}
	return out, nil
}}

type checkpointOut struct {
	Size       uint64         `json:"size"`
	Origin     string         `json:"origin"`
	Root       vedette.Digest `json:"root"`
	Checkpoint string         `json:"checkpoint"` // signed, C2SP tlog-checkpoint
}

var opCheckpoint = operation[struct{}, checkpointOut]{"evidence.checkpoint", func(ctx context.Context, h *house, _ struct{}) (checkpointOut, error) {
	log, err := h.proof.get()
	if err != nil {
		return checkpointOut{}, err
	}
	_, b, err := h.db.Shelf().Placed(ctx)
	if err != nil {
		return checkpointOut{}, err
	}
	if len(b) == 0 {
		return checkpointOut{}, fmt.Errorf("nothing is in the evidence log yet: there is no checkpoint: %w", vedette.ErrUnknown)
	}
	c, err := log.Open(b)
	return checkpointOut{c.Size, c.Origin, c.Root, string(b)}, err
}}

var opEvidenceKey = operation[struct{}, string]{"evidence.key", func(_ context.Context, h *house, _ struct{}) (string, error) {
	return h.proof.key, nil
}}

type proving struct {
	Index uint64   `json:"index"`
	Only  []string `json:"only"`
}

var opProve = operation[proving, evidence.Proof]{"evidence.prove", func(ctx context.Context, h *house, in proving) (evidence.Proof, error) {
	log, err := h.proof.get()
	if err != nil {
		return evidence.Proof{}, err
	}
	p, err := log.Prove(ctx, in.Index)
	if errors.Is(err, vedette.ErrUnknown) {
		return p, fmt.Errorf("no record %d: the log has %d, counted from 0: %w", in.Index, log.Size(), vedette.ErrUnknown)
	}
	if err != nil || len(in.Only) == 0 {
		return p, err
	}
	var names []string
	for _, part := range p.Parts {
		names = append(names, part.Name)
	}
	for _, n := range in.Only {
		if !slices.Contains(names, n) {
			return evidence.Proof{}, fmt.Errorf("record %d has no field %q; it has %s: %w", in.Index, n, strings.Join(names, ", "), vedette.ErrInvalid)
		}
	}
	return p.Only(append([]string{evidence.NameAt, evidence.NameKind}, in.Only...)...), nil
}}

func (g *global) evidence() *cobra.Command {
	cmd := &cobra.Command{
		Use: "evidence", Short: "Read, check and prove what was judged and done",
		Long: `Everything that judges or acts leaves a record in a log that nobody, we included, can alter unseen: sealed ranges of the journal, reports, leads, hunts,
permits asked, confirmations, blocks and what came of them. Whoever pinned its key and one checkpoint can hold us to it.`,
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.evidenceShow(), g.evidenceCheck(), g.evidenceCheckpoint(), g.evidenceKey(), g.evidenceProve(), g.evidenceVerify(),
		g.evidenceAnchor(), g.evidenceAnchors(), g.evidenceRotate())
	return cmd
}

func (g *global) evidenceShow() *cobra.Command {
	in := evidenceAsked{From: -1}
	cmd := &cobra.Command{
		Use: "show", Short: "Show records: kind, time and fields", Args: noArgs,
		Long:    "Shows the last records, or those from --from on, counted from 0. There is no account in a record, and hosts are shown defanged.",
		Example: "  vedette evidence show\n  vedette evidence show --from 0 --limit 100 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Limit < 1 || in.Limit > 10_000 {
				return usage(cmd, "--limit %d: 1 to 10000", in.Limit)
			}
			out, err := opEvidence.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				out.print(cmd.OutOrStdout(), g.paint(cmd))
			}
			if err == nil && len(out.Unfit) > 0 {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
	cmd.Flags().Int64Var(&in.From, "from", -1, "the first record, counted from 0 (default: the last ones)")
	cmd.Flags().IntVar(&in.Limit, "limit", 20, "how many at most")
	return cmd
}

func (g *global) evidenceCheck() *cobra.Command {
	var against string
	cmd := &cobra.Command{
		Use: "check", Short: "Read the whole log again and say whether everything fits", Args: noArgs,
		Long: `Reads everything again: that the records are what their leaves commit to, that the leaves make the signed root, that the log continues the last one known and
each that was anchored, and that seals of the journal follow one another without a gap. Exits with 3 when something does not fit, and names it. Whoever can
write the whole folder can begin it anew; what holds us to more than our own word is a copy of an older checkpoint that lies elsewhere
("vedette evidence checkpoint"), and --against holds the log against it.`,
		Example: "  vedette evidence check\n  vedette evidence check --against 2026-11-25.checkpoint",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var in checkAsked
			if against != "" {
				b, name, err := readAll(against, cmd.InOrStdin())
				if err != nil {
					return err
				}
				if _, err := evidence.ReadCheckpoint(b); err != nil {
					return usage(cmd, "--against: %s is no checkpoint: want what vedette evidence checkpoint prints", name)
				}
				in.Against = string(b)
			}
			out, err := opEvidenceCheck.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				printEvidenceReport(cmd.OutOrStdout(), g.paint(cmd), &out)
			}
			if err == nil && !out.Good() {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&against, "against", "", "a checkpoint that was kept elsewhere, which the log must continue; - for standard input")
	return cmd
}

func (g *global) evidenceCheckpoint() *cobra.Command {
	return &cobra.Command{
		Use: "checkpoint", Short: "Print the last signed checkpoint, to be kept elsewhere", Args: noArgs,
		Long: `Prints the last signed checkpoint (C2SP tlog-checkpoint): how many records stand, and one number that changes if any of them does. Keep it where we cannot
reach it, or have it stamped: it is what a later log must continue.`,
		Example: "  vedette evidence checkpoint > 2026-11-25.checkpoint",
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opCheckpoint.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), out.Checkpoint)
			return err
		},
	}
}

func (g *global) evidenceKey() *cobra.Command {
	var announced bool
	cmd := &cobra.Command{
		Use: "key", Short: "Print the log's public key, for verifiers to pin", Args: noArgs,
		Long: `Prints the public key that checkpoints are signed with, in the form of C2SP signed-note. Give it to whoever verifies by another way than the proofs come:
a key that comes with a proof proves nothing. Whoever pinned an earlier key of this log comes from it to the present one by --announced: each proof in it
verifies by the key before ("vedette evidence verify --verifier"), and shows the next.`,
		Example: "  vedette evidence key > vedette.key\n  vedette evidence key --announced > keys.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if announced {
				out, err := opEvidenceKeys.do(cmd.Context(), g, struct{}{})
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), out)
			}
			out, err := opEvidenceKey.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"key": out})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), out)
			return err
		},
	}
	cmd.Flags().BoolVar(&announced, "announced", false, "print every change of the key, with the proof of its announcement (JSON)")
	return cmd
}

func (g *global) evidenceProve() *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use: "prove INDEX", Short: "Print the proof that a record stands in the log, with some or all of its fields",
		Long: `Prints a proof (docs/formats/leaf.md) that somebody verifies offline and without us. With --only it shows these fields besides the kind and the time; the others are
named, and withheld so that nobody can guess them. What it shows is shown to whoever gets it: look first with "vedette evidence show".`,
		Example: "  vedette evidence prove 12 --only what,outcome > proof.json",
		Args:    exactly(1, "a record's index, from \"vedette evidence show\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usage(cmd, "%q is no index: want a whole number from \"vedette evidence show\"", visible(args[0]))
			}
			in := proving{Index: n}
			for name := range strings.SplitSeq(only, ",") {
				if name = strings.TrimSpace(name); name != "" {
					in.Only = append(in.Only, name)
				}
			}
			out, err := opProve.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), out)
		},
	}
	cmd.Flags().StringVar(&only, "only", "", "show only these fields, between commas (default: all that are not erased)")
	return cmd
}

func (g *global) evidenceVerify() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "verify PROOF --verifier KEY", Short: "Verify a proof offline, by a key that you have pinned",
		Long: `Verifies a proof of "vedette evidence prove". It needs no data folder, no network and nothing of us but the public key, which you got by another way (the key
itself, or a file that holds it). Exits with 3 when something does not fit, and names the first such thing. It tells that the record stands in the signed log
as it is shown; not that what it says is true.`,
		Example: "  vedette evidence verify proof.json --verifier vedette.key",
		Args:    exactly(1, "a proof's file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return usage(cmd, "--verifier is needed: the log's public key, or a file that holds it")
			}
			v, err := verifierOf(key)
			if err != nil {
				return usage(cmd, "--verifier: %s", err)
			}
			b, name, err := readAll(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			var p evidence.Proof
			if err := json.Unmarshal(b, &p); err != nil {
				return &exit{exitFinding, fmt.Errorf("%s: no proof: %w", name, err)}
			}
			shown, err := evidence.Verify(p, v)
			if err != nil {
				return &exit{exitFinding, fmt.Errorf("%s: %w", name, err)}
			}
			return g.printShown(cmd, &shown)
		},
	}
	cmd.Flags().StringVar(&key, "verifier", "", "the log's public key, as \"vedette evidence key\" prints it, or a file that holds it (needed)")
	return cmd
}

// verifierOf reads a key as it is, or from a file.
func verifierOf(s string) (note.Verifier, error) {
	if b, err := os.ReadFile(s); err == nil {
		s = string(b)
	}
	v, err := note.NewVerifier(strings.TrimSpace(s))
	if err != nil {
		return nil, fmt.Errorf("%q is no key and no file that holds one: want NAME+HASH+KEY, as vedette evidence key prints it", visible(s[:min(len(s), 60)]))
	}
	return v, nil
}

func (g *global) printShown(cmd *cobra.Command, s *evidence.Shown) error {
	k := evidence.Kept{Record: s.Record, Receipt: s.Receipt}
	out := struct {
		keptOut
		Withheld []string       `json:"withheld"`
		Origin   string         `json:"origin"`
		Size     uint64         `json:"size"`
		Root     vedette.Digest `json:"root"`
	}{keptOut{k.Index, k.Kind, k.At, k.Tenant, k.Leaf, fieldsOut(&k)}, append([]string{}, s.Withheld...), s.Origin, s.Size, s.Root}
	if g.json {
		return printJSON(cmd.OutOrStdout(), out)
	}
	w, p := cmd.OutOrStdout(), g.paint(cmd)
	fmt.Fprintf(w, "%s: record %d of %s, of %d signed\n", p.green("It fits"), s.Index, s.Origin, s.Size)
	out.print(w, p)
	if len(s.Withheld) > 0 {
		fmt.Fprintf(w, "  withheld: %s\n", strings.Join(s.Withheld, ", "))
	}
	fmt.Fprintln(w, p.dim("Whether what it says is true is not tested; nor when it was signed, unless somebody else keeps a checkpoint."))
	return nil
}

func (r *evidenceRead) print(w io.Writer, p paint) {
	if len(r.Records)+len(r.Unfit) == 0 {
		fmt.Fprintf(w, "No record from there on; the log has %s.\n", count(int(r.Size)))
	}
	for i := range r.Records {
		r.Records[i].print(w, p)
	}
	for _, s := range r.Unfit {
		fmt.Fprintf(w, "%s %s\n", p.red("unfit:"), s)
	}
	if r.Stopped != "" {
		fmt.Fprintf(w, "%s %s\n", p.red("the log takes nothing more:"), r.Stopped)
	}
	if r.Next > 0 {
		fmt.Fprintf(w, "… and more: vedette evidence show --from %d\n", r.Next)
	}
}

func (k *keptOut) print(w io.Writer, p paint) {
	fmt.Fprintf(w, "%s  %s  %s", p.bold(strconv.FormatUint(k.Index, 10)), k.At.UTC().Format("2006-01-02T15:04:05.000Z"), p.bold(string(k.Kind)))
	if k.Tenant != "" {
		fmt.Fprintf(w, "  %s", k.Tenant)
	}
	fmt.Fprintln(w)
	for _, f := range k.Fields {
		switch {
		case f.Erased:
			fmt.Fprintf(w, "  %s: erased\n", f.Name)
		case f.Hex != "":
			s := f.Hex
			if len(s) > 64 {
				s = fmt.Sprintf("%s… (%d bytes)", s[:64], len(s)/2)
			}
			fmt.Fprintf(w, "  %s: %s\n", f.Name, p.dim(s))
		default:
			lines := strings.Split(strings.TrimSpace(f.Text), "\n")
			for i := range lines {
				lines[i] = visible(lines[i])
			}
			fmt.Fprintf(w, "  %s: %s\n", f.Name, strings.Join(lines, "\n    "))
		}
	}
}

// fieldsOut makes a record's fields readable.
func fieldsOut(k *evidence.Kept) []evidenceField {
	out := []evidenceField{}
	for _, f := range k.Fields {
		switch {
		case slices.Contains(k.Erased, f.Name):
			out = append(out, evidenceField{Name: f.Name, Erased: true})
		case !utf8.Valid(f.Value) || strings.ContainsFunc(string(f.Value), func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }):
			out = append(out, evidenceField{Name: f.Name, Hex: hex.EncodeToString(f.Value)})
		default:
			out = append(out, evidenceField{Name: f.Name, Text: tame(f.Name, string(f.Value))})
		}
	}
	return out
}

// tame defangs the hosts and links in a field's text.
func tame(name, s string) string {
	switch name {
	case "value":
		return link.Defang(s)
	case "act":
		var act map[string]any
		if json.Unmarshal([]byte(s), &act) != nil {
			return s
		}
		if v, ok := act["value"].(string); ok {
			act["value"] = link.Defang(v)
		}
		if b, err := json.Marshal(act); err == nil {
			return string(b)
		}
	}
	return s
}

func printEvidenceReport(w io.Writer, p paint, r *evidenceChecked) {
	if r.Good() {
		fmt.Fprintf(w, "%s: %s their leaves and the signed root\n", p.green("Good"), counted(int(r.Records), "record fits", "records fit"))
	} else {
		fmt.Fprintf(w, "%s: %s records fit\n", p.red("Something does not fit"), count(int(r.Records)))
	}
	fmt.Fprintf(w, "checkpoint of %d records, root %s, %s\n", r.Checkpoint.Size, r.Checkpoint.Root, map[bool]string{true: "signed", false: p.red("NOT SIGNED by the key of this folder")}[r.Signed])
	fmt.Fprintf(w, "%s seals over %s entries of the journal; %s fields erased\n", count(int(r.Seals)), count(int(r.Sealed)), count(int(r.Erased)))
	if r.Unproved > 0 {
		fmt.Fprintf(w, "%s seals are of entries that were forgotten with the journal\n", count(int(r.Unproved)))
	}
	if len(r.Unfinished) > 0 {
		fmt.Fprintf(w, "%s records were begun before a crash and never acknowledged\n", count(len(r.Unfinished)))
	}
	for i, x := range r.Places {
		if i == 20 {
			fmt.Fprintf(w, "  … and %s more; --json lists them\n", count(len(r.Places)-20))
			break
		}
		fmt.Fprintf(w, "  %s %d: %s\n", p.red("record"), x.Index, visible(x.What))
	}
	if r.Anchors > 0 {
		fmt.Fprintf(w, "%s\n", counted(r.Anchors, "anchor holds", "anchors hold"))
	}
	if r.Kept != nil && r.Good() {
		fmt.Fprintf(w, "it continues the checkpoint that was kept, of %s\n", counted(int(r.Kept.Size), "record", "records"))
	}
	if r.Seals == 0 {
		fmt.Fprintln(w, p.dim("No range of the journal is sealed yet; vedette serve seals it as it goes."))
	}
}
