package targeting

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

var start = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func id(kind byte, i int) (b [16]byte) {
	r := rand.New(rand.NewPCG(uint64(kind), uint64(i)))
	for j := range b {
		b[j] = byte(r.Uint32())
	}
	return b
}

func acct(i int) vedette.AccountID { return vedette.AccountID(id('a', i)) }

func domain(i int) vedette.Token {
	return vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: id('l', i)}
}

func links(dom, url int) []vedette.Link {
	return []vedette.Link{{Domain: domain(dom), URL: vedette.Token{Kind: vedette.TokenURL, Epoch: 1, Bytes: id('u', url)}}}
}

func to(i int) vedette.Recipient { return vedette.Recipient{Account: acct(i)} }

// story is events that are written by hand, in any order.
type story struct{ events []vedette.Event }

func (s *story) add(at time.Duration, actor int, b vedette.Body) {
	s.events = append(s.events, vedette.Event{ID: vedette.EventID(id('e', len(s.events))), Actor: acct(actor), At: start.Add(at).Truncate(time.Millisecond), Body: b})
}

func (s *story) sorted() []vedette.Event {
	slices.SortStableFunc(s.events, func(a, b vedette.Event) int { return a.At.Compare(b.At) })
	return s.events
}

// noise is what ordinary people do: they talk in circles of eight, and now and then somebody sends a link to a stranger. Nobody aims.
func noise(s *story, seed uint64, n, days int, strangers float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for d := range days {
		for i := range n {
			at := time.Duration(d)*day + time.Duration(rng.Int64N(int64(day)))
			friend := i/8*8 + rng.IntN(8)
			s.add(at, i, &vedette.MessageSent{To: to(friend), Count: 1, Stranger: vedette.No})
			if i%3 == 0 {
				s.add(at+time.Second, i, &vedette.AccountSeen{
					Device:  vedette.DeviceID(id('d', i)),
					Network: vedette.Network{ID: vedette.NetworkID(id('n', i/3)), ASN: uint32(1 + i%5), Class: vedette.NetworkResidential},
				})
			}
			if rng.Float64() < strangers {
				dom := rng.IntN(400)
				if rng.IntN(8) == 0 {
					dom = 1000 + len(s.events) // a new one
				}
				s.add(at+time.Minute, i, &vedette.LinkSent{To: to(rng.IntN(n)), Stranger: vedette.Yes, Links: links(dom, len(s.events))})
			}
			if rng.IntN(60) == 0 {
				s.add(at+2*time.Minute, i, &vedette.NumberLookedUp{Target: acct(rng.IntN(n)), Via: vedette.LookupManual})
			}
		}
	}
}

var quick = Config{Least: 100, Settling: 8 * day, WarmUp: day, Learning: 7 * day, Rehearsing: time.Hour, PerWeek: 4, Memory: 1024}

// kin is a rehearsal watch that follows what it is told.
type kin struct {
	accounts  map[vedette.AccountID]vedette.MilliBits
	links     map[vedette.Token]vedette.MilliBits
	confirmed bool
}

var theCell = vedette.Digest{1, 2, 3}

func (k *kin) Account(a vedette.AccountID) (vedette.Digest, vedette.MilliBits, bool) {
	v, ok := k.accounts[a]
	return theCell, v, ok
}

func (k *kin) Link(t vedette.Token) (vedette.Digest, vedette.MilliBits, bool) {
	v, ok := k.links[t]
	return theCell, v, ok
}
func (k *kin) Confirmed(vedette.Digest) bool { return k.confirmed }

type risk map[vedette.AccountID]bool

func (r risk) Enrolled(a vedette.AccountID) bool { return r[a] }

var testKey = bytes.Repeat([]byte{7}, 32)

func run(t testing.TB, cfg Config, known Known, events []vedette.Event, end time.Duration) (*Detector, *population.Population, []Contact) {
	t.Helper()
	d, err := New(cfg, known)
	if err != nil {
		t.Fatal(err)
	}
	var seen []Contact
	d.Observe = func(_ time.Time, c *Contact) { seen = append(seen, *c) }
	p, err := population.New(population.Config{}, d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		p.Take(0, &events[i])
	}
	p.End(start.Add(end))
	return d, p, seen
}

