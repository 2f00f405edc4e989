package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/vault"
)

var (
	key   = vault.NewKeys([32]byte{1, 2, 3}, "a test")
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func open(t testing.TB, s vault.Store, o ...vault.Option) *vault.Vault {
	t.Helper()
	v, err := vault.Open(s, key, o...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func tenant(t testing.TB, v *vault.Vault, name vedette.Tenant) *vault.Sealer {
	t.Helper()
	s, err := v.Tenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func account(t testing.TB, s *vault.Sealer, raw string) vedette.AccountID {
	t.Helper()
	id, err := s.Account(raw)
	if err != nil {
		t.Fatalf("Account: %v", err)
	}
	if id.IsZero() {
		t.Fatal("Account gave the zero surrogate")
	}
	return id
}

func sync1(t testing.TB, v *vault.Vault) {
	t.Helper()
	if err := v.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestSurrogates(t *testing.T) {
	store := vault.NewMemory()
	v := open(t, store)
	s := tenant(t, v, "a")
	ana := account(t, s, "@ana:chat.example")
	if again := account(t, s, "@ana:chat.example"); again != ana {
		t.Error("the same id has two surrogates")
	}
	if other := account(t, s, "@Ana:chat.example"); other == ana {
		t.Error("ids that differ in case share a surrogate")
	}
	if other := account(t, tenant(t, v, "b"), "@ana:chat.example"); other == ana {
		t.Error("two tenants share a surrogate")
	}
	g, err := s.Group("@ana:chat.example")
	if err != nil || vedette.AccountID(g) == ana {
		t.Errorf("a group shares an account's surrogate: %v", err)
	}
	sync1(t, v)
	if got := account(t, tenant(t, open(t, store), "a"), "@ana:chat.example"); got != ana {
		t.Error("a restart gave another surrogate to a synced id")
	}
}

func TestSameName(t *testing.T) {
	s := tenant(t, open(t, vault.NewMemory()), "a")
	for _, tt := range []struct {
		name, a, b string
		same       bool
	}{
		{"separators in a number do not matter", "+15550100123", "+1 (555) 010-0123", true},
		{"a trunk zero in brackets does not matter", "+447700900123", "+44 (0)7700 900123", true},
		{"a number without plus is a name", "15550100123", "+15550100123", false},
		{"another digit is another number", "+15550100123", "+15550100124", false},
		{"blanks in a name matter", "ana b", "anab", false},
		{"a plus before letters is a name", "+ana b", "+anab", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := account(t, s, tt.a) == account(t, s, tt.b); got != tt.same {
				t.Errorf("%q and %q the same: %v, want %v", tt.a, tt.b, got, tt.same)
			}
		})
	}
	net := func(a string) vedette.NetworkID {
		t.Helper()
		id, err := s.Network(netip.MustParseAddr(a))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for _, tt := range []struct {
		name, a, b string
		same       bool
	}{
		{"one IPv6 /64 is one network", "2001:db8::1", "2001:db8::ffff:1:2:3", true},
		{"two /64 are two", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"two IPv4 are two", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 in IPv6 clothes is IPv4", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"a zone does not matter", "fe80::1%eth0", "fe80::1", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := net(tt.a) == net(tt.b); got != tt.same {
				t.Errorf("%s and %s the same: %v, want %v", tt.a, tt.b, got, tt.same)
			}
		})
	}
	b1, err1 := s.Block("+447700900101")
	b2, err2 := s.Block("+44 7700 900199")
	b3, err3 := s.Block("+447700900200")
	if err := errors.Join(err1, err2, err3); err != nil || b1 != b2 || b1 == b3 {
		t.Errorf("blocks of one hundred: %v %v %v %v", b1 == b2, b1 == b3, b1, err)
	}
}

func TestBadNames(t *testing.T) {
	s := tenant(t, open(t, vault.NewMemory()), "a")
	if _, err := s.Account(""); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Account of nothing: %v", err)
	}
	if _, err := s.Account(string(make([]byte, 257))); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Account of 257 bytes: %v", err)
	}
	if _, err := s.Network(netip.Addr{}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Network of no address: %v", err)
	}
	if _, err := s.Block("@ana:chat.example"); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Block of a name: %v", err)
	}
}

