package evidence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

func open(t testing.TB, tree evidence.Tree, shelf evidence.Shelf) *evidence.Log {
	t.Helper()
	l, err := evidence.Open(context.Background(), tree, shelf, evidence.Options{Now: evidencetest.Now})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func fresh(t testing.TB) (*evidence.Log, *evidencetest.Tree, *evidence.MemoryShelf) {
	t.Helper()
	s, _ := evidencetest.Keys()
	tree, shelf := &evidencetest.Tree{Tree: evidence.NewMemoryTree(s)}, evidence.NewMemoryShelf()
	return open(t, tree, shelf), tree, shelf
}

func hunt(n int) evidence.Record {
	return evidence.Record{Kind: evidence.KindHunt, At: evidencetest.Start.Add(time.Duration(n) * time.Second), Tenant: "north", Fields: []evidence.Field{
		{Name: "what", Value: []byte("asked")}, {Name: "answer", Value: fmt.Appendf(nil, "%d", n)}, {Name: "nothing", Value: []byte{}},
	}}
}

func add(t testing.TB, l *evidence.Log, records ...evidence.Record) []evidence.Receipt {
	t.Helper()
	r, err := l.Append(context.Background(), records...)
	if err != nil || len(r) != len(records) {
		t.Fatalf("Append(%d) = %d receipts, %v", len(records), len(r), err)
	}
	return r
}

func read(t testing.TB, l *evidence.Log, from uint64) (kept []evidence.Kept, bad []string) {
	t.Helper()
	for k, err := range l.Read(context.Background(), from) {
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		kept = append(kept, k)
	}
	return kept, bad
}

func good(t testing.TB, l *evidence.Log) evidence.Report {
	t.Helper()
	r, err := l.Check(context.Background())
	if err != nil || !r.Good() {
		t.Fatalf("Check() = %+v, %v; want good", r, err)
	}
	return r
}

func TestRecordsComeBackAsTheyWereWritten(t *testing.T) {
	l, tree, shelf := fresh(t)
	receipts := append(add(t, l, hunt(0), hunt(1)), add(t, l, evidence.Record{Kind: evidence.KindRelease})...)
	for range 2 {
		got, bad := read(t, l, 0)
		if len(got) != 3 || len(bad) != 0 {
			t.Fatalf("Read: %d records, %v", len(got), bad)
		}
		for i, k := range got {
			if k.Receipt != receipts[i] || k.Index != uint64(i) {
				t.Errorf("record %d: receipt %+v, want %+v", i, k.Receipt, receipts[i])
			}
			if leaf, err := tree.Leaf(t.Context(), uint64(i)); err != nil || evidenceHash(leaf) != k.Leaf {
				t.Errorf("record %d: the receipt's hash is not the leaf's", i)
			}
		}
		want := hunt(1)
		slices.SortFunc(want.Fields, func(a, b evidence.Field) int { return strings.Compare(a.Name, b.Name) })
		if !reflect.DeepEqual(got[1].Record, want) {
			t.Errorf("record 1 = %+v, want %+v", got[1].Record, want)
		}
		if got[2].At != evidencetest.Start || got[2].Kind != evidence.KindRelease || got[2].Tenant != "" || len(got[2].Fields) != 0 {
			t.Errorf("record 2 = %+v, want the clock's time and nothing else", got[2])
		}
		if tail, _ := read(t, l, 2); len(tail) != 1 || tail[0].Index != 2 {
			t.Errorf("Read from 2 = %+v", tail)
		}
		if k, err := l.Get(t.Context(), 1); err != nil || !reflect.DeepEqual(k, got[1]) {
			t.Errorf("Get(1) = %+v, %v", k, err)
		}
		if _, err := l.Get(t.Context(), 3); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Get(3) = %v, want unknown", err)
		}
		if r := good(t, l); r.Records != 3 || r.Checkpoint.Size != 3 || r.Anchored.Size != 3 {
			t.Errorf("Check() = %+v", r)
		}
		l = open(t, tree, shelf)
	}
}

