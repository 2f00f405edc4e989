package rehearsal

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vedette"
	"vedette/watch/population"
)

var start = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)

// platform makes eight weeks of events of n people in small circles, and a cell of six that begins on day 40: made within an hour on two devices from one
// hoster's network, trying three new domains on one another. Ids are random; what is in them says nothing.
func platform(seed uint64, n int) []vedette.Event {
	rng := rand.New(rand.NewPCG(seed, 1))
	id := func(kind byte, i int) (b [16]byte) {
		r := rand.New(rand.NewPCG(uint64(kind)<<32|seed, uint64(i)))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		return b
	}
	acct := func(i int) vedette.AccountID { return vedette.AccountID(id('a', i)) }
	link := func(d, u int) []vedette.Link {
		return []vedette.Link{{
			Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: id('l', d)},
			URL:    vedette.Token{Kind: vedette.TokenURL, Epoch: 1, Bytes: id('u', u)},
		}}
	}
	var out []vedette.Event
	add := func(at time.Duration, actor int, b vedette.Body) {
		out = append(out, vedette.Event{ID: vedette.EventID(id('e', len(out))), Actor: acct(actor), At: start.Add(at).Truncate(time.Millisecond), Body: b})
	}
	home := func(i int) vedette.Network {
		return vedette.Network{ID: vedette.NetworkID(id('n', i/3)), ASN: uint32(1 + i%5), Class: vedette.NetworkResidential, Country: vedette.Country{'X', 'A'}}
	}
	const days = 56
	for day := range days {
		for h := range 24 {
			for range n / 12 {
				i := rng.IntN(n)
				at := time.Duration(day*24+h)*time.Hour + time.Duration(rng.IntN(3600_000))*time.Millisecond
				switch rng.IntN(5) {
				case 0:
					add(at, i, &vedette.AccountSeen{Device: vedette.DeviceID(id('d', i)), Network: home(i)})
				case 1:
					to := i/8*8 + rng.IntN(8)
					if rng.IntN(20) == 0 {
						add(at, i, &vedette.LinkSent{To: vedette.Recipient{Account: acct(to)}, Stranger: vedette.No, Links: link(rng.IntN(500), rng.IntN(5000))})
					}
				default:
					add(at, i, &vedette.MessageSent{To: vedette.Recipient{Account: acct(i/8*8 + rng.IntN(8))}, Count: uint16(1 + rng.IntN(4)), Stranger: vedette.No})
				}
			}
		}
		for j := range 4 { // somebody new each day
			i := n + day*4 + j
			at := time.Duration(day*24+rng.IntN(24)) * time.Hour
			add(at, i, &vedette.AccountRegistered{
				Device: vedette.DeviceID(id('d', i)), Build: uint32(1 + rng.IntN(30)), Network: home(i), Attestation: vedette.AttestStrong,
				Number: vedette.Number{Country: vedette.Country{'X', 'A'}, Carrier: vedette.CarrierMobile, Block: vedette.NetworkID(id('b', i))},
			})
			add(at+time.Hour, i, &vedette.MessageSent{To: vedette.Recipient{Account: acct(rng.IntN(n))}, Count: 1, Stranger: vedette.Unknown})
		}
	}
	const cell = 1 << 20
	for j := range 6 {
		add(40*24*time.Hour+time.Duration(j*7)*time.Minute, cell+j, &vedette.AccountRegistered{
			Device: vedette.DeviceID(id('D', j/3)), Build: 77, Attestation: vedette.AttestNone,
			Network: vedette.Network{ID: vedette.NetworkID(id('H', 0)), ASN: 64511, Class: vedette.NetworkHosting, Country: vedette.Country{'X', 'B'}},
			Number:  vedette.Number{Country: vedette.Country{'X', 'A'}, Carrier: vedette.CarrierVoIP, Block: vedette.NetworkID(id('B', 0))},
		})
	}
	for k := range 60 {
		at := 40*24*time.Hour + 3*time.Hour + time.Duration(k)*40*time.Minute
		from, to := cell+k%6, cell+(k+1+k/6)%6
		if from == to {
			continue
		}
		add(at, from, &vedette.MessageSent{To: vedette.Recipient{Account: acct(to)}, Count: 2, Stranger: vedette.Yes})
		if k%2 == 0 {
			l := link(1_000_000+k%3, 2_000_000+k)
			add(at+time.Minute, from, &vedette.LinkSent{To: vedette.Recipient{Account: acct(to)}, Stranger: vedette.Yes, Links: l})
			add(at+2*time.Minute, to, &vedette.LinkOpened{From: acct(from), Links: l})
		}
		if k%9 == 0 {
			add(at+3*time.Minute, to, &vedette.UserBlocked{Subject: acct(from)})
			add(at+4*time.Minute, to, &vedette.UserUnblocked{Subject: acct(from)})
		}
	}
	slices.SortStableFunc(out, func(x, y vedette.Event) int { return x.At.Compare(y.At) })
	return out
}

