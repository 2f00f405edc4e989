package world

import (
	"math"

	"vedette"
)

// neighbourhood is how many accounts live together: they share a country and, mostly, friends.
const neighbourhood = 128

// never is an hour that does not come.
const never = math.MaxUint16

// person is what is held of every account, 16 bytes; the rest is a hash of its number.
type person struct {
	rate      float32 // sessions a day
	born      uint16  // hour of registration; 0: before the world
	gone      uint16  // hour of deletion
	quietFrom uint16  // hours of silence
	quietTo   uint16
	seen      uint32 // hour and network of the last account.seen
}

// birth is a newcomer's.
type birth struct {
	hour   uint16
	before uint32 // the account that the same person had before; none: no person
}

const none = math.MaxUint32

// countryCodes are of the codes that ISO 3166 leaves to its users: no country has one.
var countryCodes = []string{"QM", "QN", "QO", "QP", "QQ", "QR", "QS", "QT", "QV", "QW", "QX", "QY", "QZ", "XA", "XB", "XC"}

type country struct {
	code    vedette.Country
	zone    int     // hours before UTC
	weekend [7]bool // by day of the week, Sunday first
	until   float64 // cumulative share of neighbourhoods
	voip    float64 // share of numbers
	mobile  float64 // of ordinary sessions out of office hours
}

func (w *World) found() {
	sum := 0.0
	for i := range w.s.Countries {
		h := w.salted(saltCommunity, uint64(i)|1<<40)
		c := country{code: vedette.Country([]byte(countryCodes[i])), zone: int(h%12) - 4, voip: 0.01 + 0.06*unit(mix(h+1)), mobile: 0.25 + 0.35*unit(mix(h+2))}
		if h>>32%3 == 0 {
			c.weekend[5], c.weekend[6] = true, true
		} else {
			c.weekend[6], c.weekend[0] = true, true
		}
		sum += 1 / math.Sqrt(float64(i+1))
		c.until = sum
		w.countries = append(w.countries, c)
	}
	for i := range w.countries {
		w.countries[i].until /= sum
	}
	// Households cover a neighbourhood in a few patterns of sizes.
	sizes := []int{1, 2, 2, 3, 4, 1, 2, 5, 3, 1, 4, 2, 6, 1, 3, 2}
	for v := range w.homes {
		for p, k := 0, v*5; p < neighbourhood; k++ {
			n := sizes[k%len(sizes)]
			for j := p; j < min(p+n, neighbourhood); j++ {
				w.homes[v][j] = uint8(p)
			}
			p += n
		}
	}
	w.course()
}

// course is how the day goes: the share of activity in each hour of the local day.
var course = [2][24]float64{
	{2, 1, 1, 1, 1, 2, 4, 7, 8, 8, 8, 8, 9, 9, 8, 8, 8, 9, 10, 11, 12, 11, 8, 4},
	{4, 3, 2, 1, 1, 1, 2, 3, 5, 8, 10, 11, 11, 11, 10, 10, 10, 10, 10, 11, 12, 11, 9, 6},
}

// course sums the day's course up for each slot of UTC, time zone and kind of day.
func (w *World) course() {
	for kind := range 2 {
		total := 0.0
		for _, x := range course[kind] {
			total += x
		}
		level := []float64{1, 0.93}[kind] / total // people write a little less on free days
		for zone := range 24 {
			for slot := range slotsPerDay {
				sum := 0.0
				for h := range slotHours {
					sum += course[kind][(slot*slotHours+h+zone)%24] * level
					w.until[kind][zone][slot][h] = sum
				}
				w.mass[kind][zone][slot] = float32(sum)
			}
		}
	}
}

