package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/edge/anchoring"
	"vedette/record/anchor"
	"vedette/record/evidence"
)

// anchoringAsked asks one party, an authority or a witness, to vouch for the last checkpoint. The addresses are the operator's own.
type anchoringAsked struct {
	Stamps  string `json:"tsa"`
	Policy  string `json:"policy"`
	Witness string `json:"witness"`
	Trust   string `json:"trust"` // certificates (PEM), or the witness's key
}

// anchored is one anchor, with what it shows now.
type anchored struct {
	Number     int            `json:"number"`
	Kind       anchor.Kind    `json:"kind"`
	By         string         `json:"by"`
	At         time.Time      `json:"at"`   // by the other's clock
	Made       time.Time      `json:"made"` // by ours
	Size       uint64         `json:"size"`
	Root       vedette.Digest `json:"root"`
	Record     int64          `json:"record"` // in the evidence log; -1: none
	Wrong      string         `json:"wrong,omitempty"`
	Checkpoint string         `json:"checkpoint"`
	Token      []byte         `json:"token"`
	Trust      string         `json:"trust"`
}

// unfitting is what does not fit, without saying each time that it does not.
func unfitting(err error) string {
	return strings.NewReplacer(anchor.ErrUnfit.Error()+": ", "", evidence.ErrUnfit.Error()+": ", "").Replace(err.Error())
}

// showAnchor verifies an anchor once more, by what it was verified by when it came or by what the caller believes, and that the log continues it.
func (h *house) showAnchor(ctx context.Context, log *evidence.Log, k anchor.Kept, believe string) anchored {
	out := anchored{
		Number: k.Number, Kind: k.Kind, By: k.By, At: k.Time, Made: k.Made, Size: k.Size, Record: k.Record, Checkpoint: string(k.Checkpoint), Token: k.Token, Trust: k.Trust,
	}
	if believe == "" {
		believe = k.Trust
	}
	cp, err := evidence.ReadCheckpoint(k.Checkpoint)
	if err == nil {
		out.Root = cp.Root
		var trust anchor.Trust
		if trust, err = anchor.Believe(believe); err == nil {
			var at anchor.At
			if at, err = k.Verify(trust); err == nil && at != k.At {
				err = fmt.Errorf("%w: it says %s, and is kept as %s", anchor.ErrUnfit, moment(at.Time), moment(k.Time))
			}
		}
	}
	if err == nil {
		err = log.Continues(ctx, k.Checkpoint)
	}
	if err != nil {
		out.Wrong = unfitting(err)
	}
	return out
}

var opAnchor = operation[anchoringAsked, anchored]{"evidence.anchor", func(ctx context.Context, h *house, in anchoringAsked) (anchored, error) {
	log, err := h.proof.get()
	if err != nil {
		return anchored{}, err
	}
	if err := log.Stopped(); err != nil {
		return anchored{}, err
	}
	trust, err := anchor.Believe(in.Trust)
	if err != nil {
		return anchored{}, err
	}
	text, cp, err := log.Checkpoint(ctx)
	if err != nil {
		return anchored{}, err
	}
	if cp.Size == 0 {
		return anchored{}, fmt.Errorf("nothing is in the evidence log yet: there is nothing to vouch for: %w", vedette.ErrUnknown)
	}
	if err := h.recordAnchors(ctx); err != nil {
		return anchored{}, err
	}
	asker := anchoring.New(0)
	k := anchor.Kept{Trust: in.Trust, Record: -1}
	if in.Stamps != "" {
		k.Anchor, k.At, err = asker.Stamp(ctx, in.Stamps, text, in.Policy, trust.Roots)
	} else {
		if len(trust.Witnesses) != 1 {
			return anchored{}, fmt.Errorf("one witness's key is wanted for one witness: %w", vedette.ErrInvalid)
		}
		k.Anchor, k.At, err = asker.Cosign(ctx, in.Witness, trust.Witnesses[0], text, func(ctx context.Context, from uint64) ([]vedette.Digest, error) {
			return log.Consistency(ctx, from, cp.Size)
		})
	}
	if err != nil {
		return anchored{}, err
	}
	// The anchor first: it cannot be had again, its record can.
	k.Made = h.now().UTC().Truncate(time.Millisecond)
	if k.Number, err = h.db.Anchors().Keep(ctx, k); err != nil {
		return anchored{}, err
	}
	if err := h.recordAnchor(ctx, &k); err != nil {
		return anchored{}, fmt.Errorf("the anchor is kept, and will be recorded with the next: %w", err)
	}
	return h.showAnchor(ctx, log, k, ""), nil
}}