func TestTheLeafTellsNothing(t *testing.T) {
	l, tree, _ := fresh(t)
	add(t, l, hunt(7), hunt(7))
	a, _ := tree.Leaf(t.Context(), 0)
	b, _ := tree.Leaf(t.Context(), 1)
	head := len("vedette/leaf/1\x00") + 1
	if len(a) != head+6*32 || !bytes.Equal(a[:head], b[:head]) {
		t.Fatalf("leaf of %d bytes, want %d", len(a), head+6*32)
	}
	for _, word := range []string{"hunt", "north", "asked", "answer", "what", "-kind"} {
		if bytes.Contains(a, []byte(word)) {
			t.Errorf("the leaf says %q", word)
		}
	}
	for i := head; i < len(a); i += 32 { // the same record twice: nobody can tell
		if bytes.Equal(a[i:i+32], b[i:i+32]) {
			t.Errorf("two records share commitment %d", (i-head)/32)
		}
	}
}

func TestWhatIsNoRecordIsRefused(t *testing.T) {
	l, _, _ := fresh(t)
	many := evidence.Record{Kind: evidence.KindHunt}
	for i := range evidence.MaxFields + 1 {
		many.Fields = append(many.Fields, evidence.Field{Name: "f" + strings.Repeat("x", i/26) + string(rune('a'+i%26))})
	}
	field := func(name string, n int) evidence.Record {
		return evidence.Record{Kind: evidence.KindHunt, Fields: []evidence.Field{{Name: name, Value: make([]byte, n)}}}
	}
	for name, r := range map[string]evidence.Record{
		"no kind":              {},
		"an unknown kind":      {Kind: "gossip"},
		"no tenant's name":     {Kind: evidence.KindHunt, Tenant: "No Such"},
		"a field without name": field("", 1),
		"a capital":            field("What", 1),
		"a particular's name":  field("-kind", 1),
		"a long name":          field(strings.Repeat("a", 41), 1),
		"a long value":         field("a", evidence.MaxValue+1),
		"too many fields":      many,
		"a name twice":         {Kind: evidence.KindHunt, Fields: []evidence.Field{{Name: "a"}, {Name: "b"}, {Name: "a"}}},
	} {
		if _, err := l.Append(t.Context(), hunt(1), r); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if _, err := l.Append(t.Context(), make([]evidence.Record, 257)...); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("too many records: %v, want invalid", err)
	}
	if l.Size() != 0 {
		t.Errorf("%d records stand", l.Size())
	}
	add(t, l, field("a", evidence.MaxValue), field(strings.Repeat("a", 40), 0))
	if r, err := l.Append(t.Context()); r != nil || err != nil {
		t.Errorf("Append of nothing = %v, %v", r, err)
	}
}

// A failed append: what stands is acknowledged or named unsure, what does not stand is gone, and the log goes on.
func TestAFailedAppend(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		before, after, half, blind int
		records                    int
		wantErr                    error
		size                       uint64 // that stand after it
	}{
		{name: "it never stood", before: 1, records: 2, wantErr: vedette.ErrUnavailable},
		{name: "it stands all the same", after: 1, records: 2, size: 2},
		{name: "a part of it stands", half: 1, records: 3, wantErr: evidence.ErrUnsure, size: 2},
		{name: "it never stood, and that was not to be found out at once", before: 1, blind: 1, records: 1, wantErr: evidence.ErrUnsure},
		{name: "it stands, and that was not to be found out at once", after: 1, blind: 1, records: 1, wantErr: evidence.ErrUnsure, size: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, tree, shelf := fresh(t)
			add(t, l, hunt(0))
			var records []evidence.Record
			for i := range tt.records {
				records = append(records, hunt(i+1))
			}
			tree.Fail(tt.before, tt.after, tt.half, tt.blind)
			r, err := l.Append(t.Context(), records...)
			if tt.wantErr == nil && (err != nil || len(r) != tt.records || r[0].Index != 1) || tt.wantErr != nil && !errors.Is(err, tt.wantErr) {
				t.Fatalf("Append = %+v, %v; want %v", r, err, tt.wantErr)
			}
			for range 2 {
				if got := add(t, l, hunt(9)); got[0].Index != l.Size()-1 {
					t.Errorf("the next record stands at %d of %d", got[0].Index, l.Size())
				}
				good(t, l)
				l = open(t, tree, shelf)
			}
			if want := tt.size + 3; l.Size() != want {
				t.Errorf("%d records stand, want %d", l.Size(), want)
			}
		})
	}
}

