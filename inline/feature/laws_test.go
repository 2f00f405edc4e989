package feature

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
)

func sign(b []byte) []byte {
	return le.AppendUint32(bytes.Clone(b), crc32.Checksum(b, castagnoli))
}

func apply(m *Memory, evs ...*vedette.Event) {
	for _, ev := range evs {
		m.Apply(ev, nil, journal.Position{})
	}
}

// get measures one thing; -1 stands for absent.
func get(m *Memory, ev *vedette.Event, k vedette.Measure) int64 {
	ms := m.Measure(ev, nil)
	if v, ok := ms[0].Get(k); ok {
		return v
	}
	return -1
}

func TestABlockedMessageReachesNobody(t *testing.T) {
	for _, tt := range []struct {
		name             string
		verdict          vedette.Verdict
		first, recip     int64 // afterwards: is it a first contact again; has the other been written to
		people, received int64
	}{
		{"allowed, it makes the pair known", vedette.Allow, 0, 1, 1, 1},
		{"warned of, it was delivered all the same", vedette.Warn, 0, 1, 1, 1},
		{"held, it has reached nobody yet", vedette.Hold, 1, 0, 0, 0},
		{"blocked, it never will", vedette.Block, 1, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := New(small())
			ev := sent(start, 1, 2, aLink(1, 1))
			m.Apply(ev, &vedette.Decision{Verdict: tt.verdict}, journal.Position{Frame: 1})
			again := sent(start.Add(time.Minute), 1, 2, aLink(1, 1))
			back := sent(start.Add(time.Minute), 2, 1)
			for _, c := range []struct {
				ev   *vedette.Event
				k    vedette.Measure
				want int64
			}{
				{again, vedette.MeasureFirstContact, tt.first},
				{back, vedette.MeasureReciprocated, tt.recip},
				{again, vedette.MeasureDomainPeople, tt.people},
				{again, vedette.MeasureHostPeople, tt.people},
				{again, vedette.MeasureDomainRecipients, tt.received},
				// What was tried counts whatever became of it.
				{again, vedette.MeasureContacts, 1},
				{again, vedette.MeasureStrangers, 1},
				{again, vedette.MeasureStrangersWeek, 1},
				{again, vedette.MeasureAccountMessages, 1},
				{again, vedette.MeasureLinksDay, 1},
				{again, vedette.MeasureDomainSends, 1},
				{again, vedette.MeasureURLSends, 1},
				{again, vedette.MeasureSenderDomainSends, 1},
				{again, vedette.MeasureDomainAge, 60},
			} {
				if got := get(m, c.ev, c.k); got != c.want {
					t.Errorf("%s after a message with verdict %s = %d, want %d", c.k, tt.verdict, got, c.want)
				}
			}
		})
	}
}

