package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/watch/sentry"
)

// vouching is a partner's word about accounts, by their ids on the platform.
type vouching struct {
	Partner   string    `json:"partner"`
	Why       string    `json:"why"`
	Until     time.Time `json:"until"`
	Raw       []string  `json:"raw"`
	Approvals [][]byte  `json:"approvals,omitempty"`
	Propose   bool      `json:"propose,omitempty"` // only the act that two people sign is wanted
}

type vouchKept struct {
	Act []byte `json:"act,omitempty"`
	sentry.Vouch
}

// opWatchVouch keeps what two people signed: the partner, the reason, the end, and a keyed digest of the accounts. It tells of no account whether it was known.
var opWatchVouch = operation[vouching, vouchKept]{"watch.vouch", func(ctx context.Context, h *house, in vouching) (out vouchKept, err error) {
	if err := h.settleWatch(ctx); err != nil {
		return out, err
	}
	now := h.now().UTC().Truncate(time.Millisecond)
	v := sentry.Vouch{Partner: in.Partner, Why: in.Why, Until: in.Until.UTC().Truncate(time.Second), At: now}
	if err := v.Validate(now); err != nil {
		return out, err
	}
	accounts, about, err := h.vouchedFor(ctx, in.Raw)
	if err != nil {
		return out, err
	}
	act, err := authority.NewAct(map[string]any{
		"act": "watch.vouch", "tenant": h.cfg.Tenant, "partner": v.Partner, "why": v.Why, "until": v.Until.Format(time.RFC3339), "accounts": len(accounts), "about": about,
	})
	if err != nil || in.Propose {
		out.Act = act.Canonical()
		return out, err
	}
	v.ID = act.Digest()
	people, refusal := h.people.Approved(ctx, act, in.Approvals, now)
	if refusal == nil {
		refusal = h.signedBefore(ctx, v.ID)
	}
	if err := h.answered(ctx, authority.Asked{At: now, What: "watch.vouch", Tenant: h.cfg.Tenant, People: people, Act: v.ID}, refusal); err != nil {
		return out, err
	}
	for _, p := range people {
		v.By = append(v.By, string(p))
	}
	v.Accounts = len(accounts)
	if err := h.recordVouch(ctx, &v, "vouched", strings.Join(v.By, ","), evidence.Field{Name: "about", Value: []byte(about.String())}); err != nil {
		return out, err
	}
	out.Vouch, err = h.sentry.Vouch(ctx, v, accounts)
	return out, err
}}

// vouchedFor gives the accounts of some ids, each once, and a keyed digest of them.
func (h *house) vouchedFor(ctx context.Context, raw []string) (accounts []vedette.AccountID, about vedette.Digest, err error) {
	if len(raw) == 0 || len(raw) > sentry.MaxVouched {
		return nil, about, fmt.Errorf("%d ids, not 1 to %d: %w", len(raw), sentry.MaxVouched, vedette.ErrInvalid)
	}
	sealer, err := h.sealer()
	if err != nil {
		return nil, about, err
	}
	for i, id := range raw {
		a, err := sealer.Account(id)
		if err != nil {
			return nil, about, fmt.Errorf("id %d: %w", i+1, err)
		}
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b vedette.AccountID) int { return bytes.Compare(a[:], b[:]) })
	accounts = slices.Compact(accounts)
	var all []byte
	for _, a := range accounts {
		all = append(all, a[:]...)
	}
	return accounts, sealer.Bytes(all), h.vault.Sync(ctx)
}

// signedBefore refuses signatures that were used: what one person took back is not brought back by them.
func (h *house) signedBefore(ctx context.Context, id vedette.Digest) error {
	vs, err := h.sentry.Vouches(ctx)
	if err == nil && slices.ContainsFunc(vs, func(v sentry.Vouch) bool { return v.ID == id }) {
		err = fmt.Errorf("these signatures were used before; propose it anew, with another end or reason: %w", vedette.ErrConflict)
	}
	return err
}

func (h *house) recordVouch(ctx context.Context, v *sentry.Vouch, judged, by string, more ...evidence.Field) error {
	_, err := h.proof.Append(ctx, evidence.Record{Kind: evidence.KindFinding, At: h.now().UTC().Truncate(time.Millisecond), Tenant: h.cfg.Tenant, Fields: append([]evidence.Field{
		{Name: "vouch", Value: []byte(v.ID.String())},
		{Name: "judged", Value: []byte(judged)},
		{Name: "partner", Value: []byte(v.Partner)},
		{Name: "accounts", Value: []byte(strconv.Itoa(v.Accounts))},
		{Name: "until", Value: []byte(v.Until.Format(time.RFC3339))},
		{Name: "by", Value: []byte(by)},
		{Name: "why", Value: []byte(v.Why)},
	}, more...)})
	return err
}

type unvouching struct {
	Vouch string             `json:"vouch"` // its digest, or the beginning of it
	By    authority.PersonID `json:"by"`
}

