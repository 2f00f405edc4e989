package journal_test

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
)

// rename gives every identity, token and event id of an entry another value, the same for the same: another vault, other keys.
func rename(key uint64, e journal.Entry) journal.Entry {
	id := func(v *[16]byte) {
		if *v == ([16]byte{}) {
			return
		}
		r := rand.New(rand.NewPCG(key, 1))
		for i := range v {
			v[i] ^= byte(r.Uint32())
		}
		v[0], v[15] = v[15], v[0]
	}
	token := func(t *vedette.Token) {
		if t.Kind != vedette.TokenNone {
			id(&t.Bytes)
			t.Epoch += uint16(key)
		}
	}
	acct, grp := func(a *vedette.AccountID) { id((*[16]byte)(a)) }, func(g *vedette.GroupID) { id((*[16]byte)(g)) }
	dev, net := func(d *vedette.DeviceID) { id((*[16]byte)(d)) }, func(n *vedette.NetworkID) { id((*[16]byte)(n)) }
	id((*[16]byte)(&e.Event.ID))
	acct(&e.Event.Actor)
	e.Event.Bytes = vedette.Digest{byte(key)}
	e.Decision.Took += 77
	e.Position.Frame += key
	switch b := e.Event.Body.(type) {
	case *vedette.AccountRegistered:
		dev(&b.Device)
		net(&b.Network.ID)
		net(&b.Number.Block)
	case *vedette.AccountSeen:
		dev(&b.Device)
		net(&b.Network.ID)
	case *vedette.DeviceLinked:
		dev(&b.Device)
		net(&b.Network.ID)
	case *vedette.DeviceUnlinked:
		dev(&b.Device)
	case *vedette.GroupCreated:
		grp(&b.Group)
	case *vedette.GroupJoined:
		grp(&b.Group)
		acct(&b.Member)
	case *vedette.GroupLeft:
		grp(&b.Group)
		acct(&b.Member)
	case *vedette.GroupDeleted:
		grp(&b.Group)
	case *vedette.MessageSent:
		acct(&b.To.Account)
		grp(&b.To.Group)
	case *vedette.LinkSent:
		acct(&b.To.Account)
		grp(&b.To.Group)
	case *vedette.LinkPreviewed:
		acct(&b.From)
		grp(&b.Group)
	case *vedette.LinkOpened:
		acct(&b.From)
		grp(&b.Group)
	case *vedette.NumberLookedUp:
		acct(&b.Target)
	case *vedette.UserBlocked:
		acct(&b.Subject)
	case *vedette.UserUnblocked:
		acct(&b.Subject)
	case *vedette.UserReported:
		acct(&b.Subject)
		grp(&b.Group)
		id((*[16]byte)(&b.Message))
	}
	for i := range e.Event.Links() {
		l := &e.Event.Links()[i]
		token(&l.Domain)
		token(&l.Host)
		token(&l.Tenant)
		token(&l.URL)
	}
	return e
}

func sum(entries []journal.Entry) string {
	d := journal.NewDigester()
	for i := range entries {
		d.Add(&entries[i])
	}
	return d.Sum()
}

// copied returns entries that share nothing, by way of their bytes.
func copied(t interface{ Fatal(...any) }, entries []journal.Entry) []journal.Entry {
	data, err := journal.AppendFrame(nil, 0, 1, entries)
	if err != nil {
		t.Fatal(err)
	}
	_, out, err := journal.ReadFrame(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheSumDoesNotDependOnSurrogatesKeysOrFrames(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(journaltest.Any), 1, 10).Draw(r, "entries")
		want := sum(entries)
		other := copied(r, entries)
		for i := range other {
			other[i] = rename(rapid.Uint64Range(1, 1).Draw(r, "key"), other[i])
		}
		if got := sum(other); got != want {
			r.Fatalf("under another vault the sum is %s, not %s", got, want)
		}
	})
}

func TestOneChangeChangesTheSum(t *testing.T) {
	entries := yesterday()
	want := sum(entries)
	if want != sum(yesterday()) {
		t.Fatal("the same entries have two sums")
	}
	for name, change := range map[string]func(*journal.Entry){
		"verdict":       func(e *journal.Entry) { e.Decision.Verdict = vedette.Block },
		"would":         func(e *journal.Entry) { e.Decision.Would = vedette.Allow },
		"missing part":  func(e *journal.Entry) { e.Decision.Degraded = 0 },
		"reason's text": func(e *journal.Entry) { e.Decision.Reasons[0].Text += "." },
		"reason":        func(e *journal.Entry) { e.Decision.Reasons = e.Decision.Reasons[:1] },
		"measure":       func(e *journal.Entry) { e.Measures[0].Set(vedette.MeasureContacts, 99) },
		"generation":    func(e *journal.Entry) { e.Decision.Generation[0]++ },
		"actor":         func(e *journal.Entry) { e.Event.Actor[0]++ },
		"moment":        func(e *journal.Entry) { e.Event.At = e.Event.At.Add(1e6) },
	} {
		for i := range 19 {
			changed := yesterday()
			change(&changed[i])
			if sum(changed) == want && (name != "actor" || i != 0) {
				t.Errorf("another %s of entry %d (%s) leaves the sum as it was", name, i, entries[i].Event.Kind())
			}
		}
	}
	if sum(entries[1:]) == want || sum(entries[:len(entries)-1]) == want {
		t.Error("an entry less leaves the sum as it was")
	}
	entries[0], entries[1] = entries[1], entries[0]
	if sum(entries) == want {
		t.Error("another order leaves the sum as it was")
	}
}

func BenchmarkDigest(b *testing.B) {
	entries := journaltest.Entries(0, journal.MaxFrame)
	b.ReportAllocs()
	d := journal.NewDigester()
	for b.Loop() {
		for i := range entries {
			d.Add(&entries[i])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/journal.MaxFrame, "ns/entry")
}
