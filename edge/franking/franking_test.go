package franking

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
)

func counting(from byte) (b [Size]byte) {
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

var (
	key2026 = Key{ID: "2026-a", Secret: counting(0)}
	key2027 = Key{ID: "2027-a", Secret: counting(0x40)}
	sentAt  = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
)

func opened() *Opened {
	o := &Opened{
		Carried: Carried{Sender: "@ana:chat.example", Recipient: "@omar:chat.example", Sent: sentAt, Message: "$h3xq"},
		Text:    []byte("see https://news.example/a?b=c"), Open: counting(0x80), KeyID: key2026.ID,
	}
	o.Commitment = Commit(o.Open, o.Text)
	o.Tag = key2026.Stamp(&o.Carried)
	return o
}

// TestFrankingVectors reads yesterday's bytes: what a platform has implemented must stay good, and the page must show the same.
func TestFrankingVectors(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/franking.md")
	if err != nil {
		t.Fatal(err)
	}
	o := opened()
	bare := *o
	bare.Message, bare.Text = "", nil
	bare.Commitment = Commit(bare.Open, nil)
	for _, tt := range []struct{ name, got, want string }{
		{"commitment", hex.EncodeToString(o.Commitment[:]), "46796c500bde5c97e2d4685ad7801a6172908eb7af8702f93edb173531a48eac"},
		{"tag", hex.EncodeToString(o.Tag[:]), "31496975c9fbb140fb8a34f0e89d3fdf07064951ffd7bde5d2719d9940c4f334"},
		{"commitment of an empty message", hex.EncodeToString(bare.Commitment[:]), "93c3dd57a642d6e51b170ae4c59aa2a652cce239db0b23bcb6f4a2e8f4699d8f"},
		{"tag without a message's id, by the second key", func() string { t := key2027.Stamp(&bare.Carried); return hex.EncodeToString(t[:]) }(), "0dc76c8de56592be6935c19bd109fa58cd052e08a0a1d9bd575e754f32179626"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %s, want %s", tt.name, tt.got, tt.want)
		}
		if !strings.Contains(string(page), tt.want) {
			t.Errorf("the page does not show the %s", tt.name)
		}
	}
}

func TestVerifySaysWhichPartDoesNotFit(t *testing.T) {
	both := []Key{key2027, key2026}
	tests := []struct {
		name   string
		keys   []Key
		change func(*Opened)
		want   error
	}{
		{"what the platform carried", both, func(*Opened) {}, nil},
		{"after the keys were changed, while both are good", both, func(o *Opened) { o.KeyID = key2027.ID; o.Tag = key2027.Stamp(&o.Carried) }, nil},
		{"a tag by one key under the id of another", both, func(o *Opened) { o.KeyID = key2027.ID }, ErrTag},
		{"a key that was taken away", []Key{key2027}, func(*Opened) {}, ErrNoKey},
		{"no key at all", nil, func(*Opened) {}, ErrNoKey},
		{"a key that was left empty", []Key{{ID: key2026.ID}}, func(o *Opened) { o.Tag = (&Key{ID: key2026.ID}).Stamp(&o.Carried) }, ErrNoKey},
		{"another text", both, func(o *Opened) { o.Text = append(o.Text, '.') }, ErrCommitment},
		{"another text with a commitment of its own", both, func(o *Opened) { o.Text = []byte("x"); o.Commitment = Commit(o.Open, o.Text) }, ErrTag},
		{"another sender", both, func(o *Opened) { o.Sender = "@eve:chat.example" }, ErrTag},
		{"another recipient", both, func(o *Opened) { o.Recipient = "@eve:chat.example" }, ErrTag},
		{"letters moved from the sender to the recipient", both, func(o *Opened) { o.Sender, o.Recipient = o.Sender[:16], o.Sender[16:]+o.Recipient }, ErrTag},
		{"another time", both, func(o *Opened) { o.Sent = o.Sent.Add(time.Millisecond) }, ErrTag},
		{"another message", both, func(o *Opened) { o.Message = "$h3xr" }, ErrTag},
		{"no message", both, func(o *Opened) { o.Message = "" }, ErrTag},
		{"a text that is too long", both, func(o *Opened) { o.Text = make([]byte, MaxMessage+1) }, vedette.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := opened()
			tt.change(o)
			if err := Verify(tt.keys, o); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
		})
	}
	for _, err := range []error{ErrCommitment, ErrTag} {
		if !errors.Is(err, vedette.ErrForbidden) {
			t.Errorf("%v is not forbidden", err)
		}
	}
}

