package hunt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
)

// sends is a made-up journal in which some links are popular.
func sends(t *rapid.T) (out []journal.Entry) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range rapid.IntRange(1, 400).Draw(t, "entries") {
		now = now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "pause")) * time.Second)
		e := journal.Entry{Position: journal.Position{Frame: 1 + uint64(i)/50, Index: uint16(i % 50)}}
		e.Event = vedette.Event{At: now, Seen: now, Body: &vedette.Tick{}}
		if rapid.IntRange(0, 3).Draw(t, "kind") > 0 {
			var from, to vedette.AccountID
			from[7], to[6], to[7] = byte(rapid.IntRange(1, 90).Draw(t, "from")), 1, byte(rapid.IntRange(1, 90).Draw(t, "to"))
			l := vedette.Link{Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{7: byte(rapid.IntRange(1, 3).Draw(t, "domain"))}}}
			e.Event.Actor, e.Event.Body = from, &vedette.LinkSent{To: vedette.Recipient{Account: to}, Links: []vedette.Link{l}}
			var ms vedette.Measures
			ms.Set(vedette.MeasureDomainPeople, 70)
			ms.Set(vedette.MeasureDomainRecipients, 0)
			ms.Set(vedette.MeasureAccountAge, int64(rapid.IntRange(20, 40).Draw(t, "age"))*86400)
			e.Measures = []vedette.Measures{ms}
		}
		out = append(out, e)
	}
	return out
}

func TestASieveThatWasInterruptedIsTheSame(t *testing.T) {
	rules := Rules{}.filled()
	rapid.Check(t, func(t *rapid.T) {
		list := sends(t)
		whole, parts := newSieve(rules), newSieve(rules)
		var due []Key
		for i := range list {
			whole.feed(&list[i])
			if rapid.IntRange(0, 20).Draw(t, "crash") == 0 {
				due, parts.due = append(due, parts.due...), nil
				at := parts.at
				var err error
				if parts, err = decodeSieve(rules, parts.encode()); err != nil {
					t.Fatal(err)
				}
				parts.at = at
			}
			parts.feed(&list[max(0, i-1)]) // what it knows it leaves
			parts.feed(&list[i])
		}
		if a, b := whole.encode(), parts.encode(); !bytes.Equal(a, b) {
			t.Fatalf("the sieves differ:\n%x\n%x", a, b)
		}
		if a, b := fmt.Sprint(whole.due), fmt.Sprint(append(due, parts.due...)); a != b {
			t.Fatalf("due: %s, interrupted %s", a, b)
		}
	})
}

// TestNoMorePartsThanThereAre holds the count against a plain one: parts with an established sender, by searching the graph.
func TestNoMorePartsThanThereAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := newSieve(Rules{}.filled())
		next := map[uint64][]uint64{}
		old := map[uint64]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "sends") {
			from, to := uint64(rapid.IntRange(1, 60).Draw(t, "from")), uint64(rapid.IntRange(1, 60).Draw(t, "to"))
			established := rapid.Bool().Draw(t, "established")
			v.passed(1, from, to, established)
			next[from], next[to] = append(next[from], to), append(next[to], from)
			old[from] = old[from] || established
		}
		seen, want := map[uint64]bool{}, 0
		for id := range next {
			if seen[id] {
				continue
			}
			counts := false
			for todo := []uint64{id}; len(todo) > 0; todo = todo[1:] {
				if x := todo[0]; !seen[x] {
					seen[x] = true
					counts = counts || old[x]
					todo = append(todo, next[x]...)
				}
			}
			if counts {
				want++
			}
		}
		if got := v.units[1].parts; got != want {
			t.Fatalf("parts: %d, want %d", got, want)
		}
	})
}

