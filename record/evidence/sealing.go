package evidence

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/record/journal"
)

// SealingName is the name under which the sealing keeps its place in the journal: retention waits for it.
const SealingName = "evidence"

// Fields of a seal's record.
const (
	fieldRange = "range" // journal.SealRange.Bytes
	fieldRoot  = "root"  // 32 bytes, the same root
	fieldAfter = "after" // 10 bytes: the last position of the partition's seal before it; zeros: there is none
)

// SealingOptions bound a seal.
type SealingOptions struct {
	Entries int           // at most so many in a seal; up to 16 times as many while there is much to catch up with. Default 4096; at most 65,536
	Delay   time.Duration // event time from an event to the entry that closes its seal. Default 1 minute
}

// A checkpoint takes a tenth of a second, and each seal waits for its own: several appended together could come to stand without the first of them, which
// would be a gap. So a sealing that lies behind by so many frames makes larger seals.
const (
	behind  = 64
	largest = 16
	most    = 65536
)

// Sealing is the follower of one partition's journal that seals its ranges into the log.
//
// A seal is closed when it is full, or when an entry was seen Delay or more after its first event: ticks are entries, so a pause
// in the events closes it as well. Ticks and generations alone close no seal before it is full: a quiet server writes no leaf for nothing.
// Where it stands is what the log says; the journal's note of it serves retention and is written behind the log.
type Sealing struct {
	log       *Log
	journal   journal.Journal
	partition uint16
	seeds     journal.Seeds
	opts      SealingOptions
}

// Sealing makes the follower that seals a partition's journal. When seeds can also tell an erasure from a failure (SeedOf, whose error wraps
// vedette.ErrUnknown for an erasure), a failure stops it, rather than sealing a placeholder that nobody asked for.
func (l *Log) Sealing(j journal.Journal, partition uint16, seeds journal.Seeds, opts SealingOptions) *Sealing {
	if opts.Entries <= 0 {
		opts.Entries = 4096
	}
	opts.Entries = min(opts.Entries, most)
	if opts.Delay <= 0 {
		opts.Delay = time.Minute
	}
	return &Sealing{log: l, journal: j, partition: partition, seeds: seeds, opts: opts}
}

// Name returns the follower's name.
func (s *Sealing) Name() string { return SealingName }

// Place returns the last sealed position; zero: nothing is sealed. What it does not cover is sealed later.
func (s *Sealing) Place(ctx context.Context) (journal.Position, error) {
	if err := s.log.sure(ctx); err != nil { // else a seal could stand that the shelf does not call placed yet
		return journal.Position{}, err
	}
	last, _, err := s.log.shelf.LastSeal(ctx, s.partition)
	return last.To, err
}

// stand finds where sealing goes on, and writes it into the journal, so that retention waits.
func (s *Sealing) stand(ctx context.Context) (journal.Position, error) {
	place, err := s.Place(ctx)
	if err != nil {
		return place, err
	}
	noted, err := journal.Place(ctx, s.journal, SealingName)
	if err != nil {
		return place, err
	}
	if place.Less(noted) {
		// The shelf lost seals that the log had: sealing these entries again would make a second root for them.
		return place, fmt.Errorf("%w: partition %d is sealed to %s, and the last seal on the shelf ends at %s", ErrUnfit, s.partition, noted, place)
	}
	if s.journal.Last().Less(place) {
		return place, fmt.Errorf("%w: partition %d is sealed to %s, and its journal ends at %s", ErrUnfit, s.partition, place, s.journal.Last())
	}
	return place, s.journal.SaveState(ctx, journal.FollowerState+SealingName, place, []byte{})
}

// Run seals until ctx ends (with ctx's error), the journal fails, or the log does. Run again, it goes on where the log stands.
func (s *Sealing) Run(ctx context.Context) error {
	place, err := s.stand(ctx)
	if err != nil {
		return err
	}
	g := gathering{s: s, place: place, asker: newAsker(ctx, s.seeds)}
	g.sealer = journal.NewSealer(s.partition, g.asker)
	read := place // last position that was read
	for {
		if err := s.journal.Wait(ctx, read); err != nil {
			return err
		}
		var from journal.Position
		if read != (journal.Position{}) {
			from = journal.Position{Frame: read.Frame, Index: read.Index + 1}
		}
		for e, err := range s.journal.Read(ctx, from) {
			if err == nil {
				err = g.add(ctx, &e)
			}
			if err != nil {
				return err
			}
			read = e.Position
		}
	}
}