// FuzzNoSingleBitChangeVerifies: whatever bit of an opened message is turned, it verifies no more.
func FuzzNoSingleBitChangeVerifies(f *testing.F) {
	f.Add([]byte("see https://news.example/"), "@ana", "@omar", "$1", int64(1772366400123), uint16(0))
	f.Add([]byte{}, "a", "", "", int64(0), uint16(300))
	f.Add([]byte("\x00"), "", "b", "\x00", int64(1), uint16(700))
	f.Fuzz(func(t *testing.T, text []byte, from, to, message string, ms int64, bit uint16) {
		if len(text) > 1<<10 || len(from) > MaxName || len(to) > MaxName || len(message) > MaxName || ms < 0 || ms > 1<<45 {
			t.Skip()
		}
		o := &Opened{Carried: Carried{Sender: from, Recipient: to, Message: message, Sent: time.UnixMilli(ms)}, Text: text, Open: counting(1), KeyID: key2026.ID}
		o.Commitment = Commit(o.Open, text)
		o.Tag = key2026.Stamp(&o.Carried)
		keys := []Key{key2026, key2027}
		if err := Verify(keys, o); err != nil {
			t.Fatalf("Verify of what was carried = %v", err)
		}
		sent := []byte{0, 0, 0, 0, 0, 0, 0, 0}
		fields := [][]byte{bytes.Clone(text), []byte(from), []byte(to), []byte(message), sent, o.Open[:], o.Commitment[:], o.Tag[:]}
		total := 0
		for _, b := range fields {
			total += 8 * len(b)
		}
		at := int(bit) % total
		for i, b := range fields {
			if at >= 8*len(b) {
				at -= 8 * len(b)
				continue
			}
			b[at/8] ^= 1 << (at % 8)
			o.Text, o.Sender, o.Recipient, o.Message = fields[0], string(fields[1]), string(fields[2]), string(fields[3])
			if i == 4 {
				o.Sent = time.UnixMilli(ms ^ 1<<at)
			}
			break
		}
		if Verify(keys, o) == nil {
			t.Errorf("bit %d turned, and it verifies", bit)
		}
	})
}

// What a tag covers is read in one way: two different things that were carried never have one tag.
func TestWhatWasCarriedIsReadInOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(l string) Carried {
			s := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0}), 0, 4, -1)
			return Carried{
				Sender: s.Draw(t, l+"sender"), Recipient: s.Draw(t, l+"recipient"), Message: s.Draw(t, l+"message"),
				Sent: time.UnixMilli(rapid.Int64Range(0, 2).Draw(t, l+"sent")),
			}
		}
		a, b := draw("a"), draw("b")
		if (key2026.Stamp(&a) == key2026.Stamp(&b)) != (a == b) {
			t.Errorf("Stamp(%+v) and Stamp(%+v) agree where these do not, or the other way round", a, b)
		}
	})
}

func TestParseKeys(t *testing.T) {
	line := func(tenant, id string, k Key) string {
		return tenant + " " + id + "\t" + base64.StdEncoding.EncodeToString(k.Secret[:]) + "\n"
	}
	head := "# keys of the platform\n" + keyFormat + "\n\n"
	r, err := ParseKeys([]byte(head + line("chat", "2026-a", key2026) + line("chat", "2027-a", key2027) + line("other", "2026-a", Key{Secret: counting(9)})))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.FrankingKeys("chat")
	if err != nil || len(got) != 2 || got[0] != key2026 || got[1] != key2027 {
		t.Errorf("FrankingKeys(chat) = %d keys, %v", len(got), err)
	}
	if _, err := r.FrankingKeys("nobody"); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("FrankingKeys of a tenant without keys = %v", err)
	}
	secret := base64.StdEncoding.EncodeToString(key2026.Secret[:])
	for name, file := range map[string]string{
		"nothing": "", "another file": "hello\n", "a key of 31 bytes": head + "chat a " + base64.StdEncoding.EncodeToString(key2026.Secret[:31]) + "\n",
		"a key of zeros": head + line("chat", "a", Key{}), "one key for two tenants": head + line("a", "x", key2026) + line("b", "x", key2026),
		"an id twice": head + line("a", "x", key2026) + line("a", "x", key2027), "no tenant": head + "x " + secret + "\n",
		"a tenant in capitals": head + "Chat a " + secret + "\n", "an id in capitals": head + "chat A " + secret + "\n",
		"something behind the key": head + "chat a " + secret + " x\n", "a line without end": head + strings.Repeat("x", 1<<17),
	} {
		_, err := ParseKeys([]byte(file))
		if !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats a key", name)
		}
	}
	many := head
	for i := range maxKeys + 1 {
		many += line("chat", "k"+string(rune('a'+i)), Key{Secret: counting(byte(i + 1))})
	}
	if _, err := ParseKeys([]byte(many)); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("nine keys: %v", err)
	}
}

func TestAKeyFileThatOthersCanReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "franking.keys")
	body := keyFormat + "\nchat a " + base64.StdEncoding.EncodeToString(key2026.Secret[:]) + "\n"
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeys(path); err != nil {
		t.Errorf("ReadKeys = %v", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeys(path); !errors.Is(err, vedette.ErrForbidden) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("ReadKeys with mode %04o = %v, want forbidden and what helps", mode, err)
		}
	}
	if _, err := ReadKeys(path + ".none"); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("ReadKeys of no file = %v", err)
	}
	if _, err := ReadKeys(t.TempDir()); err == nil {
		t.Error("ReadKeys of a folder is nil")
	}
}

// FuzzParseKeys: whatever stands in a file, a ring's keys have ids and 32 bytes that are not all zero.
func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(keyFormat + "\nchat a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseKeys(b)
		if err != nil {
			if !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("error without a kind: %v", err)
			}
			return
		}
		for tenant, ks := range r.keys {
			for _, k := range ks {
				if tenant == "" || k.ID == "" || k.Secret == ([Size]byte{}) {
					t.Errorf("tenant %q, key %q: empty", tenant, k.ID)
				}
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	o, keys := opened(), []Key{key2026, key2027}
	b.ReportAllocs()
	for b.Loop() {
		if err := Verify(keys, o); err != nil {
			b.Fatal(err)
		}
	}
}