var opWatchUnvouch = operation[unvouching, sentry.Vouch]{"watch.unvouch", func(ctx context.Context, h *house, in unvouching) (sentry.Vouch, error) {
	if !h.cfg.Watch.On {
		return sentry.Vouch{}, errWatchOff
	}
	if err := h.enrolled(ctx, in.By); err != nil {
		return sentry.Vouch{}, err
	}
	vs, err := h.sentry.Vouches(ctx)
	if err != nil {
		return sentry.Vouch{}, err
	}
	vs = slices.DeleteFunc(vs, func(v sentry.Vouch) bool {
		return len(in.Vouch) < 8 || !strings.HasPrefix(v.ID.String(), strings.ToLower(in.Vouch)) || v.EndedBy != ""
	})
	if len(vs) != 1 {
		return sentry.Vouch{}, fmt.Errorf("%d words of partners that hold begin with %q, of which 8 digits are needed; see vedette watch status: %w", len(vs), in.Vouch, vedette.ErrUnknown)
	}
	if err := h.recordVouch(ctx, &vs[0], "taken back", string(in.By)); err != nil {
		return sentry.Vouch{}, err
	}
	return h.sentry.Unvouch(ctx, vs[0].ID, string(in.By))
}}

// enrolled says whether somebody is, by name.
func (h *house) enrolled(ctx context.Context, id authority.PersonID) error {
	people, err := h.people.People(ctx)
	if err == nil && !slices.ContainsFunc(people, func(p authority.Person) bool { return p.ID == id && p.Revoked.IsZero() }) {
		err = fmt.Errorf("nobody is enrolled as %q; see vedette person list: %w", id, vedette.ErrInvalid)
	}
	return err
}

func (g *global) watchVouch() *cobra.Command {
	var partner, why, until, file, propose string
	var approvals []string
	cmd := &cobra.Command{
		Use: "vouch --partner NAME --until DAY --why TEXT", Short: "Keep a partner's word that accounts are of people at risk; two people sign it",
		Long: `People at risk who keep to themselves can look like a rehearsal. Where a partner who knows them says whose accounts they are, a group of them
is told of less easily: up to six bits come off its score, by the share of its members who are vouched for. Nobody is taken out of what is watched. It
counts only for groups that are first seen three weeks after it or later, so that nobody is vouched for who is being looked at.

The platform's ids are read from standard input or --id-file, one a line, never from the command line. They are kept as keyed digests that answer about one
account and list nobody. It spares somebody from being looked at, so it takes two people: write the act with --propose, let both sign it with "vedette
approve", and give it with both approvals and the same ids. One person takes it back: vedette watch unvouch.`,
		Example: `  vedette watch vouch --partner river-clinic --until 2027-06-01 --why 'a newsroom that they train' --propose act.json < ids.txt
  vedette approve act.json --person ana --person-key ana.key
  vedette watch vouch --partner river-clinic --until 2027-06-01 --why 'a newsroom that they train' --approval act.ana.approval --approval act.omar.approval < ids.txt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if partner == "" || until == "" || why == "" {
				return usage(cmd, "--partner, --until and --why are needed: whose word it is, the day on which it ends, and why, so that a stranger understands")
			}
			end, err := parseDay(until)
			if err != nil {
				return usage(cmd, "--until: %s", err)
			}
			ids, err := rawID(cmd, file)
			if err != nil {
				return err
			}
			in := vouching{Partner: partner, Why: why, Until: end, Propose: propose != ""}
			for line := range strings.Lines(ids) {
				if id := strings.TrimSpace(line); id != "" {
					in.Raw = append(in.Raw, id)
				}
			}
			if in.Approvals, err = readApprovals(approvals); err != nil {
				return err
			}
			out, err := opWatchVouch.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if in.Propose {
				return writeAct(cmd, propose, out.Act)
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out.Vouch)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s vouches for %s until %s; it counts for groups first seen from %s on\n",
				short(out.ID), out.Partner, counted(out.Accounts, "account", "accounts"), out.Until.Format(time.DateOnly), out.At.Add(sentry.VouchAfter).Format(time.DateOnly))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&partner, "partner", "", "whose word it is (needed)")
	f.StringVar(&until, "until", "", "day on which it ends, at most a year away (needed)")
	f.StringVar(&why, "why", "", "why, so that a stranger understands; never about a person on the platform (needed)")
	f.StringVar(&file, "id-file", "", "file with the platform's ids, one a line (default: standard input)")
	f.StringVar(&propose, "propose", "", "only write the act, for two people to approve")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file; twice")
	return cmd
}

func (g *global) watchUnvouch() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "unvouch VOUCH --by PERSON", Short: "Take a partner's word back; one person can",
		Long: `The watch looks without it from its next look on. It is recorded in the evidence log. The same signatures cannot bring it back.`,
		Args: exactly(1, "a partner's word; see vedette watch status"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if by == "" {
				return usage(cmd, "--by is needed: who takes it back")
			}
			out, err := opWatchUnvouch.do(cmd.Context(), g, unvouching{args[0], authority.PersonID(by)})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the word of %s counts no more\n", short(out.ID), out.Partner)
			return err
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "who takes it back, an enrolled person (needed)")
	return cmd
}

// printVouches lists partners' words.
func printVouches(w io.Writer, vs []sentry.Vouch, at time.Time) {
	if len(vs) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, "vouched by", "accounts", "since", "until", "signed", "word")
	for _, v := range vs {
		until := v.Until.Format(time.DateOnly)
		switch {
		case v.EndedBy != "":
			until = "taken back by " + v.EndedBy
		case !at.Before(v.Until):
			until += ", over"
		}
		t.row(v.Partner, count(v.Accounts), v.At.Format(time.DateOnly), until, strings.Join(v.By, " and "), short(v.ID))
	}
	t.flush()
}