// failing is a store that fails when told to, and counts.
type failing struct {
	vault.Store
	fail    atomic.Bool
	applied atomic.Int64
	gate    chan struct{} // when set, Apply waits for it
}

func (f *failing) Apply(ctx context.Context, c []vault.Change) error {
	if f.fail.Load() {
		return fmt.Errorf("disk full: %w", vedette.ErrUnavailable)
	}
	f.applied.Add(1)
	if f.gate != nil {
		<-f.gate
	}
	return f.Store.Apply(ctx, c)
}

func TestSync(t *testing.T) {
	store := &failing{Store: vault.NewMemory()}
	v := open(t, store)
	s := tenant(t, v, "a")
	ana := account(t, s, "ana")
	store.fail.Store(true)
	if err := v.Sync(t.Context()); !errors.Is(err, vedette.ErrUnavailable) {
		t.Fatalf("Sync on a full disk = %v", err)
	}
	// Still pending: the next Sync must not believe that it was done.
	if err := v.Sync(t.Context()); !errors.Is(err, vedette.ErrUnavailable) {
		t.Fatalf("second Sync on a full disk = %v", err)
	}
	store.fail.Store(false)
	sync1(t, v)
	n := store.applied.Load()
	sync1(t, v)
	account(t, s, "ana")
	sync1(t, v)
	if got := store.applied.Load(); got != n {
		t.Errorf("Sync with nothing new wrote %d times", got-n)
	}
	if got := account(t, tenant(t, open(t, store), "a"), "ana"); got != ana {
		t.Error("what was pending over a failure is lost")
	}
}

// TestCrashBetweenIssueAndSync is the promise that the sequencer relies on: whatever was returned before a Sync that returned nil survives,
// whoever called it, and whatever did not may come out different, since no event that uses it was kept.
func TestCrashBetweenIssueAndSync(t *testing.T) {
	store := vault.NewMemory()
	v := open(t, store, vault.WithCache(64)) // so small that almost everything is asked of the store again
	s := tenant(t, v, "a")
	var mu sync.Mutex
	kept := map[string]vedette.AccountID{} // the journal
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 300 {
				raw := fmt.Sprintf("acct-%d", (i*7+w*13)%500)
				id, err := s.Account(raw)
				if err != nil {
					t.Error(err)
					return
				}
				if err := v.Sync(context.Background()); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if old, ok := kept[raw]; ok && old != id {
					t.Errorf("%s has two surrogates", raw)
				}
				kept[raw] = id
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	account(t, s, "issued and never synced")
	s = tenant(t, open(t, store), "a") // the crash: memory is gone
	for raw, id := range kept {
		if got := account(t, s, raw); got != id {
			t.Errorf("%s: another surrogate after the crash", raw)
		}
	}
	if n, err := v.Count(t.Context(), "a", vault.KindAccount); err != nil || n != len(kept) {
		t.Errorf("Count = %d, %v; want %d", n, err, len(kept))
	}
}

func TestWrongKeyIsFoundAtOnce(t *testing.T) {
	store := vault.NewMemory()
	open(t, store)
	if _, err := vault.Open(store, vault.NewKeys([32]byte{9}, "another")); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("Open with another key = %v, want %v", err, vault.ErrWrongKey)
	}
	if _, err := vault.Open(store, vault.Keys{}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Open without a key = %v", err)
	}
	open(t, store)
}

