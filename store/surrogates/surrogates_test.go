package surrogates_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/cockroachdb/pebble/v2"

	"vedette"
	"vedette/record/authority"
	"vedette/record/vault"
	"vedette/record/vault/vaulttest"
	"vedette/store/surrogates"
)

func open(t testing.TB, dir string) *surrogates.Store {
	t.Helper()
	s, err := surrogates.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	vaulttest.Run(t, func(t *testing.T) (vault.Store, func() vault.Store) {
		dir := t.TempDir()
		s := open(t, dir)
		return s, func() vault.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dir)
		}
	})
}

func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := surrogates.Open(dir, nil); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("a second Open = %v, want unavailable", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), []byte("a")); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Get after Close = %v", err)
	}
	open(t, dir)
}

var (
	key   = vault.NewKeys([32]byte{1, 2, 3}, "a test")
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock = func() time.Time { return start.Add(time.Minute) }
)

func permit(t testing.TB, m *authority.Memory, purpose authority.Purpose) authority.Permit {
	t.Helper()
	r := authority.NewRegister(m)
	ask := authority.Ask{Purpose: purpose, Tenant: "a", Case: "case-7", Until: start.Add(time.Hour)}
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

// disk reads every file below a folder.
func disk(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// forms gives every form in which somebody careless would write an id.
func forms(id string) map[string][]byte {
	b := []byte(id)
	rev := slices.Clone(b)
	slices.Reverse(rev)
	var u16 []byte
	for _, c := range utf16.Encode([]rune(id)) {
		u16 = append(u16, byte(c), byte(c>>8))
	}
	s256, s1, m5 := sha256.Sum256(b), sha1.Sum(b), md5.Sum(b)
	out := map[string][]byte{
		"as it is": b, "reversed": rev, "UTF-16": u16, "upper case": bytes.ToUpper(b),
		"hex": []byte(hex.EncodeToString(b)), "base32": []byte(base32.StdEncoding.EncodeToString(b)[:len(b)*8/5]),
	}
	// Inside of a longer text, base64 has three phases; the characters that hang over are cut off.
	for i := range 3 {
		e := base64.StdEncoding.EncodeToString(append(make([]byte, i), b...))
		out[fmt.Sprintf("base64, phase %d", i)] = []byte(e[(i*8+5)/6 : (i+len(b))*8/6])
	}
	for name, d := range map[string][]byte{"SHA-256": s256[:], "SHA-1": s1[:], "MD5": m5[:]} {
		out[name] = d
		out[name+" in hex"] = []byte(hex.EncodeToString(d))
		out[name+" in base64"] = []byte(base64.RawStdEncoding.EncodeToString(d))
		out[name+", its first 8 bytes"] = d[:8]
	}
	return out
}

type needle struct {
	what  string
	bytes []byte
}

// needles indexes all forms of all ids by their first eight bytes, so that one walk over a file finds any of them.
func needles(ids []string) map[[8]byte][]needle {
	out := map[[8]byte][]needle{}
	for _, id := range ids {
		for form, b := range forms(id) {
			if len(b) < 8 {
				panic("too short to be looked for: " + id + ", " + form)
			}
			out[[8]byte(b)] = append(out[[8]byte(b)], needle{fmt.Sprintf("%q, %s", id, form), b})
		}
	}
	return out
}

func search(t *testing.T, where string, hay []byte, index map[[8]byte][]needle) (found int) {
	for i := range max(0, len(hay)-7) {
		for _, n := range index[[8]byte(hay[i:])] {
			if bytes.HasPrefix(hay[i:], n.bytes) {
				found++
				if t != nil {
					t.Errorf("%s: %s", where, n.what)
				}
			}
		}
	}
	return found
}

func TestTheSearchFinds(t *testing.T) {
	for form, b := range forms("@ana:chat.example") {
		if search(nil, "", slices.Concat([]byte("before"), b, []byte("after")), needles([]string{"@ana:chat.example"})) == 0 {
			t.Errorf("%s is not found", form)
		}
	}
	for i := range 3 { // base64 of a longer text
		text := base64.StdEncoding.EncodeToString([]byte("xyz"[:i] + "@ana:chat.example" + "more"))
		if search(nil, "", []byte(text), needles([]string{"@ana:chat.example"})) == 0 {
			t.Errorf("not found in %s", text)
		}
	}
}

// TestTheDiskKnowsNobody writes known ids through every door of the sealer and looks for them on the disk, in every form; for numbers the
// whole documentation ranges, since a digest of a number without a key is found by trying them all.
func TestTheDiskKnowsNobody(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	m := new(authority.Memory)
	v, err := vault.Open(s, key, vault.WithClock(clock), vault.WithRecorder(m))
	if err != nil {
		t.Fatal(err)
	}
	se, err := v.Tenant("chat-example")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	written := func(id string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for i := range 200 {
		id := fmt.Sprintf("@person-%d:chat.example", i)
		_, err := se.Account(id)
		written(id, err)
		id = fmt.Sprintf("!group-%d:chat.example", i)
		_, err = se.Group(id)
		written(id, err)
		id = fmt.Sprintf("DEVICE%04d", i)
		_, err = se.Device(id)
		written(id, err)
		a := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		_, err = se.Network(a)
		written(a.String(), err)
		a = netip.MustParseAddr(fmt.Sprintf("2001:db8:77:%x::1", 0x1000+i))
		_, err = se.Network(a)
		written(a.String(), err)
		ids = append(ids, string(a.AsSlice()[:8]))
		se.EventID(fmt.Sprintf("$event-%d-of-ana", i))
		ids = append(ids, fmt.Sprintf("$event-%d-of-ana", i))
		se.Token(vedette.TokenHost, fmt.Sprintf("news-%d.example", i), start)
		ids = append(ids, fmt.Sprintf("news-%d.example", i))
	}
	for i := range 100 {
		for _, n := range []string{fmt.Sprintf("+155501%05d", i), fmt.Sprintf("+4477009000%02d", i)} {
			_, err := se.Account(n)
			written(n, err)
			_, err = se.Block(n)
			written(n[1:], err)
			ids = append(ids, n[1:len(n)-2])
		}
	}
	atRisk := "@journalist:chat.example"
	if err := v.Enrol(t.Context(), "chat-example", atRisk, start.Add(time.Hour), vault.NewConsent(start)); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, atRisk)
	index := needles(ids)
	check := func(when string) {
		t.Helper()
		files := disk(t, dir)
		if len(files) == 0 {
			t.Fatal("nothing was written: the test sees nothing")
		}
		for file, b := range files {
			search(t, when+", "+file, b, index)
		}
	}
	check("open")
	if err := v.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("synced")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("closed")
	s = open(t, dir)
	if err := s.Shred(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("compacted")
	// A table's blocks are compressed: what the bytes hide, the database itself tells.
	db, err := pebble.Open(dir, &pebble.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		n++
		search(t, "decoded", slices.Concat(it.Key(), []byte{0}, it.Value()), index)
	}
	if n < 2*200*5 {
		t.Errorf("decoded only %d records", n)
	}
}

// values reads all that one account has in the store, and its surrogate, so that the test can look for their bytes.
type watched struct {
	vault.Store
	seen map[string][][]byte
}

func (w *watched) Apply(ctx context.Context, cs []vault.Change) error {
	for _, c := range cs {
		if c.Value != nil {
			w.seen[string(c.Key)] = append(w.seen[string(c.Key)], slices.Clone(c.Value))
		}
	}
	return w.Store.Apply(ctx, cs)
}

// TestErasedBytesAreGone looks on the disk for every byte that ever stood for the erased person: keys, values, old values, surrogate.
func TestErasedBytesAreGone(t *testing.T) {
	dir := t.TempDir()
	m := new(authority.Memory)
	p := permit(t, m, authority.PurposeErase)
	w := &watched{open(t, dir), map[string][][]byte{}}
	v, err := vault.Open(w, key, vault.WithClock(clock), vault.WithRecorder(m))
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Tenant("a")
	if err != nil {
		t.Fatal(err)
	}
	others := map[string]vedette.AccountID{}
	for i := range 300 {
		raw := fmt.Sprintf("acct-%d", i)
		if others[raw], err = s.Account(raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.seen = map[string][][]byte{} // from here on, everything is about ana alone
	ana, err := s.Account("ana")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Enrol(t.Context(), "a", "ana", start.Add(time.Hour), vault.NewConsent(start)); err != nil {
		t.Fatal(err)
	}
	seed, ok := s.Seed(ana)
	if !ok {
		t.Fatal("no seed")
	}
	needles := map[string][]byte{"surrogate": ana[:], "seed": seed[:]}
	n := 0
	for k, vs := range w.seen {
		if len(k) < 16 {
			continue // the mark of a shredding under way
		}
		needles["the key "+k[:1]] = []byte(k[len(k)-16:])
		for _, b := range vs {
			n++
			needles[fmt.Sprintf("value %d under %s", n, k[:1])] = b[13:45]
		}
	}
	if len(needles) < 6 {
		t.Fatalf("the test watches only %d", len(needles))
	}
	found := func() (out []string) {
		for file, b := range disk(t, dir) {
			for what, needle := range needles {
				// Tables share the beginnings of neighbouring keys: the last eight bytes stand there in any case.
				if bytes.Contains(b, needle[len(needle)-8:]) {
					out = append(out, what+" in "+file)
				}
			}
		}
		return out
	}
	if len(found()) == 0 {
		t.Fatal("nothing is there before: the test sees nothing")
	}
	e, err := v.Erase(t.Context(), p, "a", vault.KindAccount, "ana")
	if err != nil || e.Account() != ana || !e.Enrolled {
		t.Fatalf("Erase = %+v, %v", e, err)
	}
	if f := found(); len(f) > 0 {
		t.Errorf("still there, open: %v", f)
	}
	if err := w.Store.(*surrogates.Store).Close(); err != nil {
		t.Fatal(err)
	}
	if f := found(); len(f) > 0 {
		t.Errorf("still there, closed: %v", f)
	}
	v, err = vault.Open(open(t, dir), key)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = v.Tenant("a"); err != nil {
		t.Fatal(err)
	}
	for raw, id := range others {
		if got, err := s.Account(raw); err != nil || got != id {
			t.Fatalf("%s was touched: %v", raw, err)
		}
	}
}

// TestEnrolmentLeavesNoTrace: a copy of the folder does not tell who is enrolled: every account has the same keys, and values of the same lengths.
func TestEnrolmentLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	w := &watched{open(t, dir), map[string][][]byte{}}
	v, err := vault.Open(w, key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Tenant("a")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := s.Account(fmt.Sprintf("acct-%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Enrol(t.Context(), "a", "acct-07", start.Add(time.Hour), vault.NewConsent(start)); err != nil {
		t.Fatal(err)
	}
	lengths := map[string]map[int]int{}
	files := disk(t, dir)
	for k, vs := range w.seen {
		if len(k) < 16 {
			continue
		}
		if lengths[k[:1]] == nil {
			lengths[k[:1]] = map[int]int{}
		}
		lengths[k[:1]][len(vs[len(vs)-1])]++
		for _, old := range vs[:len(vs)-1] {
			for file, b := range files {
				if bytes.Contains(b, old[13:45]) {
					t.Errorf("an old value stands beside the new one in %s: that tells who was enrolled", file)
				}
			}
		}
	}
	if len(lengths) != 2 || len(lengths["f"]) != 1 || len(lengths["r"]) != 1 {
		t.Errorf("lengths of values differ: %v", lengths)
	}
}

// TestAnErasureCutOffIsFinished: between deleting and shredding the process dies; the next start shreds.
func TestAnErasureCutOffIsFinished(t *testing.T) {
	dir := t.TempDir()
	m := new(authority.Memory)
	p := permit(t, m, authority.PurposeErase)
	store := open(t, dir)
	w := &watched{cut{store}, map[string][][]byte{}}
	v, err := vault.Open(w, key, vault.WithClock(clock), vault.WithRecorder(m))
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Tenant("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Account("ana"); err != nil {
		t.Fatal(err)
	}
	if err := v.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Erase(t.Context(), p, "a", vault.KindAccount, "ana"); !errors.Is(err, vedette.ErrUnavailable) {
		t.Fatalf("Erase cut off = %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = vault.Open(open(t, dir), key); err != nil {
		t.Fatal(err)
	}
	for k, vs := range w.seen {
		if len(k) < 16 {
			continue
		}
		for file, b := range disk(t, dir) {
			if bytes.Contains(b, vs[0][13:45]) {
				t.Errorf("%s still holds a value", file)
			}
		}
	}
}

// cut is a store whose process dies before it shreds.
type cut struct{ vault.Store }

func (cut) Shred(context.Context, ...[]byte) error {
	return fmt.Errorf("cut off: %w", vedette.ErrUnavailable)
}

func BenchmarkStore(b *testing.B) {
	s := open(b, b.TempDir())
	v, err := vault.Open(s, key, vault.WithCache(1))
	if err != nil {
		b.Fatal(err)
	}
	se, err := v.Tenant("a")
	if err != nil {
		b.Fatal(err)
	}
	raw := make([]string, 50_000)
	for i := range raw {
		raw[i] = fmt.Sprintf("@acct-%d:chat.example", i)
		if _, err := se.Account(raw[i]); err != nil {
			b.Fatal(err)
		}
	}
	if err := v.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("account from the disk", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = se.Account(raw[i%len(raw)])
			i += 7919
		}
	})
	b.Run("256 new accounts synced", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			for range 256 {
				n++
				_, _ = se.Account(fmt.Sprint("new", n))
			}
			if err := v.Sync(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("shred one key", func(b *testing.B) {
		for b.Loop() {
			if err := s.Shred(b.Context(), []byte("f")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestWhatWasSyncedSurvivesAKill copies the folder while it is open, as a killed process would leave it, right after each Sync: every surrogate
// that a journal could hold by then is found in the copy.
func TestWhatWasSyncedSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	v, err := vault.Open(open(t, dir), key, vault.WithCache(64))
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Tenant("a")
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]vedette.AccountID{}
	for round := range 5 {
		for i := range 300 {
			raw := fmt.Sprintf("acct-%d", (round*211+i)%900)
			if kept[raw], err = s.Account(raw); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Account(fmt.Sprintf("issued in round %d, not synced", round)); err != nil {
			t.Fatal(err)
		}
		left := t.TempDir()
		for name, b := range disk(t, dir) {
			if filepath.Base(name) == "LOCK" {
				continue
			}
			if err := os.WriteFile(filepath.Join(left, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		v, err := vault.Open(open(t, left), key)
		if err != nil {
			t.Fatal(err)
		}
		s, err := v.Tenant("a")
		if err != nil {
			t.Fatal(err)
		}
		for raw, id := range kept {
			if got, err := s.Account(raw); err != nil || got != id {
				t.Fatalf("round %d: %s has another surrogate after the kill: %v", round, raw, err)
			}
		}
	}
}

// TestErasureWhileOthersWork: opening the database anew disturbs nobody but for the time it takes.
func TestErasureWhileOthersWork(t *testing.T) {
	m := new(authority.Memory)
	p := permit(t, m, authority.PurposeErase)
	v, err := vault.Open(open(t, t.TempDir()), key, vault.WithClock(clock), vault.WithRecorder(m), vault.WithCache(64))
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Tenant("a")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 3 {
		wg.Go(func() {
			kept := map[string]vedette.AccountID{}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				raw := fmt.Sprintf("%d/%d", w, i%200)
				id, err := s.Account(raw)
				if err == nil {
					err = v.Sync(context.Background())
				}
				if err != nil {
					t.Error(err)
					return
				}
				if old, ok := kept[raw]; ok && old != id {
					t.Errorf("%s: another surrogate", raw)
				}
				kept[raw] = id
			}
		})
	}
	for i := range 5 {
		raw := fmt.Sprintf("erased-%d", i)
		if _, err := s.Account(raw); err != nil {
			t.Fatal(err)
		}
		if err := v.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e, err := v.Erase(t.Context(), p, "a", vault.KindAccount, raw); err != nil || !e.Known {
			t.Errorf("Erase = %+v, %v", e, err)
		}
	}
	close(stop)
	wg.Wait()
}
