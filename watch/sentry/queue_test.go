package sentry

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/watch/targeting"
)

// asked are those who asked for protection.
type asked []vedette.AccountID

func (r asked) Enrolled(a vedette.AccountID) bool { return slices.Contains(r, a) }

// aiming is the plan's platform where people now and then send a stranger a link.
func aiming() []vedette.Event {
	es := platform()
	rng := rand.New(rand.NewPCG(7, 7))
	n := len(es)
	send := func(at time.Duration, from, to int, l []vedette.Link) {
		when := start.Add(at).Truncate(time.Millisecond)
		es = append(es, vedette.Event{Tenant: plan.Tenant, ID: plan.Event(n), Actor: acct(from), At: when, Seen: when, Body: &vedette.LinkSent{
			To: vedette.Recipient{Account: acct(to)}, Stranger: vedette.Yes, Links: l,
		}})
		n++
	}
	for d := range days {
		for range 40 {
			send(time.Duration(d)*24*time.Hour+time.Duration(rng.Int64N(int64(24*time.Hour))), rng.IntN(crowd), rng.IntN(crowd), link(rng.IntN(500), n))
		}
	}
	slices.SortStableFunc(es, func(a, b vedette.Event) int { return a.At.Compare(b.At) })
	return es
}

// TestADaysQueueHasThePathAndNobodyWhoWasReached asks for the day on which a cell begins to send its links; they reach people who asked for protection.
func TestADaysQueueHasThePathAndNobodyWhoWasReached(t *testing.T) {
	cfg := config()
	cfg.Targeting = targeting.Config{Least: 300, Settling: 8 * 24 * time.Hour, WarmUp: 24 * time.Hour, Learning: 7 * 24 * time.Hour, Rehearsing: time.Hour}
	s, err := New(cfg, Deps{Journal: journaled(t, aiming()), AtRisk: asked(cellAccounts()), Key: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	cell, _, _ := s.cells.Account(acct(cellAt))
	day := start.Add(begins * 24 * time.Hour)
	q, err := s.Queue(t.Context(), day.Add(13*time.Hour))
	if err != nil || !q.Day.Equal(day) || len(q.Leads) == 0 {
		t.Fatalf("Queue = %+v, %v", q, err)
	}
	found := false
	for i, l := range q.Leads {
		if i > 0 && l.Score > q.Leads[i-1].Score {
			t.Errorf("lead %d is stronger than the one before", i)
		}
		for _, r := range l.Reasons {
			if strings.HasSuffix(string(r.Rule), targeting.Protected.String()) || strings.HasSuffix(string(r.Rule), targeting.Together.String()) {
				t.Errorf("lead %d tells that somebody asked for protection: %s", i, r.Text)
			}
		}
		if l.Cell == cell {
			found = true
			if l.Queue != "rehearsed" || l.Judged != "not yet" || len(l.Links) == 0 {
				t.Errorf("the cell's lead: %+v", l)
			}
		}
	}
	if !found {
		t.Errorf("no lead has the path from the cell: %+v", q.Leads)
	}
	last, err := s.Queue(t.Context(), time.Time{})
	if err != nil || !last.Day.Equal(s.kept.Last.Truncate(24*time.Hour)) || last.Latest.Before(day) {
		t.Errorf("without a day: %s, latest %s, %v", last.Day, last.Latest, err)
	}
}
