package journal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// seeds gives each account the SHA-256 of its bytes, except the erased.
type seeds map[vedette.AccountID]bool

func (s seeds) Seed(a vedette.AccountID) ([32]byte, bool) {
	return sha256.Sum256(a[:]), !s[a]
}

func sealOf(t *testing.T, entries []journal.Entry, s journal.Seeds) *journal.Seal {
	t.Helper()
	sealer := journal.NewSealer(5, s)
	for i := range entries {
		sealer.Add(&entries[i])
	}
	seal, err := sealer.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return seal
}

// vector is what somebody who writes a verifier from docs/formats/seal.md can hold it against. The entries are those of frame-v1.bin, the
// seed of an account is the SHA-256 of its 16 bytes.
type vector struct {
	Root      vedette.Digest     `json:"root"`
	Leaves    []vedette.Digest   `json:"leaves"`
	Range     []byte             `json:"range"` // sealed at 1,795,000,060,000 ms, clock 12 ms ahead
	Disclosed *journal.Disclosed `json:"disclosed"`
	Withheld  *journal.Disclosed `json:"withheld"`
}

func TestTheSealIsThatOfItsPage(t *testing.T) {
	entries := yesterday()
	seal := sealOf(t, entries, seeds{})
	offset := 12 * time.Millisecond
	r := seal.Range(time.UnixMilli(1_795_000_060_000), &offset)
	got := vector{Root: seal.Root, Leaves: seal.Leaves, Range: r.Bytes()}
	var err error
	if got.Disclosed, err = seal.Disclose(&entries[11], 11, seeds{}, journal.GroupWho, journal.GroupCounterpart, journal.GroupWhat, journal.GroupJudgement); err != nil {
		t.Fatal(err)
	}
	if got.Withheld, err = seal.Disclose(&entries[20], 20, seeds{}, journal.GroupWhat); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(got, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	name := filepath.Join("testdata", "seal-v1.json")
	if *update {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("the seal of yesterday's frame has changed; testdata/seal-v1.json is pinned. Got\n%s", b)
	}
	var read vector
	if err := json.Unmarshal(want, &read); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*journal.Disclosed{read.Disclosed, read.Withheld} {
		if err := d.Verify(read.Root); err != nil {
			t.Errorf("entry %d as read from the file: %v", d.Index, err)
		}
	}
}

func TestWhatIsShownVerifiesAndNothingElseDoes(t *testing.T) {
	all := []journal.Group{journal.GroupWho, journal.GroupCounterpart, journal.GroupWhat, journal.GroupJudgement}
	rapid.Check(t, func(r *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(journaltest.Any), 1, 9).Draw(r, "entries")
		for i := range entries {
			entries[i].Position = journal.Position{Frame: 3, Index: uint16(i)}
		}
		seal := sealOf(t, entries, seeds{})
		i := rapid.IntRange(0, len(entries)-1).Draw(r, "one")
		show := rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID).Draw(r, "show")
		d, err := seal.Disclose(&entries[i], uint64(i), seeds{}, show...)
		if err != nil {
			r.Fatal(err)
		}
		if err := d.Verify(seal.Root); err != nil {
			r.Fatal(err)
		}
		for g, s := range d.Groups {
			shown := false
			for _, x := range show {
				shown = shown || x == journal.Group(g)
			}
			if s.Shown != shown || !shown && (s.Salt != nil || s.Fields != nil) {
				r.Fatalf("group %s: shown %v, asked %v, salt %x", journal.Group(g), s.Shown, shown, s.Salt)
			}
		}
		// Every flipped bit is found.
		b, err := json.Marshal(d)
		if err != nil {
			r.Fatal(err)
		}
		flip := func(what string, f func(d *journal.Disclosed) bool) {
			var other journal.Disclosed
			if err := json.Unmarshal(b, &other); err != nil {
				r.Fatal(err)
			}
			if f(&other) {
				if err := other.Verify(seal.Root); !errors.Is(err, vedette.ErrConflict) {
					r.Fatalf("a changed %s: %v, want ErrConflict", what, err)
				}
			}
		}
		bit := rapid.IntRange(0, 1<<16).Draw(r, "bit")
		at := func(b []byte) bool {
			if len(b) == 0 {
				return false
			}
			b[bit/8%len(b)] ^= 1 << (bit % 8)
			return true
		}
		flip("header", func(d *journal.Disclosed) bool { return at(d.Header) })
		flip("commitment", func(d *journal.Disclosed) bool { return at(d.Groups[bit%4].Commitment[:]) })
		flip("salt", func(d *journal.Disclosed) bool { return at(d.Groups[bit%4].Salt) })
		flip("field", func(d *journal.Disclosed) bool { return at(d.Groups[bit%4].Fields) })
		flip("path", func(d *journal.Disclosed) bool {
			return len(d.Path) > 0 && at(d.Path[bit%len(d.Path)][:])
		})
		flip("place", func(d *journal.Disclosed) bool { d.Index++; return true })
		if err := d.Verify(vedette.Digest{1}); !errors.Is(err, vedette.ErrConflict) {
			r.Fatalf("another root: %v", err)
		}
	})
}