// permit makes one through a register with two founders, the only way there is.
func permit(t testing.TB, m *authority.Memory, purpose authority.Purpose, ten vedette.Tenant) authority.Permit {
	t.Helper()
	r := authority.NewRegister(m)
	before, err := r.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(before) > 0 { // the founders' keys are gone with the first call
		m2 := new(authority.Memory)
		return permit(t, m2, purpose, ten)
	}
	ask := authority.Ask{Purpose: purpose, Tenant: ten, Case: "case-7", Until: start.Add(time.Hour)}
	act, err := ask.Act()
	if err != nil {
		t.Fatal(err)
	}
	var approvals [][]byte
	for _, id := range []authority.PersonID{"ana", "omar"} {
		pub, priv, err := authority.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Enrol(t.Context(), authority.Person{ID: id, Name: "A", Role: authority.RoleLead, Key: pub}, nil, start); err != nil {
			t.Fatal(err)
		}
		a, err := authority.Approve(act, id, priv, start)
		if err != nil {
			t.Fatal(err)
		}
		b, err := a.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		approvals = append(approvals, b)
	}
	p, err := r.Permit(t.Context(), ask, approvals, start)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func clock() time.Time { return start.Add(time.Minute) }

func TestErase(t *testing.T) {
	store, m := vault.NewMemory(), new(authority.Memory)
	p := permit(t, m, authority.PurposeErase, "a")
	for _, synced := range []bool{false, true} {
		t.Run(fmt.Sprintf("synced %v", synced), func(t *testing.T) {
			v := open(t, store, vault.WithClock(clock), vault.WithRecorder(m))
			s := tenant(t, v, "a")
			ana, omar := account(t, s, "ana"), account(t, s, "omar")
			if synced {
				sync1(t, v)
				if _, ok := s.Seed(ana); !ok {
					t.Fatal("no seed")
				}
				if err := v.Enrol(t.Context(), "a", "ana", start.Add(time.Hour), vault.NewConsent(start)); err != nil {
					t.Fatal(err)
				}
			}
			e, err := v.Erase(t.Context(), p, "a", vault.KindAccount, "ana")
			if err != nil || !e.Known || e.Account() != ana || !e.Seed || e.Enrolled != synced {
				t.Fatalf("Erase = %+v, %v", e, err)
			}
			if e, err := v.Erase(t.Context(), p, "a", vault.KindAccount, "ana"); err != nil || e.Known {
				t.Errorf("second Erase = %+v, %v", e, err)
			}
			if _, err := s.SeedOf(t.Context(), ana); !errors.Is(err, vedette.ErrUnknown) {
				t.Errorf("SeedOf the erased = %v", err)
			}
			if s.AtRisk(ana, start) {
				t.Error("the enrolment outlived the person")
			}
			again := account(t, s, "ana")
			if again == ana {
				t.Error("the erased came back under the old surrogate")
			}
			if account(t, s, "omar") != omar {
				t.Error("somebody else was touched")
			}
			sync1(t, v)
			if got := account(t, tenant(t, open(t, store), "a"), "ana"); got != again {
				t.Error("after a restart: neither the new surrogate")
			}
			if _, err := v.Erase(t.Context(), p, "a", vault.KindAccount, "ana"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestEraseNeedsAPermitAndARecord(t *testing.T) {
	m := new(authority.Memory)
	good := permit(t, m, authority.PurposeErase, "a")
	notify := permit(t, new(authority.Memory), authority.PurposeNotify, "a")
	late := func() time.Time { return start.Add(2 * time.Hour) }
	for _, tt := range []struct {
		name   string
		permit authority.Permit
		tenant vedette.Tenant
		option []vault.Option
	}{
		{"the zero permit", authority.Permit{}, "a", []vault.Option{vault.WithClock(clock), vault.WithRecorder(m)}},
		{"a permit to notify", notify, "a", []vault.Option{vault.WithClock(clock), vault.WithRecorder(m)}},
		{"another tenant", good, "b", []vault.Option{vault.WithClock(clock), vault.WithRecorder(m)}},
		{"an ended permit", good, "a", []vault.Option{vault.WithClock(late), vault.WithRecorder(m)}},
		{"no clock", good, "a", []vault.Option{vault.WithRecorder(m)}},
		{"no record", good, "a", []vault.Option{vault.WithClock(clock)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := open(t, vault.NewMemory(), tt.option...)
			ana := account(t, tenant(t, v, tt.tenant), "ana")
			if _, err := v.Erase(t.Context(), tt.permit, tt.tenant, vault.KindAccount, "ana"); !errors.Is(err, vedette.ErrForbidden) {
				t.Errorf("Erase = %v, want forbidden", err)
			}
			if account(t, tenant(t, v, tt.tenant), "ana") != ana {
				t.Error("erased all the same")
			}
		})
	}
}

func TestOpen(t *testing.T) {
	m := new(authority.Memory)
	p := permit(t, m, authority.PurposeNotify, "a")
	v := open(t, vault.NewMemory(), vault.WithClock(clock), vault.WithRecorder(m))
	s := tenant(t, v, "a")
	ana := account(t, s, "+44 (0)7700 900123")
	sync1(t, v)
	if got, err := v.Open(t.Context(), p, "a", ana); err != nil || got != "+44 (0)7700 900123" {
		t.Errorf("Open = %q, %v; want the id as the platform wrote it", got, err)
	}
	if got, err := v.Find(t.Context(), p, "a", vault.KindAccount, "+447700900123"); err != nil || vedette.AccountID(got) != ana {
		t.Errorf("Find = %v, %v", got, err)
	}
	if _, err := v.Find(t.Context(), p, "a", vault.KindAccount, "nobody"); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Find nobody = %v", err)
	}
	if _, err := v.Open(t.Context(), authority.Permit{}, "a", ana); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Open without a permit = %v", err)
	}
	if _, err := v.Open(t.Context(), permit(t, new(authority.Memory), authority.PurposeErase, "a"), "a", ana); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Open with a permit to erase = %v", err)
	}
	if _, err := v.Open(t.Context(), p, "a", vedette.NewAccountID()); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Open of nobody = %v", err)
	}
	asked, err := m.Asked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var given, refused int
	for _, a := range asked {
		if a.What == "vault.open" {
			if a.Given {
				given++
			} else {
				refused++
			}
		}
	}
	if given != 2 || refused != 2 {
		t.Errorf("recorded %d given and %d refused openings, want 2 and 2", given, refused)
	}
}

func TestPeopleAtRisk(t *testing.T) {
	m := new(authority.Memory)
	store := vault.NewMemory()
	v := open(t, store, vault.WithClock(clock), vault.WithRecorder(m))
	s := tenant(t, v, "a")
	until := start.Add(30 * 24 * time.Hour)
	if err := v.Enrol(t.Context(), "a", "ana", until, vault.NewConsent(start)); err != nil {
		t.Fatal(err)
	}
	ana, omar := account(t, s, "ana"), account(t, s, "omar")
	if !s.AtRisk(ana, start) || !s.AtRisk(ana, until.Add(-time.Second)) || s.AtRisk(ana, until) {
		t.Error("an enrolment holds until its end, and no longer")
	}
	if s.AtRisk(omar, start) || s.AtRisk(vedette.NewAccountID(), start) || s.AtRisk(vedette.AccountID{}, start) {
		t.Error("somebody not enrolled is at risk")
	}
	if err := v.Enrol(t.Context(), "a", "ana", start.Add(time.Hour), vault.NewConsent(start)); err != nil {
		t.Fatal(err)
	}
	if s = tenant(t, open(t, store), "a"); !s.AtRisk(ana, until.Add(-time.Second)) {
		t.Error("a second enrolment shortened the first, or a restart lost it")
	}
	for _, tt := range []struct {
		name    string
		until   time.Time
		consent vault.Consent
	}{
		{"no consent", until, vault.Consent{}},
		{"an end before the consent", start, vault.NewConsent(start)},
		{"an end too far away", start.Add(vault.MaxEnrolment + time.Second), vault.NewConsent(start)},
	} {
		if err := v.Enrol(t.Context(), "a", "omar", tt.until, tt.consent); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: %v, want invalid", tt.name, err)
		}
	}
	if err := v.Withdraw(t.Context(), authority.Permit{}, "a", "ana"); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Withdraw without a permit = %v", err)
	}
	if err := v.Withdraw(t.Context(), permit(t, m, authority.PurposeProtect, "a"), "a", "ana"); err != nil {
		t.Fatal(err)
	}
	if tenant(t, v, "a").AtRisk(ana, start) {
		t.Error("at risk after withdrawing")
	}
}

