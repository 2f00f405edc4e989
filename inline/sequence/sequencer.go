package sequence

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"vedette"
	"vedette/inline/decision"
	"vedette/record/journal"
)

// Memory is what the sequencer measures from and applies to: inline/feature. One goroutine owns it.
type Memory interface {
	Measure(ev *vedette.Event, dst []vedette.Measures) []vedette.Measures
	Apply(ev *vedette.Event, d *vedette.Decision, at journal.Position)
	Segments() int
	SaveSegment(i int, dst []byte) []byte
	LoadSegment(at journal.Position, data []byte) error
}

// Judge is what the sequencer asks for a decision: a generation. It may be asked from several goroutines and reads no clock.
type Judge interface {
	ID() vedette.GenerationID
	Decide(in *decision.Input) vedette.Decision
}

// Config tunes one sequencer. The zero value means the defaults.
type Config struct {
	// Queue is how many events may wait to be decided before the door answers "busy". Default 16384; 1 to 1048576.
	Queue int
	// Budget is how long an event may wait before it is answered as degraded by overload. Default 20ms; 1ms to 1s.
	Budget time.Duration
	// Checkpoint is after how many events every segment of memory has been saved once more: what a restart reads again at most.
	// Default 131072; 1024 to 16777216.
	Checkpoint int
}

func (c Config) withDefaults() Config {
	if c.Queue == 0 {
		c.Queue = 16384
	}
	if c.Budget == 0 {
		c.Budget = 20 * time.Millisecond
	}
	if c.Checkpoint == 0 {
		c.Checkpoint = 131072
	}
	return c
}

// Validate names the key that is out of its range. Its error wraps vedette.ErrInvalid.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Queue < 1 || c.Queue > 1<<20:
		return fmt.Errorf("sequence.queue: %d is not within 1 to 1048576: %w", c.Queue, vedette.ErrInvalid)
	case c.Budget < time.Millisecond || c.Budget > time.Second:
		return fmt.Errorf("sequence.budget: %s is not within 1ms to 1s: %w", c.Budget, vedette.ErrInvalid)
	case c.Checkpoint < 1024 || c.Checkpoint > 1<<24:
		return fmt.Errorf("sequence.checkpoint: %d is not within 1024 to 16777216: %w", c.Checkpoint, vedette.ErrInvalid)
	}
	return nil
}

// Deps is what a sequencer works with.
type Deps struct {
	Journal journal.Journal
	// Memory makes an empty memory; it is called at the start and again when a failed append has to be undone.
	Memory func() (Memory, error)
	// Sync makes durable whatever an event may refer to outside the journal (surrogates), before its frame is kept. Nil: nothing to do.
	Sync func(ctx context.Context) error
	// Now measures waiting and Took. Nil in a replay: then nothing is measured and no answer is degraded by overload.
	Now func() time.Time
	Log *slog.Logger
	// Metrics may be nil.
	Metrics *Metrics
}

// Errors of the room.
var (
	ErrFull   = fmt.Errorf("sequence: too many events are waiting: %w", vedette.ErrBusy)
	ErrUnkept = fmt.Errorf("sequence: the event could not be kept, so there is no verdict: %w", vedette.ErrUnavailable)
	ErrBroke  = errors.New("sequence: a part of ours broke on the event")
	ErrOther  = fmt.Errorf("sequence: the event's id was used in the last 24 hours for other bytes: %w", vedette.ErrConflict)
)

// maxGroup is how many frames one append takes at most, and how many may wait for it: one sync then covers up to 8,192 events.
const maxGroup = 32

// After a second failure in a row memory is restored only every firstPause to longestPause, so that a full disk does not make the gate read its
// journal again for each event that it refuses.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// stateName and generationName are where the gate keeps its memory's segments and the generation last in force.
const (
	stateName      = "gate/segment/"
	generationName = "gate/generation"
)

