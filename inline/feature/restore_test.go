package feature

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
)

// A gate saves one segment after another while events go on, is killed, loads what was saved last and applies the journal from the oldest
// position on. It must then be, byte for byte, the gate that was never killed; and measure alike on the way there is not asked for.
func checkRestore(t *rapid.T, c Config, w world) {
	stream := w.draw(t, 300)
	seed := rapid.Uint64().Draw(t, "saves")
	rnd := rand.New(rand.NewPCG(seed, 1))

	live := New(c)
	saved := make(map[int][]byte)
	at := make(map[int]journal.Position)
	kill := rnd.IntN(len(stream)) + 1
	often := rnd.IntN(20) + 2
	for i := range kill {
		live.Apply(stream[i].ev, stream[i].d, stream[i].at)
		for rnd.IntN(often) == 0 {
			s := rnd.IntN(live.Segments())
			saved[s], at[s] = live.SaveSegment(s, nil), live.Position(s)
		}
	}
	for round := range 2 { // killed again while it restores
		restored := New(c)
		for s, data := range saved {
			if err := restored.LoadSegment(at[s], data); err != nil {
				t.Fatalf("LoadSegment(%v) of segment %d: %v", at[s], s, err)
			}
			if got := restored.Position(s); got != at[s] {
				t.Fatalf("segment %d stands at %v after LoadSegment, want %v", s, got, at[s])
			}
		}
		oldest := restored.Oldest()
		for i := range kill {
			if oldest.Less(stream[i].at) {
				restored.Apply(stream[i].ev, stream[i].d, stream[i].at)
				if rnd.IntN(often) == 0 && round == 0 {
					s := rnd.IntN(live.Segments())
					saved[s], at[s] = restored.SaveSegment(s, nil), restored.Position(s)
				}
			}
		}
		for s := range live.Segments() {
			if got, want := restored.SaveSegment(s, nil), live.SaveSegment(s, nil); !bytes.Equal(got, want) {
				t.Fatalf("round %d: segment %d after restoring differs from the one never killed", round, s)
			}
		}
		for i, got := range restored.Stats() {
			if want := live.Stats()[i]; got != want {
				t.Fatalf("round %d: Stats = %+v, want %+v", round, got, want)
			}
		}
		for _, e := range stream[kill:] {
			got, want := restored.Measure(e.ev, nil), live.Measure(e.ev, nil)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("round %d: restored measures%s\nwant%s", round, show(&got[i]), show(&want[i]))
				}
			}
		}
	}
}

func TestRestoredMemoryIsTheOneNeverKilled(t *testing.T) {
	w := world{people: 40, names: 20, days: 60, late: 5 * 24 * time.Hour, ticks: true}
	t.Run("with room", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			checkRestore(t, Config{Segments: 5, Accounts: 200, Pairs: 400, Domains: 200, Hosts: 200, URLs: 200, Devices: 200, Networks: 200, SenderDomains: 200, Carry: time.Hour}, w)
		})
	})
	t.Run("while keys give way", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { checkRestore(t, tiny(), w) })
	})
}

func TestApplyingAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := world{people: 20, names: 10, days: 3, ticks: true}.draw(t, 100)
		m := New(tiny())
		for _, e := range stream {
			m.Apply(e.ev, e.d, e.at)
		}
		want := bytesOf(m)
		for _, e := range stream {
			m.Apply(e.ev, e.d, e.at)
		}
		if !bytes.Equal(bytesOf(m), want) {
			t.Fatal("a stream applied twice is remembered twice")
		}
	})
}

func TestMeasuringChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(tiny())
		for _, e := range (world{people: 20, names: 10, days: 3}).draw(t, 50) {
			before := bytesOf(m)
			m.Measure(e.ev, nil)
			if !bytes.Equal(bytesOf(m), before) {
				t.Fatalf("Measure of %s changed memory", e.ev.Kind())
			}
			m.Apply(e.ev, e.d, e.at)
		}
	})
}

// filled is a memory with something in each table.
func filled(c Config) *Memory {
	m := New(c)
	for i := range 60 {
		at := start.Add(time.Duration(i) * time.Hour)
		m.Apply(event(at, 1+i%7, &vedette.AccountRegistered{Device: dev(1 + i%5), Network: net(1 + i%3)}), nil, journal.Position{Frame: uint64(2*i + 1)})
		m.Apply(sent(at, 1+i%7, 1+i%11, aLink(1+i%4, 1+i%9)), nil, journal.Position{Frame: uint64(2*i + 2)})
	}
	return m
}