func TestSeed(t *testing.T) {
	store := vault.NewMemory()
	v := open(t, store)
	s := tenant(t, v, "a")
	ana, omar := account(t, s, "ana"), account(t, s, "omar")
	sync1(t, v)
	a, ok1 := s.Seed(ana)
	o, ok2 := s.Seed(omar)
	if !ok1 || !ok2 || a == o || a == [32]byte{} {
		t.Error("seeds are one for each person")
	}
	if again, ok := tenant(t, open(t, store), "a").Seed(ana); !ok || again != a {
		t.Error("a restart changed the seed")
	}
	if _, ok := s.Seed(vedette.NewAccountID()); ok {
		t.Error("nobody has a seed")
	}
	if _, ok := tenant(t, v, "b").Seed(ana); ok {
		t.Error("another tenant can read the seed")
	}
}

// TestEraseWhileUsed erases while others look the same id up: whatever they get after Erase returned is not the old surrogate.
func TestEraseWhileUsed(t *testing.T) {
	m := new(authority.Memory)
	p := permit(t, m, authority.PurposeErase, "a")
	v := open(t, vault.NewMemory(), vault.WithClock(clock), vault.WithRecorder(m), vault.WithCache(64))
	s := tenant(t, v, "a")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := account(t, s, fmt.Sprintf("acct-%d", (i+w)%8))
				_ = v.Sync(context.Background())
				_ = s.AtRisk(id, start)
			}
		})
	}
	for i := range 200 {
		raw := fmt.Sprintf("acct-%d", i%8)
		before := account(t, s, raw)
		e, err := v.Erase(t.Context(), p, "a", vault.KindAccount, raw)
		if err != nil {
			t.Fatal(err)
		}
		if account(t, s, raw) == before {
			t.Fatal("the old surrogate came back")
		}
		if _, ok := s.Seed(e.Account()); ok {
			t.Fatal("the seed came back")
		}
	}
	close(stop)
	wg.Wait()
}