// crash leaves the shelf as a process leaves it that dies before the leaf is appended, or before the mark is moved.
func TestACrashBetweenBodyAndLeafIsFound(t *testing.T) {
	l, tree, shelf := fresh(t)
	add(t, l, hunt(0))
	dangling := evidencetest.MakeBody(1, 2)
	dangling.Parts[0].Value, dangling.Parts[1].Value = make([]byte, 8), []byte("hunt")
	standing := evidencetest.MakeBody(2, 1)
	standing.Parts[0].Value, standing.Parts[1].Value = make([]byte, 8), []byte("hunt")
	if err := shelf.Put(t.Context(), 1, []evidence.Body{dangling, standing}); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Tree.Append(t.Context(), [][]byte{standing.Leaf()}); err != nil { // at 1: the leaf before it never was
		t.Fatal(err)
	}
	l = open(t, tree, shelf)
	r := good(t, l)
	if !slices.Equal(r.Unfinished, []uint64{1}) || r.Records != 2 {
		t.Errorf("Check() = %+v, want body 1 unfinished and two records", r)
	}
	if got, bad := read(t, l, 1); len(got) != 1 || len(bad) != 0 || got[0].Fields[0].Name != "a" {
		t.Errorf("Read = %+v, %v", got, bad)
	}
	if r := good(t, open(t, tree, shelf)); len(r.Unfinished) != 0 {
		t.Errorf("found again: %+v", r)
	}
}

func TestWhatDoesNotFitIsFoundAndNamed(t *testing.T) {
	add3 := func(t *testing.T) (*evidence.Log, *evidencetest.Tree, *evidence.MemoryShelf) {
		l, tree, shelf := fresh(t)
		add(t, l, hunt(0), hunt(1), hunt(2))
		return l, tree, shelf
	}
	// copy makes another shelf with the bodies that change leaves there, all behind the mark of the first.
	altered := func(t *testing.T, from evidence.Shelf, change func(b *evidence.Body) bool) *evidence.MemoryShelf {
		t.Helper()
		var bodies []evidence.Body
		for b, err := range from.Bodies(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if change(&b) {
				bodies = append(bodies, b)
			}
		}
		to := evidence.NewMemoryShelf()
		size, cp, err := from.Placed(t.Context())
		if err := errors.Join(err, to.Put(t.Context(), 0, bodies), to.Place(t.Context(), size, cp)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	_, verifier := evidencetest.Keys()
	signer, _ := evidencetest.Keys()
	other, _ := evidence.NewSigner(evidencetest.Origin, [32]byte{7})
	for name, tt := range map[string]struct {
		bend    func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf)
		place   uint64
		what    string
		stopped bool
		unread  int // records that Read cannot give
	}{
		"a value was changed": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return tree, altered(t, shelf, func(b *evidence.Body) bool {
					if b.Index == 1 {
						b.Parts[3].Value = []byte("12")
					}
					return true
				})
			}, place: 1, what: "not what the leaf commits to", unread: 1,
		},
		"a time was changed": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return tree, altered(t, shelf, func(b *evidence.Body) bool {
					if b.Index == 2 {
						b.Parts[0].Value[7]++
					}
					return true
				})
			}, place: 2, what: "not what the leaf commits to", unread: 1,
		},
		"a body is gone": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return tree, altered(t, shelf, func(b *evidence.Body) bool { return b.Index != 1 })
			}, place: 1, what: "no body", unread: 1,
		},
		"the shelf is an older copy": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return tree, evidence.NewMemoryShelf()
			}, place: 0, what: "no body", unread: 3,
		},
		"two bodies changed places": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				first, _ := shelf.Body(t.Context(), 0)
				return tree, altered(t, shelf, func(b *evidence.Body) bool {
					if b.Index == 1 {
						b.Parts = first.Parts
					}
					return true
				})
			}, place: 1, what: "not what the leaf commits to", unread: 1,
		},
		"the tree lost leaves": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return rewritten(t, evidence.NewMemoryTree(signer), tree, 2, nil), shelf
			}, place: 2, what: "the leaf is gone", stopped: true, unread: 3,
		},
		"the tree was written anew by whoever has the key": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return rewritten(t, evidence.NewMemoryTree(signer), tree, 3, []byte("another history")), shelf
			}, place: 3, what: "is not the beginning", stopped: true, unread: 3,
		},
		"the tree was written anew by whoever has not the key": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return rewritten(t, evidence.NewMemoryTree(other), tree, 3, nil), shelf
			}, place: 3, what: "checkpoint", stopped: true, unread: 3,
		},
		"a leaf was changed under the root": {
			bend: func(t *testing.T, tree evidence.Tree, shelf evidence.Shelf) (evidence.Tree, evidence.Shelf) {
				return bentLeaf{tree, 1}, shelf
			}, place: 1, what: "the leaf's proof", unread: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, tree, shelf := add3(t)
			bent, on := tt.bend(t, tree, shelf)
			l, err := evidence.Open(t.Context(), bent, on, evidence.Options{Now: evidencetest.Now, Verifier: verifier})
			if err != nil {
				t.Fatal(err)
			}
			r, err := l.Check(t.Context())
			if err != nil || r.Good() {
				t.Fatalf("Check() = %+v, %v; want it to find something", r, err)
			}
			if !slices.ContainsFunc(r.Places, func(p evidence.Misplaced) bool { return p.Index == tt.place && strings.Contains(p.What, tt.what) }) {
				t.Errorf("Check() names %+v, want %d: %s", r.Places, tt.place, tt.what)
			}
			if _, err := l.Append(t.Context(), hunt(9)); errors.Is(err, evidence.ErrStopped) != tt.stopped || (err != nil) != tt.stopped {
				t.Errorf("Append = %v, want stopped: %t", err, tt.stopped)
			}
			if !tt.stopped {
				got, bad := read(t, l, 0)
				if len(bad) != tt.unread || len(got) != 4-tt.unread {
					t.Errorf("Read gives %d records and refuses %v, want %d refused", len(got), bad, tt.unread)
				}
			}
		})
	}
}

