package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"vedette"
	"vedette/act/response"
	"vedette/record/evidence"
	"vedette/record/journal"
	"vedette/record/order"
)

// late is how old the oldest entry may be that a part beside the gate has not taken: a seal waits for a minute of events and a tick.
const late = 10 * time.Minute

type finder func(level, do, format string, args ...any)

// trail counts what a part beside the gate has still to read.
type trail struct {
	name   string
	place  journal.Position
	left   int
	oldest time.Time
}

func (t *trail) add(e *journal.Entry) {
	if k := e.Event.Kind(); !t.place.Less(e.Position) || k == vedette.KindTick || k == vedette.KindGeneration {
		return
	}
	if t.left++; t.left == 1 {
		t.oldest = e.Event.Seen
	}
}

// trails are where the parts beside the gate stand. None where no server runs: a command brings up what it asks.
func (h *house) trails(ctx context.Context, find finder) []trail {
	if !h.following.Load() {
		return nil
	}
	taken, _ := h.recording.Position()
	out := []trail{{name: "history", place: taken}}
	if h.cfg.Watch.On {
		out = append(out, trail{name: "watch", place: h.sentry.Position()})
	}
	for _, name := range []string{h.cases.Follower().Name(), evidence.SealingName} {
		place, err := journal.Place(ctx, h.journal, name)
		if err != nil {
			find("wrong", "look at the log of the server", "where %s stands cannot be told: %v", name, err)
			continue
		}
		out = append(out, trail{name: name, place: place})
	}
	return out
}

// diagnoseBeside looks at what runs beside the gate: history, the evidence log, the book of cases, blocks, and what is told to the platform.
func (h *house) diagnoseBeside(ctx context.Context, find finder, trails []trail, now time.Time) error {
	if log, err := h.proof.get(); err != nil {
		find("wrong", "restore records.db and evidence together, from one backup; until then no report is taken, and nothing is hunted, confirmed or blocked", "the evidence log does not open: %s", words(err))
	} else if err := log.Stopped(); err != nil {
		find("wrong", "vedette evidence check names what does not fit; restore records.db and evidence together, from one backup", "the evidence log takes no more records: %s", words(err))
	} else if err := h.diagnoseAnchors(ctx, find, log, now); err != nil {
		return err
	}
	h.diagnoseDuties(ctx, find, now)
	st, err := h.past.Stats(ctx)
	if err != nil {
		find("wrong", "look at the log and at the disk of "+h.folder.dir, "history does not answer: %s", words(err))
	}
	if aside, err := filepath.Glob(filepath.Join(h.folder.dir, asideMark+"*")); err == nil {
		for _, a := range aside {
			find("wrong", "what the journal still has was recorded anew; restore the rest from a backup while the server is stopped, and then remove that folder",
				"history could not be opened and was moved to %s", filepath.Base(a))
		}
	}
	for i, d := range st.Damaged {
		if i == 3 {
			find("wrong", "vedette history", "%s more files of history are damaged", count(len(st.Damaged)-i))
			break
		}
		find("wrong", "restore this file from a backup while the server is stopped; all the rest is served meanwhile", "damaged in history: %s: %s", d.File, d.What)
	}
	for _, t := range trails {
		if t.left > 0 && now.Sub(t.oldest) > late {
			find("warn", "it goes on by itself; if this number does not fall, look for part="+t.name+" in the log of the server", "%s is behind: %s events, the oldest of %s", t.name, count(t.left), moment(t.oldest))
		}
	}
	if err := h.diagnoseWatch(ctx, find); err != nil {
		return err
	}
	if err := h.diagnoseDeeds(ctx, find, now); err != nil {
		return err
	}
	return h.diagnoseTelling(ctx, find, now)
}