func TestTokens(t *testing.T) {
	v := open(t, vault.NewMemory())
	a, b := tenant(t, v, "a"), tenant(t, v, "b")
	one := a.Token(vedette.TokenHost, "news.example", start)
	if one != a.Token(vedette.TokenHost, "news.example", start) || one.Kind != vedette.TokenHost || one.Epoch != vault.EpochOf(start) {
		t.Errorf("token %+v", one)
	}
	for name, other := range map[string]vedette.Token{
		"another name":   a.Token(vedette.TokenHost, "news2.example", start),
		"another kind":   a.Token(vedette.TokenDomain, "news.example", start),
		"another epoch":  a.Token(vedette.TokenHost, "news.example", start.Add(vault.EpochLength)),
		"another tenant": b.Token(vedette.TokenHost, "news.example", start),
	} {
		if other.Bytes == one.Bytes {
			t.Errorf("%s gives the same token", name)
		}
	}
	if !a.Token(vedette.TokenNone, "x", start).IsZero() || !a.Token(vedette.TokenURL, "", start).IsZero() {
		t.Error("no kind and no name have no token")
	}
	for i := range 1000 { // a walk through more epochs than are kept ready
		a.TokenIn(uint16(i+1), vedette.TokenHost, "news.example")
	}
	if again := a.Token(vedette.TokenHost, "news.example", start); again != one {
		t.Error("a walk through other epochs changed a token")
	}
}