// rewritten makes a tree of another's first n leaves, the last of them another one.
func rewritten(t *testing.T, to *evidence.MemoryTree, from evidence.Tree, n int, last []byte) evidence.Tree {
	t.Helper()
	for i := range n {
		leaf, err := from.Leaf(t.Context(), uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		if i == n-1 && last != nil {
			leaf = last
		}
		if _, err := to.Append(t.Context(), [][]byte{leaf}); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// bentLeaf is a tree one of whose leaves reads otherwise than it was hashed.
type bentLeaf struct {
	evidence.Tree
	at uint64
}

func (b bentLeaf) Leaf(ctx context.Context, i uint64) ([]byte, error) {
	leaf, err := b.Tree.Leaf(ctx, i)
	if i == b.at && err == nil {
		leaf[len(leaf)-1] ^= 1
	}
	return leaf, err
}

func TestErase(t *testing.T) {
	l, _, shelf := fresh(t)
	add(t, l, hunt(0), hunt(1))
	before, err := l.Prove(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		index  uint64
		fields []string
		want   error
	}{
		{1, nil, vedette.ErrInvalid},
		{1, []string{"answer", "no_such"}, vedette.ErrUnknown},
		{1, []string{"-kind"}, vedette.ErrUnknown},
		{5, []string{"answer"}, vedette.ErrUnknown},
	} {
		if err := l.Erase(t.Context(), tt.index, tt.fields...); !errors.Is(err, tt.want) {
			t.Errorf("Erase(%d, %v) = %v, want %v", tt.index, tt.fields, err, tt.want)
		}
	}
	if l.Size() != 2 {
		t.Fatalf("%d records after what was refused", l.Size())
	}
	for range 2 { // the second time it is no record
		if err := l.Erase(t.Context(), 1, "what", "answer"); err != nil {
			t.Fatal(err)
		}
	}
	got, bad := read(t, l, 0)
	if len(got) != 3 || len(bad) != 0 {
		t.Fatalf("Read: %+v, %v", got, bad)
	}
	if k := got[1]; !slices.Equal(k.Erased, []string{"answer", "what"}) || k.Fields[0].Value != nil || k.Fields[1].Value == nil || k.Kind != evidence.KindHunt || k.At != hunt(1).At {
		t.Errorf("the erased record reads %+v", k)
	}
	if v, _ := got[2].Get("fields"); got[2].Kind != evidence.KindErasure || string(v) != "answer,what" {
		t.Errorf("the erasure is recorded as %+v", got[2])
	}
	if err := l.Erase(t.Context(), 2, "fields"); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Erase of an erasure = %v, want forbidden", err)
	}
	if b, err := shelf.Body(t.Context(), 1); err != nil || bytes.Contains(fmt.Append(nil, b), []byte("asked")) {
		t.Errorf("the shelf still holds %+v, %v", b, err)
	}
	if r := good(t, l); r.Erased != 2 {
		t.Errorf("Check() = %+v", r)
	}
	_, verifier := evidencetest.Keys()
	after, err := l.Prove(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := evidence.Verify(after, verifier)
	if err != nil || !slices.Equal(shown.Withheld, []string{"answer", "what"}) || shown.Leaf != got[1].Leaf {
		t.Errorf("the proof after the erasure says %+v, %v", shown, err)
	}
	if old, err := evidence.Verify(before, verifier); err != nil || old.Leaf != shown.Leaf { // what left the house before stays true
		t.Errorf("the proof from before says %+v, %v", old, err)
	}
}

func TestAppendsShareGroups(t *testing.T) {
	l, tree, shelf := fresh(t)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			n := i%5 + 1
			var records []evidence.Record
			for range n {
				records = append(records, hunt(i))
			}
			r, err := l.Append(t.Context(), records...)
			if err != nil {
				t.Errorf("Append: %v", err)
				return
			}
			for j := range r {
				if r[j].Index != r[0].Index+uint64(j) {
					t.Errorf("the records of one call stand apart: %+v", r)
				}
				if k, err := l.Get(t.Context(), r[j].Index); err != nil || k.Receipt != r[j] || k.At != hunt(i).At {
					t.Errorf("Get(%d) = %+v, %v", r[j].Index, k, err)
				}
			}
		})
	}
	wg.Wait()
	if r := good(t, l); r.Records != 300 {
		t.Errorf("%d records, want 300", r.Records)
	}
	good(t, open(t, tree, shelf))
}

