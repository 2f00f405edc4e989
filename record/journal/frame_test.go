package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
)

var exact = cmp.Exporter(func(reflect.Type) bool { return true })

func TestReadingAFrameGivesBackWhatWasWritten(t *testing.T) {
	var enc journal.Encoder
	var dec journal.Decoder
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64Min(1).Draw(t, "number")
		partition := rapid.Uint16().Draw(t, "partition")
		want := rapid.SliceOfN(rapid.Custom(journaltest.Any), 1, 12).Draw(t, "entries")
		data, err := enc.AppendFrame([]byte("before"), partition, number, want)
		if err != nil {
			t.Fatal(err)
		}
		data = data[len("before"):]
		h, got, err := dec.ReadFrame(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if h.Number != number || h.Partition != partition || h.Count != len(want) || !h.Base.Equal(want[0].Event.Seen) {
			t.Fatalf("header %+v", h)
		}
		for i := range want {
			want[i].Position = journal.Position{Frame: number, Index: uint16(i)}
		}
		if d := cmp.Diff(want, got, exact); d != "" {
			t.Fatalf("read is not what was written (-want +got):\n%s", d)
		}
		i := rapid.IntRange(0, len(want)-1).Draw(t, "one")
		one, err := dec.ReadEntry(data, i)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want[i], one, exact); d != "" {
			t.Fatalf("entry %d alone (-want +got):\n%s", i, d)
		}
		again, err := enc.AppendFrame(nil, partition, number, got)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("writing what was read gives other bytes (%v)", err)
		}
	})
}

func TestAFrameRefusesWhatItCannotKeep(t *testing.T) {
	good := journaltest.Entry(1)
	change := func(f func(*journal.Entry)) []journal.Entry {
		e := journaltest.Entry(1)
		f(&e)
		return []journal.Entry{good, e}
	}
	for name, entries := range map[string][]journal.Entry{
		"no entries":       nil,
		"too many entries": make([]journal.Entry, journal.MaxFrame+1),
		"no body":          change(func(e *journal.Entry) { e.Event.Body = nil }),
		"a strange verdict": change(func(e *journal.Entry) {
			e.Decision.Verdict = 4
		}),
		"a reason's strange verdict": change(func(e *journal.Entry) { e.Decision.Reasons[0].Armed = 7 }),
		"a strange tier":             change(func(e *journal.Entry) { e.Event.Tier = 4 }),
		"measures without end":       change(func(e *journal.Entry) { e.Measures = make([]vedette.Measures, 256) }),
	} {
		got, err := journal.AppendFrame([]byte("kept"), 0, 1, entries)
		if !errors.Is(err, vedette.ErrInvalid) || string(got) != "kept" {
			t.Errorf("%s: %q, %v; want the bytes as they were and ErrInvalid", name, got, err)
		}
	}
}