func (h *house) recordAnchor(ctx context.Context, k *anchor.Kept) error {
	digest := func(b []byte) []byte { d := sha256.Sum256(b); return []byte(hex.EncodeToString(d[:])) }
	receipts, err := h.proof.Append(ctx, evidence.Record{Kind: evidence.KindAnchor, Fields: []evidence.Field{
		{Name: "form", Value: []byte(k.Kind)},
		{Name: "by", Value: []byte(k.By)},
		{Name: "stamped", Value: []byte(k.Time.UTC().Format(time.RFC3339))},
		{Name: "size", Value: strconv.AppendUint(nil, k.Size, 10)},
		{Name: "checkpoint", Value: digest(k.Checkpoint)},
		{Name: "token", Value: digest(k.Token)},
	}})
	if err != nil {
		return err
	}
	k.Record = int64(receipts[0].Index)
	return h.db.Anchors().Recorded(ctx, k.Number, receipts[0].Index)
}

// recordAnchors records what was kept by a process that ended before it could record it.
func (h *house) recordAnchors(ctx context.Context) error {
	var bare []anchor.Kept
	err := h.eachAnchor(ctx, func(k anchor.Kept) {
		if k.Record < 0 {
			bare = append(bare, k)
		}
	})
	for i := range bare {
		if err == nil {
			err = h.recordAnchor(ctx, &bare[i])
		}
	}
	return err
}

type anchorsAsked struct {
	Trust string `json:"trust"` // "": each by what it was verified by when it came
}

type anchorsOut struct {
	Size    uint64     `json:"size"` // records in the log
	Anchors []anchored `json:"anchors"`
}

var opAnchors = operation[anchorsAsked, anchorsOut]{"evidence.anchors", func(ctx context.Context, h *house, in anchorsAsked) (anchorsOut, error) {
	out := anchorsOut{Anchors: []anchored{}}
	log, err := h.proof.get()
	if err != nil {
		return out, err
	}
	out.Size = log.Size()
	err = h.eachAnchor(ctx, func(k anchor.Kept) { out.Anchors = append(out.Anchors, h.showAnchor(ctx, log, k, in.Trust)) })
	return out, err
}}

func (h *house) eachAnchor(ctx context.Context, do func(anchor.Kept)) error {
	const page = 256
	for from := 1; ; {
		some, err := h.db.Anchors().Anchors(ctx, from, page)
		if err != nil {
			return err
		}
		for _, k := range some {
			do(k)
			from = k.Number + 1
		}
		if len(some) < page {
			return nil
		}
	}
}

type checkAsked struct {
	Against string `json:"against"` // a checkpoint that somebody kept
}

// evidenceChecked is what a check of the log found, anchors included.
type evidenceChecked struct {
	evidence.Report
	Anchors int                  `json:"anchors"` // that fit, and that the log continues
	Kept    *evidence.Checkpoint `json:"against,omitempty"`
}

var opEvidenceCheck = operation[checkAsked, evidenceChecked]{"evidence.check", func(ctx context.Context, h *house, in checkAsked) (evidenceChecked, error) {
	log, err := h.proof.get()
	if err != nil {
		return evidenceChecked{}, err
	}
	var out evidenceChecked
	if out.Report, err = log.Check(ctx); err != nil {
		return out, err
	}
	misplaced := func(index uint64, format string, args ...any) {
		out.Places = append(out.Places, evidence.Misplaced{Index: index, What: fmt.Sprintf(format, args...)})
	}
	if err := h.eachAnchor(ctx, func(k anchor.Kept) {
		if a := h.showAnchor(ctx, log, k, ""); a.Wrong != "" {
			misplaced(k.Size, "anchor %d of %s: %s", k.Number, moment(k.Time), a.Wrong)
		} else {
			out.Anchors++
		}
	}); err != nil {
		return out, err
	}
	if in.Against != "" {
		cp, err := evidence.ReadCheckpoint([]byte(in.Against))
		if err != nil {
			return out, fmt.Errorf("--against: %w: %w", vedette.ErrInvalid, err)
		}
		out.Kept = &cp
		if err := log.Continues(ctx, []byte(in.Against)); err != nil {
			misplaced(cp.Size, "the checkpoint that was kept: %v", err)
		}
	}
	return out, nil
}}