// gathering is what Run holds between two entries.
type gathering struct {
	s      *Sealing
	place  journal.Position // end of the last seal
	asker  *asker
	sealer *journal.Sealer
	since  time.Time // when the first event in the open seal was seen; zero: there is none
}

func (g *gathering) add(ctx context.Context, e *journal.Entry) error {
	if !g.since.IsZero() && e.Event.Seen.Sub(g.since) >= g.s.opts.Delay {
		if err := g.close(ctx); err != nil {
			return err
		}
	}
	g.sealer.Add(e)
	if g.asker.err != nil {
		return fmt.Errorf("evidence: seal entry %s: the seed of somebody in it: %w", e.Position, g.asker.err)
	}
	if k := e.Event.Kind(); g.since.IsZero() && k != vedette.KindTick && k != vedette.KindGeneration {
		g.since = e.Event.Seen
	}
	limit := g.s.opts.Entries
	if g.sealer.Len() >= limit && g.s.journal.Last().Frame > e.Position.Frame+behind {
		limit = min(largest*limit, most)
	}
	if g.sealer.Len() >= limit {
		return g.close(ctx)
	}
	return nil
}

// close seals what was gathered, puts the seal into the log, and notes the place.
func (g *gathering) close(ctx context.Context) error {
	s := g.s
	seal, err := g.sealer.Seal()
	if err != nil {
		return err
	}
	at := s.log.now()
	r := seal.Range(at, nil)
	b, err := newBody(&Record{Kind: KindSeal, At: at, Fields: []Field{
		{fieldRange, r.Bytes()}, {fieldRoot, r.Root[:]}, {fieldAfter, appendPosition(nil, g.place)},
	}})
	if err != nil {
		return err
	}
	b.Sealed = &Sealed{Partition: s.partition, From: seal.From, To: seal.To, Leaves: seal.Leaves}
	if _, err := s.log.append(ctx, []Body{b}); err != nil {
		return fmt.Errorf("evidence: seal partition %d to %s: %w", s.partition, seal.To, err)
	}
	g.place, g.since = seal.To, time.Time{}
	s.log.log.LogAttrs(ctx, slog.LevelDebug, "sealed", slog.Int("entries", len(seal.Leaves)), slog.String("to", seal.To.String()))
	if err := s.journal.SaveState(ctx, journal.FollowerState+SealingName, seal.To, []byte{}); err != nil {
		return err
	}
	return s.log.shelf.Trim(ctx, s.partition, s.journal.First().Frame)
}

// asker hands seeds to a sealer and remembers when one could not be had.
type asker struct {
	ask func(vedette.AccountID) ([32]byte, error) // wraps vedette.ErrUnknown when there is none any more
	err error
}

func newAsker(ctx context.Context, seeds journal.Seeds) *asker {
	if of, ok := seeds.(interface {
		SeedOf(ctx context.Context, account vedette.AccountID) ([32]byte, error)
	}); ok {
		return &asker{ask: func(a vedette.AccountID) ([32]byte, error) { return of.SeedOf(ctx, a) }}
	}
	return &asker{ask: func(a vedette.AccountID) ([32]byte, error) {
		if seed, ok := seeds.Seed(a); ok {
			return seed, nil
		}
		return [32]byte{}, vedette.ErrUnknown
	}}
}

// Seed implements journal.Seeds.
func (a *asker) Seed(account vedette.AccountID) ([32]byte, bool) {
	seed, err := a.ask(account)
	if err != nil && !errors.Is(err, vedette.ErrUnknown) && a.err == nil {
		a.err = err
	}
	return seed, err == nil
}

// Opened is one entry of the journal with some of its groups shown, under a seal in the log: provable offline.
type Opened struct {
	Entry journal.Disclosed `json:"entry"`
	Seal  Proof             `json:"seal"`
}

