package main

import (
	"context"
	"testing"

	"vedette"
	"vedette/sim/world"
)

// TestTwinsDifferInOneThingAlone: of a small world, each twin has the same events by the same people, and another network or country for honest teams alone.
func TestTwinsDifferInOneThingAlone(t *testing.T) {
	s, err := (&scenarioFlags{}).read()
	if err != nil {
		t.Fatal(err)
	}
	small := *s
	small.Accounts = 4000
	tw, err := newTwins(context.Background(), &small, 9201)
	if err != nil {
		t.Fatal(err)
	}
	play := func(change func(*vedette.Event)) (networks map[vedette.NetworkClass]int, foreign, others, events int) {
		w, err := world.New(&small, 9201)
		if err != nil {
			t.Fatal(err)
		}
		networks = map[vedette.NetworkClass]int{}
		if err := through(context.Background(), w, func(e *vedette.Event) {
			if change != nil {
				change(e)
			}
			events++
			n := network(e)
			if n == nil {
				return
			}
			if !tw.honest[e.Actor] {
				others += int(n.Class) + int(n.ASN%997)
				return
			}
			networks[n.Class]++
			foreign = foreign*31 + int(n.Country[0]) + 7*int(n.Country[1])
		}); err != nil {
			t.Fatal(err)
		}
		return networks, foreign, others, events
	}
	plain, countries, others, events := play(nil)
	if len(plain) < 3 {
		t.Fatalf("honest teams come from %v alone: the world has changed", plain)
	}
	for i := range allTwins[1:] {
		x := &allTwins[1+i]
		networks, at, rest, n := play(tw.of(x))
		if n != events || rest != others {
			t.Errorf("%s: %d events and %d of others, want %d and %d", x.name, n, rest, events, others)
		}
		switch x.name {
		case "all through anonymous networks":
			if len(networks) != 1 || networks[vedette.NetworkAnonymous] == 0 {
				t.Errorf("%s: %v", x.name, networks)
			}
		case "all from home":
			if len(networks) != 1 || networks[vedette.NetworkResidential] == 0 {
				t.Errorf("%s: %v", x.name, networks)
			}
		default:
			if at == countries || len(networks) != len(plain) {
				t.Errorf("%s: nothing was swapped, or networks were too: %v", x.name, networks)
			}
		}
	}
}