// Sequencer is one partition's order.
type Sequencer struct {
	cfg  Config
	deps Deps

	requests chan *request // unbuffered: the queue is counted in events by waiting
	waiting  atomic.Int64
	last     atomic.Pointer[journal.Position] // last durable
	broken   atomic.Bool                      // the last append failed and memory is not yet restored
	stopped  chan struct{}                    // closed when Run has ended

	frames chan *frame // to the committer; one place for each frame that may wait, so that handing over never blocks the order
	groups chan group  // back from it; one place, so that it starts on the next group while the last one is answered

	// Owned by Run's goroutine.
	memory   Memory
	judge    Judge                // orders the next event
	inForce  Judge                // the last one whose record is durable, or the first
	recorded vedette.GenerationID // of the last durable record
	begun    time.Time            // of the first generation's record
	recent   recent
	next     uint64 // number of the next frame
	frame    *frame
	segment  int // next one to save
	applied  int // events since the last segment was saved
	inflight int // frames handed to the committer and not yet answered
	failures int // groups that failed since one was kept
	retry    *time.Timer
}

// request is one call of Submit, or a control: swap or tick.
type request struct {
	arrivals []Arrival
	outcomes []Outcome
	left     int // outcomes still open; owned by Run's goroutine
	done     chan struct{}
	received time.Time
	after    journal.Position // duplicates up to here were looked for by the caller
	known    []bool           // by the caller: outcome is already there

	judge Judge     // a swap
	at    time.Time // of the swap or the tick
	tick  bool
	own   Outcome
}

// frame is a frame in the making.
type frame struct {
	entries  []journal.Entry
	measures []vedette.Measures // arena of the entries' measures
	answers  []answer
	repeats  []repeat
	segments []journal.State // saved after the frame is durable
	made     Judge           // the generation that the frame puts in force, or nil
	fate     *fate
}

// fate outlives its frame, so that looking up a recent event does not hold the frame in memory.
type fate struct{ frame *frame }

// answer says where the outcome of an entry goes.
type answer struct {
	req   *request
	index int // -1: a control
}

// repeat is a duplicate of an entry that is not durable yet.
type repeat struct {
	req   *request
	index int
	entry int
}

// New makes a sequencer. Restore must be called before Run.
func New(cfg Config, deps Deps) (*Sequencer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Journal == nil || deps.Memory == nil {
		return nil, fmt.Errorf("sequence: journal and memory are needed: %w", vedette.ErrInvalid)
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Metrics == nil {
		deps.Metrics = NewMetrics(nil)
	}
	s := &Sequencer{cfg: cfg.withDefaults(), deps: deps, requests: make(chan *request), stopped: make(chan struct{})}
	s.last.Store(&journal.Position{})
	return s, nil
}

// Restored tells what Restore found.
type Restored struct {
	Segments   int                  // pieces of memory that were loaded
	Replayed   int                  // entries applied again
	Last       journal.Position     // where the order goes on
	Generation vedette.GenerationID // last in force; zero in an empty journal
}

// Restore brings memory to exactly where it was after the last durable entry: saved segments, then the entries after the oldest of them.
// A segment that cannot be read costs time, not truth: then all is read again from the first retained entry.
func (s *Sequencer) Restore(ctx context.Context) (Restored, error) {
	r, err := s.restore(ctx, true)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.deps.Log.LogAttrs(ctx, slog.LevelWarn, "saved memory unreadable, reading the journal again", slog.String("cause", err.Error()))
		r, err = s.restore(ctx, false)
	}
	return r, err
}

func (s *Sequencer) restore(ctx context.Context, saved bool) (Restored, error) {
	var r Restored
	mem, err := s.deps.Memory()
	if err != nil {
		return r, fmt.Errorf("sequence: memory: %w", err)
	}
	from := s.deps.Journal.First()
	if saved {
		states, err := s.deps.Journal.LoadStates(ctx, stateName)
		if err != nil {
			return r, fmt.Errorf("sequence: saved memory: %w", err)
		}
		var oldest journal.Position
		for i, st := range states {
			if err := mem.LoadSegment(st.At, st.Data); err != nil {
				return r, fmt.Errorf("sequence: saved memory %s at %s: %w", st.Name, st.At, err)
			}
			if i == 0 || st.At.Less(oldest) {
				oldest = st.At
			}
		}
		r.Segments = len(states)
		if len(states) == mem.Segments() && from.Less(oldest) {
			from = oldest
		}
	}
	generations, err := s.deps.Journal.LoadStates(ctx, generationName)
	if err != nil {
		return r, fmt.Errorf("sequence: last generation: %w", err)
	}
	for _, g := range generations {
		copy(r.Generation[:], g.Data)
	}
	r.Last = s.deps.Journal.Last()
	for e, err := range ahead(ctx, s.deps.Journal, from) {
		if err != nil {
			return r, fmt.Errorf("sequence: read the journal again: %w", err)
		}
		if made, ok := e.Event.Body.(*vedette.GenerationMade); ok {
			r.Generation = made.ID
		}
		mem.Apply(&e.Event, &e.Decision, e.Position)
		r.Replayed++
	}
	s.memory = mem
	s.recent = newRecent(r.Last, r.Generation)
	s.recorded = r.Generation
	s.next = r.Last.Frame + 1
	s.frame = nil
	last := r.Last
	s.last.Store(&last)
	return r, nil
}

