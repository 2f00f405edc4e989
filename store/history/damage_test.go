package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

var updateGolden = flag.Bool("golden", false, "write the golden file anew: only with a new version of the format")

// filled is a folder with three days of traffic, one file each, and the sightings.
func filled(t testing.TB, perDay int) (string, []hunt.Sighting, []hunt.Key) {
	t.Helper()
	dir := t.TempDir()
	h, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	traffic := hunttest.NewTraffic(5, perDay)
	var all []hunt.Sighting
	set := map[hunt.Key]bool{}
	for range 3 {
		rows, upto := traffic.Day()
		if err := h.Add(t.Context(), rows, upto); err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	var units []hunt.Key
	for i := range all {
		if u := all[i].Unit(); !set[u] {
			set[u] = true
			units = append(units, u)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir, all, units
}

func parts(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "day=*", "part-*.parquet"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files: %v", err)
	}
	return names
}

func TestDamageIsNamedAndTheRestIsServed(t *testing.T) {
	dir, all, units := filled(t, 3000)
	name := parts(t, dir)[1]
	rel, err := filepath.Rel(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	footer := int(binary.LittleEndian.Uint32(sound[len(sound)-8:]))
	tail := len(sound) - 8 - footer - tailSize
	index := int(binary.LittleEndian.Uint64(sound[tail:]))
	perDay := len(all) / 3
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 0x40; return b }
	}
	for _, tt := range []struct {
		name   string
		spoil  func([]byte) []byte
		lost   int  // sightings at most that are not found
		opens  bool // told at the opening
		served bool // and yet all is served
	}{
		{"a byte of the first block", flip(300), blockRows, false, false},
		{"a byte of the last block", flip(index - 50), blockRows, false, false},
		{"a page's header", flip(5), blockRows, false, false},
		{"the beginning", flip(0), 0, false, true},
		{"the index's head", flip(index + 3), 0, true, true},
		{"the index's filter", flip(tail - 20), 0, true, true},
		{"the index's place", flip(tail + 2), perDay, true, false},
		{"the footer", flip(tail + tailSize + footer/2), 0, false, true},
		{"the last bytes", flip(len(sound) - 2), perDay, true, false},
		{"the second half is missing", func(b []byte) []byte { return b[:len(b)/2] }, perDay, true, false},
		{"empty", func([]byte) []byte { return nil }, perDay, true, false},
		{"another day's file", func([]byte) []byte { b, _ := os.ReadFile(parts(t, dir)[0]); return b }, perDay, true, false},
		{"missing", nil, perDay, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, sound, 0o600)); err != nil {
					t.Fatal(err)
				}
			}()
			if tt.spoil == nil {
				err = os.Remove(name)
			} else {
				err = os.WriteFile(name, tt.spoil(bytes.Clone(sound)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			h, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatalf("Open = %v", err)
			}
			defer func() {
				if err := h.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			names := func(ds []hunt.Damage) bool {
				return slices.ContainsFunc(ds, func(d hunt.Damage) bool { return d.File == filepath.ToSlash(rel) })
			}
			st, err := h.Stats(t.Context())
			if err != nil || names(st.Damaged) != tt.opens {
				t.Errorf("Stats names %v, %v, want at the opening: %t", st.Damaged, err, tt.opens)
			}
			n := 0
			damaged, err := h.Find(t.Context(), units, hunt.Window{}, func(int, *hunt.Sighting) bool { n++; return true })
			if err != nil || n < len(all)-tt.lost {
				t.Errorf("Find yields %d of %d, %v, want all but %d", n, len(all), err, tt.lost)
			}
			if !tt.served && (n == len(all) || !names(damaged)) {
				t.Errorf("Find yields %d of %d and names %v, want %s", n, len(all), damaged, rel)
			}
			if wrong, err := h.Verify(t.Context()); err != nil || !names(wrong) && tt.name != "the beginning" {
				t.Errorf("Verify = %v, %v, want %s", wrong, err, rel)
			} else if st, err := h.Stats(t.Context()); err != nil || !slices.Equal(st.Damaged, wrong) {
				t.Errorf("after Verify Stats names %v, %v, want %v", st.Damaged, err, wrong)
			}
			if _, err := h.Erase(t.Context(), vedette.AccountID{0xaa}, vedette.GroupID{}); (err != nil) == tt.served || err != nil && !errors.Is(err, vedette.ErrUnavailable) {
				t.Errorf("Erase = %v, want that it says what it could not read: %t", err, !tt.served)
			}
		})
	}
}