func TestWhatCannotBeMeasuredIsAbsent(t *testing.T) {
	m := New(small())
	at := start
	for _, tt := range []struct {
		name   string
		ev     *vedette.Event
		absent []vedette.Measure
		zero   []vedette.Measure
	}{
		{
			"no recipient", event(at, 1, &vedette.MessageSent{}),
			[]vedette.Measure{vedette.MeasureFirstContact, vedette.MeasureReciprocated, vedette.MeasureGroupSize},
			[]vedette.Measure{vedette.MeasureContacts, vedette.MeasureStrangers},
		},
		{
			"a group has not written to anybody", event(at, 1, &vedette.MessageSent{To: vedette.Recipient{Group: grp(1)}}),
			[]vedette.Measure{vedette.MeasureReciprocated, vedette.MeasureGroupSize},
			nil,
		},
		{
			"a stranger by memory, whatever the client says", event(at, 1, &vedette.MessageSent{To: toPerson(2), Stranger: vedette.No}),
			nil,
			[]vedette.Measure{vedette.MeasureReciprocated},
		},
		{
			"an account never heard of was not silent", event(at, 1, &vedette.AccountRestored{}),
			[]vedette.Measure{vedette.MeasureSilence, vedette.MeasureDevices, vedette.MeasureNetworks, vedette.MeasureDeviceAge, vedette.MeasureNetworkAccounts, vedette.MeasureDeviceAccounts},
			[]vedette.Measure{vedette.MeasureAccountAge, vedette.MeasureAccountKnown, vedette.MeasureReportsAgainst},
		},
		{
			"nobody else on a device or network", event(at, 1, &vedette.AccountSeen{Device: dev(1), Network: net(1)}),
			nil,
			[]vedette.Measure{vedette.MeasureDeviceAge, vedette.MeasureDeviceAccounts, vedette.MeasureNetworkAccounts},
		},
		{
			"a link with no token of its domain", sent(at, 1, 2, aLink(0, 1)),
			[]vedette.Measure{vedette.MeasureDomainPeople, vedette.MeasureDomainAge, vedette.MeasureDomainSends, vedette.MeasureDomainRecipients, vedette.MeasureDomainReports, vedette.MeasureSenderDomainSends},
			[]vedette.Measure{vedette.MeasureHostPeople, vedette.MeasureURLSends},
		},
		{
			"a link with nothing but a domain", sent(at, 1, 2, aLink(1, 0)),
			[]vedette.Measure{vedette.MeasureHostPeople, vedette.MeasureURLSends},
			[]vedette.Measure{vedette.MeasureDomainPeople, vedette.MeasureDomainAge, vedette.MeasureDomainSends, vedette.MeasureSenderDomainSends},
		},
		{
			"no link", event(at, 1, &vedette.LinkSent{To: toPerson(2)}),
			[]vedette.Measure{vedette.MeasureDomainPeople, vedette.MeasureHostPeople, vedette.MeasureURLSends, vedette.MeasureForwarded},
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, k := range tt.absent {
				if got := get(m, tt.ev, k); got != -1 {
					t.Errorf("%s = %d, want absent", k, got)
				}
			}
			for _, k := range tt.zero {
				if got := get(m, tt.ev, k); got != 0 {
					t.Errorf("%s = %d (-1: absent), want 0", k, got)
				}
			}
		})
	}
	if ms := m.Measure(&vedette.Event{At: at, Body: &vedette.Tick{}}, nil); len(ms) != 1 || ms[0].Present() != 0 {
		t.Errorf("Measure(tick) = %d with %b, want one empty", len(ms), ms[0].Present())
	}
}

func TestLateEventsCountWhereTheyBelong(t *testing.T) {
	m := New(small())
	day := 24 * time.Hour
	now := start.Add(10 * day)
	apply(m, sent(now, 1, 2, aLink(1, 1)), sent(now.Add(-3*day), 1, 3, aLink(1, 1)), sent(now.Add(-10*time.Hour), 1, 4, aLink(1, 1)), sent(now.Add(-60*day), 1, 5, aLink(1, 1)))
	for _, tt := range []struct {
		k    vedette.Measure
		want int64
	}{
		{vedette.MeasureLinksDay, 2},
		{vedette.MeasureAccountMessages, 3},
		{vedette.MeasureContacts, 3},
		{vedette.MeasureStrangers, 2},
		{vedette.MeasureStrangersWeek, 3},
		{vedette.MeasureDomainSends, 3},
		{vedette.MeasureURLSends, 4},
		{vedette.MeasureDomainRecipients, 4},
		{vedette.MeasureAccountAge, int64(60 * day / time.Second)},
		{vedette.MeasureDomainAge, int64(60 * day / time.Second)},
		{vedette.MeasureSilence, 0},
	} {
		if got := get(m, sent(now, 1, 6, aLink(1, 1)), tt.k); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.k, got, tt.want)
		}
	}
	// An event of three days ago sees no more than what lies before it, and no silence that later acts have ended.
	then := sent(now.Add(-3*day), 1, 6, aLink(1, 1))
	for k, want := range map[vedette.Measure]int64{vedette.MeasureAccountMessages: 1, vedette.MeasureContacts: 1, vedette.MeasureDomainSends: 1, vedette.MeasureSilence: -1} {
		if got := get(m, then, k); got != want {
			t.Errorf("three days ago, %s = %d, want %d", k, got, want)
		}
	}
}

