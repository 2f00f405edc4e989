package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/record/evidence"
	"vedette/store/records"
)

// announcedKey is one change of the log's key. The proof verifies by the key before, and shows both.
type announcedKey struct {
	Number int            `json:"number"`
	At     time.Time      `json:"at"`
	Was    string         `json:"was"`
	Now    string         `json:"now"`
	Upto   uint64         `json:"upto"` // leaves under the last checkpoint of the key before
	Proof  evidence.Proof `json:"proof"`
}

var opEvidenceKeys = operation[struct{}, []announcedKey]{"evidence.keys", func(ctx context.Context, h *house, _ struct{}) ([]announcedKey, error) {
	out := []announcedKey{}
	ks, err := h.db.EvidenceKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range ks {
		a := announcedKey{Number: k.Number, At: k.At, Was: k.Was, Now: k.Now, Upto: k.Upto}
		if err := json.Unmarshal(k.Proof, &a.Proof); err != nil {
			return nil, fmt.Errorf("the announcement of key %d: %w", k.Number, err)
		}
		out = append(out, a)
	}
	return out, nil
}}

type rotating struct {
	Why string `json:"why"`
}

var opRotate = operation[rotating, announcedKey]{"evidence.rotate", func(ctx context.Context, h *house, in rotating) (announcedKey, error) {
	if h.following.Load() {
		return announcedKey{}, fmt.Errorf("a server runs on this folder, and signs: stop it, change the key, start it: %w", vedette.ErrBusy)
	}
	log, err := h.proof.get()
	if err != nil {
		return announcedKey{}, err
	}
	next := announcedKey{Number: h.proof.number + 1, At: h.now().UTC().Truncate(time.Millisecond), Was: h.proof.key, Now: h.proof.next}
	// Announced under the old key, proved under it, and then it signs no more.
	receipts, err := log.Append(ctx, evidence.Record{Kind: evidence.KindKey, At: next.At, Fields: []evidence.Field{
		{Name: "was", Value: []byte(next.Was)}, {Name: "now", Value: []byte(next.Now)}, {Name: "why", Value: []byte(in.Why)},
	}})
	if err != nil {
		return announcedKey{}, err
	}
	if next.Proof, err = log.Prove(ctx, receipts[0].Index); err != nil {
		return announcedKey{}, err
	}
	if err := h.proof.end(); err != nil {
		return announcedKey{}, err
	}
	mark, last, err := h.db.Shelf().Placed(ctx)
	if err != nil {
		return announcedKey{}, err
	}
	cp, err := log.Open(last)
	if err == nil && cp.Size != mark {
		err = fmt.Errorf("the last checkpoint is over %d of %d records: %w", cp.Size, mark, vedette.ErrConflict)
	}
	if err != nil {
		return announcedKey{}, err
	}
	next.Upto = cp.Size
	proof, err := json.Marshal(next.Proof)
	if err != nil {
		return announcedKey{}, err
	}
	return next, h.db.NextEvidenceKey(ctx, records.NextKey{Number: next.Number, At: next.At, Was: next.Was, Now: next.Now, Upto: next.Upto, Proof: proof})
}}

func (g *global) evidenceRotate() *cobra.Command {
	var in rotating
	cmd := &cobra.Command{
		Use: "rotate --why TEXT", Short: "Let the log be signed by its next key from now on, and announce it under this one", Args: noArgs,
		Long: `Writes the next public key into the log, under the present key, and signs with the next one from then on. Earlier checkpoints and proofs verify by the key
that signed them; whoever pinned that one comes to the next by "vedette evidence key --announced". The log's name stays. Every key is derived from the
root key: this helps when a signing key may be known, and not when the root key may be. Stop the server first. Tell witnesses and verifiers.`,
		Example: "  vedette evidence rotate --why 'yearly change'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Why == "" || len(in.Why) > 1000 {
				return usage(cmd, "--why is needed, up to 1000 bytes: it is recorded")
			}
			out, err := opRotate.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Announced by record %d under the key before, which signs no more:\n  was %s\n  now %s\n", out.Proof.Index, out.Was, out.Now)
			return err
		},
	}
	cmd.Flags().StringVar(&in.Why, "why", "", "why the key is changed (needed)")
	return cmd
}
