package targeting

import (
	"math"
)

// Signal is something that is measured of a first contact.
type Signal uint8

// The signals. Each is the larger, the more it speaks for an aim.
const (
	Rare      Signal = iota // how few people here have met the new domain, log2
	OneTime                 // a URL that nobody had, on a domain whose every link is used once
	Thin                    // established people whom the sender lacks
	Young                   // days less than 21 since the sender began or came back
	Elsewhere               // share of the sender's sessions from a hoster, an anonymous network or another country
	Apart                   // sender and recipient have no group and no acquaintance in common
	Recon                   // the recipient's number was asked for by hand: by somebody of the sender's cell, or by the sender
	Protected               // the recipient asked for protection
	LookAlike               // how the link deceives the eye
	Linked                  // the name is known to be bad, or a sibling of one
	Kin                     // bits of the rehearsal cell that sender or link are of
	Together                // surprise at how many of those whom the sender reached before asked for protection
	Unclaimed               // the sender's client told of no link, or of another one
	Lure                    // a stranger added the recipient to a group, or a device was linked after their message
	Regret                  // the recipient blocked or reported the sender soon after
	Signals
)

var signalNames = [Signals]string{
	"rare", "one-time", "thin", "young", "elsewhere", "apart", "recon", "protected", "look-alike", "linked", "kin", "together", "unclaimed", "lure", "regret",
}

func (s Signal) String() string { return signalNames[s] }

// bins of a distribution, and how many of them one unit of a signal takes.
const bins = 64

var scale = [Signals]float64{2, 1, 1, 2, 32, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1}

// absent is the bin of what could not be measured.
const absent = 255

func binOf(s Signal, x float64) uint8 {
	switch {
	case math.IsNaN(x):
		return absent
	case x <= 0:
		return 0
	}
	return uint8(min(1+int(x*scale[s]), bins-1))
}

// strata are the kinds of first contacts that are compared with one another: by the way, by how many strangers the sender writes to, and by whether the sender
// comes from hosters or anonymous networks mostly. People who must hide where they are are held against others who do; groups that grow by their members adding
// people, as circles of activists do, against other such groups.
const (
	classes = 4
	senders = 2 * classes
	strata  = senders * ways
)

func classOf(strangers uint16) int {
	switch {
	case strangers <= 2:
		return 0
	case strangers <= 8:
		return 1
	case strangers <= 32:
		return 2
	}
	return 3
}

// most is how many thousandths of a bit one signal may bring.
const most = 12_000

// caps are those of signals that are seldom and yet say little of an aim: what is odd here is not what an operator must do. A careful one is neither new nor
// far away, and many who are new or far away are people in trouble. They are the powers that were taken for each signal before anything was measured.
var caps = [Signals]int32{OneTime: 1500, Thin: 3600, Young: 3000, Elsewhere: 2300, Apart: 1000, Recon: 10_000, LookAlike: 3000, Lure: 6000, Regret: 8000}

// noted is a first contact as the distributions take it.
type noted struct {
	stratum uint8
	regret  bool // of a contact that is noted already
	back    bool // it is taken out again: an operator's, as people found
	cell    uint16
	bins    [Signals]uint8
}

// tails are the platform's own distributions of every signal, by stratum.
type tails struct {
	n [strata][Signals]uint32
	c [strata][Signals][bins]uint32
}

func (t *tails) add(x *noted) {
	if x.back {
		for s, b := range x.bins {
			if b != absent && t.c[x.stratum][s][b] > 0 {
				t.c[x.stratum][s][b]--
				t.n[x.stratum][s]--
			}
		}
		return
	}
	if x.regret {
		b := x.bins[Regret]
		c := &t.c[x.stratum][Regret]
		c[b]++
		if c[0] > 0 {
			c[0]-- // it was noted as not regretted
		} else {
			t.n[x.stratum][Regret]++
		}
		return
	}
	for s, b := range x.bins {
		if b != absent {
			t.n[x.stratum][s]++
			t.c[x.stratum][s][b]++
		}
	}
}

func (t *tails) halve() {
	for i := range t.c {
		for s := range t.c[i] {
			n := uint32(0)
			for b := range t.c[i][s] {
				t.c[i][s][b] /= 2
				n += t.c[i][s][b]
			}
			t.n[i][s] = n
		}
	}
}