func TestTheSieveIsBounded(t *testing.T) {
	v := newSieve(Rules{}.filled())
	for n := range uint64(3 * maxUnits) {
		v.now = int64(n)
		v.passed(Key(n+1), 1, 2, true)
	}
	if len(v.units) != maxUnits || v.units[1] != nil || v.units[3*maxUnits] == nil {
		t.Errorf("units: %d, want %d, the newest", len(v.units), maxUnits)
	}
	for n := range uint64(2 * maxNodes) { // all by one young sender: no part counts
		v.passed(3*maxUnits, 9, 100+n, false)
	}
	if u := v.units[3*maxUnits]; u.state != full || u.ids != nil {
		t.Errorf("a unit that %d people met in one part: state %d with %d nodes, want full with none", 2*maxNodes, u.state, len(u.ids))
	}
	for n := range 2 * maxForgotten {
		k := Key(1<<40 + n)
		v.units = map[Key]*spread{k: {state: ripe}}
		v.now += time.Hour.Milliseconds() * 24 * 8
		v.sweep()
	}
	if len(v.order) != maxForgotten || len(v.forgotten) != maxForgotten || !v.knows(1<<40+2*maxForgotten-1) || v.knows(1<<40) {
		t.Errorf("forgotten: %d, %d, want the newest %d", len(v.order), len(v.forgotten), maxForgotten)
	}
	if _, err := decodeSieve(v.rules, v.encode()); err != nil {
		t.Error(err)
	}
}

func TestAnErasedNameLeavesNoTraceInTheSieve(t *testing.T) {
	v := newSieve(Rules{}.filled())
	who := vedette.AccountID{1, 2, 3, 4, 5, 6, 7, 8, 9}
	v.passed(5, node(who), 77, true)
	v.passed(5, 77, 88, false)
	if !bytes.Contains(v.encode(), who[:8]) {
		t.Fatal("the name was never there")
	}
	v.erase(who, vedette.GroupID{})
	b := v.encode()
	if bytes.Contains(b, who[:8]) {
		t.Error("the name is still there")
	}
	again, err := decodeSieve(v.rules, b)
	if err != nil || again.units[5].parts != 1 || !bytes.Equal(again.encode(), b) {
		t.Errorf("the graph changed: %v", err)
	}
}

// sieveVector is what version 1 wrote: one growing unit of two people, one ripe unit, one that was forgotten.
const sieveVector = "01000000000000006400000000000000070000000200000000000000050000000000000032000002000000000000004d000001000000000000005800000000000000000000090000000000000033010000000000010000000000000063"

func TestYesterdaysSieveIsRead(t *testing.T) {
	raw, err := hex.DecodeString(sieveVector)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodeSieve(Rules{}.filled(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if u := v.units[5]; v.now != 100 || v.swept != 7 || u.first != 50 || u.state != growing || u.parts != 1 || u.root(u.place[88]) != u.place[77] ||
		v.units[9].state != ripe || v.units[9].first != 51 || !v.knows(99) {
		t.Errorf("read %+v", v)
	}
	if got := hex.EncodeToString(v.encode()); got != sieveVector {
		t.Errorf("written again: %s", got)
	}
}

func FuzzSieve(f *testing.F) {
	raw, _ := hex.DecodeString(sieveVector)
	f.Add(raw)
	f.Add(newSieve(Rules{}.filled()).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeSieve(Rules{}.filled(), b)
		if err != nil {
			return
		}
		if got := v.encode(); !bytes.Equal(got, b) {
			t.Errorf("%x read and written again: %x", b, got)
		}
		for k := range v.units {
			v.passed(k, 1, 2, true)
		}
		v.now += (100 * 24 * time.Hour).Milliseconds()
		v.sweep()
	})
}

func BenchmarkTake(b *testing.B) {
	r := Rules{}.filled()
	var ms vedette.Measures
	for k, v := range map[vedette.Measure]int64{
		vedette.MeasureFirstContact: 1, vedette.MeasureDomainPeople: 1, vedette.MeasureDomainRecipients: 1, vedette.MeasureAccountAge: 86400 * 40,
	} {
		ms.Set(k, v)
	}
	l := vedette.Link{Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{1}}}
	e := journal.Entry{
		Event:    vedette.Event{Actor: vedette.AccountID{1}, Body: &vedette.LinkSent{To: vedette.Recipient{Account: vedette.AccountID{2}}, Links: []vedette.Link{l}}},
		Measures: []vedette.Measures{ms},
	}
	m := newRecordingMetrics(nil)
	dst := make([]Sighting, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		dst = r.take(&e, dst[:0], m)
	}
	if len(dst) != 1 {
		b.Fatal("nothing was taken")
	}
}
