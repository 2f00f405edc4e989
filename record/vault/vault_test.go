package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
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
		m2, err := r.People(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(m2) >= 2 {
			t.Fatal("one permit for each register, here")
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
