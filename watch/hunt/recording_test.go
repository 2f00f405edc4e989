package hunt_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func account(n int) (a vedette.AccountID) {
	d := sha256.Sum256(fmt.Appendf(nil, "account %d", n))
	copy(a[:], d[:])
	return a
}

func group(n int) (g vedette.GroupID) {
	d := sha256.Sum256(fmt.Appendf(nil, "group %d", n))
	copy(g[:], d[:])
	return g
}

// tokens makes tokens that are equal for equal names.
type tokens struct{}

func (tokens) Epochs(w hunt.Window) []uint16 {
	if !w.From.Before(w.To) {
		return nil
	}
	out := []uint16{epochOf(w.From)}
	if e := epochOf(w.To.Add(-time.Millisecond)); e != out[0] {
		out = append(out, e)
	}
	return out
}

// turn is when the second epoch of these tests begins.
var turn = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)

func epochOf(at time.Time) uint16 {
	if at.Before(turn) {
		return 1
	}
	return 2
}

func (tokens) Token(epoch uint16, kind vedette.TokenKind, name string) (t vedette.Token) {
	if name == "" {
		return t
	}
	d := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", epoch, kind, name))
	t.Kind, t.Epoch = kind, epoch
	copy(t.Bytes[:], d[:])
	return t
}

// linkAt is a link as the door makes it.
func linkAt(t testing.TB, raw string, at time.Time) vedette.Link {
	t.Helper()
	u, err := link.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	e := epochOf(at)
	return vedette.Link{
		Domain: tokens{}.Token(e, vedette.TokenDomain, u.Registrable()), Host: tokens{}.Token(e, vedette.TokenHost, u.Host()),
		Tenant: tokens{}.Token(e, vedette.TokenTenant, u.HostTenant()), URL: tokens{}.Token(e, vedette.TokenURL, u.Canonical()), Shape: u.Shape(),
	}
}

// m are measures by name.
type m map[vedette.Measure]int64

func measures(list ...m) (out []vedette.Measures) {
	for _, x := range list {
		var ms vedette.Measures
		for k, v := range x {
			ms.Set(k, v)
		}
		out = append(out, ms)
	}
	return out
}

const month = 30 * 24 * 3600

