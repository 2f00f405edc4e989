package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"vedette"
	"vedette/edge/access"
	"vedette/inline/decision"
	"vedette/inline/feature"
	"vedette/inline/sequence"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/record/vault"
	"vedette/store/frames"
	"vedette/store/records"
	"vedette/store/surrogates"
)

// house is a data folder with every room on it, owned by this process.
type house struct {
	folder   *folder
	cfg      config
	log      *slog.Logger
	metrics  *prometheus.Registry
	vault    *vault.Vault
	keyFrom  string // where the root key was found
	people   *authority.Register
	arms     *authority.Arms
	known    *records.Indicators // what is said to be bad
	machines *access.Keys
	journal  *frames.Journal

	reloading sync.Mutex // one change of what judges at a time
	judging   atomic.Pointer[judging]
	decisions *decision.Metrics

	db   *records.DB
	now  func() time.Time // the house's clock; of a replay that reacts, the file's
	demo bool             // the folder is a story's: nothing in it is past its term
	// progress is told how far a long answer is, where a person waits at this very process. nil: nobody does
	progress func(done, total int)
	slow
	watching atomic.Pointer[[]vedette.Watched] // what the watch asks the gate to warn of; nil: nothing

	seq     *sequence.Sequencer
	sealing sync.Mutex // held by a replay while it seals a chunk, so that what is durable is a prefix of it
	stopped chan error // what the sequencer ended with
	stop    context.CancelFunc

	ends []func() error // in the order of opening
}

// judging is what judges now. It is immutable and swapped whole.
type judging struct {
	rules      *decision.RuleSet
	set        *indicator.Set
	generation *decision.Generation
	until      time.Time // when what is armed changes by itself; zero: never
}

// opening says how much of the house is needed.
type opening struct {
	gate    bool // the sequencer runs
	records bool // nothing but the records: no journal, no vault, nothing that judges
	scratch bool // the journal and the vault are temporary; indicators, rules and arming are the folder's
	replay  bool // nobody waits: no time is measured and no answer is degraded by waiting
	demo    bool
	now     func() time.Time // nil: the clock
	log     *slog.Logger
}

