package world

import (
	"slices"
	"testing"

	"vedette"
)

// TestOrdinaryLifeIsAsOrdinaryAsMeasured holds the background against the base rates of real conversations, loosely: shapes, not digits.
func TestOrdinaryLifeIsAsOrdinaryAsMeasured(t *testing.T) {
	s := small(10_000)
	w, err := New(s, 4)
	if err != nil {
		t.Fatal(err)
	}
	type pair struct{ a, b vedette.AccountID }
	wrote := map[pair]int64{}
	sent, ties := map[vedette.AccountID]int{}, map[vedette.AccountID]int{}
	devices := map[vedette.DeviceID]map[vedette.AccountID]bool{}
	nets := map[vedette.NetworkClass]map[vedette.NetworkID]map[vedette.AccountID]bool{}
	seen := map[vedette.NetworkClass]int{}
	users := map[vedette.Token]map[vedette.AccountID]bool{}
	freshDay := map[vedette.Token]int{}
	asked, strangers, answered, opening, messages, links, days := 0, 0, 0, 0, 0, 0, s.Days()
	twice := 0
	type presence struct {
		a vedette.AccountID
		n vedette.NetworkID
	}
	hours := map[presence]int64{}
	w.Play(func(e *vedette.Event) bool {
		to, stranger := vedette.Recipient{}, vedette.Unknown
		switch b := e.Body.(type) {
		case *vedette.AccountSeen:
			seen[b.Network.Class]++
			if nets[b.Network.Class] == nil {
				nets[b.Network.Class] = map[vedette.NetworkID]map[vedette.AccountID]bool{}
			}
			if nets[b.Network.Class][b.Network.ID] == nil {
				nets[b.Network.Class][b.Network.ID] = map[vedette.AccountID]bool{}
			}
			nets[b.Network.Class][b.Network.ID][e.Actor] = true
			if devices[b.Device] == nil {
				devices[b.Device] = map[vedette.AccountID]bool{}
			}
			devices[b.Device][e.Actor] = true
			p, hour := presence{e.Actor, b.Network.ID}, e.At.UnixMilli()/3_600_000
			if hours[p] == hour {
				twice++
			}
			hours[p] = hour
		case *vedette.MessageSent:
			to, stranger = b.To, b.Stranger
		case *vedette.LinkSent:
			to, stranger = b.To, b.Stranger
			links++
		}
		for _, l := range e.Links() {
			if users[l.Domain] == nil {
				users[l.Domain] = map[vedette.AccountID]bool{}
				freshDay[l.Domain] = int(e.At.Sub(s.Start).Hours() / 24)
			}
			users[l.Domain][e.Actor] = true
		}
		if to.Account.IsZero() {
			return true
		}
		messages++
		sent[e.Actor]++
		p, q := pair{e.Actor, to.Account}, pair{to.Account, e.Actor}
		if _, ok := wrote[p]; !ok {
			if at, back := wrote[q]; back {
				ties[e.Actor]++
				ties[to.Account]++
				if e.At.UnixMilli()-at < 24*3_600_000 {
					answered++
				}
			} else {
				opening++
			}
			wrote[p] = e.At.UnixMilli()
		}
		if stranger == vedette.Yes {
			strangers++
		}
		asked++
		return true
	})
	few, active := 0, len(sent)
	var counts []int
	for a, n := range sent {
		if ties[a] <= 3 {
			few++
		}
		counts = append(counts, n)
	}
	slices.Sort(counts)
	slices.Reverse(counts)
	top, all := 0, 0
	for i, n := range counts {
		if all += n; i < len(counts)/100 {
			top += n
		}
	}
	share := func(a, b int) float64 { return float64(a) / float64(max(b, 1)) }
	perDay := share(w.Truth().Events, w.Truth().Accounts*days)
	t.Logf("events for each account and day: %.2f", perDay)
	t.Logf("messages that open a pair: %.3f, answered within a day: %.3f; to strangers: %.3f", share(opening, messages), share(answered, opening), share(strangers, asked))
	t.Logf("sent by the busiest hundredth: %.3f; with three answering acquaintances at most: %.3f; links told of: %.4f of messages", share(top, all), share(few, active), share(links, messages))
	shared := 0
	for _, u := range devices {
		if len(u) > 1 {
			shared++
		}
	}
	t.Logf("devices with more than one account: %.3f", share(shared, len(devices)))
	for _, c := range []vedette.NetworkClass{vedette.NetworkResidential, vedette.NetworkMobile, vedette.NetworkBusiness, vedette.NetworkHosting, vedette.NetworkAnonymous} {
		var sizes []int
		for _, u := range nets[c] {
			sizes = append(sizes, len(u))
		}
		slices.Sort(sizes)
		t.Logf("network class %d: %.3f of account.seen, %d networks, accounts on one: median %d, largest %d", c, share(seen[c], w.Truth().Events), len(sizes), sizes[len(sizes)/2], sizes[len(sizes)-1])
	}
	var audience [6]int
	for d, u := range users {
		if freshDay[d] < s.Warmup {
			continue
		}
		k := 0
		for n := len(u); n > 1 && k < 5; n /= 2 {
			k++
		}
		audience[k]++
	}
	t.Logf("domains first seen after the warm-up by users (1, 2-3, 4-7, 8-15, 16-31, more): %v", audience)
	if perDay < 1.1 || perDay > 2.2 {
		t.Errorf("%.2f events for each account and day, want about 1.5", perDay)
	}
	if x := share(opening, messages); x < 0.05 || x > 0.35 {
		t.Errorf("%.3f of messages open a pair", x)
	}
	if x := share(top, all); x < 0.04 || x > 0.25 {
		t.Errorf("the busiest hundredth sends %.3f", x)
	}
	if x := share(few, active); x < 0.05 || x > 0.5 {
		t.Errorf("%.3f have three answering acquaintances at most", x)
	}
	if twice > 0 {
		t.Errorf("%d times an account was seen twice in an hour from one network", twice)
	}
}
