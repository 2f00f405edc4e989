package frames_test

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"vedette/record/journal"
	"vedette/record/journal/journaltest"
	"vedette/store/frames"
	"vedette/store/storetest"
)

func TestJournal(t *testing.T) {
	storetest.Journal(t, func(t *testing.T) (journal.Journal, func() journal.Journal) {
		// In memory: the suite opens hundreds of journals. The crash tests use the disk.
		opts := frames.Options{FS: vfs.NewMem(), MemTableBytes: 1 << 20, CacheBytes: 1 << 20}
		j := open(t, "journal", opts)
		return j, func() journal.Journal {
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j = open(t, "journal", opts)
			return j
		}
	})
}

func open(t testing.TB, dir string, opts frames.Options) *frames.Journal {
	t.Helper()
	j, err := frames.Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func TestTheStoresNumbersAreRegisteredWhileItIsOpen(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	opts := frames.Options{FS: vfs.NewMem(), Metrics: r}
	for range 2 {
		j := open(t, "journal", opts)
		if err := j.Append(t.Context(), journaltest.Entries(0, 3)); err != nil {
			t.Fatal(err)
		}
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if len(families) != 4 {
			t.Errorf("%d numbers, want 4", len(families))
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if families, err := r.Gather(); err != nil || len(families) != 0 {
		t.Errorf("after the end: %d numbers, %v", len(families), err)
	}
}

type counter struct{ n int }

func (c *counter) Name() string { return "counter" }

func (c *counter) Follow(_ context.Context, entries []journal.Entry) error {
	c.n += len(entries)
	return nil
}
