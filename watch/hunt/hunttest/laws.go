package hunttest

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

func oneEvent(t *testing.T, h hunt.History) {
	var want []hunt.Sighting
	for i := range 40 {
		want = append(want, hunt.Sighting{
			At: noon, Act: hunt.Sent, Domain: 7, URL: hunt.Key((i*29)%40 + 1), From: account(1), To: account(40 - i), Place: vedette.Place(i % 3),
			Position: journal.Position{Frame: 1, Index: uint16(i / 20)},
		})
	}
	must(t, h.Add(t.Context(), want, want[39].Position))
	for _, when := range []string{"in memory", "on disk"} {
		if got := all(t, h, 7); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v\nwant %v", when, got, want)
		}
		must(t, h.Flush(t.Context()))
	}
}

func inGroup(t *testing.T, h hunt.History) {
	s := hunt.Sighting{At: noon, Act: hunt.Opened, Domain: 7, From: account(1), To: account(2), Group: group(3), Position: journal.Position{Frame: 1}}
	other := s
	other.To, other.Position.Frame = account(4), 2
	must(t, h.Add(t.Context(), []hunt.Sighting{s, other}, other.Position))
	must(t, h.Flush(t.Context()))
	if got := all(t, h, 7); !reflect.DeepEqual(got, []hunt.Sighting{s, other}) {
		t.Errorf("got %v", got)
	}
	if n, err := h.Erase(t.Context(), account(2), vedette.GroupID{}); n != 1 || err != nil {
		t.Errorf("Erase the person: %d, %v; want 1", n, err)
	}
	if n, err := h.Erase(t.Context(), vedette.AccountID{}, group(3)); n != 1 || err != nil {
		t.Errorf("Erase the group: %d, %v; want 1", n, err)
	}
}

func farDays(t *testing.T, h hunt.History) {
	var want []hunt.Sighting
	for i, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC), time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	} {
		want = append(want, hunt.Sighting{At: at, Act: hunt.Sent, Domain: 7, From: account(1), Position: journal.Position{Frame: uint64(i + 1)}})
	}
	must(t, h.Add(t.Context(), want, want[3].Position))
	must(t, h.Flush(t.Context()))
	if got := all(t, h, 7); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if n, err := h.Expire(t.Context(), time.Unix(0, 0)); n != 2 || err != nil {
		t.Errorf("Expire before 1970: %d, %v; want 2", n, err)
	}
}

func all(t testing.TB, h hunt.History, units ...hunt.Key) (got []hunt.Sighting) {
	t.Helper()
	found, err := find(h, units, hunt.Window{})
	must(t, err)
	for _, f := range found {
		got = append(got, f.S)
	}
	return got
}

// together has readers look at one unit, whose sightings are numbered, while the writer works: each answer is all up to some moment after the
// question began, without a hole and nothing twice.
func together(t *testing.T, h hunt.History) {
	const events, readers = 1200, 3
	var added, erased atomic.Uint64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for ctx.Err() == nil {
				least, gone := added.Load(), erased.Load()
				next := uint64(1)
				damage, err := h.Find(ctx, []hunt.Key{7}, hunt.Window{}, func(_ int, s *hunt.Sighting) bool {
					if s.Position.Frame != next {
						t.Errorf("sighting %s stands where %d is due", s.Position, next)
					}
					next = s.Position.Frame + 1
					return true
				})
				if ctx.Err() == nil && (err != nil || len(damage) > 0 || next <= least) {
					t.Errorf("%d sightings, at least %d were added; %v, %v", next-1, least, damage, err)
				}
				_, err = h.Of(ctx, []vedette.AccountID{account(9)}, hunt.Window{}, func(s *hunt.Sighting) bool {
					if s.Position.Frame <= gone {
						t.Errorf("sighting %s was erased up to %d", s.Position, gone)
					}
					return true
				})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				if _, err := h.Stats(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range uint64(events) {
		at := journal.Position{Frame: i + 1}
		some := []hunt.Sighting{
			{At: noon.Add(time.Duration(i) * 5 * time.Minute), Act: hunt.Sent, Domain: 7, From: account(int(i % 4)), To: account(5), Position: at},
			{At: noon.Add(time.Duration(i) * 5 * time.Minute), Act: hunt.Sent, Domain: 8, From: account(9), To: account(5), Position: at},
		}
		if err := h.Add(t.Context(), some, at); err != nil {
			t.Error(err)
		}
		added.Store(i + 1)
		if i%50 == 49 {
			if err := h.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if i%200 == 199 {
			if _, err := h.Erase(t.Context(), account(9), vedette.GroupID{}); err != nil {
				t.Error(err)
			}
			erased.Store(i + 1)
		}
	}
	stop()
	wg.Wait()
}