func TestALinkFromAFriendIsNotMeasured(t *testing.T) {
	s := &story{}
	noise(s, 1, 200, 14, .01)
	s.add(13*day, 0, &vedette.LinkSent{To: to(1), Stranger: vedette.No, Links: links(1, 1)})                   // a contact
	s.add(13*day, 0, &vedette.LinkSent{To: to(2), Stranger: vedette.Unknown, Links: links(1, 1)})              // one who answers
	s.add(13*day, 8, &vedette.LinkPreviewed{From: acct(9), Links: links(2, 2)})                                // shown, of a friend
	s.add(10*day, 100, &vedette.MessageSent{To: to(20), Count: 3, Stranger: vedette.Yes})                      // talked a lot already
	s.add(13*day, 100, &vedette.LinkSent{To: to(20), Stranger: vedette.Unknown, Links: links(3, 3)})           //
	s.add(13*day, 50, &vedette.LinkSent{To: vedette.Recipient{Group: vedette.GroupID{1}}, Links: links(3, 3)}) // a group that nobody was put into
	s.add(13*day, 60, &vedette.DeviceLinked{Device: vedette.DeviceID{9}})
	s.add(13*day, 200, &vedette.LinkSent{To: to(20), Stranger: vedette.Yes, Links: links(1, 1)})
	_, _, seen := run(t, quick, Known{}, s.sorted(), 14*day)
	found := false
	for _, c := range seen {
		switch [2]vedette.AccountID{c.Sender, c.Recipient} {
		case [2]vedette.AccountID{acct(200), acct(20)}:
			found = true
		case [2]vedette.AccountID{acct(0), acct(1)}, [2]vedette.AccountID{acct(0), acct(2)}, [2]vedette.AccountID{acct(9), acct(8)}, [2]vedette.AccountID{acct(100), acct(20)}:
			t.Error("a link from somebody who is known was measured")
		}
		if c.Way != Direct {
			t.Error("a device without a stranger was measured")
		}
	}
	if !found {
		t.Error("the stranger's link was not measured")
	}
}

func TestEveryWayOfAStrangerIsMeasuredOnce(t *testing.T) {
	s := &story{}
	noise(s, 2, 200, 14, .01)
	g := vedette.GroupID{5}
	at := 13 * day
	// sent, shown and opened: once
	s.add(at, 300, &vedette.LinkSent{To: to(1), Stranger: vedette.Yes, Links: links(1, 1)})
	s.add(at+time.Minute, 1, &vedette.LinkPreviewed{From: acct(300), Links: links(1, 1)})
	s.add(at+2*time.Minute, 1, &vedette.LinkOpened{From: acct(300), Links: links(1, 1)})
	// a client that tells nothing
	s.add(at, 301, &vedette.MessageSent{To: to(2), Count: 1, Stranger: vedette.Yes})
	s.add(at+time.Minute, 2, &vedette.LinkPreviewed{From: acct(301), Links: links(2, 2)})
	// one that tells of another link
	s.add(at, 302, &vedette.LinkSent{To: to(3), Stranger: vedette.Yes, Links: links(3, 3)})
	s.add(at+time.Minute, 3, &vedette.LinkPreviewed{From: acct(302), Links: links(4, 4)})
	// put into a group
	s.add(at, 303, &vedette.GroupCreated{Group: g, Size: 3})
	s.add(at+time.Minute, 303, &vedette.GroupJoined{Group: g, Member: acct(4), By: vedette.JoinAdded, Size: 3})
	s.add(at+2*time.Minute, 303, &vedette.LinkSent{To: vedette.Recipient{Group: g, Size: 3}, Stranger: vedette.Yes, Links: links(5, 5)})
	s.add(at+3*time.Minute, 4, &vedette.LinkOpened{From: acct(303), Group: g, Links: links(5, 5)})
	// led to link a device
	s.add(at, 304, &vedette.MessageSent{To: to(6), Count: 1, Stranger: vedette.Yes})
	s.add(at+20*time.Hour, 6, &vedette.DeviceLinked{Device: vedette.DeviceID{8}, Network: vedette.Network{ID: vedette.NetworkID{1}, ASN: 99, Class: vedette.NetworkHosting}})
	_, _, seen := run(t, quick, Known{}, s.sorted(), 15*day)
	type row struct {
		from, to int
		way      Way
		lie      bool
	}
	want := []row{{300, 1, Direct, false}, {301, 2, Direct, true}, {302, 3, Direct, false}, {302, 3, Direct, true}, {303, 4, AddedGroup, false}, {304, 6, DeviceLink, false}}
	for _, w := range want {
		n := 0
		for _, c := range seen {
			if c.Sender == acct(w.from) && c.Recipient == acct(w.to) && c.Way == w.way && (c.bins[Unclaimed] != 0 && c.bins[Unclaimed] != absent) == w.lie {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d → %d by way %d: measured %d times, want once", w.from, w.to, w.way, n)
		}
	}
	n := 0
	for _, c := range seen {
		for i := 300; i < 305; i++ {
			if c.Sender == acct(i) {
				n++
			}
		}
	}
	if n != len(want) {
		t.Errorf("measured %d contacts, want %d", n, len(want))
	}
}

// known returns a detector that has learned from noise, and a state in which stranger 500 can write to 1.
func learned(t testing.TB, known Known) (*Detector, *population.State) {
	s := &story{}
	noise(s, 3, 400, 30, .05)
	s.add(29*day, 500, &vedette.AccountRegistered{Device: vedette.DeviceID{3}})
	d, p, _ := run(t, quick, known, s.sorted(), 30*day)
	if d.Silent() != "" {
		t.Fatal(d.Silent())
	}
	return d, p.State()
}

func score(d *Detector, s *population.State, from, to int, l *vedette.Link) Contact {
	c := Contact{Sender: acct(from), Recipient: acct(to), Token: tokenOf(l), hour: s.Now()}
	d.measure(s, &c, l, 0)
	return c
}

func TestMoreStrangersNeverRaiseAScore(t *testing.T) {
	k := &kin{accounts: map[vedette.AccountID]vedette.MilliBits{acct(500): 12_000}}
	d, s := learned(t, Known{Kinship: k, AtRisk: risk{acct(1): true}, Key: testKey})
	r, _ := s.Find(acct(500))
	for _, hosted := range []uint16{0, 9} {
		s.Account(r).Sessions, s.Account(r).Hosted = 10, hosted
		last := vedette.MilliBits(1 << 30)
		for n := range 300 {
			s.Account(r).Fresh = uint16(n)
			c := score(d, s, 500, 1, &links(9999, 9999)[0])
			if c.Score > last {
				t.Fatalf("with %d strangers %v, with one fewer %v", n, c.Score, last)
			}
			last = c.Score
		}
	}
}

func TestWhatSpeaksForAnAimNeverLowers(t *testing.T) {
	k := &kin{accounts: map[vedette.AccountID]vedette.MilliBits{}}
	at := risk{}
	d, s := learned(t, Known{Kinship: k, AtRisk: at, Key: testKey})
	l := links(9999, 9999)[0]
	before := score(d, s, 500, 1, &l)
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"kinship", func() { k.accounts[acct(500)] = 12_000 }},
		{"enrolment", func() { at[acct(1)] = true }},
		{"a look-up by hand", func() { d.looks.add(acct(500), acct(1), s.Now()) }},
		{"looks", func() { l.Shape.Flags |= vedette.ShapeConfusable | vedette.ShapeUserinfo }},
	} {
		step.do()
		c := score(d, s, 500, 1, &l)
		if c.Score <= before.Score {
			t.Errorf("%s: %v, and %v without", step.name, c.Score, before.Score)
		}
		before = c
	}
}

