package sequence_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"vedette"
	"vedette/inline/sequence"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
)

// watched is a memory that tells of each entry that is applied, and keeps nothing.
type watched struct{ applied func(n int) }

func (w *watched) Measure(_ *vedette.Event, dst []vedette.Measures) []vedette.Measures { return dst }

func (w *watched) Apply(_ *vedette.Event, _ *vedette.Decision, at journal.Position) {
	w.applied(int(at.Frame-1)*journal.MaxFrame + int(at.Index))
}
func (w *watched) Segments() int                              { return 1 }
func (w *watched) SaveSegment(int, []byte) []byte             { return nil }
func (w *watched) LoadSegment(journal.Position, []byte) error { return nil }

// torn is a journal whose reading ends with damage after so many entries.
type torn struct {
	journal.Journal
	after int
}

func (t *torn) Read(ctx context.Context, from journal.Position) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		n := 0
		for e, err := range t.Journal.Read(ctx, from) {
			if n++; n > t.after {
				yield(journal.Entry{}, fmt.Errorf("frame 3: %w", journal.ErrDamaged))
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestARestoreEndsWhereItsJournalOrItsCallerDoes: whole, in order, or with an error; and nothing reads on behind it (TestMain looks for that).
func TestARestoreEndsWhereItsJournalOrItsCallerDoes(t *testing.T) {
	const frames = 40
	j := journal.NewMemory()
	for i := range frames {
		if err := j.Append(t.Context(), journaltest.Entries(i*journal.MaxFrame, journal.MaxFrame)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		journal journal.Journal
		stop    int // the caller goes away while this entry is applied
		want    error
		least   int
	}{
		{"a whole journal", j, -1, nil, frames * journal.MaxFrame},
		{"a caller who goes away", j, 300, context.Canceled, 300},
		{"damage at the start of a frame", &torn{j, 2 * journal.MaxFrame}, -1, journal.ErrDamaged, 2 * journal.MaxFrame},
		{"damage within a frame", &torn{j, 7*journal.MaxFrame + 9}, -1, journal.ErrDamaged, 7*journal.MaxFrame + 9},
		{"damage at once", &torn{j, 0}, -1, journal.ErrDamaged, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			next := 0
			s, err := sequence.New(sequence.Config{}, sequence.Deps{Journal: tt.journal, Memory: func() (sequence.Memory, error) {
				next = 0
				return &watched{func(n int) {
					if n != next {
						t.Fatalf("entry %d was applied after %d", n, next-1)
					}
					if next++; n == tt.stop {
						cancel()
					}
				}}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Restore(ctx)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Restore = %+v, %v, want %v", r, err, tt.want)
			}
			if r.Replayed != next || next < tt.least {
				t.Errorf("Restore applied %d and says %d, want at least %d", next, r.Replayed, tt.least)
			}
		})
	}
}
