package casefile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"vedette"
	"vedette/record/journal"
)

// Follower takes the reports of a journal as plain claims: those that came as events, and those whose opened form was lost between the
// journal and the book. What the book has already it leaves as it is. Its name is "casefile".
func (b *Book) Follower() journal.Follower { return follower{b} }

type follower struct{ book *Book }

// Name implements journal.Follower.
func (follower) Name() string { return "casefile" }

// Follow implements journal.Follower.
func (f follower) Follow(ctx context.Context, entries []journal.Entry) error {
	var ins []Incoming
	for i := range entries {
		in, ok, err := f.book.Claimed(ctx, &entries[i])
		if err != nil {
			return err
		}
		if ok {
			ins = append(ins, in)
		}
	}
	if len(ins) == 0 {
		return nil
	}
	_, errs, err := f.book.take(ctx, ins)
	if err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil { // the event's own fault: it would come again for ever
			f.book.metrics.skipped.Inc()
			f.book.log.LogAttrs(ctx, slog.LevelWarn, "report not taken as a claim", slog.Any("err", err))
		}
	}
	return nil
}

// Claimed makes a plain claim of a journal's entry; ok is false for what is no report. Where the report names a message and no link, the links are those
// that the journal has of the message. Its error wraps vedette.ErrUnavailable.
func (b *Book) Claimed(ctx context.Context, e *journal.Entry) (in Incoming, ok bool, err error) {
	r, ok := e.Event.Body.(*vedette.UserReported)
	if !ok {
		return in, false, nil
	}
	in = Incoming{Report: Report{
		ID: e.Event.ID, Tenant: e.Event.Tenant, Bytes: e.Event.Bytes, At: e.Event.At, Taken: e.Event.Seen, Reporter: e.Event.Actor,
		Subject: r.Subject, Message: r.Message, Category: r.Category, Grade: Claim, Why: "an event of the platform says so", Age: AgeIn(e),
	}}
	links := r.Links
	if !r.Message.IsZero() && b.deps.Find != nil {
		m, err := b.deps.Find(ctx, e.Event.Tenant, r.Message)
		switch {
		case errors.Is(err, vedette.ErrUnknown):
			in.Why += "; the journal has not the message"
		case err != nil:
			return in, false, fmt.Errorf("casefile: find a reported message: %w", err)
		default:
			sender, carried := Sent(&m.Event)
			if in.Subject.IsZero() || sender == in.Reporter { // nobody counts against oneself, whomever they name
				in.Subject = sender
			}
			if len(links) == 0 {
				links = carried
			}
			switch to := Receiver(&m.Event); {
			case !to.Account.IsZero() && to.Account != in.Reporter: // an id is easily passed on
				in.Why += "; the journal says that the message went to somebody else"
			case !sender.IsZero() && sender == in.Subject && len(links) > 0 && Carried(links, carried):
				in.Recorded = true
				in.Why += ", and the journal has the message"
			}
		}
	}
	for _, l := range links {
		in.Sent = append(in.Sent, OpenLink{Tokens: l})
	}
	return in, true, nil
}

// Sent tells who sent what an event is about, and with which links; nobody for an event that is no message and shows none.
func Sent(e *vedette.Event) (vedette.AccountID, []vedette.Link) {
	switch m := e.Body.(type) {
	case *vedette.MessageSent, *vedette.LinkSent, *vedette.ProfileChanged, *vedette.GroupCreated:
		return e.Actor, e.Links()
	case *vedette.LinkPreviewed:
		return m.From, m.Links
	case *vedette.LinkOpened:
		return m.From, m.Links
	}
	return vedette.AccountID{}, nil
}

// Receiver tells to whom a recorded message went, where the event says.
func Receiver(e *vedette.Event) vedette.Recipient {
	shown := func(g vedette.GroupID) vedette.Recipient {
		if !g.IsZero() {
			return vedette.Recipient{Group: g}
		}
		return vedette.Recipient{Account: e.Actor}
	}
	switch m := e.Body.(type) {
	case *vedette.MessageSent:
		return m.To
	case *vedette.LinkSent:
		return m.To
	case *vedette.LinkPreviewed:
		return shown(m.Group)
	case *vedette.LinkOpened:
		return shown(m.Group)
	}
	return vedette.Recipient{}
}

// Carried tells whether each reported link is among those that an event carried: by the URL's token where both have one, else by host, else by domain. Tokens
// of other epochs compare with nothing.
func Carried(reported, recorded []vedette.Link) bool {
	for i := range reported {
		found := false
		for j := range recorded {
			found = found || same(&reported[i], &recorded[j])
		}
		if !found {
			return false
		}
	}
	return true
}

func same(a, b *vedette.Link) bool {
	for _, p := range [...][2]vedette.Token{{a.URL, b.URL}, {a.Host, b.Host}, {a.Domain, b.Domain}} {
		if !p[0].IsZero() && !p[1].IsZero() {
			return p[0] == p[1]
		}
	}
	return false
}