func TestTheBudgetIsKeptWhereNobodyAims(t *testing.T) {
	const weeks = 12
	cfg := quick
	cfg.Learning = 28 * day
	total, promised := 0, 0.0
	for seed := range uint64(3) {
		s := &story{}
		noise(s, 40+seed, 400, 37+7*weeks, .05)
		rng := rand.New(rand.NewPCG(seed, 9))
		at := risk{}
		for i := range 400 { // whatever speaks for an aim comes by chance
			at[acct(i)] = rng.IntN(30) == 0
			for range 40 {
				s.add(time.Duration(rng.Int64N(int64((37+7*weeks)*day))), i, &vedette.NumberLookedUp{Target: acct(rng.IntN(400)), Via: vedette.LookupManual})
				s.add(time.Duration(rng.Int64N(int64((37+7*weeks)*day))), rng.IntN(400), &vedette.UserBlocked{Subject: acct(i)})
			}
		}
		d, _, seen := run(t, cfg, Known{AtRisk: at, Key: testKey}, s.sorted(), (37+7*weeks)*day)
		b := d.Budget()
		n := 0
		for _, a := range b.Alerts {
			n += a
		}
		total += n
		promised += b.Promised * weeks
		t.Logf("seed %d: %d alerts of %d contacts in %d weeks, %.0f promised; bounds %v, measured %.1f a week", seed, n, len(seen), weeks, b.Promised*weeks, b.Bounds, b.Measured)
	}
	// a Poisson count with the promised mean is rarely more than three deviations over it
	if limit := promised + 3*12; float64(total) > limit {
		t.Errorf("%d alerts where %.0f were promised", total, promised)
	}
}