func TestADamagedManifestHasACopy(t *testing.T) {
	dir, all, units := filled(t, 500)
	path := filepath.Join(dir, manifestName)
	for _, b := range [][]byte{nil, []byte("{"), []byte(`{"version":1,"files":[]}`)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		damaged, err := h.Find(t.Context(), units, hunt.Window{}, func(int, *hunt.Sighting) bool { n++; return true })
		if err != nil || n != len(all) || len(damaged) != 1 || damaged[0].File != manifestName {
			t.Errorf("Find yields %d of %d, %v, %v", n, len(all), damaged, err)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{manifestName, manifestCopy} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Open(both damaged) = %v, want unavailable", err)
	}
	if n := len(parts(t, dir)); n != 3 {
		t.Errorf("after a refused opening %d files are left, want 3", n)
	}
}

// TestOthersReadTheFiles reads them with a Parquet library that knows nothing of us.
func TestOthersReadTheFiles(t *testing.T) {
	dir, all, _ := filled(t, 2500)
	type sighting struct {
		Domain, Host, URL, Tenant, Frame               uint64
		Time                                           int32
		Entry, Link, Act, Verdict, Would, Place, Flags uint32
		Established                                    bool
		Sender, Recipient, Group                       [16]byte
	}
	seen := map[sighting]int{}
	for _, s := range all {
		r, _ := rowOf(&s, 0)
		seen[sighting{
			r.domain, r.host, r.url, r.tenant, r.frame, int32(r.time), uint32(r.entry), 0, uint32(r.act), uint32(r.verdict), uint32(r.would), uint32(r.place), r.flags,
			r.established, r.from, r.to, r.group,
		}]++
	}
	n := 0
	for _, name := range parts(t, dir) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := f.Lookup("vedette.history"); !ok || v != "1" {
			t.Errorf("vedette.history = %q", v)
		}
		at := map[string]int{}
		for i, c := range f.Schema().Columns() {
			at[c[0]] = i
		}
		for _, g := range f.RowGroups() {
			rows := g.Rows()
			buf := make([]parquet.Row, 100)
			for {
				k, err := rows.ReadRows(buf)
				for _, r := range buf[:k] {
					u := func(c string) uint64 { return r[at[c]].Uint64() }
					u32 := func(c string) uint32 { return r[at[c]].Uint32() }
					id := func(c string) [16]byte { return [16]byte(r[at[c]].ByteArray()) }
					seen[sighting{
						u("domain"), u("host"), u("url"), u("tenant"), u("frame"), r[at["time"]].Int32(), u32("entry"), u32("link"), u32("act"), u32("verdict"), u32("would"),
						u32("place"), u32("flags"), r[at["established"]].Boolean(), id("sender"), id("recipient"), id("group_id"),
					}]--
					n++
				}
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Fatal(err)
					}
					break
				}
			}
			if err := rows.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for s, k := range seen {
		if k != 0 {
			t.Fatalf("%+v: %d more were added than are read", s, k)
		}
	}
	if n != len(all) {
		t.Errorf("%d rows are read, want %d", n, len(all))
	}
}

func TestWhatIsErasedIsGoneFromTheFolder(t *testing.T) {
	dir, all, _ := filled(t, 2000)
	who, group := all[7].From, vedette.GroupID{}
	for i := range all {
		if !all[i].Group.IsZero() {
			group = all[i].Group
			break
		}
	}
	has := func(id [16]byte) (n int) {
		names, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
		top, _ := filepath.Glob(filepath.Join(dir, "*.json"))
		for _, name := range append(names, top...) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(b, id[:])
		}
		return n
	}
	h := openAt(t, dir, Options{})
	if has(who) == 0 || has(group) == 0 {
		t.Fatal("what is to be erased is not there")
	}
	for _, x := range []struct {
		a vedette.AccountID
		g vedette.GroupID
	}{{a: who}, {g: group}} {
		if n, err := h.Erase(t.Context(), x.a, x.g); err != nil || n == 0 {
			t.Errorf("Erase = %d, %v", n, err)
		}
	}
	if a, g := has(who), has(group); a+g != 0 {
		t.Errorf("after Erase the folder holds the account %d times and the group %d times", a, g)
	}
}

