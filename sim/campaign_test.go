package sim_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/sim"
)

// talk is a conversation of n messages, a minute apart, in which everybody speaks again and again.
func talk(t *testing.T, n, people int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d %d 1 %d\n", i%people, (i*7+3)%people+people*((i*7+3)%people/people), 1_700_000_000+i*60)
	}
	return write(t, "talk.txt", b.String())
}

func TestCampaigns(t *testing.T) {
	o := sim.OverlayOptions{Seed: 5, Conversations: []string{talk(t, 2000, 61)}, Aged: true, Campaigns: 10}
	var facts bytes.Buffer
	o.Facts = &facts
	out, truth, rep := overlay(t, o)
	var again bytes.Buffer
	o.Facts = &again
	out2, truth2, _ := overlay(t, o)
	if !bytes.Equal(out, out2) || !bytes.Equal(truth, truth2) || !bytes.Equal(facts.Bytes(), again.Bytes()) {
		t.Error("the same seed gave other bytes")
	}
	if rep.Campaigns != 10 {
		t.Errorf("report says %d campaigns", rep.Campaigns)
	}
	told, err := sim.ReadTruth(bytes.NewReader(truth))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&again).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range rows[1:] {
		known[r[0]] = true
	}
	type seen struct {
		roles           map[string]int
		targets, hosts  map[string]bool
		reported, first time.Time
		kind            string
	}
	by := map[string]*seen{}
	var last time.Time
	for _, w := range events(t, out) {
		if w.At.Before(last) {
			t.Fatalf("%s at %s after %s", w.ID, w.At, last)
		}
		last = w.At
		tr, ok := told[w.ID]
		if !ok {
			continue
		}
		s := by[tr.Campaign]
		if s == nil {
			s = &seen{roles: map[string]int{}, targets: map[string]bool{}, hosts: map[string]bool{}, kind: tr.Kind}
			by[tr.Campaign] = s
		}
		s.roles[tr.Role]++
		switch tr.Role {
		case "target":
			if s.targets[w.To.Account] {
				t.Errorf("%s: %s is reached twice", tr.Campaign, w.To.Account)
			}
			s.targets[w.To.Account], s.hosts[tr.Host] = true, true
			if s.first.IsZero() {
				s.first = w.At
			}
		case "report":
			s.reported = w.At
			if !s.targets[w.Actor] || w.Kind != "user.reported" {
				t.Errorf("%s: %s by %s, who was not reached", tr.Campaign, w.Kind, w.Actor)
			}
		case "return":
			if s.reported.IsZero() || tr.Kind != sim.Shared && s.hosts[tr.Host] {
				t.Errorf("%s: the return comes before the report, or with the same host", tr.Campaign)
			}
		}
		if tr.Injected && tr.Kind != sim.Shared && !known[tr.Host] {
			t.Errorf("%s: no fact about %s", tr.Campaign, tr.Host)
		}
		if tr.Injected == (tr.Role == "report" || tr.Role == "neighbour") || tr.Injected && tr.Want != vedette.Warn {
			t.Errorf("%s: %+v", w.ID, tr)
		}
	}
	kinds := map[string]int{}
	for name, s := range by {
		kinds[s.kind]++
		if len(s.targets) < 5 || len(s.targets) > 8 || s.roles["report"] != 1 || s.roles["rehearsal"] != 2 || s.roles["return"] != 3 {
			t.Errorf("%s (%s): %v, %d people", name, s.kind, s.roles, len(s.targets))
		}
		if one := len(s.hosts) == 1; one != (s.kind == sim.OneTime || s.kind == sim.Shared) {
			t.Errorf("%s (%s): %d hosts", name, s.kind, len(s.hosts))
		}
	}
	for _, k := range sim.CampaignKinds() {
		if kinds[k] != 2 {
			t.Errorf("%d campaigns of kind %s, not 2", kinds[k], k)
		}
	}
}

func TestCampaignsUseAListsFamilies(t *testing.T) {
	var list strings.Builder
	for _, part := range []string{"harbour", "quayside"} {
		for i := range 6 {
			fmt.Fprintf(&list, "%s-%c%d.test\n", part, 'a'+i, i)
		}
	}
	o := sim.OverlayOptions{
		Seed: 1, Conversations: []string{talk(t, 400, 61)}, Campaigns: 2, CampaignKinds: []string{sim.Family}, Hosts: write(t, "list.txt", list.String()),
		Registrable: func(h string) string { return h },
	}
	_, truth, _ := overlay(t, o)
	told, err := sim.ReadTruth(bytes.NewReader(truth))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]string{}
	for _, tr := range told {
		if part, _, ok := strings.Cut(tr.Host, "-"); ok && tr.Injected && !slices.Contains(parts[tr.Campaign], part) {
			parts[tr.Campaign] = append(parts[tr.Campaign], part)
		}
	}
	if len(parts) != 2 || len(parts["c1"]) != 1 || len(parts["c2"]) != 1 || parts["c1"][0] == parts["c2"][0] {
		t.Errorf("families by campaign: %v", parts)
	}
	o.Campaigns = 3
	var w, tw bytes.Buffer
	if _, err := sim.Overlay(t.Context(), &w, &tw, o); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("three campaigns from two families: %v, want invalid", err)
	}
}

func TestCampaignsThatCannotBeAreNamed(t *testing.T) {
	o := sim.OverlayOptions{Conversations: []string{talk(t, 100, 7)}}
	for name, change := range map[string]func(*sim.OverlayOptions){
		"campaigns need":  func(o *sim.OverlayOptions) { o.Campaigns = 50 },
		`kind "flood"`:    func(o *sim.OverlayOptions) { o.Campaigns, o.CampaignKinds = 1, []string{"flood"} },
		"a count is nega": func(o *sim.OverlayOptions) { o.Campaigns = -1 },
	} {
		x := o
		change(&x)
		var w, tw bytes.Buffer
		if _, err := sim.Overlay(t.Context(), &w, &tw, x); !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want one that says %q", err, name)
		}
	}
}