func watch(t testing.TB, cfg Config, partitions int, es []vedette.Event, cut int) (*Detector, []vedette.Finding) {
	t.Helper()
	d, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := population.New(population.Config{Partitions: partitions}, d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range es {
		if i == cut && cut > 0 {
			pb, db := p.Save(nil), d.Save(nil)
			var d2 *Detector
			hand := &hand{}
			if p, err = population.Restore(population.Config{Partitions: partitions}, pb, hand); err != nil {
				t.Fatal(err)
			}
			if d2, err = Restore(cfg, nil, db, p.State()); err != nil {
				t.Fatal(err)
			}
			if again := d2.Save(nil); string(again) != string(db) {
				t.Fatal("saved again it differs")
			}
			hand.Watcher, d = d2, d2
		}
		p.Take(int(es[i].Actor[0])%partitions, &es[i])
	}
	p.End(start.Add(56 * 24 * time.Hour))
	return d, d.Findings()
}

// hand passes on to a watcher that is made after the population.
type hand struct{ population.Watcher }

var small = Config{Least: 100, Settling: 15 * 24 * time.Hour, WarmUp: 4 * 24 * time.Hour, Learning: 14 * 24 * time.Hour}

func TestACellIsFoundWhileItRehearses(t *testing.T) {
	es := platform(1, 800)
	d, fs := watch(t, small, 1, es, 0)
	if len(fs) == 0 {
		for _, c := range d.Cells() {
			t.Logf("cell of %d, %d milli-bits, %v", len(c.Members), c.Score, c.Evidence.Channels)
		}
		t.Fatalf("nothing found; bound %d", d.Budget().Bound)
	}
	at := slices.IndexFunc(fs, func(f vedette.Finding) bool { return len(f.Subjects) == 6 && len(f.Links) == 3 })
	if at < 0 {
		t.Fatalf("%d findings, none of the cell of six with its three domains", len(fs))
	}
	f := fs[at]
	if len(f.Basis) < 8 {
		t.Errorf("%d events behind it, want at least 8", len(f.Basis))
	}
	if lead := start.Add(43 * 24 * time.Hour).Sub(f.To); lead < 0 {
		t.Errorf("found at %s", f.To)
	}
	for _, r := range f.Reasons {
		t.Logf("%8d %-24s %s", r.Weight, r.Rule, r.Text)
	}
	if n := len(fs); n > 3 {
		t.Errorf("%d findings", n)
	}
}

func TestFindingsAreTheSame(t *testing.T) {
	es := platform(2, 800)
	_, fs := watch(t, small, 1, es, 0)
	want, err := json.Marshal(fs)
	if err != nil || len(fs) == 0 {
		t.Fatal(len(fs), err)
	}
	for _, tt := range []struct {
		name       string
		partitions int
		cut        int
	}{{"in 4 partitions", 4, 0}, {"in 7", 7, 0}, {"restored on day 20", 1, len(es) * 20 / 56}, {"restored in the cell's first hours", 4, len(es)*40/56 + 60}} {
		_, fs := watch(t, small, tt.partitions, es, tt.cut)
		if got, _ := json.Marshal(fs); string(got) != string(want) {
			t.Errorf("%s: other findings:\n%s\n%s", tt.name, got, want)
		}
	}
	late := append([]vedette.Event(nil), es...)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range late {
		if j := i + rng.IntN(30); j < len(late) && late[j].At.Sub(late[i].At) < population.Lateness/3 {
			late[i], late[j] = late[j], late[i]
		}
	}
	_, fs = watch(t, small, 1, late, 0)
	if got, _ := json.Marshal(fs); string(got) != string(want) {
		t.Error("reordered within Lateness: other findings")
	}
}

func TestASmallPlatformIsNotJudged(t *testing.T) {
	d, fs := watch(t, Config{}, 1, platform(3, 400), 0)
	if len(fs) != 0 || d.Silent() == "" {
		t.Errorf("%d findings, silent because %q", len(fs), d.Silent())
	}
}

func TestNegativeBinomial(t *testing.T) {
	for _, tt := range []struct {
		n     int
		mu, r float64
		want  float64 // P(X >= n)
	}{
		{1, 1, 1, .5}, // geometric: P(0) = 1/2
		{3, 1, 1, .125},
		{1, .7, .7, 1 - math.Pow(.5, .7)},
		{0, 5, 2, 1},
	} {
		if got := math.Exp2(-negativeBinomial(tt.n, tt.mu, tt.r)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("P(NB(%v, %v) >= %d) = %v, want %v", tt.mu, tt.r, tt.n, got, tt.want)
		}
	}
	last := 0.0
	for n := range 300 {
		b := negativeBinomial(n, .01, .7)
		if b < last-1e-9 {
			t.Fatalf("%d events surprise less than %d", n, n-1)
		}
		last = b
	}
}

func TestLockstepGrowsWithClosenessAndPaysForChoosing(t *testing.T) {
	close := lockstep([]float64{10, 11, 12, 13, 14})
	wide := lockstep([]float64{10, 60, 120, 180, 240})
	one := lockstep([]float64{10, 11, 12, 13, 600})
	if !(close > one && one > wide && wide >= 0) {
		t.Errorf("close %v, one left out %v, wide %v", close, one, wide)
	}
	// of five beginnings spread evenly, the surprise is 0 bits on average or little more
	rng := rand.New(rand.NewPCG(1, 1))
	sum := 0.0
	for range 2000 {
		b := make([]float64, 5)
		for i := range b {
			b[i] = rng.Float64() * 30 * 24
		}
		sum += math.Exp2(lockstep(b) / 2)
	}
	if mean := sum / 2000; mean > 3 {
		t.Errorf("2^(bits/2) of even beginnings is %v on average", mean)
	}
}

func TestAllowed(t *testing.T) {
	// χ²₀.₉(2k+2)/2 from tables: k=0 2.303, 1 3.890, 2 5.322, 3 6.681, 4 7.994, 5 9.275
	for _, tt := range []struct {
		expected float64
		want     int
	}{{1, 0}, {2.31, 0}, {3.9, 1}, {5.33, 2}, {6.7, 3}, {9, 4}, {9.28, 5}} {
		if got := allowed(tt.expected); got != tt.want {
			t.Errorf("allowed(%v) = %d, want %d", tt.expected, got, tt.want)
		}
	}
}

// asked vouches for everybody since a time.
type asked struct{ since time.Time }

func (a asked) Vouched(vedette.AccountID) (time.Time, bool) { return a.since, true }

func TestWhoEnrolsHimselfIsToldOfAllTheSame(t *testing.T) {
	es := platform(1, 800)
	run := func(v Voucher) []vedette.Finding {
		d, err := New(small, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Vouchers = v
		p, err := population.New(population.Config{}, d)
		if err != nil {
			t.Fatal(err)
		}
		for i := range es {
			p.Take(0, &es[i])
		}
		p.End(start.Add(56 * 24 * time.Hour))
		return d.Findings()
	}
	want, err := json.Marshal(run(nil))
	if err != nil {
		t.Fatal(err)
	}
	// Asked for within the window in which the cell is judged: an operator could do that.
	if got, _ := json.Marshal(run(asked{start.Add(30 * 24 * time.Hour)})); string(got) != string(want) {
		t.Error("enrolment within the window changed the findings")
	}
	// A partner's word from long before takes off what it may.
	top := func(fs []vedette.Finding) (best vedette.MilliBits) {
		for _, f := range fs {
			best = max(best, f.Score)
		}
		return best
	}
	if a, b := top(run(nil)), top(run(asked{start.Add(-400 * 24 * time.Hour)})); b >= a {
		t.Errorf("with a partner's word %d, without %d", b, a)
	}
}