func rare(more m) m {
	out := m{
		vedette.MeasureFirstContact: 1, vedette.MeasureAccountAge: month, vedette.MeasureDomainPeople: 1, vedette.MeasureDomainRecipients: 2,
		vedette.MeasureURLSends: 1, vedette.MeasureHostPeople: 1, vedette.MeasureDomainSends: 3,
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func without(in m, gone ...vedette.Measure) m {
	for _, k := range gone {
		delete(in, k)
	}
	return in
}

func event(at time.Time, actor int, body vedette.Body) vedette.Event {
	ev := vedette.Event{
		Tenant: "chat-example", Platform: "chat", Bytes: vedette.Digest{1}, Source: vedette.SourceHTTP, Actor: account(actor), At: at, Seen: at,
		Tier: vedette.Tier2, Body: body,
	}
	d := sha256.Sum256(fmt.Appendf(nil, "%v %d %T %v", at, actor, body, body))
	copy(ev.ID[:], d[:])
	return ev
}

func toPerson(n int) vedette.Recipient { return vedette.Recipient{Account: account(n)} }
func toGroup(n int) vedette.Recipient  { return vedette.Recipient{Group: group(n), Size: 5} }

func recording(t testing.TB, rules hunt.Rules, deps hunt.RecordingDeps) *hunt.Recording {
	t.Helper()
	if deps.Journal == nil {
		deps.Journal = journal.NewMemory()
	}
	if deps.History == nil {
		deps.History = hunt.NewMemory()
	}
	r, err := hunt.NewRecording(rules, deps)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatGoesIntoHistory(t *testing.T) {
	r := recording(t, hunt.Rules{}, hunt.RecordingDeps{})
	evil := linkAt(t, "https://one.evil.example/a1", noon)
	other := linkAt(t, "https://other.example/", noon)
	doc := linkAt(t, "https://docs.google.com/document/d/1aBcD", noon)
	address := linkAt(t, "https://192.0.2.7/x", noon)
	alone := vedette.Link{URL: evil.URL}
	qr := evil
	qr.Where = vedette.InQRCode
	key := hunt.KeyOf
	seen := func(act hunt.Act, from, to int, l vedette.Link, change ...func(*hunt.Sighting)) hunt.Sighting {
		s := hunt.Sighting{
			At: noon, Act: act, Domain: key(l.Domain), Host: key(l.Host), Tenant: key(l.Tenant), URL: key(l.URL), Place: l.Where, Shape: l.Shape,
			Position: journal.Position{Frame: 3, Index: 1},
		}
		if from != 0 {
			s.From = account(from)
		}
		if to != 0 {
			s.To = account(to)
		}
		for _, c := range change {
			c(&s)
		}
		return s
	}
	own := func(s *hunt.Sighting) { s.Established = true }
	inGroup := func(s *hunt.Sighting) { s.Group = group(9) }
	sent := func(to vedette.Recipient, stranger vedette.Tri, links ...vedette.Link) *vedette.LinkSent {
		return &vedette.LinkSent{To: to, Stranger: stranger, Links: links}
	}
	known := m{vedette.MeasureFirstContact: 0}
	for _, tt := range []struct {
		name     string
		body     vedette.Body
		measures []m
		decision vedette.Decision
		want     []hunt.Sighting
	}{
		{"a first contact", sent(toPerson(2), 0, evil), []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, evil, own)}},
		{"not a message between contacts", sent(toPerson(2), 0, evil), []m{rare(known)}, vedette.Decision{}, nil},
		{"not a message whose contact was not measured", sent(toPerson(2), 0, evil), []m{without(rare(nil), vedette.MeasureFirstContact)}, vedette.Decision{}, nil},
		{"a stranger, as the recipient's client says", sent(toPerson(2), vedette.Yes, evil), []m{rare(known)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, evil, own)}},
		{"a first contact by memory, whatever the client says", sent(toPerson(2), vedette.No, evil), []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, evil, own)}},
		{"a group message that is a first contact", sent(toGroup(9), 0, evil), []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 0, evil, own, inGroup)}},
		{"a group message by a stranger", sent(toGroup(9), vedette.Yes, evil), []m{rare(known)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 0, evil, own, inGroup)}},
		{"not a message into one's own group", sent(toGroup(9), 0, evil), []m{rare(known)}, vedette.Decision{}, nil},
		{"a young sender is not established", sent(toPerson(2), 0, evil), []m{rare(m{vedette.MeasureAccountAge: month - 1})}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, evil)}},
		{"nor is one of unknown age", sent(toPerson(2), 0, evil), []m{without(rare(nil), vedette.MeasureAccountAge)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, evil)}},
		{
			"a refused message, with what was answered and what would have been", sent(toPerson(2), 0, evil),
			[]m{rare(nil)},
			vedette.Decision{Verdict: vedette.Hold, Would: vedette.Block},
			[]hunt.Sighting{seen(hunt.Sent, 1, 2, evil, own, func(s *hunt.Sighting) { s.Verdict, s.Would = vedette.Hold, vedette.Block })},
		},
		{"not one more of a flood of refused messages", sent(toPerson(2), 0, evil), []m{rare(m{vedette.MeasureDomainSends: 1024})}, vedette.Decision{Verdict: vedette.Block}, nil},
		{"63 people have met the domain", sent(toPerson(2), 0, evil), []m{rare(m{vedette.MeasureDomainPeople: 3, vedette.MeasureDomainRecipients: 60})}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, evil, own)}},
		{"64 people have met the domain", sent(toPerson(2), 0, evil), []m{rare(m{vedette.MeasureDomainPeople: 4, vedette.MeasureDomainRecipients: 60})}, vedette.Decision{}, nil},
		{"64 people have got the domain", sent(toPerson(2), 0, evil), []m{rare(m{vedette.MeasureDomainPeople: 0, vedette.MeasureDomainRecipients: 64})}, vedette.Decision{}, nil},
		{"not a link whose people were not measured", sent(toPerson(2), 0, evil), []m{without(rare(nil), vedette.MeasureDomainPeople)}, vedette.Decision{}, nil},
		{"not a link without measures", sent(toPerson(2), 0, evil), nil, vedette.Decision{}, nil},
		{
			"on a shared host the URL counts, however many use the host", sent(toPerson(2), 0, doc),
			[]m{rare(m{vedette.MeasureDomainPeople: 4000, vedette.MeasureDomainRecipients: 9000})},
			vedette.Decision{},
			[]hunt.Sighting{seen(hunt.Sent, 1, 2, doc, own)},
		},
		{
			"a popular document on a shared host is not recorded", sent(toPerson(2), 0, doc),
			[]m{rare(m{vedette.MeasureDomainPeople: 4000, vedette.MeasureDomainRecipients: 9000, vedette.MeasureURLSends: 64})},
			vedette.Decision{},
			nil,
		},
		{"an address has no domain: its senders and its URL count", sent(toPerson(2), 0, address), []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, address, own)}},
		{"an address that many send", sent(toPerson(2), 0, address), []m{rare(m{vedette.MeasureHostPeople: 64})}, vedette.Decision{}, nil},
		{"a link of which only the URL is told", sent(toPerson(2), 0, alone), []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, alone, own)}},
		{"not a link of which nothing was read", sent(toPerson(2), 0, vedette.Link{}), []m{rare(nil)}, vedette.Decision{}, nil},
		{
			"one sighting for each link, each by its own measures", sent(toPerson(2), 0, evil, other, qr),
			[]m{rare(nil), rare(m{vedette.MeasureDomainPeople: 99}), rare(nil)},
			vedette.Decision{},
			[]hunt.Sighting{seen(hunt.Sent, 1, 2, evil, own), seen(hunt.Sent, 1, 2, qr, own)},
		},
		{"a link said twice is one sighting", sent(toPerson(2), 0, evil, evil), []m{rare(nil), rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Sent, 1, 2, evil, own)}},
		{"a preview: from who sent it, to who sees it", &vedette.LinkPreviewed{From: account(5), Links: []vedette.Link{evil}}, []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Previewed, 5, 1, evil)}},
		{"an opening in a group", &vedette.LinkOpened{From: account(5), Group: group(9), Links: []vedette.Link{evil}}, []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Opened, 5, 1, evil, inGroup)}},
		{"not an opening of a popular link", &vedette.LinkOpened{From: account(5), Links: []vedette.Link{evil}}, []m{rare(m{vedette.MeasureDomainPeople: 64})}, vedette.Decision{}, nil},
		{"a report: from whom it is about, to who reports", &vedette.UserReported{Subject: account(5), Links: []vedette.Link{evil}}, []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Reported, 5, 1, evil)}},
		{"a link in a group's text", &vedette.GroupCreated{Group: group(9), Links: []vedette.Link{evil}}, []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Posted, 1, 0, evil, own, inGroup)}},
		{"a link in a profile", &vedette.ProfileChanged{Links: []vedette.Link{evil}}, []m{rare(nil)}, vedette.Decision{}, []hunt.Sighting{seen(hunt.Posted, 1, 0, evil, own)}},
		{"not a popular link in a profile", &vedette.ProfileChanged{Links: []vedette.Link{evil}}, []m{rare(m{vedette.MeasureDomainRecipients: 64})}, vedette.Decision{}, nil},
		{"nothing of a message without links", &vedette.MessageSent{To: toPerson(2), HasLink: vedette.Yes}, []m{rare(nil)}, vedette.Decision{}, nil},
		{"nothing of a tick", &vedette.Tick{}, nil, vedette.Decision{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := journal.Entry{Position: journal.Position{Frame: 3, Index: 1}, Event: event(noon, 1, tt.body), Measures: measures(tt.measures...), Decision: tt.decision}
			before := []hunt.Sighting{{Act: hunt.Opened}}
			if got := r.Take(&e, before); !reflect.DeepEqual(got[1:], tt.want) && len(got[1:])+len(tt.want) > 0 {
				t.Errorf("Take = %+v\nwant %+v", got[1:], tt.want)
			}
		})
	}
}