// table is what a value says: thousandths of a bit.
type table struct {
	bits  [strata][Signals][bins]int32
	rate  [ways]float64 // share of first contacts whose recipient asked for protection
	count uint64        // first contacts that were learned
}

// prior is how many first contacts of all strata a stratum is taken to have seen besides its own.
const prior = 64

// ready makes the table. A stratum borrows from all where it has seen little. More strangers never raise what a value says: each class takes the least of
// its own and of the classes below.
func (t *tails) ready(to *table) {
	var all [Signals][bins]float64 // share at or over a bin
	to.count = 0
	for i := range t.n {
		to.count += uint64(t.n[i][Apart])
	}
	for s := range Signals {
		n, above := 0.0, 0.0
		for i := range t.n {
			n += float64(t.n[i][s])
		}
		for b := bins - 1; b >= 0; b-- {
			for i := range t.c {
				above += float64(t.c[i][s][b])
			}
			all[s][b] = (above + 1) / (n + 1)
		}
	}
	var way [ways][Signals][bins]float64 // of one way; it borrows from all
	for w := range ways {
		for s := range Signals {
			n, above := 0.0, 0.0
			for i := w * senders; i < (w+1)*senders; i++ {
				n += float64(t.n[i][s])
			}
			for b := bins - 1; b >= 0; b-- {
				for i := w * senders; i < (w+1)*senders; i++ {
					above += float64(t.c[i][s][b])
				}
				p := all[s][b]
				if s == Kin {
					p = math.Exp2(-max(0, float64(b)-1)) // what the rehearsal watch says of itself, until it is known better
				}
				way[w][s][b] = (above + prior*p) / (n + prior)
			}
		}
		to.rate[w] = way[w][Protected][1]
	}
	for i := range strata {
		vpn, class := i/classes, i%classes
		for s := range Signals {
			above := 0.0
			n := float64(t.n[i][s])
			limit := int32(most)
			if caps[s] != 0 {
				limit = caps[s]
			}
			for b := bins - 1; b >= 0; b-- {
				above += float64(t.c[i][s][b])
				p := way[i/senders][s][b]
				if s == Lure {
					p = all[s][b]
				}
				if ofRecipient(s) || s == Lure { // whoever the sender is
					to.bits[i][s][b] = thousandths(p, b, limit)
					continue
				}
				v := thousandths((above+prior*p)/(n+prior), b, limit)
				if class > 0 {
					v = min(v, to.bits[vpn*classes+class-1][s][b])
				}
				to.bits[i][s][b] = v
			}
		}
	}
}

// ofRecipient tells which signals are held against all first contacts, since they say nothing about the sender.
func ofRecipient(s Signal) bool { return s == Protected || s == Together }

// thousandths of a bit that a share says; the lowest value says nothing.
func thousandths(share float64, bin int, limit int32) int32 {
	if bin == 0 {
		return 0
	}
	return max(0, min(int32(math.Round(-1000*math.Log2(share))), limit))
}

// grades of each of the four dimensions of dominance.
const grades = 16

// dominance is the second opinion: how many first contacts one is at least as odd as in every one of four dimensions. It weighs nothing against anything, so
// that it sees what nobody thought of. Counters are added, so that shards can be merged.
//
// Source: DAS (Ho et al., USENIX Security 2017), quantised.
type dominance struct {
	n     uint64
	count [grades * grades * grades * grades]uint32
	under [grades * grades * grades * grades]uint32 // contacts at most as odd in all four
	dirty bool
}

func (d *dominance) add(cell uint16) {
	d.n++
	d.count[cell]++
	d.dirty = true
}

func (d *dominance) sub(cell uint16) {
	if d.count[cell] > 0 {
		d.n--
		d.count[cell]--
		d.dirty = true
	}
}

func (d *dominance) halve() {
	d.n = 0
	for i := range d.count {
		d.count[i] /= 2
		d.n += uint64(d.count[i])
	}
	d.dirty = true
}

func (d *dominance) ready() {
	if !d.dirty {
		return
	}
	d.dirty = false
	d.under = d.count
	for step := 1; step < len(d.under); step *= grades {
		for i := range d.under {
			if i/step%grades > 0 {
				d.under[i] += d.under[i-step]
			}
		}
	}
}

// bits is the surprise at dominating so many, in thousandths.
func (d *dominance) bits(cell uint16) int32 {
	left := float64(d.n) - float64(d.under[cell])
	return int32(math.Round(-1000 * math.Log2((left+1)/(float64(d.n)+1))))
}