func (w *World) populate() {
	n := w.s.Accounts
	b := &w.s.Background
	hours := w.s.Days() * 24
	d := dice(w.salted(saltPerson, 1<<40))
	mu := -b.Spread * b.Spread / 2
	w.n = n
	w.people = make([]person, n)
	for i := range w.people {
		p := &w.people[i]
		p.gone, p.quietFrom = never, never
		p.rate = float32(min(40, b.Sessions*math.Exp(mu+b.Spread*d.bell())))
		if b.Leavers > 0 {
			if at := d.wait(24 / b.Leavers); at < float64(hours) {
				p.gone = uint16(at) + 1
			}
		}
		w.silence(p, &d, hours)
	}
	var births []birth
	total := d.whole(b.Newcomers * float64(n) * float64(w.s.Days()))
	for k := range total {
		births = append(births, birth{hour: uint16(1 + (float64(k)+d.float())*float64(hours-1)/float64(total)), before: none})
	}
	for i := range w.people {
		if at := w.people[i].gone; at != never && d.chance(b.Return) {
			if at := float64(at) + 1 + min(d.wait(30), 400); at < float64(hours) {
				births = append(births, birth{hour: uint16(at), before: uint32(i)})
			}
		}
	}
	sortBirths(births)
	w.births = tight(births)
	w.people = append(make([]person, 0, n+len(births)), w.people...)
	for range births {
		p := person{gone: never, quietFrom: never}
		p.rate = float32(min(40, b.Sessions*1.2*math.Exp(mu+b.Spread*d.bell())))
		w.people = append(w.people, p)
	}
	for k, x := range births {
		p := &w.people[n+k]
		p.born = x.hour
		if d.chance(0.12) { // tried it, and never came again or left
			p.quietFrom, p.quietTo = x.hour+uint16(d.wait(60)), never
		}
	}
	w.ordinary = uint32(len(w.people))
}

func (w *World) silence(p *person, d *dice, hours int) {
	if !d.chance(w.s.Background.Quiet) {
		return
	}
	long := 24 * (14 + d.wait(25))
	from := d.between(-long, float64(hours))
	p.quietFrom, p.quietTo = uint16(max(from, 0)), uint16(min(from+long, never-1))
}

func (p *person) awake(hour int) bool {
	return hour >= int(p.born) && hour < int(p.gone) && (hour < int(p.quietFrom) || hour >= int(p.quietTo))
}

func (w *World) hash(a uint32) uint64 { return mix(w.personSeed + uint64(a)*0x9e3779b97f4a7c15) }

// place returns an account's neighbourhood and, for those who live there from the start, its place in it.
func (w *World) place(a uint32) (c uint32, at int) {
	if a < uint32(w.n) {
		return a / neighbourhood, int(a % neighbourhood)
	}
	return uint32(w.hash(a)>>20) % w.hoods, -1
}

func (w *World) hoodSize(c uint32) int { return min(neighbourhood, w.n-int(c)*neighbourhood) }

// home returns the number of an account's household.
func (w *World) home(a uint32) uint64 {
	c, at := w.place(a)
	h := w.hash(a)
	if at < 0 {
		if k := a - uint32(w.n); k < uint32(len(w.births)) && w.births[k].before != none {
			return w.home(w.births[k].before)
		}
		if h%100 >= 45 {
			return 1<<33 | uint64(a)
		}
		at = int(h>>8) % w.hoodSize(c)
	}
	return uint64(c)*neighbourhood + uint64(w.homes[(c*0x9e3779b1)>>29][at])
}

func (w *World) countryOf(a uint32) int {
	if a >= w.ordinary {
		return int(w.cast[a-w.ordinary].country)
	}
	c, _ := w.place(a)
	return int(w.hoodCountry[c])
}

func (w *World) drawCountry(u float64) int {
	for i := range w.countries {
		if u < w.countries[i].until {
			return i
		}
	}
	return len(w.countries) - 1
}

// netKey names a network: class, country, provider and number. The surrogate is made of it.
type netKey uint64

const (
	netHome = iota
	netOffice
	netMobile
	netVPN
	netHosting
	netProxy
)

func network(kind, country, provider int, number uint64) netKey {
	return netKey(kind)<<60 | netKey(country)<<52 | netKey(provider)<<44 | netKey(number&(1<<44-1))
}

var netClasses = [...]vedette.NetworkClass{
	netHome: vedette.NetworkResidential, netOffice: vedette.NetworkBusiness, netMobile: vedette.NetworkMobile,
	netVPN: vedette.NetworkAnonymous, netHosting: vedette.NetworkHosting, netProxy: vedette.NetworkResidential,
}

// firstASN is where the numbers begin that no provider has (RFC 6996).
const firstASN = 4_200_000_000

func (w *World) network(k netKey, out *vedette.Network) {
	kind := int(k >> 60)
	country := int(k>>52) & 0xff
	class := kind
	if kind == netProxy {
		class = netHome
	}
	out.ID = w.wide(saltNetwork, uint64(k))
	out.ASN = firstASN + uint32(class)*10_000 + uint32(country)*100 + uint32(k>>44)&0xff
	out.Country = w.countries[country].code
	out.Class = netClasses[kind]
}

