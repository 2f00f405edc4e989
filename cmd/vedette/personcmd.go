package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/edge/access"
	"vedette/record/authority"
	"vedette/record/vault"
)

type enrolling struct {
	Person    authority.Person `json:"person"`
	Approvals [][]byte         `json:"approvals"`
}

var opEnrol = operation[enrolling, authority.Person]{"person.enrol", func(ctx context.Context, h *house, in enrolling) (authority.Person, error) {
	return h.people.Enrol(ctx, in.Person, in.Approvals, time.Now().UTC())
}}

var opPeople = operation[struct{}, []authority.Person]{"person.list", func(ctx context.Context, h *house, _ struct{}) ([]authority.Person, error) {
	return h.people.People(ctx)
}}

type revokingPerson struct {
	ID        authority.PersonID `json:"id"`
	Approvals [][]byte           `json:"approvals"`
}

var opRevokePerson = operation[revokingPerson, struct{}]{"person.revoke", func(ctx context.Context, h *house, in revokingPerson) (struct{}, error) {
	return struct{}{}, h.people.Revoke(ctx, in.ID, in.Approvals, time.Now().UTC())
}}

func (g *global) person() *cobra.Command {
	cmd := &cobra.Command{
		Use: "person", Short: "Enrol the people whose two keys some acts need",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var name, role, keyFile, public, propose string
	var approvals []string
	enrol := &cobra.Command{
		Use:   "enrol ID --name NAME --role ROLE --new-key FILE",
		Short: "Add a person and the public half of their key",
		Long: `The first two people found the folder. Everybody later needs the approval of two who are in already: write the act with --propose,
let both sign it with "vedette approve", and enrol with both approvals. Each person makes their key on their own machine; one shell that holds
two people's keys is one person.`,
		Example: "  vedette person enrol ana --name 'Ana Duarte' --role analyst --new-key ana.key",
		Args:    exactly(1, "a short name (a-z, 0-9, hyphen)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := authority.Person{ID: authority.PersonID(args[0]), Name: name, Role: authority.Role(role)}
			switch {
			case (keyFile == "") == (public == ""):
				return usage(cmd, "either --new-key FILE (writes a key) or --public-key BASE64 (the person made it elsewhere)")
			case public != "":
				b, err := base64.StdEncoding.DecodeString(public)
				if err != nil {
					return usage(cmd, "--public-key: %s", err)
				}
				p.Key = b
			default:
				pub, priv, err := authority.GenerateKey()
				if err != nil {
					return err
				}
				p.Key = pub
				if err := p.Validate(); err != nil {
					return err
				}
				if err := authority.WriteKey(keyFile, priv); err != nil {
					return err
				}
			}
			if propose != "" {
				act, err := authority.EnrolAct(p)
				if err != nil {
					return err
				}
				if err := writeAct(cmd, propose, act.Canonical()); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "then: vedette person enrol %s --name %q --role %s --public-key %s --approval FILE --approval FILE\n",
					p.ID, p.Name, p.Role, base64.StdEncoding.EncodeToString(p.Key))
				return err
			}
			signed, err := readApprovals(approvals)
			if err != nil {
				return err
			}
			out, err := opEnrol.do(cmd.Context(), g, enrolling{p, signed})
			if err != nil {
				if keyFile != "" { // of nobody; the next try would find it in its way
					err = errors.Join(err, os.Remove(keyFile))
				}
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			how := "as a founder"
			if !out.Founder {
				how = fmt.Sprintf("by %v; may approve from %s on", out.EnrolledBy, out.Enrolled.Add(72*time.Hour).Format(time.RFC3339))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) is enrolled %s\npublic key %s\n", out.ID, out.Role, how, base64.StdEncoding.EncodeToString(out.Key))
			return nil
		},
	}
	f := enrol.Flags()
	f.StringVar(&name, "name", "", "as colleagues know them (needed)")
	f.StringVar(&role, "role", "analyst", "analyst, operator, counsel or lead")
	f.StringVar(&keyFile, "new-key", "", "make a key and write its private half here")
	f.StringVar(&public, "public-key", "", "the public half of a key made elsewhere, base64")
	f.StringVar(&propose, "propose", "", "only write the act, for two people to approve")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file; twice")

	list := &cobra.Command{
		Use: "list", Short: "List everybody ever enrolled", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opPeople.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			if len(out) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "Nobody is enrolled yet. The first two found the folder: vedette person enrol --help")
				return err
			}
			t := newTable(cmd.OutOrStdout(), "id", "role", "enrolled", "by", "revoked")
			for _, p := range out {
				by := "founder"
				if !p.Founder {
					by = fmt.Sprint(p.EnrolledBy)
				}
				revoked := ""
				if !p.Revoked.IsZero() {
					revoked = p.Revoked.Format(time.DateOnly)
				}
				t.row(string(p.ID), string(p.Role), p.Enrolled.Format(time.DateOnly), by, revoked)
			}
			t.flush()
			return nil
		},
	}
	var revokeApprovals []string
	var revokePropose string
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a person's key, with two people's approval", Args: exactly(1, "the person's short name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if revokePropose != "" {
				act, err := authority.RevokeAct(authority.PersonID(args[0]))
				if err != nil {
					return err
				}
				return writeAct(cmd, revokePropose, act.Canonical())
			}
			signed, err := readApprovals(revokeApprovals)
			if err != nil {
				return err
			}
			if _, err := opRevokePerson.do(cmd.Context(), g, revokingPerson{authority.PersonID(args[0]), signed}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s can approve nothing any more\n", args[0])
			return err
		},
	}
	revoke.Flags().StringArrayVar(&revokeApprovals, "approval", nil, "an approval's file; twice")
	revoke.Flags().StringVar(&revokePropose, "propose", "", "only write the act, for two people to approve")
	cmd.AddCommand(enrol, list, revoke)
	return cmd
}