func TestRulesSayWhatIsWrong(t *testing.T) {
	day := 24 * time.Hour
	for _, tt := range []struct {
		rules hunt.Rules
		ok    bool
	}{
		{hunt.Rules{}, true},
		{hunt.Rules{Term: day, Linger: day}, true},
		{hunt.Rules{Term: 91 * day}, false},
		{hunt.Rules{Term: time.Hour}, false},
		{hunt.Rules{Rare: 65}, false},
		{hunt.Rules{Rare: 8}, true},
		{hunt.Rules{Established: 29 * day}, false},
		{hunt.Rules{Apart: 63}, false},
		{hunt.Rules{Linger: time.Hour}, false},
		{hunt.Rules{FlushEvery: 2 * time.Hour}, false},
		{hunt.Rules{FlushRows: -1}, false},
	} {
		if err := tt.rules.Validate(); (err == nil) != tt.ok || err != nil && !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%+v: %v, want ok: %v", tt.rules, err, tt.ok)
		}
	}
}

// frames turns events into frames of the journal.
func put(t testing.TB, j journal.Journal, entries ...journal.Entry) {
	t.Helper()
	last := j.Last().Frame
	for part := range slices.Chunk(entries, 50) {
		last++
		for i := range part {
			part[i].Position = journal.Position{Frame: last, Index: uint16(i)}
		}
		if err := j.Append(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
}

func send(t testing.TB, at time.Time, from, to int, raw string, ms m) journal.Entry {
	return journal.Entry{
		Event:    event(at, from, &vedette.LinkSent{To: toPerson(to), Links: []vedette.Link{linkAt(t, raw, at)}}),
		Measures: measures(ms),
	}
}

func tick(at time.Time) journal.Entry {
	return journal.Entry{Event: vedette.Event{Source: vedette.SourceJournal, At: at, Seen: at, Body: &vedette.Tick{}}}
}

// follow runs a recording until it stands at the journal's end, and then stops it: cleanly, or as a crash would.
func follow(t *testing.T, r *hunt.Recording) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	synctest.Wait()
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("Run: %v", err)
	}
}