// Events of one window may come in any order: no count of distinct things, and no count at all, changes.
func TestOrderWithinTheWindowChangesNoCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := world{people: 12, names: 6, days: 1}.draw(t, 60)
		end := start.Add(20 * time.Hour)
		for _, e := range stream {
			e.ev.At = start.Add(e.ev.At.Sub(start) % (19 * time.Hour))
		}
		seed := rapid.Uint64().Draw(t, "order")
		a, b := New(small()), New(small())
		for _, e := range stream {
			a.Apply(e.ev, nil, journal.Position{})
		}
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(stream), func(i, j int) { stream[i], stream[j] = stream[j], stream[i] })
		for _, e := range stream {
			b.Apply(e.ev, nil, journal.Position{})
		}
		for _, e := range stream {
			e.ev.At = end
			x, y := a.Measure(e.ev, nil), b.Measure(e.ev, nil)
			for i := range x {
				if x[i] != y[i] {
					t.Fatalf("%s by %v: in one order%s\nin another%s", e.ev.Kind(), e.ev.Actor, show(&x[i]), show(&y[i]))
				}
			}
		}
	})
}

func TestTheSameStreamGivesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := world{people: 30, names: 20, days: 40, late: 3 * 24 * time.Hour, ticks: true}.draw(t, 200)
		a, b := New(tiny()), New(tiny())
		for _, e := range stream {
			a.Apply(e.ev, e.d, e.at)
			b.Measure(e.ev, nil)
			b.Apply(e.ev, e.d, e.at)
		}
		if !bytes.Equal(bytesOf(a), bytesOf(b)) {
			t.Fatal("the same stream gave two memories")
		}
	})
}

func TestTenantsKnowNothingOfOneAnother(t *testing.T) {
	m := New(small())
	ev := sent(start, 1, 2, aLink(1, 1))
	apply(m, ev)
	other := sent(start.Add(time.Hour), 1, 2, aLink(1, 1))
	other.Tenant = "another"
	fresh := New(small()).Measure(other, nil)
	if got := m.Measure(other, nil); got[0] != fresh[0] {
		t.Errorf("in another tenant:%s\nwant%s", show(&got[0]), show(&fresh[0]))
	}
}

func TestTheOldestGivesWay(t *testing.T) {
	// One segment with one bucket: eight accounts, eight domains.
	m := New(Config{Segments: 1, Accounts: 8, Pairs: 8, Domains: 8, Hosts: 8, URLs: 8, Devices: 8, Networks: 8, SenderDomains: 8})
	for i := 1; i <= 8; i++ {
		apply(m, event(start.Add(time.Duration(i)*time.Hour), i, &vedette.AccountRegistered{}))
	}
	now := start.Add(24 * time.Hour)
	apply(m, event(start, 20, &vedette.AccountRestored{})) // older than all: not taken in
	apply(m, event(now, 1, &vedette.AccountRestored{}))    // the oldest is touched
	apply(m, event(now, 9, &vedette.AccountRestored{}))    // so the second gives way
	for n, want := range map[int]int64{1: 1, 2: 0, 3: 1, 8: 1, 20: 0} {
		if got := get(m, event(now, n, &vedette.AccountRestored{}), vedette.MeasureAccountKnown); got != want {
			t.Errorf("account %d is known: %d, want %d", n, got, want)
		}
	}
	if s := m.Stats()[0]; s.Keys != 8 || s.Evictions != 2 || s.Capacity != 8 {
		t.Errorf("Stats = %+v, want 8 keys of 8 and 2 evictions", s)
	}
}

func TestOneFloodingAccountPushesOutLittle(t *testing.T) {
	m := New(Config{Segments: 1, Accounts: 4096, Pairs: 64 * 1024, Domains: 8, Hosts: 8, URLs: 8, Devices: 8, Networks: 8, SenderDomains: 8})
	for i := range 2000 {
		apply(m, sent(start, 1000+i, 5000+i))
	}
	for i := range 100_000 {
		apply(m, sent(start.Add(time.Hour), 1, 10_000+i))
	}
	lost := 0
	for i := range 2000 {
		if get(m, sent(start.Add(2*time.Hour), 1000+i, 5000+i), vedette.MeasureFirstContact) == 1 {
			lost++
		}
	}
	if lost > 2000*2*share/8192 {
		t.Errorf("%d of 2000 pairs of others are forgotten; one account may use %d of 8192 buckets", lost, share)
	}
}