// ahead yields what the journal's Read yields, and reads on another processor while the caller works. An entry is valid until the next one.
func ahead(ctx context.Context, j journal.Journal, from journal.Position) iter.Seq2[*journal.Entry, error] {
	type batch struct {
		entries []journal.Entry
		err     error
	}
	return func(yield func(*journal.Entry, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		var reader sync.WaitGroup
		defer reader.Wait()
		defer stop()
		// Four frames: while one is applied the next are read. Each goes back when it was applied.
		const frames = 4
		full, empty := make(chan batch, frames+1), make(chan []journal.Entry, frames)
		for range frames {
			empty <- make([]journal.Entry, 0, journal.MaxFrame)
		}
		reader.Go(func() {
			defer close(full)
			b := batch{entries: <-empty}
			for e, err := range j.Read(ctx, from) {
				if err != nil {
					b.err = err
					break
				}
				if b.entries = append(b.entries, e); len(b.entries) < journal.MaxFrame {
					continue
				}
				full <- b // never waits: there is a place for each, and one for an error
				select {
				case b.entries = <-empty:
				case <-ctx.Done():
					full <- batch{err: ctx.Err()}
					return
				}
			}
			full <- b
		})
		for b := range full {
			for i := range b.entries {
				if !yield(&b.entries[i], nil) {
					return
				}
			}
			if b.err != nil {
				yield(nil, b.err)
				return
			}
			empty <- b.entries[:0]
		}
	}
}

// Last returns the position of the last durable entry.
func (s *Sequencer) Last() journal.Position { return *s.last.Load() }

// Ready says why no verdict can be given, or nil.
func (s *Sequencer) Ready() error {
	if s.broken.Load() {
		return ErrUnkept
	}
	return nil
}

// Submit implements Gate.
func (s *Sequencer) Submit(ctx context.Context, arrivals []Arrival) []Outcome {
	if len(arrivals) == 0 {
		return nil
	}
	if n := s.waiting.Add(int64(len(arrivals))); n > int64(s.cfg.Queue) && n > int64(len(arrivals)) {
		s.waiting.Add(-int64(len(arrivals)))
		s.deps.Metrics.refused.Add(float64(len(arrivals)))
		return all(len(arrivals), ErrFull)
	}
	defer s.waiting.Add(-int64(len(arrivals)))
	r := &request{arrivals: arrivals, outcomes: make([]Outcome, len(arrivals)), left: len(arrivals), done: make(chan struct{})}
	r.received = s.now()
	// Looked up here, by as many goroutines as there are callers, so that the one that orders only looks at what came since.
	r.after = s.Last()
	r.known = make([]bool, len(arrivals))
	unknown := s.unknown(ctx, arrivals)
	for i := range arrivals {
		if unknown != nil && unknown[i] {
			continue
		}
		r.known[i] = s.find(ctx, &arrivals[i].Event, &r.outcomes[i])
		if r.known[i] {
			r.left--
		}
	}
	if r.left == 0 {
		return r.outcomes
	}
	return s.send(ctx, r)
}

func all(n int, err error) []Outcome {
	out := make([]Outcome, n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

func (s *Sequencer) send(ctx context.Context, r *request) []Outcome {
	select {
	case s.requests <- r:
	case <-s.stopped:
		return all(len(r.arrivals), ErrUnkept)
	case <-ctx.Done():
		return all(len(r.arrivals), fmt.Errorf("sequence: not taken: %w: %w", context.Cause(ctx), vedette.ErrUnavailable))
	}
	select {
	case <-r.done:
		return r.outcomes
	case <-ctx.Done():
		// The outcomes still belong to the sequencer: the event may yet be kept, and asking again with the same id tells.
		return all(len(r.arrivals), fmt.Errorf("sequence: not waited for: %w: %w", context.Cause(ctx), vedette.ErrUnavailable))
	}
}

// screener is a journal that tells of many events at once which it surely does not know, for less than a look-up for each.
type screener interface {
	Unknown(ctx context.Context, events []*vedette.Event) []bool
}

// unknown returns which arrivals need no look-up, or nil.
func (s *Sequencer) unknown(ctx context.Context, arrivals []Arrival) []bool {
	j, ok := s.deps.Journal.(screener)
	if !ok || len(arrivals) < 8 {
		return nil
	}
	events := make([]*vedette.Event, len(arrivals))
	for i := range arrivals {
		events[i] = &arrivals[i].Event
	}
	return j.Unknown(ctx, events)
}

// find answers a known event from the journal. It reports whether the outcome is settled.
func (s *Sequencer) find(ctx context.Context, ev *vedette.Event, out *Outcome) bool {
	e, err := s.deps.Journal.Find(ctx, ev.Tenant, ev.ID, ev.Seen)
	switch {
	case err == nil:
		*out = recorded(&e, ev)
		s.deps.Metrics.duplicates.Inc()
		return true
	case errors.Is(err, vedette.ErrUnknown):
		return false
	default:
		// A journal that cannot be asked is not a new event.
		*out = Outcome{Err: fmt.Errorf("%w: %w", ErrUnkept, err)}
		return true
	}
}

func recorded(e *journal.Entry, ev *vedette.Event) Outcome {
	if e.Event.Bytes != ev.Bytes {
		return Outcome{Err: ErrOther}
	}
	return Outcome{Decision: e.Decision, Position: e.Position, Duplicate: true}
}

// Swap puts a new generation in force: its record is durable when it returns, and every later event is judged by it. A generation that
// was in force when the journal ended is not recorded again.
func (s *Sequencer) Swap(ctx context.Context, j Judge, at time.Time) error {
	return s.control(ctx, &request{judge: j, at: at})
}

// Tick records that event time has reached at.
func (s *Sequencer) Tick(ctx context.Context, at time.Time) error {
	return s.control(ctx, &request{tick: true, at: at})
}

func (s *Sequencer) control(ctx context.Context, r *request) error {
	r.left, r.done = 1, make(chan struct{})
	select {
	case s.requests <- r:
	case <-s.stopped:
		return ErrUnkept
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.done:
		return r.own.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// group is what the committer answers: frames that are durable, or why not.
type group struct {
	frames []*frame
	err    error
}

// Run puts the first generation in force and orders, until ctx ends. What was taken by then is decided and kept before it returns,
// and memory is saved. The time is that of the first generation's record.
func (s *Sequencer) Run(ctx context.Context, first Judge, at time.Time) error {
	if s.memory == nil || first == nil {
		return fmt.Errorf("sequence: Restore was not called, or no generation given: %w", vedette.ErrInvalid)
	}
	s.judge, s.inForce, s.begun = first, first, at
	s.retry = time.NewTimer(longestPause)
	defer s.retry.Stop()
	s.frames = make(chan *frame, maxGroup)
	s.groups = make(chan group, 1)
	var committer sync.WaitGroup
	committer.Go(func() { s.commit(context.WithoutCancel(ctx)) })
	defer close(s.stopped)
	defer committer.Wait()
	defer close(s.frames)
	s.announce()
	for {
		s.hand()
		select {
		case r := <-s.requests:
			s.take(ctx, r)
		case g := <-s.groups:
			s.settle(ctx, g)
		case <-s.retry.C: // also without a request: who is told that the gate is not ready sends none
			if s.broken.Load() {
				s.mend(ctx)
			}
		case <-ctx.Done():
			for s.frame != nil || s.inflight > 0 {
				s.hand()
				if s.inflight > 0 {
					s.settle(ctx, <-s.groups)
				}
			}
			if s.broken.Load() {
				s.mend(ctx)
			}
			return s.save(context.WithoutCancel(ctx))
		}
	}
}

// announce records the generation in force where its record is not in the order: at the start, and when the first record could not be kept.
func (s *Sequencer) announce() {
	if s.recent.generation != s.judge.ID() {
		s.own(&request{judge: s.judge, at: s.begun, left: 1, done: make(chan struct{})})
	}
}

// hand gives the frame to the committer when it is idle, or when the frame is full: so frames grow while the disk is busy.
func (s *Sequencer) hand() {
	f := s.frame
	if f == nil || s.inflight == maxGroup || s.inflight > 0 && !s.full() {
		return
	}
	s.frame = nil
	s.inflight++
	s.next++
	s.frames <- f
}

func (s *Sequencer) now() time.Time {
	if s.deps.Now == nil {
		return time.Time{}
	}
	return s.deps.Now()
}

func (s *Sequencer) full() bool { return s.frame != nil && len(s.frame.entries) == journal.MaxFrame }

// commit keeps frames, as many at once as are waiting.
func (s *Sequencer) commit(ctx context.Context) {
	for f := range s.frames {
		g := group{frames: []*frame{f}}
	more:
		for len(g.frames) < maxGroup {
			select {
			case f, ok := <-s.frames:
				if !ok {
					break more
				}
				g.frames = append(g.frames, f)
			default:
				break more
			}
		}
		g.err = s.keep(ctx, g.frames)
		s.groups <- g
	}
}

func (s *Sequencer) keep(ctx context.Context, frames []*frame) error {
	// Frames made from a memory that a failed append had already changed must not be kept.
	if s.broken.Load() {
		return ErrUnkept
	}
	if s.deps.Sync != nil {
		if err := s.deps.Sync(ctx); err != nil {
			s.broken.Store(true)
			return fmt.Errorf("%w: %w", ErrUnkept, err)
		}
	}
	entries := make([][]journal.Entry, len(frames))
	for i, f := range frames {
		entries[i] = f.entries
	}
	begin := s.now()
	if err := s.deps.Journal.Append(ctx, entries...); err != nil {
		s.broken.Store(true)
		return fmt.Errorf("%w: %w", ErrUnkept, err)
	}
	s.deps.Metrics.appended(s.now().Sub(begin), entries)
	last := entries[len(entries)-1]
	at := last[len(last)-1].Position
	s.last.Store(&at)
	for _, f := range frames {
		for _, st := range f.segments {
			if err := s.deps.Journal.SaveState(ctx, st.Name, st.At, st.Data); err != nil {
				// The events are kept; only the next restart reads more.
				s.deps.Log.LogAttrs(ctx, slog.LevelWarn, "memory not saved", slog.String("cause", err.Error()))
			}
		}
		if f.made != nil {
			id := f.made.ID()
			if err := s.deps.Journal.SaveState(ctx, generationName, at, id[:]); err != nil {
				s.deps.Log.LogAttrs(ctx, slog.LevelWarn, "generation not saved", slog.String("cause", err.Error()))
			}
		}
	}
	return nil
}

// settle answers everybody whose entry is in the group. After a failure it answers all that hang on the lost memory, and restores it.
func (s *Sequencer) settle(ctx context.Context, g group) {
	s.answer(g)
	if g.err == nil {
		s.failures = 0
		return
	}
	s.failures++
	s.deps.Log.LogAttrs(ctx, slog.LevelError, "events could not be kept; look at the disk of the data folder", slog.String("cause", g.err.Error()))
	if s.drain(); s.failures > 1 {
		s.pause()
		return
	}
	s.mend(ctx)
}

// drain answers everybody whose event was decided from a memory that a failed append has made untrue.
func (s *Sequencer) drain() {
	for s.inflight > 0 {
		s.answer(<-s.groups) // the committer keeps nothing while the gate is broken; what it kept before is answered as kept
	}
	if f := s.frame; f != nil {
		s.frame = nil
		s.inflight++
		s.answer(group{frames: []*frame{f}, err: ErrUnkept})
	}
}

// pause sets when memory is restored.
func (s *Sequencer) pause() {
	s.retry.Reset(min(longestPause, firstPause<<min(s.failures, 10)))
}

// mend restores memory from the journal, so that what was not kept was never measured, once the journal says that it can keep events.
func (s *Sequencer) mend(ctx context.Context) {
	s.drain()
	s.judge = s.inForce
	ctx = context.WithoutCancel(ctx)
	if err := s.deps.Journal.Append(ctx); err != nil {
		s.failures++
		s.pause()
		return
	}
	if _, err := s.Restore(ctx); err != nil {
		s.deps.Log.LogAttrs(ctx, slog.LevelError, "memory could not be restored; no verdicts until it is", slog.String("cause", err.Error()))
		s.failures++
		s.pause()
		return
	}
	s.broken.Store(false)
}

func (s *Sequencer) answer(g group) {
	for _, f := range g.frames {
		s.inflight--
		for i, a := range f.answers {
			out := Outcome{Err: g.err}
			if g.err == nil {
				out = Outcome{Decision: f.entries[i].Decision, Position: f.entries[i].Position}
			}
			s.finish(a.req, a.index, out)
		}
		for _, r := range f.repeats {
			out := Outcome{Err: g.err}
			if g.err == nil {
				out = recorded(&f.entries[r.entry], &r.req.arrivals[r.index].Event)
			}
			s.finish(r.req, r.index, out)
		}
		f.fate.frame = nil
		if g.err == nil && f.made != nil {
			s.inForce, s.recorded = f.made, f.made.ID()
		}
	}
}

func (s *Sequencer) finish(r *request, index int, out Outcome) {
	if index < 0 {
		r.own = out
	} else {
		r.outcomes[index] = out
	}
	if r.left--; r.left == 0 {
		close(r.done)
	}
}

// take orders one request.
func (s *Sequencer) take(ctx context.Context, r *request) {
	for s.broken.Load() && s.inflight > 0 {
		s.settle(ctx, <-s.groups) // the failure is on its way
	}
	if s.broken.Load() {
		s.refuse(r, 0)
		return
	}
	if r.judge == nil {
		s.announce()
	}
	if r.arrivals == nil {
		s.own(r)
		return
	}
	var missing vedette.Degraded
	var waited time.Duration
	if waited = s.now().Sub(r.received); waited > s.cfg.Budget {
		missing = vedette.DegradedOverload
	}
	for i := range r.arrivals {
		if r.known[i] {
			continue
		}
		if s.known(ctx, r, i) {
			continue
		}
		s.decide(ctx, r, i, missing, waited)
		for s.full() {
			if s.inflight == maxGroup {
				s.settle(ctx, <-s.groups)
			}
			s.hand()
		}
		if s.broken.Load() {
			s.refuse(r, i+1)
			return
		}
	}
}

// refuse answers what is still open, from the given arrival on, of a request that cannot be ordered.
func (s *Sequencer) refuse(r *request, from int) {
	if r.arrivals == nil {
		s.finish(r, -1, Outcome{Err: ErrUnkept})
		return
	}
	for i := from; i < len(r.arrivals); i++ {
		if !r.known[i] {
			s.finish(r, i, Outcome{Err: ErrUnkept})
		}
	}
}

// known settles a duplicate. It reports whether the arrival is one, or could not be looked up.
func (s *Sequencer) known(ctx context.Context, r *request, i int) bool {
	ev := &r.arrivals[i].Event
	seen, ok := s.recent.get(key{ev.Tenant, ev.ID})
	switch {
	case ok && seen.fate.frame != nil && !journal.Same(seen.fate.frame.entries[seen.entry].Event.Seen, ev.Seen):
		// A replay is fast: an id may come again after its 24 hours while the first is not durable yet. The journal may know one in between.
		return s.foundBefore(ctx, r, i)
	case ok && seen.fate.frame != nil: // not durable yet: answered together with the first
		s.deps.Metrics.duplicates.Inc()
		f := seen.fate.frame
		f.repeats = append(f.repeats, repeat{r, i, seen.entry})
		return true
	case ok || !s.recent.covers(r.after):
		return s.foundBefore(ctx, r, i)
	}
	return false
}

// foundBefore settles an arrival that the journal knows, or cannot be asked about.
func (s *Sequencer) foundBefore(ctx context.Context, r *request, i int) bool {
	var out Outcome
	if !s.find(ctx, &r.arrivals[i].Event, &out) {
		return false
	}
	s.finish(r, i, out)
	return true
}

func (s *Sequencer) open() *frame {
	if s.frame == nil {
		s.frame = &frame{
			entries: make([]journal.Entry, 0, journal.MaxFrame),
			answers: make([]answer, 0, journal.MaxFrame),
		}
		s.frame.fate = &fate{s.frame}
	}
	return s.frame
}

func (s *Sequencer) decide(ctx context.Context, r *request, i int, missing vedette.Degraded, waited time.Duration) {
	f := s.open()
	defer func() {
		if p := recover(); p != nil {
			s.broke(ctx, r, i, p)
		}
	}()
	a := &r.arrivals[i]
	at := journal.Position{Frame: s.next, Index: uint16(len(f.entries))}
	begin := len(f.measures)
	f.measures = s.memory.Measure(&a.Event, f.measures)
	measures := f.measures[begin:len(f.measures):len(f.measures)]
	d := s.judge.Decide(&decision.Input{
		Event: &a.Event, Links: a.Links, Measures: measures, Missing: a.Missing | missing, Hindsight: a.Hindsight,
	})
	d.Took = waited
	s.memory.Apply(&a.Event, &d, at)
	s.recent.add(key{a.Event.Tenant, a.Event.ID}, at, ref{f.fate, len(f.entries)})
	f.entries = append(f.entries, journal.Entry{Position: at, Event: a.Event, Measures: measures, Decision: d})
	f.answers = append(f.answers, answer{r, i})
	s.checkpoint(f, at)
}

// broke answers an event on which a part of ours broke. Memory may hold half of it, so it is restored, after what was decided before has been
// kept. Only the runtime's own words are told: any other panic's value might hold something of the event.
func (s *Sequencer) broke(ctx context.Context, r *request, i int, p any) {
	s.deps.Metrics.faults.Inc()
	what := fmt.Sprintf("%T", p)
	if e, ok := p.(interface{ RuntimeError() }); ok {
		what = fmt.Sprint(e)
	}
	s.deps.Log.LogAttrs(ctx, slog.LevelError, "a part of ours broke on an event", slog.String("panic", what), slog.String("stack", string(debug.Stack())))
	if f := s.frame; len(f.answers) == 0 || f.answers[len(f.answers)-1] != (answer{r, i}) {
		s.finish(r, i, Outcome{Err: ErrBroke})
	}
	if len(s.frame.entries) == 0 {
		s.frame = nil
	}
	for s.frame != nil || s.inflight > 0 {
		s.hand()
		if s.inflight > 0 {
			s.settle(ctx, <-s.groups)
		}
	}
	s.broken.Store(true)
	s.mend(ctx)
}

// checkpoint saves one segment of memory with the frame, so that all have been saved once every cfg.Checkpoint events.
func (s *Sequencer) checkpoint(f *frame, at journal.Position) {
	n := s.memory.Segments()
	if s.applied++; n == 0 || s.applied < s.cfg.Checkpoint/n {
		return
	}
	s.applied = 0
	f.segments = append(f.segments, s.snapshot(s.segment, at))
	s.segment = (s.segment + 1) % n
}

func (s *Sequencer) snapshot(i int, at journal.Position) journal.State {
	return journal.State{Name: fmt.Sprintf("%s%05d", stateName, i), At: at, Data: s.memory.SaveSegment(i, nil)}
}

// save keeps all of memory, at the end.
func (s *Sequencer) save(ctx context.Context) error {
	if s.broken.Load() {
		return ErrUnkept
	}
	at := s.Last()
	if at == (journal.Position{}) {
		return nil
	}
	for i := range s.memory.Segments() {
		st := s.snapshot(i, at)
		if err := s.deps.Journal.SaveState(ctx, st.Name, st.At, st.Data); err != nil {
			return fmt.Errorf("sequence: save memory: %w", err)
		}
	}
	return nil
}

// own orders one of the journal's own records.
func (s *Sequencer) own(r *request) {
	var body vedette.Body = &vedette.Tick{}
	if r.judge != nil {
		if s.recent.generation == r.judge.ID() && s.recorded == r.judge.ID() {
			s.judge, s.inForce = r.judge, r.judge
			s.finish(r, -1, Outcome{})
			return
		}
		body = &vedette.GenerationMade{ID: r.judge.ID()}
	}
	f := s.open()
	at := journal.Position{Frame: s.next, Index: uint16(len(f.entries))}
	e := journal.Entry{Position: at, Event: vedette.Event{Source: vedette.SourceJournal, At: r.at, Seen: r.at, Body: body}}
	e.Decision.Generation = s.judge.ID()
	if r.judge != nil {
		s.judge = r.judge
		s.recent.generation = r.judge.ID()
		e.Decision.Generation = r.judge.ID()
		f.made = r.judge
	}
	s.memory.Apply(&e.Event, &e.Decision, at)
	f.entries = append(f.entries, e)
	f.answers = append(f.answers, answer{r, -1})
}