// all returns what history holds of the names, by time.
func all(t testing.TB, h hunt.History, raws ...string) (out []hunt.Sighting) {
	t.Helper()
	var units []hunt.Key
	for _, raw := range raws {
		for _, at := range []time.Time{noon, turn} {
			l := linkAt(t, raw, at)
			for _, tok := range []vedette.Token{l.Domain, l.Host, l.Tenant, l.URL} {
				units = append(units, hunt.KeyOf(tok))
			}
		}
	}
	if _, err := h.Find(t.Context(), units, hunt.Window{}, func(_ int, s *hunt.Sighting) bool { out = append(out, *s); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

// torn is a history that loses what is not durable.
type torn struct {
	*hunt.Memory
	rows []hunt.Sighting
	upto journal.Position
	deny error // of Flush
}

func (h *torn) Add(ctx context.Context, s []hunt.Sighting, upto journal.Position) error {
	h.rows = append(h.rows, s...)
	h.upto = upto
	return nil
}

func (h *torn) Flush(ctx context.Context) error {
	if h.deny != nil {
		return h.deny
	}
	if h.upto == (journal.Position{}) {
		return h.Memory.Flush(ctx)
	}
	if err := h.Memory.Add(ctx, h.rows, h.upto); err != nil {
		return err
	}
	h.rows, h.upto = nil, journal.Position{}
	return h.Memory.Flush(ctx)
}

func (h *torn) crash() { h.rows, h.upto, h.deny = nil, journal.Position{}, nil }

func TestACrashLosesNothingAndDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journal.NewMemory()
		down := fmt.Errorf("disk: %w", vedette.ErrUnavailable)
		kept, whole := &torn{Memory: hunt.NewMemory()}, &torn{Memory: hunt.NewMemory()}
		state := func() journal.Position {
			at, err := journal.Place(t.Context(), j, "history")
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		n := 0
		more := func(k int) (list []journal.Entry) {
			for range k {
				at := noon.Add(time.Duration(n) * time.Minute)
				list = append(list, send(t, at, 1+n%7, 100+n, fmt.Sprintf("https://evil.example/%d", n), rare(nil)), tick(at.Add(30*time.Second)))
				n++
			}
			return list
		}
		for round := range 6 {
			put(t, j, more(70)...)
			r := recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: kept})
			if round%2 == 0 {
				// The disk fails: what was taken is not durable, and the process dies.
				kept.deny = down
				err := r.Run(t.Context())
				if !errors.Is(err, vedette.ErrUnavailable) {
					t.Fatalf("Run with a failing disk: %v", err)
				}
				if p := state(); kept.Position().Less(p) {
					t.Fatalf("the place %s is ahead of what is durable, %s", p, kept.Position())
				}
				kept.crash()
				continue
			}
			follow(t, r)
			if p := state(); p != j.Last() || kept.Position() != j.Last() {
				t.Fatalf("after a clean stop: place %s, durable %s, want %s", p, kept.Position(), j.Last())
			}
		}
		other := journal.NewMemory()
		for e, err := range j.Read(t.Context(), journal.Position{}) {
			if err != nil {
				t.Fatal(err)
			}
			put(t, other, e)
		}
		follow(t, recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: other, History: whole}))
		got, want := all(t, kept, "https://evil.example/"), all(t, whole, "https://evil.example/")
		for i := range got {
			got[i].Position = journal.Position{}
		}
		for i := range want {
			want[i].Position = journal.Position{}
		}
		if len(want) != n || !reflect.DeepEqual(got, want) {
			t.Errorf("interrupted: %d sightings, at once: %d, sent: %d; they are not the same", len(got), len(want), n)
		}
	})
}

func TestAQuietServerFlushesByTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, h := journal.NewMemory(), hunt.NewMemory()
		r := recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		put(t, j, send(t, noon, 1, 2, "https://evil.example/a", rare(nil)))
		synctest.Wait()
		if got := all(t, h, "https://evil.example/"); len(got) != 1 {
			t.Errorf("sightings before the flush: %d, want 1: they can be found at once", len(got))
		}
		if p := h.Position(); p != (journal.Position{}) {
			t.Errorf("durable %s before the time", p)
		}
		put(t, j, tick(noon.Add(14*time.Minute)))
		synctest.Wait()
		if p := h.Position(); p != (journal.Position{}) {
			t.Errorf("durable %s after 14 minutes", p)
		}
		put(t, j, tick(noon.Add(15*time.Minute)))
		synctest.Wait()
		if p := h.Position(); p != j.Last() {
			t.Errorf("durable %s after 15 minutes, want %s", p, j.Last())
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestManySightingsFlushWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, h := journal.NewMemory(), hunt.NewMemory()
		var list []journal.Entry
		for n := range 20 {
			list = append(list, send(t, noon, 1, 10+n, fmt.Sprintf("https://evil.example/%d", n), rare(nil)))
		}
		put(t, j, list...)
		r := recording(t, hunt.Rules{FlushRows: 10}, hunt.RecordingDeps{Journal: j, History: h})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		if p := h.Position(); p != j.Last() {
			t.Errorf("durable %s, want %s", p, j.Last())
		}
		stop()
		<-done
	})
}

func TestRetentionWaitsForHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := journal.NewMemory()
		put(t, j, send(t, noon, 1, 2, "https://evil.example/a", rare(nil)), tick(noon.Add(time.Minute)))
		put(t, j, tick(noon.Add(2*time.Minute)))
		h := &torn{Memory: hunt.NewMemory(), deny: vedette.ErrUnavailable}
		put(t, j, tick(noon.Add(20*time.Minute)))
		if err := recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h}).Run(t.Context()); !errors.Is(err, vedette.ErrUnavailable) {
			t.Fatal(err)
		}
		got, err := journal.Retain(t.Context(), j, time.Hour, noon.Add(48*time.Hour))
		if err != nil || got.Purged != 0 || got.Waiting != "follower/history" {
			t.Errorf("retain: %+v, %v; want it to wait for follower/history", got, err)
		}
		h.crash()
		follow(t, recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h}))
		if got, err := journal.Retain(t.Context(), j, time.Hour, noon.Add(48*time.Hour)); err != nil || got.Purged != 2 {
			t.Errorf("retain after the flush: %+v, %v; want two frames purged", got, err)
		}
	})
}

func TestHistoryOfAnotherJournalIsRefused(t *testing.T) {
	j, h := journal.NewMemory(), hunt.NewMemory()
	put(t, j, tick(noon))
	if err := errors.Join(h.Add(t.Context(), nil, journal.Position{Frame: 7}), h.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h}).Run(t.Context()); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("Run: %v, want a conflict", err)
	}
}

func TestErasureReachesWhatWasNotTakenYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, h := journal.NewMemory(), &torn{Memory: hunt.NewMemory()}
		put(
			t, j,
			send(t, noon, 1, 2, "https://evil.example/a", rare(nil)), send(t, noon, 1, 3, "https://evil.example/b", rare(nil)),
			send(t, noon, 2, 4, "https://evil.example/c", rare(nil)),
		)
		r := recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h})
		follow(t, r)
		put(t, j, send(t, noon, 1, 2, "https://evil.example/d", rare(nil)), send(t, noon, 1, 5, "https://evil.example/e", rare(nil)))
		n, err := r.Erase(t.Context(), account(2), vedette.GroupID{})
		if err != nil || n != 2 {
			t.Fatalf("Erase: %d, %v, want 2", n, err)
		}
		// A crash now replays the journal; what was erased must not come back.
		h.crash()
		follow(t, recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h}))
		got := all(t, h, "https://evil.example/")
		if len(got) != 2 || got[0].To != account(3) || got[1].To != account(5) {
			t.Errorf("left: %+v, want the two of others", got)
		}
		states, err := j.LoadStates(t.Context(), "history/")
		if err != nil || len(states) != 0 {
			t.Errorf("states: %v, %v; the note of the erasure must go once it is passed", states, err)
		}
		// The journal's state keeps no trace of the erased either.
		if _, err := r.Erase(t.Context(), vedette.AccountID{}, vedette.GroupID{}); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("erase nobody: %v", err)
		}
	})
}

func TestExpiryTakesItsTimeAsAnArgument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, h := journal.NewMemory(), hunt.NewMemory()
		put(t, j, send(t, noon, 1, 2, "https://evil.example/a", rare(nil)), send(t, noon.Add(48*time.Hour), 1, 3, "https://evil.example/b", rare(nil)))
		r := recording(t, hunt.Rules{Term: 10 * 24 * time.Hour}, hunt.RecordingDeps{Journal: j, History: h})
		follow(t, r)
		for _, tt := range []struct {
			after time.Duration
			want  int64
		}{{10 * 24 * time.Hour, 0}, {10*24*time.Hour + time.Millisecond, 1}, {30 * 24 * time.Hour, 1}} {
			if n, err := r.Expire(t.Context(), noon.Add(tt.after)); err != nil || n != tt.want {
				t.Errorf("Expire after %s: %d, %v, want %d", tt.after, n, err, tt.want)
			}
		}
	})
}

