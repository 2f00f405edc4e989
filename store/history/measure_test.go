//go:build linux

package history_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vedette/store/history"
	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

// evict asks the system to forget what it has read of a folder's files.
func evict(t testing.TB, dir string) {
	t.Helper()
	unix.Sync()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// unitOf is Sighting.Unit in SQL. ShapeSharedHost is 1024.
const unitOf = `CASE WHEN tenant <> 0 THEN tenant WHEN flags & 1024 = 0 AND domain <> 0 THEN domain WHEN flags & 1024 = 0 AND host <> 0 THEN host
	WHEN url <> 0 THEN url WHEN host <> 0 THEN host ELSE domain END`

// TestMeasured prints a table of what histories of the sizes in VEDETTE_HISTORY_MILLIONS take, and DuckDB over the same rows, clustered by unit.
func TestMeasured(t *testing.T) {
	sizes := strings.Fields(os.Getenv("VEDETTE_HISTORY_MILLIONS"))
	if len(sizes) == 0 {
		t.Skip("VEDETTE_HISTORY_MILLIONS is not set: sizes are not measured")
	}
	var table strings.Builder
	table.WriteString("| sightings | written | on disk | memory | units asked | found | history warm | cold | DuckDB, each day clustered: warm | cold | DuckDB, clustered over all days: warm | ratio to the better |\n")
	table.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, size := range sizes {
		millions, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(size, func(t *testing.T) { measure(t, millions, &table) })
	}
	fmt.Println(table.String())
}

func measure(t *testing.T, millions int, table *strings.Builder) {
	e := start(t)
	dir := t.TempDir()
	past := filepath.Join(dir, "history")
	h := open(t, past, history.Options{})
	defer func() {
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	m, units := hunttest.Measure(t, h, millions*1_000_000)
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(sql ...string) answer {
		t.Helper()
		a := e.ask(t, sql...)
		if a.Error != nil {
			t.Fatalf("DuckDB: %s", *a.Error)
		}
		return a
	}
	// The rows of the days lie in DuckDB's own files: one for each day, and one for all, each in the order of units.
	byDay, one := filepath.Join(dir, "by-day"), filepath.Join(dir, "all.parquet")
	if err := os.Mkdir(byDay, 0o700); err != nil {
		t.Fatal(err)
	}
	days, err := filepath.Glob(filepath.Join(past, "day=*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		ask("COPY (SELECT *, " + unitOf + " AS unit FROM read_parquet(" + quoted(filepath.Join(d, "*.parquet")) + ", hive_partitioning = false) ORDER BY unit) TO " +
			quoted(filepath.Join(byDay, filepath.Base(d)+".parquet")) + " (FORMAT parquet, COMPRESSION zstd)")
	}
	ask("SET temp_directory = "+quoted(filepath.Join(dir, "spill")), "COPY (SELECT * FROM read_parquet("+quoted(filepath.Join(byDay, "*.parquet"))+") ORDER BY unit) TO "+quoted(one)+" (FORMAT parquet, COMPRESSION zstd)")
	for _, a := range m.Asked {
		keys := units[:a.Units]
		var cold []time.Duration
		for range 5 {
			evict(t, past)
			began := time.Now()
			if _, err := h.Find(t.Context(), keys, hunt.Window{}, func(int, *hunt.Sighting) bool { return true }); err != nil {
				t.Fatal(err)
			}
			cold = append(cold, time.Since(began))
		}
		var in []string
		for _, k := range keys {
			in = append(in, strconv.FormatUint(uint64(k), 10)+"::UBIGINT")
		}
		ask("CREATE OR REPLACE TEMP TABLE asked AS SELECT unnest([" + strings.Join(in, ",") + "]) AS unit")
		best := func(files string, evicting bool) time.Duration {
			// Both ways of asking; the faster counts.
			var out time.Duration
			for i, where := range []string{"unit IN (" + strings.Join(in, ",") + ")", "unit IN (SELECT unit FROM asked)"} {
				var ds []time.Duration
				for range 5 {
					if evicting {
						evict(t, dir)
					}
					ans := ask("CREATE OR REPLACE TEMP TABLE answer AS SELECT * FROM read_parquet(" + quoted(files) + ") WHERE " + where)
					ds = append(ds, time.Duration(ans.Seconds*float64(time.Second)))
				}
				if n := ask("SELECT count(*) FROM answer"); int(n.Rows[0][0].(float64)) != a.Found {
					t.Errorf("DuckDB finds %v of %d units, history %d", n.Rows[0][0], a.Units, a.Found)
				}
				if d := median(ds); i == 0 || d < out {
					out = d
				}
			}
			return out
		}
		daily, dailyCold, over := best(filepath.Join(byDay, "*.parquet"), false), best(filepath.Join(byDay, "*.parquet"), true), best(one, false)
		fmt.Fprintf(table, "| %d | %.0f/s | %.1f B | %.2f B | %d | %d | %.2f ms | %.1f ms | %.0f ms | %.0f ms | %.0f ms | %.0f |\n",
			m.Sightings, m.Written, m.Disk, m.Memory, a.Units, a.Found, ms(a.Median), ms(median(cold)), ms(daily), ms(dailyCold), ms(over), float64(min(daily, over))/float64(a.Median))
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