func TestEpochs(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want uint16
	}{
		{time.Unix(0, 0), 1},
		{time.Unix(-1, 0), 1},
		{time.Date(1971, 2, 5, 0, 0, 0, 0, time.UTC).Add(-time.Millisecond), 1},
		{time.Date(1971, 2, 5, 0, 0, 0, 0, time.UTC), 2},
		{time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), 52},
		{time.Date(90000, 1, 1, 0, 0, 0, 0, time.UTC), 65535},
	} {
		if got := vault.EpochOf(tt.at); got != tt.want {
			t.Errorf("EpochOf(%s) = %d, want %d", tt.at, got, tt.want)
		}
	}
	for i := 1; i < 65535; i += 97 {
		e := uint16(i)
		if from := vault.EpochFrom(e); vault.EpochOf(from) != e || vault.EpochOf(from.Add(vault.EpochLength-1)) != e {
			t.Errorf("epoch %d does not hold its own span", e)
		}
	}
}

// TestTokenVectors pins docs/formats/token.md.
func TestTokenVectors(t *testing.T) {
	var root [32]byte
	for i := range root {
		root[i] = byte(i)
	}
	v, err := vault.Open(vault.NewMemory(), vault.NewKeys(root, "a test"))
	if err != nil {
		t.Fatal(err)
	}
	s := tenant(t, v, "chat-example")
	for _, tt := range []struct {
		kind vedette.TokenKind
		name string
		at   time.Time
		want string
	}{
		{vedette.TokenDomain, "news.example", start, "52 fba8551f851d7e16220abbd3190d38ac"},
		{vedette.TokenHost, "www.news.example", start, "52 9b8d3990fb818b8edc4a889c0d6e285e"},
		{vedette.TokenTenant, "docs.example/ana", start, "52 54ffb5674696b2085abc29677e0afcfc"},
		{vedette.TokenURL, "https://www.news.example/a?b=c", start, "52 5908098fb9f4933a457d17453a48b97e"},
		{vedette.TokenDomain, "news.example", start.Add(vault.EpochLength), "53 050edaf96eef6ff4ed522eb1e25bf746"},
	} {
		got := s.Token(tt.kind, tt.name, tt.at)
		if text := fmt.Sprintf("%d %x", got.Epoch, got.Bytes); text != tt.want {
			t.Errorf("Token(%d, %q, %s) = %s, want %s", tt.kind, tt.name, tt.at.Format(time.DateOnly), text, tt.want)
		}
	}
}

func BenchmarkSealer(b *testing.B) {
	v := open(b, vault.NewMemory())
	s := tenant(b, v, "a")
	b.Run("account warm", func(b *testing.B) {
		account(b, s, "@ana:chat.example")
		sync1(b, v)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Account("@ana:chat.example")
		}
	})
	b.Run("account of 100,000 warm", func(b *testing.B) {
		raw := make([]string, 100_000)
		for i := range raw {
			raw[i] = fmt.Sprintf("@acct-%d:chat.example", i)
			account(b, s, raw[i])
		}
		sync1(b, v)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = s.Account(raw[i%len(raw)])
			i += 7919
		}
	})
	b.Run("account from the store", func(b *testing.B) {
		v := open(b, vault.NewMemory(), vault.WithCache(1))
		s := tenant(b, v, "a")
		raw := make([]string, 1000)
		for i := range raw {
			raw[i] = fmt.Sprintf("@acct-%d:chat.example", i)
			account(b, s, raw[i])
		}
		sync1(b, v)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = s.Account(raw[i%len(raw)])
			i += 7
		}
	})
	b.Run("account new and synced", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = s.Account(fmt.Sprint("new", i))
			if i++; i%1000 == 0 {
				_ = v.Sync(context.Background())
			}
		}
	})
	b.Run("network warm", func(b *testing.B) {
		a := netip.MustParseAddr("192.0.2.1")
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Network(a)
		}
	})
	b.Run("token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Token(vedette.TokenHost, "www.news.example", start)
		}
	})
	b.Run("event id", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.EventID("$h3xq1234567890")
		}
	})
	b.Run("sync with nothing new", func(b *testing.B) {
		sync1(b, v)
		b.ReportAllocs()
		for b.Loop() {
			_ = v.Sync(context.Background())
		}
	})
}