func (g *global) evidenceAnchor() *cobra.Command {
	var in anchoringAsked
	var roots, key string
	cmd := &cobra.Command{
		Use: "anchor --tsa URL --tsa-roots FILE | --witness URL --witness-key KEY", Short: "Have somebody else vouch for the log as it is now",
		Long: `Sends the last checkpoint, which shows nothing but how many records there are, to a time-stamping authority (RFC 3161) or to a witness (C2SP
tlog-witness; another vedette can be one: "vedette witness serve"). What comes back is verified, by certificates or a key that you got by another way, kept, and
recorded. From then on nobody, we included, can say that these records were written later, or alter them unseen. Run it daily, by cron or a timer. A
witness that has seen another history, or more records than there are, is told as what it is, and the command exits with 3.`,
		Example: "  vedette evidence anchor --tsa https://stamps.example/tsr --tsa-roots stamps-root.pem\n" +
			"  vedette evidence anchor --witness https://witness.example --witness-key witness.key",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case (in.Stamps == "") == (in.Witness == ""):
				return usage(cmd, "either --tsa URL or --witness URL: whom to ask")
			case in.Stamps != "" && roots == "":
				return usage(cmd, "--tsa-roots is needed: a file with the authority's root certificates (PEM), which you got by another way than its stamps")
			case in.Witness != "" && key == "":
				return usage(cmd, "--witness-key is needed: the witness's public key, or a file that holds it")
			case in.Stamps == "" && (roots != "" || in.Policy != ""):
				return usage(cmd, "--tsa-roots and --policy go with --tsa")
			case in.Witness == "" && key != "":
				return usage(cmd, "--witness-key goes with --witness")
			}
			if _, err := anchoring.Address(in.Stamps + in.Witness); err != nil {
				return usage(cmd, "%q is no address: want https://host/path", visible(in.Stamps+in.Witness))
			}
			if in.Trust = key; in.Stamps != "" {
				b, err := os.ReadFile(roots)
				if err != nil {
					return usage(cmd, "--tsa-roots: %s", err)
				}
				in.Trust = string(b)
			} else if b, err := os.ReadFile(key); err == nil {
				in.Trust = string(b)
			}
			switch t, err := anchor.Believe(in.Trust); {
			case err != nil && in.Stamps != "", err == nil && in.Stamps != "" && t.Roots == nil:
				return usage(cmd, "--tsa-roots: %s holds no certificates (PEM)", roots)
			case err != nil, err == nil && in.Stamps == "" && len(t.Witnesses) != 1:
				return usage(cmd, "--witness-key: %q is no witness's key and no file that holds one: want NAME+HASH+KEY, as vedette witness key prints it", visible(key[:min(len(key), 60)]))
			}
			out, err := opAnchor.do(cmd.Context(), g, in)
			if errors.Is(err, anchor.ErrUnfit) || errors.Is(err, vedette.ErrConflict) {
				return &exit{exitFinding, fmt.Errorf("no anchor was kept: %s", unfitting(err))}
			}
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Anchored: %s vouches for %s as of %s; record %d\n",
				visible(out.By), counted(int(min(out.Size, math.MaxInt)), "record", "records"), moment(out.At), out.Record)
			return err
		},
	}
	cmd.Flags().StringVar(&in.Stamps, "tsa", "", "a time-stamping authority's address")
	cmd.Flags().StringVar(&roots, "tsa-roots", "", "a file with the root certificates by which its stamps are verified (PEM)")
	cmd.Flags().StringVar(&in.Policy, "policy", "", "ask for a stamp under this policy, a dotted number (default: the authority's own)")
	cmd.Flags().StringVar(&in.Witness, "witness", "", "a witness's address, without /add-checkpoint")
	cmd.Flags().StringVar(&key, "witness-key", "", "the witness's public key, or a file that holds it")
	return cmd
}