func (g *global) approve() *cobra.Command {
	var person, keyFile, out string
	cmd := &cobra.Command{
		Use:   "approve ACT --person ID --person-key FILE",
		Short: "Read an act and sign it with your own key",
		Long: `Shows what an act says, and signs its digest. It needs no data folder and no server: take the file to your own machine. An approval
is good for 7 days and for this very act alone.`,
		Args: exactly(1, "the act's file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if person == "" || keyFile == "" {
				return usage(cmd, "--person and --person-key are needed")
			}
			raw, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
			}
			act, err := authority.ParseAct(bytes.TrimSpace(raw))
			if err != nil {
				return err
			}
			key, err := authority.ReadKey(keyFile)
			if err != nil {
				return err
			}
			a, err := authority.Approve(act, authority.PersonID(person), key, time.Now())
			if err != nil {
				return err
			}
			b, err := json.Marshal(a)
			if err != nil {
				return err
			}
			if out == "" {
				out = strings.TrimSuffix(args[0], ".json") + "." + person + ".approval"
			}
			if err := os.WriteFile(out, append(b, '\n'), 0o600); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s approves %s\n%s\ndigest %s\nwrote %s\n", person, act.Kind(), act.Canonical(), act.Digest(), out)
			return nil
		},
	}
	cmd.Flags().StringVar(&person, "person", "", "your short name")
	cmd.Flags().StringVar(&keyFile, "person-key", "", "your private key's file")
	cmd.Flags().StringVar(&out, "out", "", "file for the approval (default: beside the act)")
	return cmd
}

type erasing struct {
	Ask       authority.Ask `json:"ask"`
	Kind      string        `json:"kind"`
	Raw       string        `json:"raw"`
	Approvals [][]byte      `json:"approvals"`
}

// erased tells what was forgotten, without the surrogate: beside the id on somebody's screen it would be the mapping once more.
type erased struct {
	Kind     string `json:"kind"`
	Known    bool   `json:"known"`
	Seed     bool   `json:"seed"`
	Enrolled bool   `json:"enrolled"`
	// Sightings and Reports are how many were taken out of history, and how many reports were changed.
	Sightings int64 `json:"sightings"`
	Reports   int   `json:"reports"`
}

