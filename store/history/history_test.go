package history

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"vedette"
	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

func openAt(t testing.TB, dir string, opts Options) *History {
	t.Helper()
	h, err := Open(context.Background(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestItIsAHistory(t *testing.T) {
	n := atomic.Int64{}
	fs := vfs.NewMem()
	hunttest.History(t, func(t testing.TB) hunt.History {
		return openAt(t, fmt.Sprintf("h%d", n.Add(1)), Options{FS: fs, FlushRows: 50})
	})
}

func TestWhatIsDurableIsThereAgain(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir, fs := fmt.Sprintf("h%d", n), vfs.NewMem()
		open := func() hunt.History {
			h, err := Open(context.Background(), dir, Options{FS: fs, FlushRows: 40})
			if err != nil {
				rt.Fatal(err)
			}
			return h
		}
		closing := func(h hunt.History) {
			if err := h.(*History).Close(context.Background()); err != nil {
				rt.Fatal(err)
			}
		}
		var last hunt.History
		last = open()
		defer func() { closing(last) }()
		hunttest.Model(rt, last, func(h hunt.History) hunt.History { closing(h); last = open(); return last })
	})
}

func TestAFolderIsOpenedOnce(t *testing.T) {
	dir := t.TempDir()
	openAt(t, dir, Options{})
	if _, err := Open(context.Background(), dir, Options{}); !errors.Is(err, vedette.ErrBusy) {
		t.Errorf("Open(a second time) = %v, want busy", err)
	}
}
