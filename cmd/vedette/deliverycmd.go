package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vedette/act/response"
)

// webhookName is the name under which the outbox keeps what the platform's address has.
const webhookName = "webhook"

type deliveryAsked struct {
	Enable bool `json:"enable,omitzero"`
	Again  bool `json:"again,omitzero"`
}

// delivery is how far the platform's own address has what was changed.
type delivery struct {
	Address bool `json:"configured"`
	response.Subscription
	Next    *undelivered  `json:"next,omitzero"` // the first that waits
	GivenUp []undelivered `json:"given_up"`
	Tried   int           `json:"tried_again,omitzero"`
}

type undelivered struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	Tries int       `json:"tries"`
	Due   time.Time `json:"due,omitzero"`
	Why   string    `json:"why,omitzero"`
}

var opDelivery = operation[deliveryAsked, delivery]{"changes.delivery", func(ctx context.Context, h *house, in deliveryAsked) (delivery, error) {
	out := delivery{Address: h.cfg.Webhook.URL != "", GivenUp: []undelivered{}}
	s := response.Subscriber{Tenant: h.cfg.Tenant, Name: webhookName}
	letters, err := h.outbox.Letters(ctx, s, response.MaxChunk)
	if err != nil {
		return out, err
	}
	for _, l := range letters {
		if !in.Again {
			out.GivenUp = append(out.GivenUp, undelivered{Seq: l.Seq, At: l.At, Tries: l.Tries, Why: l.Why})
		} else if err := h.outbox.Revive(ctx, s, l.Seq); err != nil {
			return out, err
		} else {
			out.Tried++
		}
	}
	if in.Enable {
		if err := h.outbox.Enable(ctx, s); err != nil {
			return out, err
		}
	}
	if out.Subscription, err = h.outbox.Subscription(ctx, s); err != nil || !out.Disabled.IsZero() {
		return out, err
	}
	// What has failed waits for its next try: it is looked for as of then.
	list, _, err := h.outbox.Pending(ctx, s, h.now().Add(response.Retention), 1)
	if err == nil && len(list) > 0 {
		l := list[0]
		out.Next = &undelivered{Seq: l.Seq, At: l.At, Tries: l.Tries, Due: l.Next, Why: l.Why}
	}
	return out, err
}}

func (g *global) delivery() *cobra.Command {
	var in deliveryAsked
	cmd := &cobra.Command{
		Use:   "delivery",
		Short: "Tell what the platform's own address (webhook.url) has, what waits, and what was given up",
		Long: `Tells how far changed decisions were delivered to webhook.url, and why the next one was not. An address that answered 410 gets nothing more until
--enable. What was not taken within a day is given up and kept: --again has it tried once more, at most 1,000 at a time.`,
		Example: "  vedette changes delivery\n  vedette changes delivery --enable --again",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opDelivery.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			out.print(cmd.OutOrStdout(), g.paint(cmd))
			if out.Address && (in.Enable || in.Again) {
				fmt.Fprintln(cmd.OutOrStdout(), "A running server goes on with it within a minute.")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&in.Enable, "enable", false, "deliver again to an address that wanted no more")
	cmd.Flags().BoolVar(&in.Again, "again", false, "try once more what was given up")
	return cmd
}

func (d *delivery) print(w io.Writer, p paint) {
	if !d.Address {
		fmt.Fprintln(w, "No address is configured (webhook.url): the platform reads GET /v1/changes.")
		if d.Upto == 0 && len(d.GivenUp) == 0 {
			return
		}
	}
	if d.Tried > 0 {
		fmt.Fprintf(w, "%s tried once more\n", counted(d.Tried, "change is", "changes are"))
	}
	fmt.Fprintf(w, "settled up to %d; %s\n", d.Upto, counted(d.Waiting, "change waits", "changes wait"))
	if !d.Disabled.IsZero() {
		fmt.Fprintf(w, "%s since %s: the address wants no more. Once its people want it again: vedette changes delivery --enable\n", p.red("disabled"), moment(d.Disabled))
	}
	if n := d.Next; n != nil && n.Tries > 0 {
		fmt.Fprintf(w, "next is %d of %s: %s (%s), due %s\n", n.Seq, moment(n.At), n.Why, counted(n.Tries, "try", "tries"), moment(n.Due))
	}
	if len(d.GivenUp) > 0 {
		fmt.Fprintln(w, "\nGiven up; to try them once more: vedette changes delivery --again")
		t := newTable(w, "  seq", "at", "tries", "why")
		for _, u := range d.GivenUp {
			t.row(fmt.Sprintf("  %d", u.Seq), moment(u.At), count(u.Tries), u.Why)
		}
		t.flush()
	}
}