func TestWhatNothingTouchesIsForgotten(t *testing.T) {
	m := New(small())
	apply(m, sent(start, 1, 2, aLink(1, 1)), event(start, 1, &vedette.AccountSeen{Device: dev(1), Network: net(1)}))
	tick := func(at time.Time) { apply(m, &vedette.Event{At: at, Body: &vedette.Tick{}}) }
	tick(start.Add(89 * 24 * time.Hour))
	for _, s := range m.Stats() {
		if s.Keys == 0 {
			t.Errorf("%s: forgotten a day early", s.Name)
		}
	}
	tick(start.Add(91 * 24 * time.Hour))
	for _, s := range m.Stats() {
		if s.Keys != 0 {
			t.Errorf("%s: %d keys after 91 days, want none", s.Name, s.Keys)
		}
	}
	if got, want := len(bytesOf(m)), len(bytesOf(New(small()))); got != want {
		t.Errorf("saved, it has %d bytes, want the %d of an empty memory", got, want)
	}
}

func TestADeviceMayStandForLaterEvents(t *testing.T) {
	for _, tt := range []struct {
		name  string
		carry time.Duration
		after time.Duration
		want  int64
	}{
		{"by default only an event's own", 0, 0, -1},
		{"within the hour", time.Hour, time.Hour, 1},
		{"but not beyond", time.Hour, time.Hour + time.Second, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := small()
			c.Carry = tt.carry
			m := New(c)
			apply(m, event(start, 1, &vedette.AccountSeen{Device: dev(1), Network: net(1)}))
			ev := sent(start.Add(tt.after), 1, 2)
			for _, k := range []vedette.Measure{vedette.MeasureNetworkAccounts, vedette.MeasureDeviceAccounts} {
				if got := get(m, ev, k); got != tt.want {
					t.Errorf("%s = %d, want %d", k, got, tt.want)
				}
			}
		})
	}
}

func TestMeasuringAndApplyingAllocateNothing(t *testing.T) {
	m := New(small())
	stream := make([]*vedette.Event, 0, 64)
	for i := range 64 {
		stream = append(stream, sent(start.Add(time.Duration(i)*7*time.Hour), 1+i%9, 1+i%13, aLink(1+i%5, 1+i%7), aLink(2, 3)),
			event(start, 1+i%9, &vedette.AccountSeen{Device: dev(1 + i%3), Network: net(1 + i%4)}),
			event(start, 1+i%9, &vedette.UserReported{Subject: acct(1 + i%5), Links: []vedette.Link{aLink(1, 1)}}))
	}
	d := &vedette.Decision{}
	dst := make([]vedette.Measures, 0, 4)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		ev := stream[i%len(stream)]
		i++
		dst = m.Measure(ev, dst[:0])
		m.Apply(ev, d, journal.Position{Frame: uint64(i)})
	}); n != 0 {
		t.Errorf("Measure and Apply allocate %v times", n)
	}
}

func TestConfigNamesTheKey(t *testing.T) {
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{Segments: -1}, "feature: memory.segments: -1 is not in 1 to 65536: invalid"},
		{Config{URLs: 1 << 31}, "feature: memory.urls: 2147483648 is not in 1 to 1073741824: invalid"},
		{Config{Reach: time.Hour}, "feature: memory.reach: 1h0m0s is not in 768h to 87600h: invalid"},
		{Config{Carry: 48 * time.Hour}, "feature: memory.carry: 48h0m0s is not in 0 to 24h: invalid"},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("Validate(%+v) = %v, want %s", tt.c, err, tt.want)
		}
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the default configuration: %v", err)
	}
}

func TestTheDefaultFitsASmallMachine(t *testing.T) {
	var all int64
	for _, s := range New(Config{}).Stats() {
		t.Logf("%-15s %8d keys of %3d bytes, %5.1f MB", s.Name, s.Capacity, s.Bytes/s.Capacity, float64(s.Bytes)/1e6)
		all += s.Bytes
	}
	if all > 256<<20 {
		t.Errorf("the default memory takes %d MB, want at most 256", all>>20)
	}
}

func TestMetricsTellHowFullMemoryIs(t *testing.T) {
	m := New(small())
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(m.Collector()); err != nil {
		t.Fatal(err)
	}
	apply(m, sent(start, 1, 2))
	families, err := r.Gather()
	if err != nil || len(families) != 4 {
		t.Fatalf("Gather = %d families, %v, want 4", len(families), err)
	}
	for _, f := range families {
		if len(f.GetMetric()) != 8 {
			t.Errorf("%s: %d series, want one for each of 8 tables", f.GetName(), len(f.GetMetric()))
		}
	}
	successor := New(small())
	if !r.Unregister(successor.Collector()) || r.Register(successor.Collector()) != nil {
		t.Error("a successor cannot take the place of a memory that is gone")
	}
}
