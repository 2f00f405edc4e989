package frames_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"vedette/record/journal"
	"vedette/record/journal/journaltest"
	"vedette/store/frames"
)

// A frame that is not what was written ends the reading at it, by number; what stands before it is read.
func TestADamagedFrameIsNamed(t *testing.T) {
	for name, damage := range map[string]func(b *pebble.Batch, key, frame []byte) error{
		"a flipped bit": func(b *pebble.Batch, key, frame []byte) error {
			frame[len(frame)/2] ^= 4
			return b.Set(key, frame, nil)
		},
		"a frame that is gone": func(b *pebble.Batch, key, _ []byte) error { return b.Delete(key, nil) },
		"a frame that was cut": func(b *pebble.Batch, key, frame []byte) error { return b.Set(key, frame[:50], nil) },
		"another frame in its place": func(b *pebble.Batch, key, _ []byte) error {
			other, err := journal.AppendFrame(nil, 0, 9, journaltest.Entries(0, 2))
			if err != nil {
				return err
			}
			return b.Set(key, other, nil)
		},
		"a frame of another partition": func(b *pebble.Batch, key, _ []byte) error {
			other, err := journal.AppendFrame(nil, 1, 4, journaltest.Entries(0, 2))
			if err != nil {
				return err
			}
			return b.Set(key, other, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			opts := frames.Options{FS: fs, MemTableBytes: 1 << 20, CacheBytes: 1 << 20}
			j := open(t, "journal", opts)
			for i := range 6 {
				if err := j.Append(t.Context(), journaltest.Entries(4*i, 4)); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := pebble.Open("journal", &pebble.Options{FS: fs, Logger: quiet{}})
			if err != nil {
				t.Fatal(err)
			}
			key := []byte{'f', 0, 0, 0, 0, 0, 0, 0, 4}
			v, closer, err := db.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			b := db.NewBatch()
			if err := errors.Join(damage(b, key, append([]byte(nil), v...)), closer.Close(), b.Commit(pebble.Sync), db.Close()); err != nil {
				t.Fatal(err)
			}
			j = open(t, "journal", opts)
			n := 0
			for _, err := range j.Read(t.Context(), journal.Position{}) {
				if err == nil {
					n++
					continue
				}
				d, ok := journal.Damaged(err)
				if !errors.Is(err, journal.ErrDamaged) || !ok || d.Frame != 4 {
					t.Errorf("reading: %v, want damage in frame 4", err)
				}
			}
			if n != 12 {
				t.Errorf("%d entries before the damage, want 12", n)
			}
			e := journaltest.Entry(13)
			if _, err := j.Find(t.Context(), "north", e.Event.ID, e.Event.Seen); !errors.Is(err, journal.ErrDamaged) {
				t.Errorf("finding an event in it: %v", err)
			}
			e = journaltest.Entry(17)
			if _, err := j.Find(t.Context(), "north", e.Event.ID, e.Event.Seen); err != nil {
				t.Errorf("finding an event behind it: %v", err)
			}
			// A follower gets what is good, and learns where the damage is.
			f := &counter{}
			if err := journal.Follow(t.Context(), j, f, 5); !errors.Is(err, journal.ErrDamaged) || f.n != 12 {
				t.Errorf("following: %d entries, %v", f.n, err)
			}
		})
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}