// slow is a tree that takes a second for an append.
type slow struct{ evidence.Tree }

func (s slow) Append(ctx context.Context, leaves [][]byte) (uint64, error) {
	time.Sleep(time.Second)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return s.Tree.Append(ctx, leaves)
}

func TestWhoDoesNotWaitIsToldOrOutOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := evidencetest.Keys()
		l := open(t, slow{evidence.NewMemoryTree(s)}, evidence.NewMemoryShelf())
		var wg sync.WaitGroup
		results := make([]error, 3)
		for i, patience := range []time.Duration{500 * time.Millisecond, 300 * time.Millisecond, time.Hour} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // in this order
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, results[i] = l.Append(ctx, hunt(i))
			})
		}
		wg.Wait()
		if results[0] != nil { // it was writing: it ends with the truth
			t.Errorf("the one that wrote: %v", results[0])
		}
		if !errors.Is(results[1], context.DeadlineExceeded) || !errors.Is(results[1], vedette.ErrUnavailable) {
			t.Errorf("the one that waited too short: %v", results[1])
		}
		if results[2] != nil {
			t.Errorf("the one behind it: %v", results[2])
		}
		if got, _ := read(t, l, 0); len(got) != 2 || got[0].At != hunt(0).At || got[1].At != hunt(2).At {
			t.Errorf("the log holds %+v", got)
		}
	})
}

type failing struct{ asked []authority.Asked }

func (f *failing) Record(_ context.Context, a authority.Asked) error {
	f.asked = append(f.asked, a)
	return nil
}

// recorded is a store of people whose questions go elsewhere.
type recorded struct {
	*authority.Memory
	to authority.Recorder
}

func (r recorded) Record(ctx context.Context, a authority.Asked) error { return r.to.Record(ctx, a) }