// diagnoseDeeds tells of blocks and recalls that change nothing, since nobody armed what they stand on.
func (h *house) diagnoseDeeds(ctx context.Context, find finder, now time.Time) error {
	armed := h.judging.Load().generation.Armed()
	for _, x := range []struct {
		what   response.What
		target vedette.RuleID
		ask    vedette.Verdict
		words  string
	}{
		{response.WhatBlock, vedette.RuleID("list:" + response.Source), vedette.Block, "%s of people's blocks hold, and %s is armed up to %s: they stop nothing beyond that"},
		{response.WhatInterstitial, response.TargetRecalls, vedette.Warn, "%s of people's recalls hold, and %s is armed up to %s: the platform is asked for nothing beyond that"},
		{response.WhatRedaction, response.TargetRecalls, vedette.Block, "%s of people's recalls for good hold, and %s is armed up to %s: no message is taken away"},
	} {
		deeds, err := h.deeds.List(ctx, x.what, response.Complete)
		if err != nil {
			return err
		}
		live, ask := 0, vedette.Allow
		for i := range deeds {
			want := x.ask
			if x.what == response.WhatBlock {
				want = deeds[i].Verdict
			}
			if deeds[i].Live(now) && want > armed.For(x.target) {
				live++
				ask = max(ask, want)
			}
		}
		if live > 0 {
			find("warn", fmt.Sprintf("vedette arm %s --verdict %s", x.target, ask), x.words, count(live), x.target, armed.For(x.target))
		}
	}
	return nil
}

// diagnoseTelling looks at what is told to the platform after delivery.
func (h *house) diagnoseTelling(ctx context.Context, find finder, now time.Time) error {
	until, err := h.outbox.Halted(ctx, h.cfg.Tenant)
	if err != nil {
		return err
	}
	if until.After(now) {
		find("warn", "it ends by itself; sooner with two people: vedette resume", "halted until %s: the platform is told of no changed decision", moment(until))
	}
	hook := h.cfg.Webhook
	if hook.URL == "" {
		if hook.Secret != "" {
			find("warn", "set webhook.url, or take webhook.secret out", "webhook.secret is set and webhook.url is not: nothing is delivered, changes can only be read at /v1/changes")
		}
		return nil
	}
	if _, err := h.webhookConfig(); err != nil { // the same that a start asks
		find("wrong", "mend it before the next start, which fails with it", "the webhook cannot be set up: %s", words(err))
		return nil
	}
	s := response.Subscriber{Tenant: h.cfg.Tenant, Name: webhookName}
	sub, err := h.outbox.Subscription(ctx, s)
	if err != nil {
		return err
	}
	if !sub.Disabled.IsZero() {
		find("wrong", "ask the platform's people, then: vedette changes delivery --enable", "the platform's address wants no more (since %s): %s changes wait", moment(sub.Disabled), count(sub.Waiting))
	} else if sub.Waiting > 0 && !until.After(now) {
		next, err := h.outbox.After(ctx, sub.Upto, h.cfg.Tenant, 1)
		if err != nil {
			return err
		}
		if len(next) > 0 && now.Sub(next[0].At) > late {
			find("warn", "vedette changes delivery says why; the platform can also read them at /v1/changes", "%s changed decisions are not delivered, the oldest of %s", count(sub.Waiting), moment(next[0].At))
		}
	}
	if sub.Dead > 0 {
		find("warn", "vedette changes delivery; then --again", "%s changed decisions were given up after a day: the platform was not told of them", count(sub.Dead))
	}
	return nil
}

// diagnoseDuties reminds of duties to report whose clocks run, before they end and after.
func (h *house) diagnoseDuties(ctx context.Context, find finder, now time.Time) {
	if _, err := h.duties(); err != nil {
		find("wrong", "mend the file; clocks that run go on, and none can be started", "the duties of this folder cannot be read: %s", words(err))
	}
	notes, err := h.db.Orders().Notes(ctx)
	var clocks []order.Clock
	if err == nil {
		clocks, err = order.Reckon(notes, now)
	}
	if err != nil {
		find("wrong", "look at the disk of "+h.folder.dir, "the clocks of duties to report cannot be read: %s", words(err))
	}
	for _, c := range clocks {
		for _, s := range c.Steps {
			what := fmt.Sprintf("%s (%s, %s) of %s", s.ID, c.Duty.ID, visible(c.Matter), c.ID)
			do := fmt.Sprintf("do it, then: vedette clock done %s --step %s", c.ID, s.ID)
			switch {
			case s.State == "overdue":
				find("wrong", do, "%s was due at %s", what, moment(s.Deadline))
			case s.State == "cannot be counted":
				find("wrong", "ask counsel when it is due, and bring the calendar up to date in duties.yaml", "%s: %s", what, s.Why)
			case s.Remind && s.Deadline.IsZero():
				find("warn", do, "%s is to be done promptly", what)
			case s.Remind:
				find("warn", do, "%s is due at %s", what, moment(s.Deadline))
			}
		}
	}
}
