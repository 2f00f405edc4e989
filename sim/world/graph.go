package world

import (
	"fmt"
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/sim"
)

// graph is a real conversation that takes the place of made-up talk. Blocks of as many accounts as it has people play it, each from another
// place on and over again: who writes to whom and with which gaps is real, scaled so that people write as much as the scenario says, and stretched
// and pressed by the course of the day. All else (devices, networks, links, who is whose contact) is made up.
type graph struct {
	people int
	talk   []said
	span   float64   // of the file, milliseconds
	days   float64   // in which a block plays it once
	place  []float64 // of each block: where it is in the file
}

type said struct {
	at       int64
	from, to uint32
	group    bool
	link     bool
}

func (w *World) openFile() error {
	b := &w.s.Background
	if b.File == "" {
		return nil
	}
	g := new(graph)
	n, err := sim.Conversation(b.File, func(at time.Time, from, to int, group, link bool) {
		g.talk = append(g.talk, said{at: at.UnixMilli(), from: uint32(from), to: uint32(to), group: group, link: link})
	})
	if err != nil {
		return fmt.Errorf("world: background.file: %w", err)
	}
	if n < 2 || n > w.n {
		return fmt.Errorf("world: background.file: %d people in it, and %d accounts to play them: %w", n, w.n, vedette.ErrInvalid)
	}
	g.people = n
	first, last := g.talk[0].at, g.talk[len(g.talk)-1].at
	for i := range g.talk {
		g.talk[i].at -= first
	}
	g.span = float64(max(last-first, 1)) * (1 + 1/float64(len(g.talk)))
	rate := b.Sessions * b.Talk * 4 / 3 * (1 + b.Replies) // messages that would have been made up, for each account and day
	g.days = max(float64(len(g.talk))/float64(n)/max(rate, 1e-6), 0.1)
	w.file = g
	return nil
}

func (g *graph) reset(w *World) {
	g.place = g.place[:0]
	for b := range w.n / g.people {
		g.place = append(g.place, unit(w.salted(saltFile, uint64(b)))*g.span)
	}
}

// play moves every block on by one slot.
func (g *graph) play(w *World) {
	hour0 := w.slot * slotHours
	for b := range g.place {
		first := uint32(b * g.people)
		c := &w.countries[w.countryOf(first)]
		kind := 0
		if c.weekend[(w.weekday+(hour0+slotHours/2+c.zone+24)/24+6)%7] {
			kind = 1
		}
		step := float64(w.mass[kind][(c.zone+24)%24][w.slot%slotsPerDay]) * g.span / g.days
		d := dice(w.salted(saltFile, uint64(b)<<20|uint64(w.slot)|1<<60))
		for left := step; left > 0; {
			from := g.place[b]
			to := min(from+left, g.span)
			g.part(w, first, from, to, step-left, step, &d)
			left -= to - from
			if g.place[b] = to; to >= g.span {
				g.place[b] = 0
			}
			if to == from {
				break
			}
		}
	}
}

// part tells what was said between two moments of the file. Messages of a pair in one hour become one.
func (g *graph) part(w *World, first uint32, from, to, before, step float64, d *dice) {
	i, _ := slices.BinarySearchFunc(g.talk, int64(math.Ceil(from)), func(s said, at int64) int { return int(s.at - at) })
	begin := len(w.now)
	for ; i < len(g.talk) && float64(g.talk[i].at) < to; i++ {
		s := &g.talk[i]
		ms := int64(w.slot)*slotMS + int64(min((before+float64(s.at)-from)/step, 0.999999)*slotMS)
		a, b := first+s.from, first+s.to
		if s.group {
			b = 3<<26 + first/uint32(g.people)
		}
		if w.again(begin, a, b, ms) {
			continue
		}
		link := s.link || !s.group && d.chance(w.s.Background.Links)
		if s.group {
			w.push(ms, rec{actor: a, to: b, n: uint16(min(g.people, math.MaxUint16)), x: 1, kind: vedette.KindMessageSent, flags: toGroup})
			continue
		}
		contacts := w.contacts(a, b)
		none, stranger := w.tellsNone(), vedette.Tri(asMet)
		if contacts {
			if stranger = vedette.No; w.s.Tier < 2 {
				none = vedette.Unknown
			}
		}
		if link && w.told(contacts) {
			w.sendLink(a, b, 0, 0, ms, d, w.popular(d), stranger, 0.8, 0.35)
			continue
		}
		w.push(ms, rec{actor: a, to: b, n: 1, kind: vedette.KindMessageSent, flags: flagsOf(stranger, vedette.Unknown, none)})
	}
}

// again counts one more message to an event of the same pair and hour that was just pushed.
func (w *World) again(begin int, a, b uint32, ms int64) bool {
	for i := len(w.now) - 1; i >= max(begin, len(w.now)-12); i-- {
		r := &w.now[i]
		if r.kind == vedette.KindMessageSent && r.actor == a && r.to == b && int64(r.ms)/hourMS == ms%slotMS/hourMS {
			if r.flags&toGroup != 0 {
				r.x++
			} else if r.n < math.MaxUint16 {
				r.n++
			}
			return true
		}
	}
	return false
}