// aimed is a platform, and a stranger who writes to people who asked for protection.
func aimed(k bool) ([]vedette.Event, Known) {
	s := &story{}
	noise(s, 5, 400, 30, .05)
	s.add(22*day, 600, &vedette.AccountRegistered{Device: vedette.DeviceID{3}})
	for i := range 4 {
		at := 25*day + time.Duration(i)*time.Hour
		s.add(at, 600, &vedette.NumberLookedUp{Target: acct(1 + 40*i), Via: vedette.LookupManual})
		s.add(at+time.Minute, 600, &vedette.LinkSent{To: to(1 + 40*i), Stranger: vedette.Yes, Links: links(7777, 7777+i)})
	}
	s.add(26*day, 1, &vedette.UserReported{Subject: acct(600), Category: vedette.ReportSuspiciousLink})
	known := Known{AtRisk: risk{acct(1): true, acct(41): true}, Key: testKey}
	if k {
		known.Kinship = &kin{accounts: map[vedette.AccountID]vedette.MilliBits{acct(600): 14_000}}
	}
	return s.sorted(), known
}

func TestTwoQueues(t *testing.T) {
	for _, k := range []bool{true, false} {
		events, known := aimed(k)
		d, _, _ := run(t, quick, known, events, 30*day)
		want := Unlinked
		if k {
			want = Rehearsed
		}
		var got []Queue
		for _, a := range d.alerts {
			if slices.Contains(a.Finding.Subjects, acct(600)) {
				got = append(got, a.Queue)
			}
		}
		if len(got) == 0 || got[0] != want {
			t.Errorf("with a rehearsal %v: alerts in %v, want %v", k, got, want)
		}
	}
}

func TestAFindingNamesSendersAndNobodyWhomTheyReached(t *testing.T) {
	events, known := aimed(true)
	d, _, _ := run(t, quick, known, events, 30*day)
	var f *vedette.Finding
	fs := d.Findings()
	for i := range fs {
		if slices.Contains(fs[i].Subjects, acct(600)) {
			f = &fs[i]
			break
		}
	}
	if f == nil {
		t.Fatal("nothing was found")
	}
	for i := range 4 {
		if slices.Contains(f.Subjects, acct(1+40*i)) {
			t.Error("somebody who was reached is a subject")
		}
	}
	said := ""
	for _, r := range f.Reasons {
		said += string(r.Rule) + ": " + r.Text + "\n"
	}
	if strings.Contains(said, "acct_") {
		t.Error("a reason names somebody")
	}
	for _, w := range []string{"rehearsal cell " + theCell.String(), "asked for protection", "not measured: known names"} {
		if !strings.Contains(said, w) {
			t.Errorf("no reason says %q:\n%s", w, said)
		}
	}
	reached, err := d.Reached(f.ID)
	if err != nil || !slices.Contains(reached, acct(1)) {
		t.Errorf("Reached = %v, %v; want the first one among them", reached, err)
	}
	if err := d.Judge(f.ID, rehearsal.Confirmed); err != nil {
		t.Error(err)
	}
	if err := d.Judge(vedette.Digest{}, rehearsal.Wrong); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Judge of nothing = %v", err)
	}
	q, _ := d.Queue(f.To)
	if !slices.ContainsFunc(q, func(a *Alert) bool { return a.ID == f.ID }) {
		t.Error("the day's queue does not hold it")
	}
}

func TestARestoredDetectorGoesOnAsItWouldHave(t *testing.T) {
	for _, k := range []bool{true, false} {
		events, known := aimed(true)
		if !k {
			known.AtRisk, known.Key = nil, nil
		}
		d, p, _ := run(t, quick, known, events, 30*day)
		want := d.Save(nil)
		if bytes.Contains(want, func() []byte { a := acct(1); return a[:] }()) == k {
			t.Errorf("with a key %v: the saved form shows who was reached: %v", k, !k)
		}
		n := len(events)
		for _, at := range []int{0, 1, n / 4, n / 2, n - 900, n - 500, n - 100, n} {
			d, err := New(quick, known)
			if err != nil {
				t.Fatal(err)
			}
			q, err := population.New(population.Config{}, d)
			if err != nil {
				t.Fatal(err)
			}
			for i := range events[:at] {
				q.Take(0, &events[i])
			}
			b := d.Save(nil)
			d, err = Restore(quick, known, b)
			if err != nil {
				t.Fatalf("after %d events: %v", at, err)
			}
			if again := d.Save(nil); !bytes.Equal(again, b) {
				t.Errorf("after %d events: saved again it differs", at)
			}
			q, err = population.Restore(population.Config{}, q.Save(nil), d)
			if err != nil {
				t.Fatal(err)
			}
			for i := range events[at:] {
				q.Take(0, &events[at+i])
			}
			q.End(start.Add(30 * day))
			if q.State().Digest() != p.State().Digest() || !bytes.Equal(d.Save(nil), want) {
				t.Errorf("with a key %v: restored after %d of %d events it ends elsewhere", k, at, n)
			}
		}
	}
}