var opErase = operation[erasing, erased]{"vault.erase", func(ctx context.Context, h *house, in erasing) (erased, error) {
	kind, err := vault.ParseKind(in.Kind)
	if err != nil {
		return erased{}, err
	}
	permit, err := h.people.Permit(ctx, in.Ask, in.Approvals, time.Now().UTC())
	if err != nil {
		return erased{}, err
	}
	if err := h.settle(ctx); err != nil {
		return erased{}, err
	}
	e, err := h.vault.Erase(ctx, permit, in.Ask.Tenant, kind, in.Raw)
	out := erased{Kind: kind.String(), Known: e.Known, Seed: e.Seed, Enrolled: e.Enrolled}
	if err != nil || !e.Known {
		return out, err
	}
	var account vedette.AccountID
	var group vedette.GroupID
	switch kind {
	case vault.KindAccount:
		account = e.Account()
		if h.cfg.Watch.On {
			if err := h.sentry.Erase(ctx, account); err != nil {
				return out, err
			}
		}
		if out.Reports, err = h.cases.Erase(ctx, permit, in.Ask.Tenant, account); err != nil {
			return out, err
		}
	case vault.KindGroup:
		group = e.Surrogate
	default:
		return out, nil
	}
	out.Sightings, err = h.recording.Erase(ctx, account, group)
	return out, err
}}