func TestEveryFieldOfAnEntryIsSealed(t *testing.T) {
	entries := yesterday()
	sealed := sealOf(t, entries, seeds{})
	for name, change := range map[string]func(*journal.Entry){
		"verdict":  func(e *journal.Entry) { e.Decision.Verdict = vedette.Allow },
		"measure":  func(e *journal.Entry) { e.Measures[0].Set(vedette.MeasureContacts, 99) },
		"reason":   func(e *journal.Entry) { e.Decision.Reasons[1].Weight++ },
		"actor":    func(e *journal.Entry) { e.Event.Actor[3]++ },
		"bytes":    func(e *journal.Entry) { e.Event.Bytes[3]++ },
		"seen":     func(e *journal.Entry) { e.Event.Seen = e.Event.Seen.Add(time.Millisecond) },
		"id":       func(e *journal.Entry) { e.Event.ID[0]++ },
		"tenant":   func(e *journal.Entry) { e.Event.Tenant = "south" },
		"position": func(e *journal.Entry) { e.Position.Index++ },
	} {
		for i := range entries[:19] {
			changed := yesterday()
			change(&changed[i])
			if got := sealOf(t, changed, seeds{}); got.Root == sealed.Root || got.Leaves[i] == sealed.Leaves[i] {
				t.Errorf("another %s of entry %d (%s) leaves the seal as it was", name, i, entries[i].Event.Kind())
			}
			if _, err := sealed.Disclose(&changed[i], uint64(i), seeds{}); !errors.Is(err, vedette.ErrConflict) {
				t.Errorf("showing entry %d with another %s: %v, want ErrConflict", i, name, err)
			}
		}
	}
	took := yesterday()
	for i := range took {
		took[i].Decision.Took++
	}
	if sealOf(t, took, seeds{}).Root != sealed.Root {
		t.Error("how long the door took is part of the seal")
	}
}

func TestErasingOnePersonLeavesTheSealAndTheOthersProvable(t *testing.T) {
	entries := journaltest.Entries(1, 6)
	for i := range entries {
		entries[i].Position = journal.Position{Frame: 1, Index: uint16(i)}
	}
	seal := sealOf(t, entries, seeds{})
	erased := seeds{entries[2].Event.Actor: true, entries[4].Event.Body.(*vedette.LinkSent).To.Account: true}
	for i := range entries {
		d, err := seal.Disclose(&entries[i], uint64(i), erased, journal.GroupWho, journal.GroupJudgement)
		switch i {
		case 2:
			if !errors.Is(err, vedette.ErrForbidden) {
				t.Errorf("an erased actor's entry: %v, want ErrForbidden", err)
			}
		case 4:
			if !errors.Is(err, vedette.ErrConflict) {
				t.Errorf("an entry to an erased recipient: %v, want ErrConflict", err)
			}
		default:
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Verify(seal.Root); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		}
	}
	// Sealed after the erasure there is a placeholder, the same for everybody, and the other groups can be shown.
	later := sealOf(t, entries, erased)
	if d, err := later.Disclose(&entries[4], 4, erased, journal.GroupWho, journal.GroupWhat); err != nil || d.Verify(later.Root) != nil {
		t.Errorf("an entry to an erased recipient, sealed later: %v", err)
	}
	if d, err := later.Disclose(&entries[2], 2, erased); err != nil || d.Groups[journal.GroupWho].Commitment == seal.Leaves[2] {
		t.Errorf("an erased actor's entry, sealed later: %v", err)
	}
}

func TestARangeIsSealedFromTheJournal(t *testing.T) {
	j := journal.NewMemory()
	if err := j.Append(t.Context(), journaltest.Entries(0, 5), journaltest.Entries(5, 5)); err != nil {
		t.Fatal(err)
	}
	from, to := journal.Position{Frame: 1, Index: 2}, journal.Position{Frame: 2, Index: 3}
	seal, err := journal.SealRoot(t.Context(), j, 0, from, to, seeds{})
	if err != nil {
		t.Fatal(err)
	}
	if len(seal.Leaves) != 7 || seal.From != from || seal.To != to {
		t.Errorf("%d leaves from %s to %s", len(seal.Leaves), seal.From, seal.To)
	}
	for _, to := range []journal.Position{{Frame: 2, Index: 9}, {Frame: 1, Index: 1}, {Frame: 9}} {
		if _, err := journal.SealRoot(t.Context(), j, 0, from, to, seeds{}); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("a range to %s: %v, want ErrUnknown", to, err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	entries := journaltest.Entries(0, journal.MaxFrame)
	b.ReportAllocs()
	for b.Loop() {
		s := journal.NewSealer(0, seeds{})
		for i := range entries {
			s.Add(&entries[i])
		}
		if _, err := s.Seal(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/journal.MaxFrame, "ns/entry")
}