func TestWhoeverWasReachedAndSentItOnIsNoSubject(t *testing.T) {
	u := &Unit{}
	u.sender(acct(1))
	u.Reached = append(u.Reached, acct(2))
	u.sender(acct(2))
	u.sender(acct(3))
	u.Best.Sender = acct(3)
	if got := u.subjects(); !slices.Equal(got, []vedette.AccountID{acct(1), acct(3)}) {
		t.Errorf("subjects = %v, want the first and the third", got)
	}
}

func TestADamagedOrForeignStateIsRefused(t *testing.T) {
	events, known := aimed(true)
	d, _, _ := run(t, quick, known, events[:2000], 10*day)
	b := d.Save(nil)
	for i := 0; i < len(b); i += 1 + len(b)/97 {
		c := slices.Clone(b)
		c[i] ^= 1
		if _, err := Restore(quick, known, c); !errors.Is(err, vedette.ErrInvalid) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	known.Key = bytes.Repeat([]byte{8}, 32)
	if _, err := Restore(quick, known, b); !errors.Is(err, ErrDamaged) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := New(quick, Known{AtRisk: risk{}}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("who asked for protection, and no key: %v", err)
	}
}

func TestASmallOrBlindPlatformSaysSo(t *testing.T) {
	s := &story{}
	noise(s, 6, 50, 12, .05)
	d, _, seen := run(t, quick, Known{}, s.sorted(), 12*day)
	if !strings.HasPrefix(d.Silent(), "not enough people") || len(seen) > 0 {
		t.Errorf("50 people: %q, %d measured", d.Silent(), len(seen))
	}
	s = &story{}
	noise(s, 6, 200, 12, 0)
	if d, _, _ = run(t, quick, Known{}, s.sorted(), 12*day); !strings.HasPrefix(d.Silent(), "no link tokens") {
		t.Errorf("no links: %q", d.Silent())
	}
	s = &story{}
	noise(s, 6, 200, 12, .05)
	if d, _, _ = run(t, quick, Known{}, s.sorted(), 12*day); !strings.HasPrefix(d.Silent(), "cold") {
		t.Errorf("twelve days: %q", d.Silent())
	}
}

func FuzzRestore(f *testing.F) {
	events, known := aimed(true)
	known.AtRisk, known.Key = nil, nil
	d, _, _ := run(f, quick, known, events, 30*day)
	empty, _ := New(quick, Known{})
	for _, b := range [][]byte{d.Save(nil), empty.Save(nil)} {
		f.Add(b[len(savedOpen) : len(b)-32])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append([]byte(savedOpen), body...)
		sum := sha256.Sum256(b)
		d, err := Restore(quick, Known{}, append(b, sum[:]...))
		if err != nil {
			if !errors.Is(err, vedette.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		once := d.Save(nil)
		if d, err = Restore(quick, Known{}, once); err != nil || !bytes.Equal(d.Save(nil), once) {
			t.Errorf("what was restored saves as something else: %v", err)
		}
	})
}

func BenchmarkBefore(b *testing.B) {
	d, s := learned(b, Known{Kinship: &kin{}, AtRisk: risk{}, Key: testKey})
	d.Observe = nil
	l := links(9999, 9999)
	for _, bb := range []struct {
		name string
		e    population.Event
	}{
		{"message", population.Event{Kind: vedette.KindMessageSent, Actor: acct(1), Peer: acct(2)}},
		{"seen", population.Event{Kind: vedette.KindAccountSeen, Actor: acct(1)}},
		{"friend", population.Event{Kind: vedette.KindLinkSent, Actor: acct(1), Peer: acct(2), Stranger: vedette.No, Links: l}},
		{"stranger", population.Event{Kind: vedette.KindLinkSent, Actor: acct(1), Peer: acct(300), Stranger: vedette.Yes, Links: l}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			e := bb.e
			e.At = start.Add(30 * day)
			n := uint32(0)
			for b.Loop() {
				n++ // another link each time: it is not judged already
				if len(e.Links) > 0 {
					copy(e.Links[0].Domain.Bytes[:], []byte{byte(n), byte(n >> 8), byte(n >> 16)})
				}
				d.Before(s, &e)
			}
		})
	}
}