func TestBadSegmentsAreRefusedWhole(t *testing.T) {
	m := filled(tiny())
	good := m.SaveSegment(3, nil)
	other := tiny()
	other.Reach = 1000 * time.Hour
	for _, tt := range []struct {
		name string
		data func() []byte
		want error
		says string
	}{
		{"nothing at all", func() []byte { return nil }, ErrDamaged, "too few"},
		{"another file", func() []byte { return append([]byte("PK\x03\x04"), good[4:]...) }, ErrForeign, "begins with"},
		{"another version", func() []byte { b := bytes.Clone(good); b[4]++; return b }, ErrForeign, "version"},
		{"another configuration", func() []byte { return filled(other).SaveSegment(3, nil) }, ErrForeign, "configuration"},
		{"a flipped bit", func() []byte { b := bytes.Clone(good); b[len(b)/2] ^= 4; return b }, ErrDamaged, "checksum"},
		{"a lost end", func() []byte { return good[:len(good)-9] }, ErrDamaged, "checksum"},
		{"a lost end with a right checksum", func() []byte { return sign(good[:len(good)-12]) }, ErrDamaged, "early"},
		{"a long end with a right checksum", func() []byte { return sign(append(bytes.Clone(good[:len(good)-4]), 0)) }, ErrDamaged, "too many"},
		{"a segment that is not there", func() []byte { b := bytes.Clone(good[:len(good)-4]); b[16] = 99; return sign(b) }, ErrDamaged, "segment 99"},
		{"keys of another segment", func() []byte { b := bytes.Clone(good[:len(good)-4]); b[16] = 2; return sign(b) }, ErrDamaged, "elsewhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := filled(tiny())
			before := bytesOf(n)
			err := n.LoadSegment(journal.Position{Frame: 9}, tt.data())
			if !errors.Is(err, tt.want) || !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("LoadSegment = %v, want %v that says %q", err, tt.want, tt.says)
			}
			if !bytes.Equal(bytesOf(n), before) {
				t.Error("a refused segment changed memory")
			}
		})
	}
}

// FuzzLoadSegment states: whatever is loaded is refused and changes nothing, or is what SaveSegment writes afterwards; and nothing panics,
// neither then nor when events follow.
func FuzzLoadSegment(f *testing.F) {
	m := filled(tiny())
	for i := range m.Segments() {
		f.Add(m.SaveSegment(i, nil))
	}
	f.Add(New(tiny()).SaveSegment(0, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, sign(data[:max(len(data)-4, 0)])} {
			n := filled(tiny())
			before := bytesOf(n)
			if err := n.LoadSegment(journal.Position{Frame: 200}, data); err != nil {
				if !errors.Is(err, vedette.ErrInvalid) || !bytes.Equal(bytesOf(n), before) {
					t.Fatalf("LoadSegment = %v; memory changed: %t", err, !bytes.Equal(bytesOf(n), before))
				}
				continue
			}
			if got := n.SaveSegment(int(le.Uint32(data[16:])), nil); !bytes.Equal(got, data) {
				t.Fatal("a segment reads back as another")
			}
			for i := range 20 {
				ev := sent(start.Add(time.Duration(i)*100*time.Hour), 1+i%7, 1+i%11, aLink(1+i%4, 1+i%9))
				n.Measure(ev, nil)
				n.Apply(ev, nil, journal.Position{Frame: uint64(300 + i)})
			}
		}
	})
}

// A segment may be taken back alone: the others know what they include, and are not applied twice.
func TestOneSegmentCanBeTakenBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := world{people: 30, names: 10, days: 2, ticks: true}.draw(t, 120)
		m := New(tiny())
		s := rapid.IntRange(0, m.Segments()-1).Draw(t, "segment")
		half := len(stream) / 2
		var saved []byte
		var at journal.Position
		for i, e := range stream {
			if i == half {
				saved, at = m.SaveSegment(s, nil), m.Position(s)
			}
			m.Apply(e.ev, e.d, e.at)
		}
		want := bytesOf(m)
		if err := m.LoadSegment(at, saved); err != nil {
			t.Fatal(err)
		}
		if got := m.Oldest(); got != at {
			t.Fatalf("Oldest = %v after taking back to %v", got, at)
		}
		for _, e := range stream {
			if at.Less(e.at) {
				m.Apply(e.ev, e.d, e.at)
			}
		}
		if !bytes.Equal(bytesOf(m), want) {
			t.Fatal("after taking one segment back and applying again, memory differs")
		}
	})
}

var update = flag.Bool("update", false, "write testdata anew")

// What was saved yesterday is read today. Whoever must change the file must change the version too.
func TestYesterdaysSegmentIsRead(t *testing.T) {
	const file = "testdata/segment-v1.bin"
	if *update {
		if err := os.WriteFile(file, filled(tiny()).SaveSegment(3, nil), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := New(tiny())
	if err := m.LoadSegment(journal.Position{Frame: 120}, want); err != nil {
		t.Fatal(err)
	}
	if got := m.SaveSegment(3, nil); !bytes.Equal(got, want) {
		t.Error("yesterday's segment is saved differently today")
	}
	if got := filled(tiny()).SaveSegment(3, nil); !bytes.Equal(got, want) {
		t.Error("the same events give another segment than yesterday")
	}
}
