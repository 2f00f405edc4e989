package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"

	"vedette"
	"vedette/sim/score"
	"vedette/sim/world"
)

// twin is the same world in which the honest teams differ in one thing that says nothing about them.
type twin struct {
	name   string
	change func(from *twins, e *vedette.Event)
}

// twins knows whom a change is about.
type twins struct {
	honest map[vedette.AccountID]bool
	exits  []vedette.Network // at most 64
	homes  []uint32          // the eight largest operators of homes, or as many as there are
	other  map[vedette.Country]vedette.Country
}

// The twins: where the honest teams' members come from, and of which country they are.
var allTwins = []twin{
	{"as they are", nil},
	{"all through anonymous networks", func(t *twins, e *vedette.Event) {
		if n := network(e); n != nil {
			*n = t.exits[spread(e.Actor, n.ID)%uint64(len(t.exits))]
		}
	}},
	{"all from home", func(t *twins, e *vedette.Event) {
		if n := network(e); n != nil {
			x := spread(e.Actor, vedette.NetworkID{})
			*n = vedette.Network{ASN: t.homes[x%uint64(len(t.homes))], Country: n.Country, Class: vedette.NetworkResidential}
			binary.LittleEndian.PutUint64(n.ID[:], x)
			n.ID[15] = 0xfe
		}
	}},
	{"countries swapped", func(t *twins, e *vedette.Event) {
		if n := network(e); n != nil {
			n.Country = t.swapped(n.Country)
		}
		if b, ok := e.Body.(*vedette.AccountRegistered); ok {
			b.Number.Country = t.swapped(b.Number.Country)
		}
	}},
}

// spread is a number that depends on an account and a network alone.
func spread(a vedette.AccountID, n vedette.NetworkID) uint64 {
	return binary.LittleEndian.Uint64(a[:8]) ^ binary.LittleEndian.Uint64(n[:8])
}

func network(e *vedette.Event) *vedette.Network {
	switch b := e.Body.(type) {
	case *vedette.AccountRegistered:
		return &b.Network
	case *vedette.AccountSeen:
		return &b.Network
	case *vedette.DeviceLinked:
		return &b.Network
	}
	return nil
}

func (t *twins) swapped(c vedette.Country) vedette.Country {
	if x, ok := t.other[c]; ok {
		return x
	}
	return c
}

// newTwins learns from a world which exits, homes and countries there are. The first half of the countries changes places with the second, by their names.
func newTwins(ctx context.Context, s *world.Scenario, seed uint64) (*twins, error) {
	w, err := world.New(s, seed)
	if err != nil {
		return nil, err
	}
	t := &twins{honest: map[vedette.AccountID]bool{}, other: map[vedette.Country]vedette.Country{}}
	exits, homes := map[vedette.NetworkID]bool{}, map[uint32]int{}
	countries := map[string]bool{}
	if err := through(ctx, w, func(e *vedette.Event) {
		n := network(e)
		if n == nil {
			return
		}
		if n.Country != (vedette.Country{}) {
			countries[n.Country.String()] = true
		}
		switch {
		case n.Class == vedette.NetworkAnonymous && !exits[n.ID] && len(exits) < 64:
			t.exits = append(t.exits, *n)
			exits[n.ID] = true
		case n.Class == vedette.NetworkResidential:
			homes[n.ASN]++
		}
	}); err != nil {
		return nil, err
	}
	for len(t.homes) < 8 && len(homes) > 0 {
		best := uint32(0)
		for _, asn := range slices.Sorted(maps.Keys(homes)) {
			if homes[asn] > homes[best] {
				best = asn
			}
		}
		t.homes = append(t.homes, best)
		delete(homes, best)
	}
	if len(t.exits) == 0 || len(t.homes) == 0 {
		return nil, fmt.Errorf("world %d has %d exits of anonymous networks and %d operators of homes, and twins need one of each: %w", seed, len(t.exits), len(t.homes), vedette.ErrInvalid)
	}
	names := sorted(countries)
	for i := range names {
		t.other[country(names[i])] = country(names[(i+(len(names)+1)/2)%len(names)])
	}
	for i := range w.Truth().Teams {
		if x := &w.Truth().Teams[i]; !x.Hostile {
			for _, a := range x.Members {
				t.honest[a] = true
			}
		}
	}
	return t, nil
}

func country(s string) (c vedette.Country) {
	copy(c[:], s)
	return c
}

// of changes a world's events. Bodies are the event's own.
func (t *twins) of(x *twin) func(*vedette.Event) {
	if x.change == nil {
		return nil
	}
	return func(e *vedette.Event) {
		if t.honest[e.Actor] {
			x.change(t, e)
		}
	}
}

// twinned is how often honest people were told of in one twin.
type twinned struct {
	name         string
	cells, aimed int // false alerts
}

// twinsOf plays every twin of some worlds.
func (e *evaluating) twinsOf(ctx context.Context, seeds []uint64) ([]twinned, error) {
	out := make([]twinned, len(allTwins))
	for k := range allTwins {
		out[k].name = allTwins[k].name
	}
	n := len(allTwins)
	judged := make([][2]score.Judged, n*len(seeds))
	about := make([]func() (*twins, error), len(seeds))
	for i, seed := range seeds {
		about[i] = sync.OnceValues(func() (*twins, error) { return newTwins(ctx, e.scenario, seed) })
	}
	b := score.Budget{PerWeek: e.perWeek}
	if err := e.each(len(judged), func(i int) error {
		seed, x := seeds[i/n], &allTwins[i%n]
		t, err := about[i/n]()
		if err != nil {
			return err
		}
		o := playing{tick: e.tick, perWeek: e.perWeek, change: t.of(x)}
		p, err := o.play(ctx, e.scenario, seed)
		if err != nil {
			return err
		}
		j := score.NewJudge(p.truth)
		judged[i] = [2]score.Judged{j.Alerts(p.cells, b), j.Alerts(p.contacts, b)}
		e.told(fmt.Sprintf("twin %q of world %d: %.0f s", x.name, seed, p.seconds))
		return nil
	}); err != nil {
		return nil, err
	}
	for i := range judged {
		out[i%n].cells += judged[i][0].False
		out[i%n].aimed += judged[i][1].False
	}
	return out, nil
}

// ratio is k of one against n of another, with the 95 % interval that follows from Wilson's of k among both.
func ratio(k, n int) string {
	if n == 0 {
		return "–"
	}
	s := score.ShareOf(k, k+n)
	odds := func(p float64) float64 { return p / (1 - p) }
	high := "no bound"
	if s.High < 1 {
		high = fmt.Sprintf("%.1f", odds(s.High))
	}
	return fmt.Sprintf("%.2f (%.2f to %s)", float64(k)/float64(n), odds(s.Low), high)
}