// Disclose shows some groups of one sealed entry and proves that it stood in the journal when it was sealed. Its error wraps vedette.ErrUnknown
// when the entry is not sealed or not in the journal any more, vedette.ErrForbidden when a group's person was erased, and vedette.ErrConflict when the entry is
// not what was sealed, or somebody in it was erased since.
func (s *Sealing) Disclose(ctx context.Context, at journal.Position, groups ...journal.Group) (Opened, error) {
	sealed, err := s.log.shelf.SealOf(ctx, s.partition, at)
	if err != nil {
		return Opened{}, err
	}
	if sealed.Leaves == nil {
		return Opened{}, fmt.Errorf("evidence: the leaves of the seal over %s went with the journal's entries: %w", at, vedette.ErrUnknown)
	}
	proof, err := s.log.Prove(ctx, sealed.Index)
	if err != nil {
		return Opened{}, err
	}
	// The place in the seal is counted from its end: retention takes entries from the front.
	var entry journal.Entry
	n := uint64(0)
	for e, err := range s.journal.Read(ctx, at) {
		if err != nil {
			return Opened{}, err
		}
		if sealed.To.Less(e.Position) {
			break
		}
		if n++; n == 1 {
			entry = e
		}
	}
	if n == 0 || entry.Position != at || n > uint64(len(sealed.Leaves)) {
		return Opened{}, fmt.Errorf("evidence: no entry %s of partition %d: %w", at, s.partition, vedette.ErrUnknown)
	}
	asker := newAsker(ctx, s.seeds)
	d, err := sealed.Seal().Disclose(&entry, uint64(len(sealed.Leaves))-n, asker, groups...)
	if asker.err != nil {
		return Opened{}, asker.err
	}
	if err != nil {
		return Opened{}, err
	}
	return Opened{Entry: *d, Seal: proof}, nil
}

// VerifyOpened checks a disclosed entry against the log's public key and returns the seal's range. It needs nothing else. Its error wraps
// vedette.ErrConflict.
func VerifyOpened(o Opened, key note.Verifier) (journal.SealRange, error) {
	shown, err := Verify(o.Seal, key)
	if err != nil {
		return journal.SealRange{}, err
	}
	if shown.Kind != KindSeal {
		return journal.SealRange{}, fmt.Errorf("%w: a record of kind %q is no seal", ErrUnfit, shown.Kind)
	}
	r, _, err := readSeal(&shown.Record)
	if err != nil {
		return journal.SealRange{}, err
	}
	if o.Entry.Count != r.Count {
		return journal.SealRange{}, fmt.Errorf("%w: the entry's seal has %d entries, the record's %d", ErrUnfit, o.Entry.Count, r.Count)
	}
	return r, o.Entry.Verify(r.Root)
}

// readSeal reads the record of a seal. Its error wraps ErrUnfit.
func readSeal(rec *Record) (r journal.SealRange, after journal.Position, err error) {
	b, _ := rec.Get(fieldRange)
	root, _ := rec.Get(fieldRoot)
	a, _ := rec.Get(fieldAfter)
	r, err = ReadRange(b)
	if err != nil {
		return r, after, err
	}
	if !bytes.Equal(root, r.Root[:]) || len(a) != 10 {
		return r, after, fmt.Errorf("%w: a seal whose root or place is not that of its range", ErrUnfit)
	}
	return r, position(a), nil
}

const rangeMagic = "vedette/seal/1/range\x00"

// ReadRange reads what journal.SealRange.Bytes wrote. Its error wraps ErrUnfit.
func ReadRange(b []byte) (journal.SealRange, error) {
	bad := fmt.Errorf("%w: no range of a seal", ErrUnfit)
	const fixed = len(rangeMagic) + 2 + 10 + 10 + 8 + 32 + 8
	if len(b) < fixed+1 || string(b[:len(rangeMagic)]) != rangeMagic {
		return journal.SealRange{}, bad
	}
	p := b[len(rangeMagic):]
	r := journal.SealRange{
		Partition: binary.BigEndian.Uint16(p), From: position(p[2:]), To: position(p[12:]), Count: binary.BigEndian.Uint64(p[22:]),
		Root: vedette.Digest(p[30:62]), SealedAt: time.UnixMilli(int64(binary.BigEndian.Uint64(p[62:]))).UTC(),
	}
	switch tail := b[fixed:]; {
	case len(tail) == 1 && tail[0] == 0:
	case len(tail) == 9 && tail[0] == 1:
		ms := int64(binary.BigEndian.Uint64(tail[1:]))
		if most := int64(math.MaxInt64 / time.Millisecond); ms > most || ms < -most {
			return journal.SealRange{}, bad
		}
		d := time.Duration(ms) * time.Millisecond
		r.Offset = &d
	default:
		return journal.SealRange{}, bad
	}
	if r.Count == 0 || r.To.Less(r.From) {
		return journal.SealRange{}, bad
	}
	return r, nil
}

func appendPosition(b []byte, p journal.Position) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(b, p.Frame), p.Index)
}

func position(b []byte) journal.Position {
	return journal.Position{Frame: binary.BigEndian.Uint64(b), Index: binary.BigEndian.Uint16(b[8:])}
}
