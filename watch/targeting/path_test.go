package targeting

import (
	"slices"
	"testing"
	"time"

	"vedette"
)

// followed is a platform, and a cell of two that writes to each other and then once each to two people who have a life of their own.
func followed(confirmed bool) ([]vedette.Event, Known) {
	s := &story{}
	noise(s, 5, 400, 50, .05)
	for i := range 2 {
		s.add(42*day+time.Duration(i)*time.Minute, 600+i, &vedette.AccountRegistered{Device: vedette.DeviceID{3}})
	}
	send := func(at time.Duration, from, dest int) {
		s.add(at, from, &vedette.LinkSent{To: to(dest), Stranger: vedette.Yes, Links: links(7777, 7777+dest)})
	}
	send(43*day, 600, 601)
	send(46*day, 600, 1)
	send(46*day+time.Hour, 601, 41)
	k := &kin{accounts: map[vedette.AccountID]vedette.MilliBits{acct(600): 1000, acct(601): 1000}, confirmed: confirmed}
	return s.sorted(), Known{Kinship: k}
}

func TestTheFirstTargetOfAConfirmedCellIsToldWhateverItsScore(t *testing.T) {
	for _, confirmed := range []bool{true, false} {
		events, known := followed(confirmed)
		d, _, _ := run(t, quick, known, events, 50*day)
		var at []time.Time
		for _, a := range d.alerts {
			if a.Queue == Followed {
				at = append(at, a.At)
				if !slices.ContainsFunc(a.Finding.Reasons, func(r vedette.Reason) bool { return r.Rule == "targeting/followed" }) {
					t.Errorf("the finding does not say why: %v", a.Finding.Reasons)
				}
			}
		}
		switch {
		case !confirmed && len(at) > 0:
			t.Errorf("a cell that nobody judged was followed: %v", at)
		case confirmed && (len(at) != 1 || !at[0].Equal(start.Add(46*day))):
			t.Errorf("told at %v, want once, at the first person outside of the cell", at)
		}
	}
}

func TestFindingsOfOneUnitDiffer(t *testing.T) {
	events, known := followed(true)
	d, _, _ := run(t, quick, known, events, 50*day)
	d.budget.Bounds = [queues]vedette.MilliBits{}
	i := slices.IndexFunc(d.alerts, func(a *Alert) bool { return a.Queue == Followed })
	if i < 0 {
		t.Fatal("nothing was told of the cell")
	}
	first := d.alerts[i]
	u := d.units.of[ofAccount(acct(600))]
	u.Score += again
	d.alert(u, first.At.Add(time.Hour))
	last := d.alerts[len(d.alerts)-1]
	if last == first || last.ID == first.ID {
		t.Errorf("a unit that was told of again has the finding %v again", last.ID)
	}
}

type vouches map[vedette.AccountID]time.Time

func (v vouches) Vouched(a vedette.AccountID) (time.Time, bool) { at, ok := v[a]; return at, ok }

func TestAPartnersWordCountsFromBeforeTheWindowAlone(t *testing.T) {
	v := vouches{}
	d, s := learned(t, Known{AtRisk: risk{acct(1): true}, Key: testKey, Vouchers: v})
	l := links(9999, 9999)[0]
	before := score(d, s, 500, 1, &l)
	now := time.Unix(int64(s.Now())*3600, 0)
	v[acct(500)] = now.Add(-2 * day)
	if c := score(d, s, 500, 1, &l); c.Score != before.Score {
		t.Errorf("a word of two days ago changed %v to %v", before.Score, c.Score)
	}
	v[acct(500)] = now.Add(-60 * day)
	if c := score(d, s, 500, 1, &l); before.Score-c.Score != min(vouched, before.Score) {
		t.Errorf("a word of sixty days ago changed %v to %v, not by %v", before.Score, c.Score, vouched)
	}
	v[acct(500)], v[acct(1)] = time.Time{}, now.Add(-60*day)
	delete(v, acct(500))
	if c := score(d, s, 500, 1, &l); c.Score != before.Score {
		t.Errorf("a word for the recipient changed %v to %v", before.Score, c.Score)
	}
}

// TestACircleThatAskedForProtectionIsOnePiece: those who know one another count once, strangers each for themselves.
func TestACircleThatAskedForProtectionIsOnePiece(t *testing.T) {
	for _, x := range []struct {
		name   string
		people []int // eight neighbours are friends
		want   int
	}{
		{"friends", []int{1, 2, 3}, 1},
		{"strangers", []int{1, 41, 81}, 3},
	} {
		s := &story{}
		noise(s, 5, 400, 30, .05)
		at := risk{}
		for i, p := range x.people {
			at[acct(p)] = true
			s.add(25*day+time.Duration(i)*time.Hour, 600, &vedette.LinkSent{To: to(p), Stranger: vedette.Yes, Links: links(7777, 7777+i)})
		}
		d, _, _ := run(t, quick, Known{AtRisk: at, Key: testKey}, s.sorted(), 30*day)
		if got := d.units.of[ofAccount(acct(600))].protected; got != x.want {
			t.Errorf("%s: %d of them count, want %d", x.name, got, x.want)
		}
	}
}

// TestWaysAreComparedWithThemselves: that people who are added to groups asked for protection says less where that is usual of such groups.
func TestWaysAreComparedWithThemselves(t *testing.T) {
	var seen tails
	note := func(way Way, protected uint8, n int) {
		for range n {
			x := noted{stratum: uint8(way) * senders}
			x.bins[Protected] = protected
			seen.add(&x)
		}
	}
	note(Direct, 0, 9900)
	note(Direct, 1, 100)
	note(AddedGroup, 0, 500)
	note(AddedGroup, 1, 500)
	var to table
	seen.ready(&to)
	direct, added := to.bits[0][Protected][1], to.bits[AddedGroup*senders][Protected][1]
	if direct < 6000 || added > 1200 {
		t.Errorf("%d thousandths of a bit of a direct one, %d of a group: want about 6600 and 1000", direct, added)
	}
}
