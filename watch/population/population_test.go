package population

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vedette"
)

var start = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)

// stream makes a few weeks of events among n accounts: registrations, sessions, messages, links.
func stream(seed uint64, n, events int, span time.Duration) []vedette.Event {
	rng := rand.New(rand.NewPCG(seed, 1))
	id := func(kind byte, i int) (b [16]byte) {
		r := rand.New(rand.NewPCG(uint64(kind), uint64(i)))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		return b
	}
	out := make([]vedette.Event, 0, events)
	for i := range events {
		at := start.Add(time.Duration(float64(span) * float64(i) / float64(events))).Truncate(time.Millisecond)
		a := rng.IntN(n)
		e := vedette.Event{ID: vedette.EventID(id('e', i)), Actor: vedette.AccountID(id('a', a)), At: at}
		net := vedette.Network{ID: vedette.NetworkID(id('n', a/3)), ASN: uint32(1 + a%7), Class: vedette.NetworkResidential}
		switch rng.IntN(6) {
		case 0:
			e.Body = &vedette.AccountRegistered{Device: vedette.DeviceID(id('d', a/2)), Build: uint32(1 + a%11), Network: net}
		case 1:
			e.Body = &vedette.AccountSeen{Device: vedette.DeviceID(id('d', a/2)), Network: net}
		case 2:
			d := rng.IntN(40)
			tok := func(k vedette.TokenKind, i int) vedette.Token {
				return vedette.Token{Kind: k, Epoch: 1, Bytes: id(byte(k), i)}
			}
			e.Body = &vedette.LinkSent{
				To: vedette.Recipient{Account: vedette.AccountID(id('a', (a+1+rng.IntN(5))%n))}, Stranger: vedette.Yes,
				Links: []vedette.Link{{Domain: tok(vedette.TokenDomain, d), URL: tok(vedette.TokenURL, 100*d+rng.IntN(9))}},
			}
		case 3:
			e.Body = &vedette.GroupJoined{Group: vedette.GroupID(id('g', a/5)), Member: e.Actor, Size: 6}
		default:
			e.Body = &vedette.MessageSent{To: vedette.Recipient{Account: vedette.AccountID(id('a', (a+1+rng.IntN(5))%n))}, Count: uint16(1 + rng.IntN(9))}
		}
		out = append(out, e)
	}
	return out
}

// play plays a stream and gives the saved form of what is known at its end.
func play(t testing.TB, cfg Config, feed func(p *Population)) vedette.Digest {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	feed(p)
	p.End(start.Add(40 * 24 * time.Hour))
	return p.State().Digest()
}

func TestOrderWithinLatenessChangesNothing(t *testing.T) {
	events := stream(1, 300, 60_000, 30*24*time.Hour)
	want := play(t, Config{}, func(p *Population) {
		for i := range events {
			p.Take(0, &events[i])
		}
	})
	rng := rand.New(rand.NewPCG(7, 7))
	late := make([]vedette.Event, len(events))
	copy(late, events)
	for i := range late { // each stands at most four minutes of event time from its place
		j := i + rng.IntN(4)
		if j < len(late) && late[j].At.Sub(late[i].At).Abs() < Lateness/2 {
			late[i], late[j] = late[j], late[i]
		}
	}
	if got := play(t, Config{}, func(p *Population) {
		for i := range late {
			p.Take(0, &late[i])
		}
		if n := p.Counts().Late; n != 0 {
			t.Errorf("%d events were late", n)
		}
	}); got != want {
		t.Error("events reordered within Lateness leave another state")
	}
}

func TestPartitionsChangeNothing(t *testing.T) {
	events := stream(2, 300, 60_000, 30*24*time.Hour)
	var want vedette.Digest
	for _, n := range []int{1, 4, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			got := play(t, Config{Partitions: n}, func(p *Population) {
				for i := range events {
					e := &events[i]
					p.Take(int(e.Actor[0])%n, e)
				}
			})
			if want.IsZero() {
				want = got
			}
			if got != want {
				t.Errorf("%d partitions leave another state than one", n)
			}
		})
	}
}

func TestARestoredPopulationGoesOnAsItWouldHave(t *testing.T) {
	events := stream(3, 300, 60_000, 30*24*time.Hour)
	want := play(t, Config{}, func(p *Population) {
		for i := range events {
			p.Take(0, &events[i])
		}
	})
	for _, at := range []int{0, 1, 777, 20_000, 41_234, len(events)} {
		p, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range events[:at] {
			p.Take(0, &events[i])
		}
		b := p.Save(nil)
		q, err := Restore(Config{}, b)
		if err != nil {
			t.Fatalf("after %d events: %v", at, err)
		}
		if again := q.Save(nil); string(again) != string(b) {
			t.Errorf("after %d events: saved again it differs", at)
		}
		for i := range events[at:] {
			q.Take(0, &events[at+i])
		}
		q.End(start.Add(40 * 24 * time.Hour))
		if q.State().Digest() != want {
			t.Errorf("restored after %d events it ends elsewhere", at)
		}
	}
}

func FuzzRestore(f *testing.F) {
	p, _ := New(Config{})
	es := stream(4, 20, 300, 24*time.Hour)
	for i := range es {
		p.Take(0, &es[i])
	}
	f.Add(p.Save(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := Restore(Config{}, b); err == nil && string(q.Save(nil)) != string(b) {
			t.Error("what was restored saves as something else")
		}
	})
}

// TestTiesAgeLikePeople plays most of a year in which two write to each other daily, one to a third person once.
func TestTiesAgeLikePeople(t *testing.T) {
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	acct := func(n byte) vedette.AccountID { return vedette.AccountID{0: n, 9: n} }
	write := func(day int, from, to byte) {
		p.Take(0, &vedette.Event{
			ID: vedette.EventID{0: byte(day), 1: byte(day >> 8), 2: from, 3: to}, Actor: acct(from), At: start.Add(time.Duration(day) * 24 * time.Hour),
			Body: &vedette.MessageSent{To: vedette.Recipient{Account: acct(to)}, Stranger: vedette.Yes},
		})
	}
	write(0, 1, 3)
	for day := range 300 {
		write(day, 1, 2)
		write(day, 2, 1)
		p.Reached(0, start.Add(time.Duration(day)*24*time.Hour+time.Hour))
		s := p.State()
		a, _ := s.Find(acct(1))
		b, _ := s.Find(acct(2))
		today := s.Now() / 24
		if x := s.Tie(a, b); x.Age(today) != min(uint32(day), x.Age(today)) || x.Age(today) < min(uint32(day), oldest) || x.Quiet(today) != 0 || !x.Asked() {
			t.Fatalf("day %d: age %d, quiet %d, asked %t", day, x.Age(today), x.Quiet(today), x.Asked())
		}
		if x := s.Tie(b, a); x.Asked() {
			t.Fatalf("day %d: who was written to asked", day)
		}
		c, ok := s.Find(acct(3))
		var once *Tie
		if ok {
			once = s.Tie(a, c)
		}
		switch {
		case day <= 90 && (once == nil || once.Quiet(today) != uint32(day)):
			t.Fatalf("day %d: a tie of the first day is %v", day, once)
		case day > 97 && once != nil:
			t.Fatalf("day %d: a tie of the first day is still there", day)
		}
	}
}
