package world

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/edge/intake"
)

// digests seals by an unkeyed digest, so that a test can compare.
type digests struct{}

func sum(kind, s string) (b [16]byte) {
	h := sha256.Sum256([]byte(kind + " " + s))
	copy(b[:], h[:])
	return b
}

func (digests) Account(s string) (vedette.AccountID, error) { return sum("account", s), nil }
func (digests) Group(s string) (vedette.GroupID, error)     { return sum("group", s), nil }
func (digests) Device(s string) (vedette.DeviceID, error)   { return sum("device", s), nil }
func (digests) Network(a netip.Addr) (vedette.NetworkID, error) {
	return sum("network", a.String()), nil
}
func (digests) Block(s string) (vedette.NetworkID, error) { return sum("block", s), nil }
func (digests) EventID(s string) vedette.EventID          { return sum("event", s) }
func (digests) Bytes(b []byte) vedette.Digest             { return sha256.Sum256(b) }
func (digests) Epoch(time.Time) uint16                    { return 1 }
func (digests) Token(k vedette.TokenKind, s string, at time.Time) vedette.Token {
	return vedette.Token{Kind: k, Epoch: 1, Bytes: sum(fmt.Sprint("token", k), s)}
}

// TestTheWireIsTaken: the door reads every line, and finds in it what Play told.
func TestTheWireIsTaken(t *testing.T) {
	for tier := range 3 {
		t.Run(fmt.Sprint("tier ", tier), func(t *testing.T) {
			s := dense(1000)
			s.Tier = tier
			w, err := New(s, 2)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := w.WriteWire(&b); err != nil {
				t.Fatal(err)
			}
			sc := bufio.NewScanner(&b)
			refused := 0
			w.Play(func(e *vedette.Event) bool {
				if !sc.Scan() {
					t.Fatalf("the wire ends before %v", e.At)
				}
				got, err := intake.Decode(sc.Bytes(), digests{}, intake.DecodeOptions{Tenant: "range", Platform: "range"})
				if err != nil {
					if refused++; refused < 5 {
						t.Errorf("%s\nis refused: %v", sc.Bytes(), err)
					}
					return true
				}
				x := got.Arrival.Event
				if x.Kind() != e.Kind() || !x.At.Equal(e.At) || x.Actor != sum("account", e.Actor.String()+"@range.example") || len(x.Links()) != len(e.Links()) {
					t.Fatalf("%s\nis read as %+v of %+v", sc.Bytes(), x, e)
				}
				if tier == 1 && len(e.Links()) > 0 {
					if a, b := x.Links()[0], e.Links()[0]; a.Domain != b.Domain || a.URL != b.URL || a.Host != b.Host || a.Tenant != b.Tenant {
						t.Fatalf("%s\nhas the link %+v, want %+v", sc.Bytes(), a, b)
					}
				}
				switch b := e.Body.(type) {
				case *vedette.MessageSent:
					m := x.Body.(*vedette.MessageSent)
					if m.Count != b.Count || m.Size != b.Size || m.Forwarded != b.Forwarded || m.HasLink != b.HasLink || m.Reply != b.Reply || m.Stranger != b.Stranger {
						t.Fatalf("%s\nis read as %+v, want %+v", sc.Bytes(), m, b)
					}
				case *vedette.AccountSeen:
					m := x.Body.(*vedette.AccountSeen)
					if m.Network.Class != b.Network.Class || m.Network.ASN != b.Network.ASN || m.Network.Country != b.Network.Country {
						t.Fatalf("%s\nis read as %+v, want %+v", sc.Bytes(), m, b)
					}
				}
				return true
			})
			if sc.Scan() {
				t.Error("the wire has more lines than events were played")
			}
		})
	}
}

type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

var errFull = errors.New("full")

func TestWriteWireTellsOfADiskThatIsFull(t *testing.T) {
	w, err := New(small(500), 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteWire(&full{left: 200_000}); !errors.Is(err, errFull) {
		t.Errorf("WriteWire to a full disk: %v", err)
	}
}

// TestARealConversationIsPlayed: who writes to whom is the file's, over and over in blocks of accounts.
func TestARealConversationIsPlayed(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "%d %d 1 %d\n", i%7, (i*i+1)%7, 1_000_000+i*i)
	}
	path := filepath.Join(t.TempDir(), "edges")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := small(700)
	for _, p := range s.Teams {
		p.Count = Count{}
	}
	s.Background.Strangers, s.Background.NewTies, s.Background.Newcomers, s.Background.Sites, s.Background.Leavers, s.Background.Quiet = 0, 0, 0, 0, 0, 0
	s.Background.File = path
	w, err := New(s, 2)
	if err != nil {
		t.Fatal(err)
	}
	messages := 0
	w.Play(func(e *vedette.Event) bool {
		if m, ok := e.Body.(*vedette.MessageSent); ok {
			messages++
			a, _ := w.number(e.Actor)
			b, _ := w.number(m.To.Account)
			if a/7 != b/7 || a == b {
				t.Fatalf("%d writes to %d, of another block", a, b)
			}
		}
		return true
	})
	want := s.Background.Sessions * s.Background.Talk * 4 / 3 * (1 + s.Background.Replies) * 700 * 63
	if f := float64(messages) / want; f < 0.4 || f > 1.3 {
		t.Errorf("%d messages, about %.0f would be made up", messages, want)
	}
	if a, b := digest(w), digest(w); a != b {
		t.Errorf("played twice: %s and %s", a, b)
	}
	s.Background.File = path + "-not"
	if _, err := New(s, 2); err == nil {
		t.Error("a file that is not there is taken")
	}
	s.Background.File, s.Accounts = path, 100
	if w, err := New(s, 2); err != nil || w.file.people != 7 {
		t.Errorf("a small world of a file: %v", err)
	}
}