// natural returns the network that an ordinary account comes from in that hour.
func (w *World) natural(a uint32, hour int) netKey {
	if a >= w.ordinary {
		return w.cast[a-w.ordinary].net(w, a, hour)
	}
	h := w.hash(a)
	country := w.countryOf(a)
	c := &w.countries[country]
	g := mix(h + uint64(hour/2)*0x9e3779b97f4a7c15)
	u := unit(g)
	often := float64(h>>40&0xfff)/4096 < w.s.Background.Networks.VPN
	if often && u < 0.45 || u < 0.004 {
		e := mix(g + 1)
		exit := e % w.exits
		return network(netVPN, int(mix(exit+77)%uint64(len(w.countries))), int(exit%5), exit)
	}
	local := hour + c.zone + 24
	weekday := (w.weekday + local/24 - 1) % 7
	u = unit(mix(g + 2))
	if clock := local % 24; h>>52&1 == 0 && clock >= 9 && clock < 17 && !c.weekend[weekday] && u < 0.75 {
		office := w.office(a, h)
		return network(netOffice, country, int(office%7), office)
	}
	if u = unit(mix(g + 3)); u < c.mobile {
		// A carrier moves people from one address to another every few hours; each serves hundreds.
		pools := max(1, uint64(float64(w.n)*w.share(country)/w.s.Background.Networks.Mobile))
		provider := h >> 8 % 3
		pool := (h>>16 + mix(h+uint64(hour/6))%7) % pools
		return network(netMobile, country, int(provider), pool)
	}
	return w.homeNet(w.home(a), country, hour)
}

func (w *World) homeNet(home uint64, country, hour int) netKey {
	x := w.salted(saltHome, home)
	lease := uint64(hour+int(x%2000)) / (24 * (5 + x>>16%60)) // providers give a new address now and then
	return network(netHome, country, int(x>>32%4), home<<6|lease&63)
}

func (w *World) office(a uint32, h uint64) uint64 {
	c, _ := w.place(a)
	n := max(1, float64(w.n)/2/w.s.Background.Networks.Office)
	u := unit(mix(h + 5))
	// A few employers are large. Half of them are near home.
	if h>>53&1 == 0 {
		return uint64(c)<<20 | uint64(u*u*6)
	}
	return 1<<40 | uint64(w.hoodCountry[c])<<32 | uint64(u*u*n/float64(len(w.countries)))
}

func (w *World) share(country int) float64 {
	if country == 0 {
		return w.countries[0].until
	}
	return w.countries[country].until - w.countries[country-1].until
}

// device returns the number of an account's device. Some households share one, and who returns keeps it.
func (w *World) device(a uint32) uint64 {
	if a >= w.ordinary {
		return w.cast[a-w.ordinary].device
	}
	h := w.hash(a)
	if a >= uint32(w.n) {
		if b := w.births[a-uint32(w.n)].before; b != none {
			return w.device(b)
		}
		if h>>24%100 < 6 { // second-hand
			return uint64(h>>30) % uint64(w.n)
		}
		return uint64(a)
	}
	if h>>24%100 < 4 {
		if home := w.home(a); home < uint64(w.n) {
			return home
		}
	}
	return uint64(a)
}

// build is a device's model and system; few models are many devices.
func (w *World) build(device uint64) uint32 {
	h := w.salted(saltDevice, device)
	return buildOf(tail(unit(h), 600), int(mix(h)%3))
}

func buildOf(model, version int) uint32 { return uint32(mix(uint64(model*8+version)+0xb1d)) | 1 }

// trait is what a registration tells besides the network.
type trait struct {
	number vedette.Number
	attest vedette.Attestation
	build  uint32
	back   bool
}