func open(ctx context.Context, g *global, o opening) (h *house, err error) {
	f, err := own(g.data)
	if err != nil {
		return nil, err
	}
	h = &house{folder: f, log: o.log, metrics: prometheus.NewRegistry(), now: o.now, progress: g.progress, demo: o.demo}
	if h.now == nil {
		h.now = time.Now
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.ends = append(h.ends, func() error { f.release(); return nil })
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.cfg, err = readConfig(g); err != nil {
		return h, err
	}
	keys, err := vault.LoadKeys(vault.KeyOptions{Dir: g.data, File: g.key, Getenv: os.Getenv})
	if o.demo && errors.Is(err, vault.ErrKeyMissing) || o.demo && errors.Is(err, fs.ErrNotExist) {
		if err = vault.NewKeyFile(g.key); err == nil {
			keys, err = vault.LoadKeys(vault.KeyOptions{Dir: g.data, File: g.key, Getenv: os.Getenv})
		}
	}
	if err != nil {
		return h, err
	}
	h.keyFrom = keys.Where()
	db, err := records.Open(ctx, g.data)
	if err != nil {
		return h, err
	}
	h.ends = append(h.ends, db.Close)
	h.db = db
	h.watchKey = keys.Seed("watch/targeting")
	if h.proof, err = h.newProof(ctx, keys); err != nil {
		return h, err
	}
	h.ends = append(h.ends, h.proof.end)
	h.people = authority.NewRegister(recorded{db.People(), h.proof.recorder(db.People())})
	h.arms = authority.NewArms(db.Arming(), h.people)
	h.known = db.Indicators()
	if h.machines, err = access.Open(ctx, db.Machines(), nil); err != nil {
		return h, err
	}
	if o.records {
		return h, nil
	}
	kept := g.data
	if o.scratch {
		if kept, err = os.MkdirTemp(g.data, "scratch-"); err != nil {
			return h, err
		}
		h.ends = append(h.ends, func() error { return os.RemoveAll(kept) })
	}
	store, err := surrogates.Open(filepath.Join(kept, "vault"), h.log)
	if err != nil {
		return h, err
	}
	h.ends = append(h.ends, store.Close)
	options := []vault.Option{vault.WithRecorder(h.proof.recorder(db.People())), vault.WithClock(h.now)}
	if o.replay {
		options = append(options, vault.WithNumbers())
	}
	if h.vault, err = vault.Open(store, keys, options...); err != nil {
		return h, err
	}
	if h.journal, err = frames.Open(ctx, filepath.Join(kept, "journal"), frames.Options{Log: h.log}); err != nil {
		return h, err
	}
	h.ends = append(h.ends, h.journal.Close)
	if err = h.readWatching(ctx); err != nil {
		return h, err
	}
	if err = h.rooms(ctx, kept); err != nil {
		return h, err
	}
	if err = h.newSentry(ctx, o.scratch); err != nil {
		return h, err
	}
	if h.decisions, err = decision.NewMetrics(h.metrics); err != nil {
		return h, err
	}
	if !o.gate {
		return h, h.reload(ctx)
	}
	// Side by side: what judges is read from the records, memory from the journal, and neither asks the other.
	var both errgroup.Group
	both.Go(func() error { return h.reload(ctx) })
	both.Go(func() error { return h.restore(ctx, o) })
	if err = both.Wait(); err != nil {
		return h, err
	}
	h.start(ctx, o)
	return h, nil
}

// close ends everything, the last opened first.
func (h *house) close() error {
	var errs []error
	if h.stop != nil {
		h.stop()
		errs = append(errs, <-h.stopped)
		h.stop = nil
	}
	for i := len(h.ends) - 1; i >= 0; i-- {
		errs = append(errs, h.ends[i]())
	}
	h.ends = nil
	return errors.Join(errs...)
}

// rulesDir is the folder of rule files in force, or "" for the starter set.
func (h *house) rulesDir() string {
	if h.cfg.Rules != "" {
		return h.cfg.Rules
	}
	if own := filepath.Join(h.folder.dir, "rules"); isDir(own) {
		return own
	}
	return ""
}

func (h *house) loadRules() (*decision.RuleSet, error) {
	if dir := h.rulesDir(); dir != "" {
		return decision.Load(os.DirFS(dir))
	}
	return decision.Load(decision.Starter())
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// epochs makes the tokens of the tenant's epochs that a set must serve: this one, the next, and those that the journal still holds.
type epochs struct {
	sealer *vault.Sealer
	list   []uint16
}

func (e epochs) Epochs() []uint16 { return e.list }
func (e epochs) Token(epoch uint16, kind vedette.TokenKind, name string) vedette.Token {
	return e.sealer.TokenIn(epoch, kind, name)
}

// reload reads rules, indicators and arming anew and makes the generation of them. A gate that runs goes over to it; when it cannot be made,
// the old one stays in force.
func (h *house) reload(ctx context.Context) error { return h.change(ctx, time.Now(), true, true) }

// refresh reads indicators and arming anew. The rules in force stay: who imports a list must not put a half-written rule in force, nor be
// held up by one.
func (h *house) refresh(ctx context.Context) error { return h.change(ctx, time.Now(), false, true) }

// rearm reads anew what is armed at a time, and nothing else: what ends by itself must end also when a rule file is broken.
func (h *house) rearm(ctx context.Context, at time.Time) error {
	return h.change(ctx, at, false, false)
}

func (h *house) change(ctx context.Context, at time.Time, readRules, readIndicators bool) error {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	next := judging{}
	if old := h.judging.Load(); old != nil {
		next = *old
	}
	var err error
	if readRules {
		if next.rules, err = h.loadRules(); err != nil {
			return err
		}
	}
	if readIndicators {
		if next.set, err = h.compile(ctx); err != nil {
			return err
		}
	}
	now, err := h.arms.Armed(ctx, at)
	if err != nil {
		return err
	}
	next.until = now.Next
	var watching []vedette.Watched
	if l := h.watching.Load(); l != nil {
		watching = *l
	}
	next.generation, err = decision.Make(decision.Parts{
		Rules: next.rules, Indicators: next.set, Lists: link.ListsVersion(), Armed: decision.Armed{Ceiling: now.Ceiling, Each: now.Each}, Watch: watching,
		Params: decision.Params{Fallback: h.cfg.Fallback, Budget: h.cfg.Sequence.Budget},
	})
	if err != nil {
		return err
	}
	if h.stop != nil {
		// Whoever asked may hang up; what is in force and what is said to be in force must not part.
		if err := h.seq.Swap(context.WithoutCancel(ctx), next.generation, at.UTC().Truncate(time.Millisecond)); err != nil {
			return err
		}
	}
	h.judging.Store(&next)
	h.decisions.Watch(next.generation)
	return nil
}

// turn puts an end to what has ended by a time.
func (h *house) turn(ctx context.Context, at time.Time) error {
	if end := h.judging.Load().until; end.IsZero() || at.Before(end) {
		return nil
	}
	return h.rearm(ctx, at)
}

// restore makes the gate and brings its memory to where it was.
func (h *house) restore(ctx context.Context, o opening) error {
	memory := feature.Sized(h.cfg.Memory)
	if err := memory.Validate(); err != nil {
		return err
	}
	now := time.Now
	if o.replay || o.demo {
		now = nil
	}
	var err error
	h.seq, err = sequence.New(h.cfg.Sequence, sequence.Deps{
		Journal: h.journal,
		Memory: func() (sequence.Memory, error) {
			m := feature.New(memory)
			h.metrics.Unregister(m.Collector()) // of the memory before, if an append failed
			return m, h.metrics.Register(m.Collector())
		},
		Sync: func(ctx context.Context) error {
			h.sealing.Lock()
			defer h.sealing.Unlock()
			return h.vault.Sync(ctx)
		},
		Now:     now,
		Log:     h.log,
		Metrics: sequence.NewMetrics(h.metrics),
	})
	if err != nil {
		return err
	}
	begin := time.Now()
	r, err := h.seq.Restore(ctx)
	if err != nil {
		return err
	}
	h.log.LogAttrs(ctx, slog.LevelInfo, "memory restored", slog.Int("segments", r.Segments), slog.Int("replayed", r.Replayed),
		slog.String("position", r.Last.String()), slog.Duration("took", time.Since(begin)))
	return nil
}

// start lets the gate run, until close.
func (h *house) start(ctx context.Context, o opening) {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = cancel
	h.stopped = make(chan error, 1) // read once, by close
	at := time.Now().UTC().Truncate(time.Millisecond)
	if o.replay {
		at = time.Unix(0, 0).UTC() // a replay has no clock
	}
	go func() { h.stopped <- h.seq.Run(run, h.judging.Load().generation, at) }()
}

// sealer is the one of the tenant that commands mean.
func (h *house) sealer() (*vault.Sealer, error) { return h.vault.Tenant(h.cfg.Tenant) }

// digest sums up the whole journal, whatever people are called in it.
func (h *house) digest(ctx context.Context) (string, error) {
	d := journal.NewDigester()
	for e, err := range h.journal.Read(ctx, h.journal.First()) {
		if err != nil {
			return "", fmt.Errorf("digest: %w", err)
		}
		d.Add(&e)
	}
	return d.Sum(), nil
}