// TestAnOperatorCannotSprayHisEvidenceAway plays each way to make a link look popular, and looks whether its sightings are still there.
func TestAnOperatorCannotSprayHisEvidenceAway(t *testing.T) {
	old, young := int64(100*24*3600), int64(2*24*3600)
	popular := func(age int64) m {
		return rare(m{vedette.MeasureDomainPeople: 40, vedette.MeasureDomainRecipients: 40, vedette.MeasureAccountAge: age})
	}
	const raw = "https://evil.example/a"
	for _, tt := range []struct {
		name  string
		spray func(at time.Time) []journal.Entry
		gone  bool
	}{
		{"nothing more happens", func(time.Time) []journal.Entry { return nil }, false},
		{"one old account sends it to a thousand established people", func(at time.Time) (list []journal.Entry) {
			for n := range 1000 {
				list = append(list, send(t, at, 1, 1000+n, raw, popular(old)))
			}
			return list
		}, false},
		{"two hundred young accounts send it to established people, who look at it and open it", func(at time.Time) (list []journal.Entry) {
			for n := range 200 {
				l := []vedette.Link{linkAt(t, raw, at)}
				list = append(list, send(t, at, 1000+n, 2000+n, raw, popular(young)),
					journal.Entry{Event: event(at, 2000+n, &vedette.LinkPreviewed{From: account(1000 + n), Links: l}), Measures: measures(popular(old))},
					journal.Entry{Event: event(at, 2000+n, &vedette.LinkOpened{From: account(1000 + n), Links: l}), Measures: measures(popular(old))})
			}
			return list
		}, false},
		{"a hundred old accounts pass it on in a chain", func(at time.Time) (list []journal.Entry) {
			for n := range 100 {
				list = append(list, send(t, at, 1000+n, 1001+n, raw, popular(old)))
			}
			return list
		}, false},
		{"a hundred old accounts send it to one", func(at time.Time) (list []journal.Entry) {
			for n := range 100 {
				list = append(list, send(t, at, 1000+n, 5000, raw, popular(old)))
			}
			return list
		}, false},
		{"a hundred old accounts post it into one group", func(at time.Time) (list []journal.Entry) {
			for n := range 100 {
				e := send(t, at, 1000+n, 0, raw, popular(old))
				e.Event.Body.(*vedette.LinkSent).To = toGroup(1)
				list = append(list, e)
			}
			return list
		}, false},
		{"a hundred old accounts try, and are refused", func(at time.Time) (list []journal.Entry) {
			for n := range 100 {
				e := send(t, at, 1000+n, 2000+n, raw, popular(old))
				e.Decision.Verdict = vedette.Block
				list = append(list, e)
			}
			return list
		}, false},
		{"63 old accounts send it apart", func(at time.Time) (list []journal.Entry) {
			for n := range 63 {
				list = append(list, send(t, at, 1000+n, 2000+n, raw, popular(old)))
			}
			return list
		}, false},
		{"64 pairs are joined in the end", func(at time.Time) (list []journal.Entry) {
			for n := range 63 {
				list = append(list, send(t, at, 1000+n, 2000+n, raw, popular(old)))
			}
			return append(list, send(t, at, 1000, 2001, raw, popular(old)), send(t, at, 1900, 2900, raw, popular(old)))
		}, false},
		// What is left to him, at this price; and what spares everybody whose contact shared a page that many found by themselves.
		{"64 established people send it apart", func(at time.Time) (list []journal.Entry) {
			for n := range 64 {
				list = append(list, send(t, at, 1000+n, 2000+n, raw, popular(old)))
			}
			return list
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, h := journal.NewMemory(), hunt.NewMemory()
				put(t, j, send(t, noon, 1, 2, raw, rare(nil)), send(t, noon, 1, 3, raw, rare(nil)))
				put(t, j, tt.spray(noon.Add(time.Hour))...)
				put(t, j, tick(noon.Add(6*24*time.Hour)))
				follow(t, recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h}))
				if got := all(t, h, raw); len(got) < 2 {
					t.Errorf("after 6 days: %d sightings of the attack, want 2: a report must still find them", len(got))
				}
				put(t, j, tick(noon.Add(8*24*time.Hour)))
				put(t, j, send(t, noon.Add(8*24*time.Hour), 1, 7, raw, rare(nil))) // looks rare again: memory lost it
				follow(t, recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h}))
				if got := all(t, h, raw); (len(got) == 0) != tt.gone {
					t.Errorf("after 8 days: %d sightings, want gone: %v", len(got), tt.gone)
				}
			})
		})
	}
}
