//go:build unix

package tiles_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
	"vedette/record/journal/journaltest"
	"vedette/store/records"
	"vedette/store/tiles"
)

// alterable makes a folder whose log has some records, one field erased, and seals, and closes it.
func alterable(t *testing.T, records int) (dir string, size uint64) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "house")
	h, err := openHouse(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.journal.Append(t.Context(), journaltest.Entries(0, 120)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.sealing.Run(ctx) })
	for h.log.Size() < 2 { // two seals of 50 entries
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	for done := 0; done < records; {
		var rs []evidence.Record
		for range min(200, records-done) {
			rs = append(rs, evidence.Record{Kind: evidence.KindHunt, Tenant: "north", Fields: []evidence.Field{{Name: "n", Value: fmt.Appendf(nil, "%d", done+len(rs))}, {Name: "empty"}}})
		}
		if _, err := h.log.Append(t.Context(), rs...); err != nil {
			t.Fatal(err)
		}
		done += len(rs)
	}
	if err := h.log.Erase(t.Context(), 3, "n"); err != nil {
		t.Fatal(err)
	}
	size = h.log.Size()
	if err := h.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir, size
}

// examined opens the folder, checks it, and closes it. An altered one may not open at all: then that is what is found.
func examined(t *testing.T, dir string) (evidence.Report, error) {
	t.Helper()
	db, err := records.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, _ := evidencetest.Keys()
	tree, err := tiles.Open(t.Context(), filepath.Join(dir, "evidence"), s, tiles.Options{})
	if err != nil {
		return evidence.Report{}, err
	}
	defer func() {
		if err := tree.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	log, err := evidence.Open(t.Context(), tree, db.Shelf(), evidence.Options{Now: evidencetest.Now})
	if err != nil {
		return evidence.Report{}, err
	}
	return log.Check(t.Context())
}

// One bit of any byte of every file that makes the log is altered, each time alone: Check finds it and names the leaf, or the folder does not open
// and says why.
func TestAnAlteredBitOfAnyFileOfTheLogIsFoundAndLocated(t *testing.T) {
	flips := 200
	if testing.Short() {
		flips = 40
	}
	dir, size := alterable(t, 300)
	if r, err := examined(t, dir); err != nil || !r.Good() {
		t.Fatalf("unaltered: %+v, %v", r, err)
	}
	edge := fmt.Sprintf(".p/%d", size%256)
	files := []string{"checkpoint", "tile/0/000", "tile/0/001" + edge, "tile/1/000.p/1", "tile/entries/000", "tile/entries/001" + edge}
	located := 0
	for i := range flips {
		path := filepath.Join(dir, "evidence", files[i%len(files)])
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := rand.IntN(len(good))
		bad := bytes.Clone(good)
		bad[at] ^= 1 << rand.IntN(8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := examined(t, dir)
		switch {
		case err != nil:
		case r.Good():
			t.Errorf("%s: byte %d altered is not found", files[i%len(files)], at)
		case strings.HasPrefix(files[i%len(files)], "tile/"):
			// The leaf is the one whose bytes or hash were altered.
			want := uint64(0)
			if strings.HasPrefix(files[i%len(files)], "tile/0/") {
				want = uint64(at) / 32
				if strings.Contains(files[i%len(files)], "001") {
					want += 256
				}
				if !slices.ContainsFunc(r.Places, func(p evidence.Misplaced) bool { return p.Index == want && strings.Contains(p.What, "level 0: hash") }) {
					t.Errorf("%s: byte %d altered, of leaf %d: Check names %+v", files[i%len(files)], at, want, r.Places[:min(3, len(r.Places))])
				}
			}
			located++
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := examined(t, dir); err != nil || !r.Good() {
		t.Fatalf("with every byte put back: %+v, %v", r, err)
	}
	t.Logf("%d of %d were located by Check, the others kept the folder from opening or were of the checkpoint", located, flips)
}

// A level of tiles that no proof needs yet is checked too: 256 leaves, whose root alone stands above them.
func TestATileThatNoProofNeedsIsChecked(t *testing.T) {
	for _, n := range []int{4, 253} { // besides two seals, and the erasure's own record
		dir, size := alterable(t, n)
		path := filepath.Join(dir, "evidence", "tile", "0", "000")
		if size < 256 {
			path += fmt.Sprintf(".p/%d", size)
		} else {
			path = filepath.Join(dir, "evidence", "tile", "1", "000.p", "1")
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[3] ^= 4
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := examined(t, dir)
		if err == nil && r.Good() {
			t.Errorf("%d leaves: %s altered is not found", size, path)
		}
	}
}

// Every cell of the rows that the leaves commit to is altered, by whoever can write the database and takes its rules away: Check finds each, and
// names the record.
func TestAnAlteredRowIsFoundAndLocated(t *testing.T) {
	dir, size := alterable(t, 6)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(q string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), q, args...); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	rules, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'evidence_%'`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rules.Next() {
		var n string
		if err := rules.Scan(&n); err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	_ = rules.Close()
	if len(names) < 7 {
		t.Fatalf("the rules are %v", names)
	}
	for _, n := range names {
		exec(`DROP TRIGGER ` + n)
	}
	type cell struct {
		idx  uint64
		name string
		col  string
		was  []byte
	}
	var cells []cell
	rows, err := db.QueryContext(t.Context(), `SELECT idx, name, salt, value, digest FROM evidence_part`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var c cell
		var salt, value, digest []byte
		if err := rows.Scan(&c.idx, &c.name, &salt, &value, &digest); err != nil {
			t.Fatal(err)
		}
		for col, b := range map[string][]byte{"salt": salt, "value": value, "digest": digest} {
			if len(b) > 0 {
				cells = append(cells, cell{c.idx, c.name, col, b})
			}
		}
	}
	_ = rows.Close()
	found := func(what string, indexes ...uint64) {
		t.Helper()
		r, err := examined(t, dir)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, i := range indexes {
			if !slices.ContainsFunc(r.Places, func(p evidence.Misplaced) bool { return p.Index == i }) {
				t.Errorf("%s: Check names %+v, want %d", what, r.Places, i)
			}
		}
		if r.Good() {
			t.Errorf("%s is not found", what)
		}
	}
	if testing.Short() {
		rand.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		cells = cells[:40]
	}
	for _, c := range cells {
		bad := bytes.Clone(c.was)
		at := rand.IntN(len(bad))
		bad[at] ^= 1 << rand.IntN(8)
		set := fmt.Sprintf(`UPDATE evidence_part SET %s = ? WHERE idx = ? AND name = ?`, c.col)
		exec(set, bad, c.idx, c.name)
		found(fmt.Sprintf("%s of %s of record %d, byte %d", c.col, c.name, c.idx, at), c.idx)
		exec(set, c.was, c.idx, c.name)
	}
	swap := func(a, b uint64) {
		for _, x := range [][2]uint64{{a, 9000}, {b, a}, {9000, b}} {
			exec(`UPDATE evidence_part SET idx = ? WHERE idx = ?`, x[1], x[0])
		}
	}
	swap(0, 4)
	found("two records that changed places", 0, 4)
	swap(0, 4)
	exec(`UPDATE evidence_part SET name = 'm' WHERE idx = 3 AND name = 'n'`)
	found("a field of another name", 3)
	exec(`UPDATE evidence_part SET name = 'n' WHERE idx = 3 AND name = 'm'`)
	for _, col := range []string{"part", "from_frame", "from_index", "to_frame", "to_index"} {
		exec(fmt.Sprintf(`UPDATE evidence_seal SET %s = %s + 1 WHERE idx = 1`, col, col))
		found(col+" of a seal", 1)
		exec(fmt.Sprintf(`UPDATE evidence_seal SET %s = %s - 1 WHERE idx = 1`, col, col))
	}
	var leaves []byte
	if err := db.QueryRowContext(t.Context(), `SELECT leaves FROM evidence_seal WHERE idx = 1`).Scan(&leaves); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		bad := bytes.Clone(leaves)
		bad[rand.IntN(len(bad))] ^= 1 << rand.IntN(8)
		exec(`UPDATE evidence_seal SET leaves = ? WHERE idx = 1`, bad)
		found("the leaves of a seal", 1)
	}
	exec(`UPDATE evidence_seal SET leaves = ? WHERE idx = 1`, leaves)
	exec(`UPDATE evidence_mark SET size = size + 1`)
	found("a mark that is too far", size+1)
	exec(`UPDATE evidence_mark SET size = size - 1`)
	if r, err := examined(t, dir); err != nil || !r.Good() {
		t.Fatalf("with everything put back: %+v, %v", r, err)
	}
	exec(`DELETE FROM evidence_seal WHERE idx = 1`)
	found("a seal that is gone", 1)
	exec(`DELETE FROM evidence_part WHERE idx = 3`)
	found("a record that is gone", 3)
}
