package sim

import (
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// TrafficStart is when Traffic's first event happens.
var TrafficStart = time.Date(2026, time.March, 2, 6, 0, 0, 0, time.UTC)

// Traffic plays plain load: a platform with so many accounts, and so many events from now to the end. See TrafficFrom.
func Traffic(seed uint64, accounts, events int) iter.Seq[[]byte] {
	return TrafficFrom(seed, accounts, events, TrafficStart, 20*time.Millisecond)
}

// TrafficFrom plays plain load from a given time on, one event each every on average. Few accounts send most; most talk to few;
// one event in ten carries a link, nearly always to a host that many send, one link in two hundred to one that nobody sent before, one
// in a thousand to a host of StoryIndicators. Ids differ between seeds. The line is valid until the next one is asked for.
func TrafficFrom(seed uint64, accounts, events int, start time.Time, every time.Duration) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		accounts = max(accounts, 2)
		t := traffic{rng: rand.New(rand.NewPCG(seed, 0x7aff1c)), known: make([]uint64, accounts/64+1), n: accounts, stir: 7919}
		if accounts%t.stir == 0 {
			t.stir = 7907
		}
		t.id = strconv.AppendUint([]byte("t"), seed, 36)
		t.id = append(t.id, '-')
		at := start
		for i := 0; i < events; i++ {
			at = at.Add(time.Duration(t.rng.Int64N(2*int64(every) + 1)))
			if !yield(t.event(uint64(i), at)) {
				return
			}
		}
	}
}

type traffic struct {
	rng   *rand.Rand
	l     line
	id    []byte // the part that all ids share
	known []uint64
	n     int
	stir  int // a prime that does not divide n: numbers are stirred, so that the busy ones are not neighbours
	buf   []byte
}

// tail draws a number below n; small ones far more often (the log of it is even).
func (t *traffic) tail(n int) int {
	return min(n-1, int(math.Exp2(t.rng.Float64()*math.Log2(float64(n)+1)))-1)
}

func (t *traffic) name(letter byte, n int) string {
	t.buf = append(strconv.AppendInt(append(t.buf[:0], letter), int64(n), 10), ".example"...)
	return string(t.buf)
}

func (t *traffic) event(i uint64, at time.Time) []byte {
	id := strconv.AppendUint(t.id, i, 36)
	a := t.tail(t.n)
	actor := t.name('u', a*t.stir%t.n)
	if t.known[a/64]&(1<<(a%64)) == 0 {
		t.known[a/64] |= 1 << (a % 64)
		t.l.open(id, "account.registered", at).text("actor", actor).text("attestation", "basic")
		return t.l.close()
	}
	kind := t.rng.IntN(100)
	switch {
	case kind < 3:
		t.l.open(id, "account.seen", at).text("actor", actor).
			raw("network", `{"address":"198.51.100.`+strconv.Itoa(a%250)+`","asn":64500,"class":"mobile"}`)
		return t.l.close()
	case kind < 4:
		t.l.open(id, "group.joined", at).text("actor", actor).text("group", t.name('g', t.tail(t.n/20+1))).text("by", "invite-link")
		return t.l.close()
	case kind < 90:
		t.l.open(id, "message.sent", at).text("actor", actor)
		t.to(a)
		t.l.number("bytes", 16+t.rng.IntN(1000))
		return t.l.close()
	}
	t.l.open(id, "link.sent", at).text("actor", actor)
	t.to(a)
	switch k := t.rng.IntN(1000); {
	case k == 0:
		t.l.links("https://" + storyHosts[t.rng.IntN(len(storyHosts))] + "/" + oneTime(t.rng))
	case k <= 5:
		t.l.links("https://" + t.name('r', t.rng.IntN(1<<30)) + "/" + oneTime(t.rng))
	default:
		t.l.links("https://www." + t.name('s', t.tail(5000)) + "/p/" + strconv.Itoa(t.tail(100000)))
	}
	return t.l.close()
}

// to writes the recipient: one message in five goes to a group, the others to one of a dozen people near the sender.
func (t *traffic) to(a int) {
	if t.rng.IntN(5) == 0 {
		t.l.toGroup(t.name('g', t.tail(t.n/20+1)), 3+t.rng.IntN(200))
		return
	}
	b := (a + 1 + t.tail(min(t.n-1, 12))) % t.n
	t.l.toAccount(t.name('u', b*t.stir%t.n))
}