func (g *global) erase() *cobra.Command {
	var kind, name, until, propose, rawFile string
	var approvals []string
	cmd := &cobra.Command{
		Use:   "erase --case NAME --until DAY",
		Short: "Make the house forget who a person is, with two people's approval",
		Long: `Erases the mapping from a platform's account, group, device, network or number block to its surrogate, both ways, and the person's
seed. What the journal holds then belongs to nobody. The platform's id is read from standard input or --id-file, never from the
command line, which other users of the machine can see.

Two people allow it for a case, until a day: write the act with --propose, let both sign it with "vedette approve", and erase with both
approvals. The act names no person, so keep to one case for each request, and end it soon. It cannot be undone.`,
		Example: `  vedette erase --case 'request 12' --until 2026-12-01 --propose act.json
  vedette approve act.json --person ana --person-key ana.key
  vedette erase --case 'request 12' --until 2026-12-01 --approval act.ana.approval --approval act.omar.approval < id.txt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" || until == "" {
				return usage(cmd, "--case and --until are needed: which case it is for, and the day on which the permit ends")
			}
			cfg, err := readConfig(g)
			if err != nil {
				return err
			}
			end, err := parseDay(until)
			if err != nil {
				return usage(cmd, "--until: %s", err)
			}
			ask := authority.Ask{Purpose: authority.PurposeErase, Tenant: cfg.Tenant, Case: name, Until: end}
			if propose != "" {
				act, err := ask.Act()
				if err != nil {
					return err
				}
				return writeAct(cmd, propose, act.Canonical())
			}
			id, err := rawID(cmd, rawFile)
			if err != nil {
				return err
			}
			signed, err := readApprovals(approvals)
			if err != nil {
				return err
			}
			out, err := opErase.do(cmd.Context(), g, erasing{ask, kind, id, signed})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			w := cmd.OutOrStdout()
			if !out.Known {
				_, err = fmt.Fprintf(w, "No such %s is known here: there was nothing to erase.\n", out.Kind)
				return err
			}
			fmt.Fprintf(w, "Erased: nobody can tell any more whom the journal means. Seen again, the same %s gets another surrogate.\n", out.Kind)
			if out.Sightings+int64(out.Reports) > 0 {
				fmt.Fprintf(w, "Out of history went %s, out of reports %s.\n", count(int(out.Sightings)), count(out.Reports))
			}
			if out.Seed {
				fmt.Fprintln(w, "Its seed went too: what was sealed for it can be opened by nobody.")
			}
			if out.Enrolled {
				fmt.Fprintln(w, "Its enrolment as a person at risk went too.")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&kind, "kind", "account", "account, group, device, network or block")
	f.StringVar(&name, "case", "", "the case that it is for; never a person's name (needed)")
	f.StringVar(&until, "until", "", "day on which the permit ends, at most 30 days away (needed)")
	f.StringVar(&propose, "propose", "", "only write the act, for two people to approve")
	f.StringVar(&rawFile, "id-file", "", "file with the platform's id (default: standard input)")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file; twice")
	return cmd
}

type keyOrder struct {
	Tenant   vedette.Tenant  `json:"tenant"`
	Platform string          `json:"platform"`
	Scopes   authority.Scope `json:"scopes"`
	Rate     float64         `json:"rate"`
	Expires  time.Time       `json:"expires,omitzero"`
}

type keyMade struct {
	Machine authority.Machine `json:"machine"`
	Key     string            `json:"key"`
}

func accessOrder(t vedette.Tenant, platform string, scopes authority.Scope) access.Order {
	return access.Order{Tenant: t, Platform: platform, Scopes: scopes}
}

var opKeyCreate = operation[keyOrder, keyMade]{"key.create", func(ctx context.Context, h *house, in keyOrder) (keyMade, error) {
	if in.Tenant == "" {
		in.Tenant = h.cfg.Tenant
	}
	if in.Tenant != h.cfg.Tenant {
		// Indicators are compiled for one tenant's tokens; another's would be missed in silence.
		return keyMade{}, fmt.Errorf("this folder serves tenant %s; give %s a folder of its own: %w", h.cfg.Tenant, in.Tenant, vedette.ErrInvalid)
	}
	m, key, err := h.machines.Create(ctx, access.Order{Tenant: in.Tenant, Platform: in.Platform, Scopes: in.Scopes, Rate: in.Rate, Expires: in.Expires})
	return keyMade{m, key}, err
}}

var opKeyList = operation[struct{}, []authority.Machine]{"key.list", func(ctx context.Context, h *house, _ struct{}) ([]authority.Machine, error) {
	return h.machines.List(ctx)
}}

var opKeyRevoke = operation[string, struct{}]{"key.revoke", func(ctx context.Context, h *house, id string) (struct{}, error) {
	return struct{}{}, h.machines.Revoke(ctx, id)
}}

func (g *global) key_() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Make and revoke the keys of machines that send events",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var scopes, platform, expires string
	var rate float64
	create := &cobra.Command{
		Use: "create --scope SCOPES", Short: "Make a key; it is shown once", Args: noArgs,
		Example: "  vedette key create --scope decide,events --platform chat.example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := authority.ParseScope(scopes)
			if err != nil {
				return usage(cmd, "--scope: %s", err)
			}
			in := keyOrder{Platform: platform, Scopes: s, Rate: rate}
			if expires != "" {
				if in.Expires, err = parseDay(expires); err != nil {
					return usage(cmd, "--expires: %s", err)
				}
			}
			out, err := opKeyCreate.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			fmt.Fprintln(cmd.OutOrStdout(), out.Key)
			fmt.Fprintf(cmd.ErrOrStderr(), "Key %s for %s (%s). It is not shown again.\n", out.Machine.ID, out.Machine.Platform, out.Machine.Scopes)
			return nil
		},
	}
	create.Flags().StringVar(&scopes, "scope", "decide,events", "decide, events, reports, read, admin; between commas")
	create.Flags().StringVar(&platform, "platform", "", "the platform's name (default: the tenant)")
	create.Flags().Float64Var(&rate, "rate", 0, "events a second (default: no limit)")
	create.Flags().StringVar(&expires, "expires", "", "day on which it ends (default: never)")
	list := &cobra.Command{
		Use: "list", Short: "List the keys, without their secrets", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opKeyList.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			if len(out) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "No key yet. Make one: vedette key create --scope decide,events")
				return err
			}
			t := newTable(cmd.OutOrStdout(), "id", "platform", "scopes", "made", "state")
			for _, m := range out {
				state := "live"
				if err := m.Live(time.Now()); err != nil {
					state = "ended"
				}
				t.row(m.ID, m.Platform, m.Scopes.String(), m.Created.Format(time.DateOnly), state)
			}
			t.flush()
			return nil
		},
	}
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a key, at once", Args: exactly(1, "the key's id, from \"vedette key list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := opKeyRevoke.do(cmd.Context(), g, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "key %s opens nothing any more\n", args[0])
			return err
		},
	}
	cmd.AddCommand(create, list, revoke)
	return cmd
}