func TestAQuestionIsInTheLogBeforeAnythingElse(t *testing.T) {
	l, tree, _ := fresh(t)
	next := &failing{}
	r := l.Recorder(next)
	a := authority.Asked{
		At: evidencetest.Start, What: "permit", Purpose: authority.PurposeErase, Tenant: "north", Case: "case-1",
		People: []authority.PersonID{"ana", "omar"}, Act: vedette.Digest{1}, Given: true,
	}
	if err := r.Record(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got, _ := read(t, l, 0)
	if len(got) != 1 || got[0].Kind != evidence.KindAsked || got[0].At != a.At || got[0].Tenant != "north" || !reflect.DeepEqual(next.asked, []authority.Asked{a}) {
		t.Fatalf("the log holds %+v, the next recorder %+v", got, next.asked)
	}
	want := map[string]string{"what": "permit", "purpose": "erase", "case": "case-1", "people": "ana,omar", "act": a.Act.String(), "given": "yes"}
	for _, f := range got[0].Fields {
		if want[f.Name] != string(f.Value) {
			t.Errorf("field %s = %q, want %q", f.Name, f.Value, want[f.Name])
		}
		delete(want, f.Name)
	}
	if len(want) > 0 {
		t.Errorf("fields are missing: %v", want)
	}
	tree.Fail(1, 0, 0, 0)
	if err := r.Record(t.Context(), a); !errors.Is(err, vedette.ErrUnavailable) || len(next.asked) != 1 {
		t.Errorf("with a log that fails: %v, and the next recorder has %d", err, len(next.asked))
	}
	// The register gives nothing that cannot be recorded.
	tree.Fail(1, 0, 0, 0)
	ana := authority.Person{ID: "ana", Name: "Ana", Role: authority.RoleLead, Key: make([]byte, 32)}
	register := authority.NewRegister(recorded{&authority.Memory{}, r})
	if _, err := register.Enrol(t.Context(), ana, nil, evidencetest.Start); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Enrol with a log that fails: %v", err)
	}
	if _, err := register.Enrol(t.Context(), ana, nil, evidencetest.Start); err != nil {
		t.Errorf("Enrol: %v", err)
	}
	if got, _ := read(t, l, 1); len(got) != 1 || got[0].Kind != evidence.KindAsked {
		t.Errorf("the log holds %+v", got)
	}
	if err := l.Recorder(nil).Record(t.Context(), a); err != nil {
		t.Errorf("without a next recorder: %v", err)
	}
}

// Whatever fails, whatever is erased, and whenever it is opened anew: what was acknowledged is read again, the log verifies, and nothing stands twice.
func TestTheLogKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s, _ := evidencetest.Keys()
		tree, shelf := &evidencetest.Tree{Tree: evidence.NewMemoryTree(s)}, evidence.NewMemoryShelf()
		l := open(t, tree, shelf)
		acked := map[uint64]string{}
		erased := map[uint64]bool{}
		n := 0
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			switch rapid.IntRange(0, 5).Draw(r, "step") {
			case 0:
				if again, err := evidence.Open(context.Background(), tree, shelf, evidence.Options{Now: evidencetest.Now}); err == nil {
					l = again
				} else if !errors.Is(err, vedette.ErrUnavailable) {
					r.Fatal(err)
				}
			case 1:
				if i := uint64(rapid.IntRange(0, 20).Draw(r, "erase")); acked[i] != "" {
					if err := l.Erase(context.Background(), i, "answer"); err == nil {
						erased[i] = true
					} else if !errors.Is(err, vedette.ErrUnavailable) {
						r.Fatal(err)
					}
				}
			case 2:
				tree.Fail(rapid.IntRange(0, 1).Draw(r, "before"), rapid.IntRange(0, 1).Draw(r, "after"), rapid.IntRange(0, 1).Draw(r, "half"), rapid.IntRange(0, 1).Draw(r, "blind"))
			default:
				var records []evidence.Record
				for range rapid.IntRange(1, 4).Draw(r, "records") {
					records = append(records, hunt(n))
					n++
				}
				receipts, err := l.Append(context.Background(), records...)
				if err != nil && !errors.Is(err, vedette.ErrUnavailable) {
					r.Fatal(err)
				}
				for i, receipt := range receipts {
					if acked[receipt.Index] != "" {
						r.Fatalf("index %d was given out twice", receipt.Index)
					}
					v, _ := records[i].Get("answer")
					acked[receipt.Index] = string(v)
				}
			}
		}
		tree.Fail(0, 0, 0, 0)
		l = open(t, tree, shelf)
		if report, err := l.Check(context.Background()); err != nil || !report.Good() {
			r.Fatalf("Check() = %+v, %v", report, err)
		}
		seen := map[string]bool{}
		for k, err := range l.Read(context.Background(), 0) {
			if err != nil {
				r.Fatal(err)
			}
			v, ok := k.Get("answer")
			if want := acked[k.Index]; want != "" && !erased[k.Index] && string(v) != want || erased[k.Index] && ok {
				r.Fatalf("record %d says %q (%t), want %q, erased %t", k.Index, v, ok, want, erased[k.Index])
			}
			if ok && seen[string(v)] {
				r.Fatalf("record %q stands twice", v)
			}
			seen[string(v)] = true
			delete(acked, k.Index)
		}
		if len(acked) > 0 {
			r.Fatalf("acknowledged records are missing: %v", acked)
		}
	})
}
