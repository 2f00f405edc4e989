package world

import (
	"encoding/binary"
	"math"
)

// mix stirs 64 bits so that neighbours have nothing in common; it loses nothing, and unmix takes it back.
func mix(z uint64) uint64 {
	z ^= z >> 30
	z *= 0xbf58476d1ce4e5b9
	z ^= z >> 27
	z *= 0x94d049bb133111eb
	return z ^ z>>31
}

func unmix(z uint64) uint64 {
	z ^= z>>31 ^ z>>62
	z *= 0x319642b2d24d8ec3
	z ^= z>>27 ^ z>>54
	z *= 0x96de1b173f119089
	return z ^ z>>30 ^ z>>60
}

// Salts keep what is drawn for one purpose apart from what is drawn for another.
const (
	saltAccount uint64 = (iota + 1) * 0x9e3779b97f4a7
	saltGroup
	saltDevice
	saltNetwork
	saltBlock
	saltEvent
	saltDomain
	saltHost
	saltURL
	saltHoster
	saltPair
	saltNew
	saltPerson
	saltHome
	saltCommunity
	saltSession
	saltTeam
	saltSite
	saltEnrol
	saltNet
	saltTalk
	saltFile
)

// salted is a hash of a number for one purpose in this world.
func (w *World) salted(salt, n uint64) uint64 { return mix(mix(w.seed^salt) + n*0x9e3779b97f4a7c15) }

// wide makes a 16-byte surrogate of a number. The number can be had back with the seed alone.
func (w *World) wide(salt, n uint64) (b [16]byte) {
	hi := mix(n ^ mix(w.seed^salt))
	binary.BigEndian.PutUint64(b[:], hi)
	binary.BigEndian.PutUint64(b[8:], mix(hi^salt))
	return b
}

// narrow takes a surrogate back.
func (w *World) narrow(salt uint64, b [16]byte) (uint64, bool) {
	hi := binary.BigEndian.Uint64(b[:])
	return unmix(hi) ^ mix(w.seed^salt), binary.BigEndian.Uint64(b[8:]) == mix(hi^salt)
}

// dice draws. It is a counter that is stirred: two words of state would cost more than the draws here are worth.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	return mix(uint64(*d))
}

// float is even in [0, 1).
func (d *dice) float() float64 { return float64(d.next()>>11) * (1.0 / (1 << 53)) }

// below is even in [0, n); n must not be 0.
func (d *dice) below(n int) int { return int(uint64(uint32(d.next()>>32)) * uint64(n) >> 32) }

func (d *dice) chance(p float64) bool { return d.float() < p }

// between is even in [lo, hi).
func (d *dice) between(lo, hi float64) float64 { return lo + (hi-lo)*d.float() }

// bell is a standard normal.
func (d *dice) bell() float64 {
	return math.Sqrt(-2*math.Log(1-d.float())) * math.Cos(2*math.Pi*d.float())
}

// wait is exponential with the given mean.
func (d *dice) wait(mean float64) float64 { return -mean * math.Log(1-d.float()) }

// times is a count with the given mean: Poisson, by waiting.
func (d *dice) times(mean float64) int {
	if mean > 60 {
		return max(0, int(mean+math.Sqrt(mean)*d.bell()+0.5))
	}
	n := 0
	for t := d.wait(1); t < mean; t += d.wait(1) {
		n++
	}
	return n
}

// more is a count with the given mean whose chance to go on is always the same: what comes in bursts.
func (d *dice) more(mean float64) int {
	p := mean / (1 + mean)
	n := 0
	for n < 200 && d.float() < p {
		n++
	}
	return n
}

// whole rounds up or down by chance, so that the mean is kept.
func (d *dice) whole(x float64) int {
	n := math.Floor(x)
	if d.chance(x - n) {
		n++
	}
	return int(n)
}

// tail draws a number below n; small ones far more often (the log of it is even).
func (d *dice) tail(n int) int { return tail(d.float(), n) }

func tail(u float64, n int) int { return min(n-1, int(math.Exp2(u*math.Log2(float64(n)+1)))-1) }

func unit(h uint64) float64 { return float64(h>>11) * (1.0 / (1 << 53)) }