func TestEveryFlippedBitOfAFrameIsNamed(t *testing.T) {
	data, err := journal.AppendFrame(nil, 3, 77, journaltest.Entries(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			_, _, err := journal.ReadFrame(data, nil)
			d, ok := journal.Damaged(err)
			if !ok || !errors.Is(err, journal.ErrDamaged) || !errors.Is(err, vedette.ErrUnavailable) {
				t.Fatalf("byte %d bit %d flipped: %v, want damage", i, bit, err)
			}
			if i > 20 && d.Frame != 77 {
				t.Fatalf("byte %d bit %d flipped: the damage names frame %d", i, bit, d.Frame)
			}
			data[i] ^= 1 << bit
		}
	}
	for n := range data {
		if _, _, err := journal.ReadFrame(data[:n], nil); !errors.Is(err, journal.ErrDamaged) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// mend makes a frame's length and checksum right again, so that what lies inside is looked at.
func mend(data []byte) {
	if len(data) >= 36 {
		copy(data, "VDF\x01")
		binary.LittleEndian.PutUint32(data[32:], uint32(len(data)))
		binary.LittleEndian.PutUint32(data[4:], crc32.Checksum(data[8:], crc32.MakeTable(crc32.Castagnoli)))
	}
}

func FuzzBadBytesAreDamageAndNothingElse(f *testing.F) {
	data, _ := journal.AppendFrame(nil, 3, 77, journaltest.Entries(1, 3))
	f.Add(data, false)
	f.Add(data, true)
	golden, err := os.ReadFile(filepath.Join("testdata", "frame-v1.bin"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden, true)
	f.Fuzz(func(t *testing.T, data []byte, whole bool) {
		if whole {
			data = bytes.Clone(data)
			mend(data)
		}
		h, got, err := journal.ReadFrame(data, nil)
		if err != nil {
			if !errors.Is(err, journal.ErrDamaged) || len(got) != 0 {
				t.Fatalf("%v, %d entries", err, len(got))
			}
			return
		}
		// What can be read can be written, and read again the same.
		again, err := journal.AppendFrame(nil, h.Partition, h.Number, got)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		_, got2, err := journal.ReadFrame(again, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, got2, exact); d != "" {
			t.Fatal(d)
		}
	})
}

// yesterday holds one entry of each kind, with all fields filled. It must never change: the golden file was made from it once.
func yesterday() []journal.Entry {
	id := func(b byte) (x [16]byte) {
		for i := range x {
			x[i] = b + byte(i)
		}
		return x
	}
	network := vedette.Network{ID: id(0x30), ASN: 64500, Country: vedette.Country{'J', 'O'}, Class: vedette.NetworkMobile}
	links := []vedette.Link{
		{
			Where: vedette.InQRCode, Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 7, Bytes: id(0x40)}, Host: vedette.Token{Kind: vedette.TokenHost, Epoch: 7, Bytes: id(0x41)},
			Tenant: vedette.Token{Kind: vedette.TokenTenant, Epoch: 7, Bytes: id(0x42)}, URL: vedette.Token{Kind: vedette.TokenURL, Epoch: 7, Bytes: id(0x43)},
			Shape: vedette.Shape{Flags: vedette.ShapeIDN | vedette.ShapeNoReferrable, TokenLike: 2, Entropy: 70, PathSegments: 3, QueryKeys: 4, HostLabels: 5, Length: 300},
		},
		{Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 7, Bytes: id(0x40)}, URL: vedette.Token{Kind: vedette.TokenURL, Epoch: 8, Bytes: id(0x44)}},
		{},
	}
	bodies := []vedette.Body{
		&vedette.AccountRegistered{
			Device: id(0x50), Build: 0xdeadbeef, Network: network, Number: vedette.Number{Country: vedette.Country{'D', 'E'}, Carrier: vedette.CarrierVoIP, Block: id(0x51)},
			Attestation: vedette.AttestBasic, Returned: vedette.Yes,
		},
		&vedette.AccountSeen{Device: id(0x50), Network: network},
		&vedette.AccountDeleted{Reason: vedette.DeletionBan},
		&vedette.AccountRestored{},
		&vedette.DeviceLinked{Device: id(0x50), Network: network},
		&vedette.DeviceUnlinked{Device: id(0x50)},
		&vedette.GroupCreated{Group: id(0x60), Size: 500, Links: links},
		&vedette.GroupJoined{Group: id(0x60), Member: id(0x61), By: vedette.JoinAdded, Size: 501},
		&vedette.GroupLeft{Group: id(0x60), Member: id(0x61)},
		&vedette.GroupDeleted{Group: id(0x60)},
		&vedette.MessageSent{To: vedette.Recipient{Group: id(0x60), Size: 12}, Count: 3, Size: 9, Forwarded: 2, HasLink: vedette.Yes, Reply: vedette.No, Stranger: vedette.Unknown},
		&vedette.LinkSent{To: vedette.Recipient{Account: id(0x61)}, Links: links, Forwarded: 1, Reply: vedette.No, Stranger: vedette.Yes},
		&vedette.LinkPreviewed{From: id(0x61), Group: id(0x60), Links: links[:1]},
		&vedette.LinkOpened{From: id(0x61), Links: links[1:2]},
		&vedette.NumberLookedUp{Target: id(0x61), Via: vedette.LookupManual},
		&vedette.UserBlocked{Subject: id(0x61)},
		&vedette.UserUnblocked{Subject: id(0x61)},
		&vedette.UserReported{Subject: id(0x61), Group: id(0x60), Message: id(0x62), Category: vedette.ReportSuspiciousLink, Links: links[:1]},
		&vedette.ProfileChanged{Links: links[2:]},
		&vedette.Tick{},
		&vedette.GenerationMade{ID: id(0x70)},
	}
	var out []journal.Entry
	for i, b := range bodies {
		e := journal.Entry{Position: journal.Position{Frame: 42, Index: uint16(i)}, Event: vedette.Event{
			Tenant: "north", Platform: "chat.example", ID: id(byte(i)), Bytes: vedette.Digest{byte(i), 31: 1}, Source: vedette.SourceMatrix, Actor: id(0x20),
			At: time.UnixMilli(1_795_000_000_123 + int64(i)).UTC(), Seen: time.UnixMilli(1_795_000_000_500 - int64(i)).UTC(), Tier: vedette.TierR, Body: b,
		}}
		if b.Kind() >= vedette.KindTick {
			e.Event.ID, e.Event.Bytes, e.Event.Actor, e.Event.Source, e.Event.Tier = vedette.EventID{}, vedette.Digest{}, vedette.AccountID{}, vedette.SourceJournal, vedette.Tier0
			out = append(out, e)
			continue
		}
		e.Measures = make([]vedette.Measures, 1+i%2)
		for k := range vedette.MeasureSenderDomainSends + 1 { // the 28 of version 1
			if int(k)%3 != i%3 {
				e.Measures[i%2].Set(k, int64(k)*1_000_003-500)
			}
		}
		e.Decision = vedette.Decision{
			Verdict: vedette.Warn, Would: vedette.Block, Degraded: vedette.DegradedTokens | vedette.DegradedOverload, Generation: id(0x70), Took: 12345 * time.Nanosecond,
			Reasons: []vedette.Reason{
				{Rule: "list:made-up", Verdict: vedette.Block, Weight: 20000, Link: 0, Armed: vedette.Warn, Text: "as published by made-up on 2026-11-01", Match: 4_000_000_000},
				{Rule: "rule:x", Verdict: vedette.Hold, Weight: -1500, Link: -1, Shadow: true, Text: "made up"},
			},
		}
		out = append(out, e)
	}
	return out
}

// Yesterday's bytes: testdata/frame-v1.bin was written by the first build that had frames and is read for ever.
func TestYesterdaysFrameIsStillRead(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "frame-v1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	h, got, err := journal.ReadFrame(golden, nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.Version != 1 || h.Number != 42 || h.Partition != 5 {
		t.Errorf("header %+v", h)
	}
	if d := cmp.Diff(yesterday(), got, exact); d != "" {
		t.Errorf("yesterday's frame reads otherwise (-want +got):\n%s", d)
	}
}

func TestDecoderRefusesAnEntryThatTheFrameDoesNotHave(t *testing.T) {
	data, err := journal.AppendFrame(nil, 0, 1, journaltest.Entries(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	var d journal.Decoder
	for _, i := range []int{-1, 2, 300} {
		if _, err := d.ReadEntry(data, i); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("ReadEntry(%d): %v", i, err)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	entries := journaltest.Entries(0, journal.MaxFrame)
	var enc journal.Encoder
	data, err := enc.AppendFrame(nil, 0, 1, entries)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, len(data))
		for b.Loop() {
			if buf, err = enc.AppendFrame(buf[:0], 0, 1, entries); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/journal.MaxFrame, "ns/entry")
		b.ReportMetric(float64(len(data))/journal.MaxFrame, "B/entry")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		var dec journal.Decoder
		dst := make([]journal.Entry, 0, journal.MaxFrame)
		for b.Loop() {
			if _, dst, err = dec.ReadFrame(data, dst[:0]); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/journal.MaxFrame, "ns/entry")
	})
}