// readTrust reads a file that says whom to believe: certificates (PEM), or witnesses' keys.
func readTrust(cmd *cobra.Command, file string) (string, anchor.Trust, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", anchor.Trust{}, usage(cmd, "--trust: %s", err)
	}
	t, err := anchor.Believe(string(b))
	if err != nil {
		return "", anchor.Trust{}, usage(cmd, "--trust: %s holds neither certificates (PEM) nor witnesses' keys", file)
	}
	return string(b), t, nil
}

func (g *global) evidenceAnchors() *cobra.Command {
	var trust string
	cmd := &cobra.Command{
		Use: "anchors", Short: "List who vouched for the log, when, and whether that still holds", Args: noArgs,
		Long: `Lists each anchor, verified once more, and whether the log continues what it is over. By itself it believes what each was verified by when it came; --trust
says whom you believe: certificates (PEM), or witnesses' keys, one a line. Exits with 3 when one does not hold. --json gives checkpoints and
tokens as well, for other tools: "openssl ts -verify -data CHECKPOINT -in TOKEN -token_in -CAfile ROOTS" says the same of a stamp.`,
		Example: "  vedette evidence anchors\n  vedette evidence anchors --trust stamps-root.pem --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var in anchorsAsked
			if trust != "" {
				var err error
				if in.Trust, _, err = readTrust(cmd, trust); err != nil {
					return err
				}
			}
			out, err := opAnchors.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), out)
			} else {
				out.print(cmd.OutOrStdout(), g.paint(cmd))
			}
			for i := range out.Anchors {
				if err == nil && out.Anchors[i].Wrong != "" {
					return &exit{code: exitFinding}
				}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&trust, "trust", "", "a file with the certificates (PEM), or the witnesses' keys, that you believe")
	return cmd
}

func (o *anchorsOut) print(w io.Writer, p paint) {
	if len(o.Anchors) == 0 {
		fmt.Fprintf(w, "Nobody else vouches for the log's %s yet: vedette evidence anchor --help\n", counted(int(min(o.Size, math.MaxInt)), "record", "records"))
		return
	}
	for i := range o.Anchors {
		a := &o.Anchors[i]
		state := p.green("holds")
		if a.Wrong != "" {
			state = p.red("DOES NOT HOLD")
		}
		fmt.Fprintf(w, "%d  %s  %s  %s by %s: %s\n", a.Number, moment(a.At), a.Kind, counted(int(min(a.Size, math.MaxInt)), "record", "records"), visible(a.By), state)
		if a.Wrong != "" {
			fmt.Fprintf(w, "   %s\n", visible(a.Wrong))
		}
		if a.Record < 0 {
			fmt.Fprintln(w, "   it has no record in the log: the process ended in between")
		}
	}
}

// stale is how old the last anchor of a log that grew may be.
const stale = 7 * 24 * time.Hour

// diagnoseAnchors says how old the last word of somebody else about the log is.
func (h *house) diagnoseAnchors(ctx context.Context, find finder, log *evidence.Log, now time.Time) error {
	size := log.Size()
	if size == 0 {
		return nil
	}
	last, ok, err := h.db.Anchors().Last(ctx)
	switch {
	case err != nil:
		return err
	case !ok:
		find("note", "vedette evidence anchor --help: a time-stamping authority, or a witness; daily", "nobody else vouches for the evidence log: that its %s records were not written later is our word alone", count(int(min(size, math.MaxInt))))
	case now.Sub(last.Time) > stale && size > last.Size+1:
		find("warn", "vedette evidence anchor, daily by cron or a timer", "the last anchor of the evidence log is %s old (%s, by %s), and %s records have come since",
			days(now.Sub(last.Time).Truncate(24*time.Hour)), moment(last.Time), visible(last.By), count(int(min(size-last.Size, math.MaxInt))))
	default:
		find("note", "", "the evidence log was last anchored %s ago, by %s", strings.TrimSpace(span(now.Sub(last.Time).Truncate(time.Minute))), visible(last.By))
	}
	return nil
}