// FuzzNames states laws of names: nothing panics, an id gets one surrogate or an error of a kind, and a number's E.164 form is a fixed point.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"+15550100123", "+1 (555) 010-0123", "+44 (0)7700 900123", "@ana:chat.example", "+", "+()", "+0 12345678", "\xff\x00"} {
		f.Add(s)
	}
	v, err := vault.Open(vault.NewMemory(), key)
	if err != nil {
		f.Fatal(err)
	}
	s, err := v.Tenant("a")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err1 := s.Account(raw)
		b, err2 := s.Account(raw)
		if a != b || (err1 == nil) != (err2 == nil) || (err1 == nil) != (len(raw) >= 1 && len(raw) <= vault.MaxName) {
			t.Fatalf("Account(%q) = %v, %v, then %v, %v", raw, a, err1, b, err2)
		}
		if err1 != nil && !errors.Is(err1, vedette.ErrInvalid) {
			t.Fatalf("Account(%q): %v has no kind", raw, err1)
		}
		if _, err := s.Block(raw); err != nil && !errors.Is(err, vedette.ErrInvalid) {
			t.Fatalf("Block(%q): %v has no kind", raw, err)
		}
		e, ok := vault.Number(raw)
		if again, ok2 := vault.Number(e); ok && (!ok2 || again != e) {
			t.Fatalf("Number(%q) = %q, and of that %q", raw, e, again)
		}
	})
}

// TestASyncInFlightCoversNoLaterIssue: a surrogate issued while another's write is under way is not taken for durable by it.
func TestASyncInFlightCoversNoLaterIssue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vault.NewMemory()
		store := &failing{Store: mem}
		v := open(t, store)
		s := tenant(t, v, "a")
		account(t, s, "ana")
		store.gate = make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { sync1(t, v) })
		synctest.Wait() // the write stands before the gate, with ana alone in it
		omar := account(t, s, "omar")
		done := make(chan struct{})
		wg.Go(func() { sync1(t, v); close(done) })
		synctest.Wait()
		store.gate <- struct{}{}
		synctest.Wait()
		select {
		case <-done:
			t.Error("Sync returned before omar was written")
		default:
		}
		store.gate <- struct{}{}
		wg.Wait()
		if got := account(t, tenant(t, open(t, mem), "a"), "omar"); got != omar {
			t.Error("omar is lost")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		account(t, s, "noor")
		go func() { store.gate <- struct{}{} }()
		sync1(t, v)
		if err := v.Sync(ctx); err != nil {
			t.Errorf("Sync with nothing new and no time = %v", err)
		}
	})
}

// TestNumberedSurrogatesAreTheSameInEveryFolder holds the law that replays rest on, across a restart in the middle.
func TestNumberedSurrogatesAreTheSameInEveryFolder(t *testing.T) {
	seal := func(key byte, restart int) (out []vedette.AccountID) {
		store := vault.NewMemory()
		var s *vault.Sealer
		var v *vault.Vault
		open := func() {
			var err error
			if v, err = vault.Open(store, vault.NewKeys([32]byte{key}, "test"), vault.WithNumbers()); err != nil {
				t.Fatal(err)
			}
			if s, err = v.Tenant("main"); err != nil {
				t.Fatal(err)
			}
		}
		open()
		for i := range 100 {
			if i == restart {
				if err := v.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Account("lost with the crash"); err != nil {
					t.Fatal(err)
				}
				open()
			}
			a, err := s.Account(fmt.Sprintf("@p%d:chat.example", i%60))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, a)
		}
		return out
	}
	want := seal(1, -1)
	if got := seal(2, -1); !slices.Equal(got, want) {
		t.Error("another key gives other numbered surrogates")
	}
	if got := seal(3, 30); !slices.Equal(got, want) {
		t.Error("a restart changes numbered surrogates")
	}
	seen := map[vedette.AccountID]bool{}
	for _, a := range want[:60] {
		if seen[a] || a.IsZero() {
			t.Fatalf("%s was issued twice, or is zero", a)
		}
		seen[a] = true
	}
}