func TestReadersGoOnWhileFilesAreSwapped(t *testing.T) {
	dir, all, units := filled(t, 1500)
	h := openAt(t, dir, Options{FlushRows: 300})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := 0
				var last time.Time
				damaged, err := h.Find(t.Context(), units, hunt.Window{To: hunttest.Start.AddDate(0, 0, 3)}, func(_ int, s *hunt.Sighting) bool {
					if s.At.Before(last) {
						t.Errorf("found %s after %s", s.At, last)
					}
					last = s.At
					n++
					return true
				})
				if err != nil || len(damaged) > 0 || n < len(all) {
					t.Errorf("Find yields %d of %d, %v, %v", n, len(all), damaged, err)
				}
				if _, err := h.Stats(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	at := h.Position().Frame
	for i := range uint64(60) {
		rows := sampleAt(at+i+1, 40)
		if err := h.Add(t.Context(), rows, journal.Position{Frame: at + i + 1, Index: 255}); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := h.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if i%20 == 19 {
			if _, err := h.Erase(t.Context(), vedette.AccountID{9, byte(i)}, vedette.GroupID{}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Forget(t.Context(), []hunt.Key{hunt.Key(7_000_000 + i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	wg.Wait()
}

func sampleAt(frame uint64, n int) []hunt.Sighting {
	var rows []hunt.Sighting
	for i := range n {
		rows = append(rows, hunt.Sighting{
			At: hunttest.Start.Add(time.Duration(i) * time.Minute), Act: hunt.Sent, Domain: hunt.Key(7_000_000 + i), URL: hunt.Key(frame*1000 + uint64(i)),
			From: vedette.AccountID{9, byte(i)}, To: vedette.AccountID{8, byte(frame)}, Position: journal.Position{Frame: frame, Index: uint16(i)},
		})
	}
	return rows
}

func TestADaysFilesAreFew(t *testing.T) {
	h := openAt(t, t.TempDir(), Options{})
	for i := range uint64(200) {
		if err := h.Add(t.Context(), sampleAt(i+1, 20), journal.Position{Frame: i + 1, Index: 255}); err != nil {
			t.Fatal(err)
		}
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for {
		did, err := h.merge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !did {
			break
		}
	}
	st, err := h.Stats(t.Context())
	if err != nil || st.Sightings != 4000 || len(h.view.files) > 20 {
		t.Errorf("%d sightings in %d files, %v, want 4000 in 20 at most", st.Sightings, len(h.view.files), err)
	}
}

// TestGolden reads a file as version 1 wrote it, and writes the same bytes.
func TestGolden(t *testing.T) {
	rows := sampleAt(70_000, 700)
	for i := range rows {
		s := &rows[i]
		s.Tenant, s.Host, s.Act = hunt.Key(i%3), hunt.Key(i*7), hunt.Act(1+i%5)
		s.Verdict, s.Would, s.Established, s.Place = vedette.Verdict(i%4), vedette.Verdict(i/4%4), i%2 == 0, vedette.Place(i%6)
		s.Shape = vedette.Shape{Flags: vedette.ShapeFlag(i % 5), TokenLike: uint8(i), Entropy: 9, PathSegments: uint8(i % 2), QueryKeys: 3, HostLabels: 2, Length: uint16(i)}
		s.Group[3] = byte(i % 9)
	}
	dir := t.TempDir()
	h, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Add(t.Context(), rows, journal.Position{Frame: 70_000, Index: 2000}); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(parts(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "version1.parquet")
	if *updateGolden {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes are written, which are not the %d of version 1", len(got), len(want))
	}
	if err := os.WriteFile(parts(t, dir)[0], want, 0o600); err != nil {
		t.Fatal(err)
	}
	h = openAt(t, dir, Options{})
	var read []hunt.Sighting
	damaged, err := h.Of(t.Context(), []vedette.AccountID{rows[0].To}, hunt.Window{}, func(s *hunt.Sighting) bool { read = append(read, *s); return true })
	slices.SortFunc(rows, func(a, b hunt.Sighting) int { return a.At.Compare(b.At) })
	if err != nil || len(damaged) > 0 || !slices.Equal(read, rows) {
		t.Errorf("yesterday's bytes give %d sightings, %v, %v, want %d", len(read), damaged, err, len(rows))
	}
}

// FuzzBlock: whatever the bytes are, reading a block neither breaks nor takes more than a block's memory, and what a sound one says is what was
// written.
func FuzzBlock(f *testing.F) {
	var e encoder
	var rows []row
	for _, s := range sampleAt(3, 40) {
		r, _ := rowOf(&s, 0)
		rows = append(rows, r)
	}
	f.Add(e.append(nil, rows), 0, byte(0))
	f.Add(e.append(nil, rows), 40, byte(1))
	f.Fuzz(func(t *testing.T, data []byte, at int, x byte) {
		if at >= 0 && at < len(data) {
			data[at] ^= x
		}
		var b block
		if p, rest, ok := quickPageHeader(data); ok {
			q, other, err := slowPageHeader(data)
			if err != nil || p != q || !bytes.Equal(rest, other) {
				t.Errorf("a header reads as %+v at once and as %+v, %v by the format", p, q, err)
			}
		}
		if err := b.read(data); err != nil {
			return
		}
		got, err := b.rows(nil)
		if err != nil {
			return
		}
		for i := range got {
			var one row
			if err := b.row(i, &one); err != nil || one != got[i] {
				t.Errorf("row %d is %+v, %v, and among all %+v", i, one, err, got[i])
			}
		}
		var e encoder
		if err := b.read(e.append(nil, got)); err != nil {
			t.Errorf("what was read and written cannot be read: %v", err)
		}
		if again, err := b.rows(nil); err != nil || !slices.Equal(got, again) {
			t.Errorf("what was read and written reads otherwise: %v", err)
		}
	})
}
