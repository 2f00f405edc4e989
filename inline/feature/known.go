package feature

// What memory knows of each kind of key. The fields that are read most stand last, next to the key in its slot.

// account is known of whoever acted, or was blocked or reported.
type account struct {
	contacts   wide   // recipients of the last week
	strangers  wide   // recipients first written to, by the last day
	newcomers  wide   // the same, by the last week
	devices    narrow // of the last month
	networks   narrow // of the last week
	reporters  narrow // of the last month
	blockers   narrow // of the last month
	links      [hourBuckets]uint16
	lookups    [hourBuckets]uint16
	messages   [dayBuckets]uint16
	device     key    // the last one that an event named
	network    key    // the last one that an event named
	deviceSec  uint32 // when
	networkSec uint32 // when
	flags      uint32
	first      uint32 // second in which it was first heard of
	active     uint32 // second of its last act; 0: none
	hour       uint32 // head of all windows
}

const accountRegistered = 1 // its registration was seen

// advance moves the windows' head to an hour.
func (a *account) advance(hour uint32) {
	from := a.hour
	if hour <= from {
		return
	}
	a.hour = hour
	if from == 0 {
		return
	}
	turn(a.links[:], from, hour)
	turn(a.lookups[:], from, hour)
	if d, e := from/24, hour/24; e > d {
		turn(a.messages[:], d, e)
	}
	older(a.strangers[:], spanDay.since(from, hour))
	if d := spanWeek.since(from, hour); d > 0 {
		older(a.contacts[:], d)
		older(a.newcomers[:], d)
		older(a.networks[:], d)
	}
	if d := spanMonth.since(from, hour); d > 0 {
		older(a.devices[:], d)
		older(a.reporters[:], d)
		older(a.blockers[:], d)
	}
}

// since is how many units lie between two hours.
func (s span) since(from, to uint32) uint32 { return to/s.hours - from/s.hours }

// ahead is how many units an hour lies after the head; less than 0 before it.
func (s span) ahead(head, hour uint32) int64 { return int64(hour/s.hours) - int64(head/s.hours) }

// domain is known of a registrable domain that a link named.
type domain struct {
	people     ever   // senders whose message was let through
	recipients ever   // of messages that were let through
	reporters  narrow // of the last month
	sends      [dayBuckets]uint32
	first      uint32 // second in which it was first seen
	hour       uint32
}

func (d *domain) advance(hour uint32) {
	from := d.hour
	if hour <= from {
		return
	}
	d.hour = hour
	if from == 0 {
		return
	}
	if f, t := from/24, hour/24; t > f {
		turn(d.sends[:], f, t)
	}
	older(d.reporters[:], spanMonth.since(from, hour))
}

// host is known of a host that a link named.
type host struct{ people ever }

// sends counts how often something was sent: a URL, or a domain by one sender.
type sends struct{ n uint32 }

// device is known of a device that an event named.
type device struct {
	accounts narrow // of the last month
	first    uint32
	hour     uint32
}

func (d *device) advance(hour uint32) {
	from := d.hour
	if hour <= from {
		return
	}
	d.hour = hour
	if from != 0 {
		older(d.accounts[:], spanMonth.since(from, hour))
	}
}

// network is known of a network that an event named.
type network struct {
	accounts wide // of the last week
	hour     uint32
}

func (n *network) advance(hour uint32) {
	from := n.hour
	if hour <= from {
		return
	}
	n.hour = hour
	if from != 0 {
		older(n.accounts[:], spanWeek.since(from, hour))
	}
}

// pair is known of an account and a recipient that a message of it reached. That it stands there is all.
type pair struct{}