func (w *World) trait(a uint32) (t trait) {
	if a >= w.ordinary {
		x := &w.cast[a-w.ordinary]
		t.number = vedette.Number{Country: w.countries[x.from].code, Carrier: x.carrier, Block: w.wide(saltBlock, x.block)}
		t.attest, t.build, t.back = x.attest, x.build, x.back
		return t
	}
	h := mix(w.hash(a) + 9)
	from := w.countryOf(a)
	if h%100 < 5 {
		from = w.drawCountry(unit(mix(h)))
	}
	t.number.Country = w.countries[from].code
	switch u := unit(mix(h + 1)); {
	case u < w.countries[from].voip:
		t.number.Carrier = vedette.CarrierVoIP
	case u < w.countries[from].voip+0.02:
		t.number.Carrier = vedette.CarrierFixed
	default:
		t.number.Carrier = vedette.CarrierMobile
	}
	t.number.Block = w.wide(saltBlock, uint64(from)<<40|h>>16%uint64(w.n/3+1))
	t.attest = [...]vedette.Attestation{
		vedette.AttestStrong, vedette.AttestStrong, vedette.AttestStrong, vedette.AttestStrong, vedette.AttestStrong, vedette.AttestStrong,
		vedette.AttestBasic, vedette.AttestBasic, vedette.AttestNone, vedette.AttestFail,
	}[h>>8%10]
	d := w.device(a)
	t.build = w.build(d)
	t.back = d != uint64(a)
	return t
}

// friend draws somebody whom an ordinary account knows. What two people are to one another does not depend on who asks.
func (w *World) friend(a uint32, d *dice, day int) uint32 {
	c, at := w.place(a)
	if at < 0 { // a newcomer knows people of the neighbourhood, always the same ones
		for range 4 {
			k := d.tail(14)
			b := c*neighbourhood + uint32(mix(w.hash(a)+uint64(k)*77)%uint64(w.hoodSize(c)))
			if w.people[b].gone == never {
				return b
			}
		}
		return c * neighbourhood
	}
	size := w.hoodSize(c)
	for range 6 {
		u := d.float()
		switch {
		case u < 0.08: // far away, for long
			k := uint64(d.below(5))
			if b := w.mirror(a, k); b != a && w.tied(a, b, 0.5) {
				return b
			}
		case u < 0.14: // new
			if b, first := w.newTie(a, day); first >= 0 && day > first {
				return b
			}
		default:
			u = d.float()
			off := 1 + int(u*u*24)
			if d.next()&1 == 0 {
				off = size - off%size
			}
			b := c*neighbourhood + uint32((at+off)%size)
			if b != a && (w.tied(a, b, 0.55) || w.homes[(c*0x9e3779b1)>>29][at] == w.homes[(c*0x9e3779b1)>>29][b%neighbourhood]) {
				return b
			}
		}
	}
	// Somebody without luck still has one person.
	if b := c*neighbourhood + uint32(at^1); at^1 < size && b != a {
		return b
	}
	return a ^ 1
}

// mirror pairs every account with one other: the mirror of the mirror is the account.
func (w *World) mirror(a uint32, k uint64) uint32 {
	return uint32((w.salted(saltPair, k)%uint64(w.n) + uint64(w.n) - uint64(a)) % uint64(w.n))
}

func (w *World) pair(a, b uint32) uint64 {
	if a > b {
		a, b = b, a
	}
	return mix(w.pairSeed + (uint64(a)<<32|uint64(b))*0x9e3779b97f4a7c15)
}

// tied tells whether two people know each other: the sociable know more.
func (w *World) tied(a, b uint32, p float64) bool {
	return unit(w.pair(a, b)) < p*sociable(w.hash(a))*sociable(w.hash(b))
}

func sociable(h uint64) float64 {
	switch u := h >> 44 & 0xff; {
	case u < 28:
		return 0.15
	case u < 90:
		return 0.7
	case u < 200:
		return 1.1
	}
	return 1.6
}

// contacts tells whether two people have one another among their contacts.
func (w *World) contacts(a, b uint32) bool {
	p := w.s.Background.Contacts
	if a >= w.ordinary && b >= w.ordinary && w.cast[a-w.ordinary].team == w.cast[b-w.ordinary].team {
		p = w.teams[w.cast[a-w.ordinary].team].contacts
	}
	return unit(mix(w.pair(a, b)+1)) < p
}

const tieDays = 21

// newTie returns the acquaintance that a makes in these three weeks and the day on which they first write, or -1.
func (w *World) newTie(a uint32, day int) (uint32, int) {
	epoch := day / tieDays
	b := w.mirror(a, 1<<20|uint64(epoch))
	h := mix(w.pair(a, b) + uint64(epoch)*31 + 7)
	if b == a || unit(h) >= w.s.Background.NewTies {
		return 0, -1
	}
	return b, epoch*tieDays + int(mix(h)%(tieDays-1))
}
