package intake

import (
	"testing"

	"vedette"
	"vedette/inline/sequence"
	"vedette/record/vault"
)

var _ Sealer = (*vault.Sealer)(nil)

func vaultSealer(t testing.TB) *vault.Sealer {
	t.Helper()
	v, err := vault.Open(vault.NewMemory(), vault.NewKeys([32]byte{1}, "a test"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Tenant("chat")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheVaultReadsWhatTheDoorLetsIn(t *testing.T) {
	s := vaultSealer(t)
	for _, l := range []string{
		example,
		line("account.registered", `"number":{"e164":"+15550100000"},"network":{"address":"::ffff:192.0.2.7"}`),
		line("account.registered", `"number":{"e164":"+999999999999999"},"network":{"address":"2001:db8::7%eth0"}`),
		line("group.created", `"group":"\n"`),
	} {
		a, err := Decode([]byte(l), s, live)
		if err != nil {
			t.Errorf("Decode(%s): %v", l, err)
			continue
		}
		if b, err := Decode([]byte(l), s, live); err != nil || a.Arrival.Event.Actor != b.Arrival.Event.Actor || a.Arrival.Event.ID != b.Arrival.Event.ID {
			t.Errorf("Decode(%s) twice gives two people or two events, %v", l, err)
		}
	}
}

// BenchmarkDecodeVault is Decode with the true vault, warm.
func BenchmarkDecodeVault(b *testing.B) {
	s := vaultSealer(b)
	one := []byte(compact(example))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(one, s, live); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecideVault is the door's own work for one event with the true vault.
func BenchmarkDecideVault(b *testing.B) {
	s := vaultSealer(b)
	h := open(b, Config{}, func(d *Deps) {
		d.Gate, d.Logger = constantGate{}, nil
		d.Sealers = func(vedette.Tenant) (Sealer, error) { return s, nil }
	})
	benchHandler(b, h, h.Door)
}

var _ sequence.Gate = constantGate{}
