//go:build unix

package history_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vedette"
	"vedette/record/journal"
	"vedette/store/history"
	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

// kept is a history on the disk, and what it must answer.
type kept struct {
	dir   string
	rows  []hunt.Sighting
	units []hunt.Key
}

func openKept(t testing.TB, dir string) (*history.History, error) {
	t.Helper()
	return history.Open(context.Background(), dir, history.Options{})
}

func closeKept(t testing.TB, h *history.History) {
	t.Helper()
	if err := h.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// keep makes a history of some days in a new folder and closes it.
func keep(t testing.TB, days, perDay int) kept {
	t.Helper()
	k := kept{dir: filepath.Join(t.TempDir(), "history")}
	h, err := openKept(t, k.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeKept(t, h)
	traffic := hunttest.NewTraffic(3, perDay)
	known := map[hunt.Key]bool{}
	for range days {
		some, at := traffic.Day()
		if err := errors.Join(h.Add(context.Background(), some, at), h.Flush(context.Background())); err != nil {
			t.Fatal(err)
		}
		k.rows = append(k.rows, some...)
		for i := range some {
			if u := some[i].Unit(); !known[u] {
				known[u] = true
				k.units = append(k.units, u)
			}
		}
	}
	slices.SortStableFunc(k.rows, func(a, b hunt.Sighting) int {
		switch {
		case a.Before(&b):
			return -1
		case b.Before(&a):
			return 1
		}
		return 0
	})
	return k
}

// files are those of the folder, relative to it, but the lock.
func (k kept) files(t testing.TB) (names []string) {
	t.Helper()
	err := filepath.WalkDir(k.dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(k.dir, path)
		if err == nil && !d.IsDir() && !strings.EqualFold(name, "lock") {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// ask returns all sightings, and fails when one of them is none of those that were kept, or stands elsewhere.
func (k kept) ask(t testing.TB, h *history.History, what string) (found int, damage []hunt.Damage) {
	t.Helper()
	at := 0
	damage, err := h.Find(context.Background(), k.units, hunt.Window{}, func(_ int, s *hunt.Sighting) bool {
		for at < len(k.rows) && k.rows[at] != *s {
			at++
		}
		if at == len(k.rows) {
			t.Errorf("%s: Find gives what was never added, or gives it again or out of order: %+v", what, s)
			return false
		}
		at++
		found++
		return true
	})
	if err != nil {
		t.Errorf("%s: Find: %v", what, err)
	}
	return found, damage
}

// damageTold checks that a damaged folder answers nothing false, that what is missing is told of, and that Verify names what is damaged.
func (k kept) damageTold(t *testing.T, what, file string) {
	t.Helper()
	h, err := openKept(t, k.dir)
	if err != nil {
		t.Errorf("%s: Open: %v", what, err)
		return
	}
	defer closeKept(t, h)
	before, err := h.Stats(context.Background())
	if err != nil {
		t.Errorf("%s: Stats: %v", what, err)
	}
	found, damage := k.ask(t, h, what)
	if found < len(k.rows) && len(damage) == 0 {
		t.Errorf("%s: Find gives %d of %d sightings and names nothing", what, found, len(k.rows))
	}
	verified, err := h.Verify(context.Background())
	if err != nil {
		t.Errorf("%s: Verify: %v", what, err)
	}
	after, err := h.Stats(context.Background())
	if err != nil {
		t.Errorf("%s: Stats: %v", what, err)
	}
	all := slices.Concat(before.Damaged, damage, verified)
	if !slices.ContainsFunc(all, func(d hunt.Damage) bool { return d.File == file }) || len(after.Damaged) == 0 {
		t.Errorf("%s: neither Open nor Find nor Verify names it: %v; Stats then: %v", what, all, after.Damaged)
	}
	for _, d := range slices.Concat(all, after.Damaged) {
		if filepath.IsAbs(d.File) || strings.Contains(d.File+d.What, k.dir) {
			t.Errorf("%s: %+v says where the folder is", what, d)
		}
	}
}

// A byte is changed, one after the other over the whole of a file.
func TestAnyByteThatIsNotWhatWasWrittenIsToldOf(t *testing.T) {
	k := keep(t, 2, 300)
	most := 150
	if testing.Short() {
		most = 40
	}
	for _, name := range k.files(t) {
		path := filepath.Join(k.dir, filepath.FromSlash(name))
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(whole)/most)
		for at := 0; at < len(whole); at += step {
			bad := slices.Clone(whole)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			k.damageTold(t, fmt.Sprintf("byte %d of %s", at, name), name)
			if t.Failed() {
				t.Fatalf("%s has %d bytes", name, len(whole))
			}
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
			if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			k.damageTold(t, fmt.Sprintf("%s cut to %d bytes", name, n), name)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	h, err := openKept(t, k.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeKept(t, h)
	if n, damage := k.ask(t, h, "made whole again"); n != len(k.rows) || len(damage) > 0 {
		t.Errorf("made whole again: %d of %d, %v", n, len(k.rows), damage)
	}
}

func TestAFileThatIsMissingIsNamedAndExpires(t *testing.T) {
	k := keep(t, 3, 300)
	names := k.files(t)
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, ".parquet") })
	if err := os.Remove(filepath.Join(k.dir, filepath.FromSlash(names[i]))); err != nil {
		t.Fatal(err)
	}
	k.damageTold(t, "a missing file", names[i])
	h, err := openKept(t, k.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Expire(context.Background(), hunttest.Start.AddDate(0, 0, 1)); err != nil {
		t.Fatalf("Expire: %v", err)
	}
	closeKept(t, h)
	if h, err = openKept(t, k.dir); err != nil {
		t.Fatal(err)
	}
	defer closeKept(t, h)
	if d, err := h.Verify(context.Background()); err != nil || len(d) > 0 {
		t.Errorf("Verify when the day of the damaged file has expired: %v, %v", d, err)
	}
	if n, damage := k.ask(t, h, "after the expiry"); n != 600 || len(damage) > 0 {
		t.Errorf("after the expiry %d are found, want 600; %v", n, damage)
	}
}

// A folder that lost both manifests may hold everything: it must not become an empty history.
func TestWithoutManifestsNothingIsThrownAway(t *testing.T) {
	k := keep(t, 2, 300)
	had := k.files(t)
	for _, name := range had {
		if !strings.Contains(name, "/") {
			if err := os.Remove(filepath.Join(k.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	had = k.files(t)
	if h, err := openKept(t, k.dir); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Open: %v, want %v", err, vedette.ErrUnavailable)
		if err == nil {
			closeKept(t, h)
		}
	}
	if got := k.files(t); !slices.Equal(got, had) || len(had) == 0 {
		t.Errorf("the folder holds %v, it held %v", got, had)
	}
}

// Erased is what no file says any more, and Erase does not say so while a damaged file may.
func TestErasedMeansGone(t *testing.T) {
	k := keep(t, 3, 300)
	said := func(a [16]byte) (names []string) {
		for _, name := range k.files(t) {
			b, err := os.ReadFile(filepath.Join(k.dir, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, a[:]) {
				names = append(names, name)
			}
		}
		return names
	}
	var person vedette.AccountID
	for _, s := range k.rows {
		if !s.To.IsZero() && len(said(s.To)) > 0 { // compression may hide one
			person = s.To
			break
		}
	}
	where := said(person)
	if person.IsZero() || len(where) == 0 {
		t.Fatal("nobody stands in the files in clear: this test sees nothing")
	}
	path := filepath.Join(k.dir, filepath.FromSlash(where[0]))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	erase := func() error {
		h, err := openKept(t, k.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer closeKept(t, h)
		_, err = h.Erase(context.Background(), person, vedette.GroupID{})
		return err
	}
	if err := erase(); err == nil && len(said(person)) > 0 {
		t.Errorf("Erase succeeds, and %v still name the person", said(person))
	}
	if _, err := os.Stat(path); err == nil {
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := erase(); err != nil {
		t.Errorf("Erase when the file is whole again: %v", err)
	}
	if where := said(person); len(where) > 0 {
		t.Errorf("erased, and %v still name the person", where)
	}
}

// What was only in memory when somebody was erased does not come back when the history is opened after a crash and given everything after
// its position: the rest is durable, or the position is before it.
func TestErasedInMemoryIsCovered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	h, err := openKept(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	at := hunttest.Start
	rows := []hunt.Sighting{
		{At: at, Act: hunt.Sent, Domain: 1, From: vedette.AccountID{1}, Position: journal.Position{Frame: 1}},
		{At: at, Act: hunt.Sent, Domain: 1, From: vedette.AccountID{2}, Position: journal.Position{Frame: 2}},
	}
	if err := h.Add(t.Context(), rows, journal.Position{Frame: 3}); err != nil {
		t.Fatal(err)
	}
	if n, err := h.Erase(t.Context(), vedette.AccountID{1}, vedette.GroupID{}); n != 1 || err != nil {
		t.Fatalf("Erase: %d, %v", n, err)
	}
	// A crash: the files as they are now, opened elsewhere.
	left := filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	closeKept(t, h)
	if h, err = openKept(t, left); err != nil {
		t.Fatal(err)
	}
	defer closeKept(t, h)
	n := 0
	if _, err := h.Find(t.Context(), []hunt.Key{1}, hunt.Window{}, func(_ int, s *hunt.Sighting) bool {
		n++
		if s.From == (vedette.AccountID{1}) {
			t.Error("who was erased is back")
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if p := h.Position(); p.Frame >= 2 && n != 1 || p.Frame == 1 {
		t.Errorf("Position %s with %d sightings: who was erased would be given again, or the other is lost", p, n)
	}
}

// child runs one test of this program in another process.
func child(t *testing.T, test, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), "VEDETTE_HISTORY_CHILD="+dir)
	return cmd
}

func TestAnotherProcessIsRefused(t *testing.T) {
	if dir := os.Getenv("VEDETTE_HISTORY_CHILD"); dir != "" {
		if _, err := openKept(t, dir); !errors.Is(err, history.ErrOwned) {
			t.Fatalf("Open: %v, want %v", err, history.ErrOwned)
		}
		return
	}
	dir := filepath.Join(t.TempDir(), "history")
	h, err := openKept(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeKept(t, h)
	if out, err := child(t, "TestAnotherProcessIsRefused", dir).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// The kernel refuses to let a file grow beyond a limit, whichever that is: a write is then cut short, as on a full disk. What was durable stays,
// what was refused is found from memory, and all is well when there is room again.
func TestAFullDiskLeavesWhatWasThere(t *testing.T) {
	dir := os.Getenv("VEDETTE_HISTORY_CHILD")
	if dir == "" {
		for range 3 {
			dir := filepath.Join(t.TempDir(), "history")
			if out, err := child(t, "TestAFullDiskLeavesWhatWasThere", dir).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
				t.Errorf("%v\n%s", err, out)
			}
		}
		return
	}
	var free unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &free); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		t.Helper()
		l := free
		l.Cur = min(n, free.Max)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
	}
	h, err := openKept(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	traffic := hunttest.NewTraffic(4, 200)
	k := kept{dir: dir}
	known := map[hunt.Key]bool{}
	failures := 0
	for day := range 40 {
		some, at := traffic.Day()
		if err := h.Add(t.Context(), some, at); err != nil {
			t.Fatalf("Add: %v", err)
		}
		k.rows = append(k.rows, some...)
		for i := range some {
			if u := some[i].Unit(); !known[u] {
				known[u] = true
				k.units = append(k.units, u)
			}
		}
		said := h.Position()
		limit(uint64(day) * 700)
		err := h.Flush(t.Context())
		limit(free.Cur)
		if err != nil {
			failures++
			if !errors.Is(err, vedette.ErrUnavailable) {
				t.Errorf("Flush: %v, want %v", err, vedette.ErrUnavailable)
			}
			if p := h.Position(); p != said {
				t.Errorf("Flush failed, and Position went from %s to %s", said, p)
			}
			if day%3 == 0 { // as good as being killed
				left := filepath.Join(t.TempDir(), "left")
				if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				other, err := openKept(t, left)
				if err != nil {
					t.Fatalf("Open what a full disk left: %v", err)
				}
				if p := other.Position(); p.Less(said) {
					t.Errorf("Position %s, it had said %s", p, said)
				}
				if d, err := other.Verify(t.Context()); err != nil || len(d) > 0 {
					t.Errorf("Verify what a full disk left: %v, %v", d, err)
				}
				k.ask(t, other, "what a full disk left")
				closeKept(t, other)
			}
		}
		if found, damage := k.ask(t, h, fmt.Sprintf("day %d", day)); found != len(k.rows) || len(damage) > 0 {
			t.Fatalf("day %d: %d of %d sightings, %v", day, found, len(k.rows), damage)
		}
	}
	if failures == 0 || failures == 40 {
		t.Errorf("%d of 40 flushes failed: this test sees nothing", failures)
	}
	if err := h.Flush(t.Context()); err != nil {
		t.Errorf("Flush when there is room again: %v", err)
	}
	if p := h.Position(); p.Frame == 0 {
		t.Error("nothing is durable")
	}
	closeKept(t, h)
	if h, err = openKept(t, dir); err != nil {
		t.Fatal(err)
	}
	defer closeKept(t, h)
	if found, damage := k.ask(t, h, "opened again"); found != len(k.rows) || len(damage) > 0 {
		t.Errorf("opened again: %d of %d sightings, %v", found, len(k.rows), damage)
	}
}

// The same sightings make the same files.
func TestTheSameSightingsMakeTheSameBytes(t *testing.T) {
	a, b := keep(t, 2, 500), keep(t, 2, 500)
	names := a.files(t)
	if !slices.Equal(names, b.files(t)) {
		t.Fatalf("%v and %v", names, b.files(t))
	}
	for _, name := range names {
		x, err1 := os.ReadFile(filepath.Join(a.dir, filepath.FromSlash(name)))
		y, err2 := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(name)))
		if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
			t.Errorf("%s differs: %v, %v", name, err1, err2)
		}
	}
}
