package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/response"
	"vedette/edge/adapter/webhook"
	"vedette/edge/franking"
	"vedette/record/authority"
	"vedette/record/enrichment"
	"vedette/record/evidence"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/record/vault"
	"vedette/store/history"
	"vedette/store/tiles"
	"vedette/watch/hunt"
	"vedette/watch/sentry"

	"golang.org/x/mod/sumdb/note"
)

// slow are the rooms beside the gate: what looks back, what people judge, what is carried out, and the proof of it.
type slow struct {
	proof     *proof
	facts     enrichment.Store
	past      *history.History
	recording *hunt.Recording
	hunter    *hunt.Hunter
	sentry    *sentry.Sentry
	watchKey  [32]byte // seals what the watch keeps of people who asked for protection
	cases     *casefile.Book
	desk      *response.Desk
	outbox    response.Outbox
	deeds     response.Deeds
	following atomic.Bool                     // the followers run
	guarding  atomic.Pointer[indicator.Guard] // the last that could be read whole
	franking  franking.Keys                   // nil: no report can be franked
	entering  sync.Mutex                      // held while an order or a note gets its number, is recorded and is kept
}

// proof is the evidence log, opened when first something is written to it or read from it: most commands only look.
type proof struct {
	key    string // the public half of what signs it
	next   string // and of the key after that
	number int    // of the key, from 0
	open   func() (*evidence.Log, func() error, error)

	mu    sync.Mutex
	log   *evidence.Log
	close func() error
	err   error
}

func (p *proof) get() (*evidence.Log, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log == nil && p.err == nil {
		p.log, p.close, p.err = p.open()
	}
	return p.log, p.err
}

func (p *proof) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.close == nil {
		return nil
	}
	end := p.close
	p.close, p.log, p.err = nil, nil, evidence.ErrClosed
	return end()
}

// Append implements evidence.Book.
func (p *proof) Append(ctx context.Context, records ...evidence.Record) ([]evidence.Receipt, error) {
	log, err := p.get()
	if err != nil {
		return nil, err
	}
	return log.Append(ctx, records...)
}

// recorder keeps what was asked: in the evidence log first, then in the records.
func (p *proof) recorder(next authority.Recorder) authority.Recorder { return asking{p, next} }

type asking struct {
	p    *proof
	next authority.Recorder
}

func (a asking) Record(ctx context.Context, x authority.Asked) error {
	log, err := a.p.get()
	if err != nil {
		return err
	}
	return log.Recorder(a.next).Record(ctx, x)
}

// recorded is the store of people, whose questions go into the evidence log.
type recorded struct {
	authority.Store
	authority.Recorder
}

func (r recorded) Record(ctx context.Context, a authority.Asked) error {
	return r.Recorder.Record(ctx, a)
}

// newProof says how the log of a folder is opened. Its keys are derived from the root key, which lies outside the folder; its name from its first key, so
// that no two folders' logs are called alike.
func (h *house) newProof(ctx context.Context, keys vault.Keys) (*proof, error) {
	later, err := h.db.EvidenceKeys(ctx)
	if err != nil {
		return nil, err
	}
	signer := signerOf(keys, len(later))
	var retired []evidence.Retired
	var verifiers []note.Verifier
	for i, k := range later {
		v := evidence.VerifierOf(signerOf(keys, i))
		if want := evidence.VerifierKey(signerOf(keys, i+1)); k.Number != i+1 || k.Now != want { // the root key is another
			return nil, fmt.Errorf("key %d of the evidence log is %s in the records, and %s by this root key: %w", k.Number, visible(k.Now), want, vedette.ErrConflict)
		}
		retired, verifiers = append(retired, evidence.Retired{Verifier: v, Upto: k.Upto}), append(verifiers, v)
	}
	p := &proof{key: evidence.VerifierKey(signer), next: evidence.VerifierKey(signerOf(keys, len(later)+1)), number: len(later)}
	p.open = func() (*evidence.Log, func() error, error) {
		ctx := context.Background() // the log lives as long as the house
		tree, err := tiles.Open(ctx, h.evidenceDir(), signer, tiles.Options{Retired: verifiers})
		if err != nil {
			return nil, nil, err
		}
		log, err := evidence.Open(ctx, tree, h.db.Shelf(), evidence.Options{Now: h.now, Log: h.log, Verifier: evidence.VerifierOf(signer), Retired: retired})
		if err != nil {
			return nil, nil, errors.Join(err, tree.Close(ctx))
		}
		return log, func() error { return tree.Close(context.Background()) }, nil
	}
	return p, nil
}

func (h *house) evidenceDir() string { return filepath.Join(h.folder.dir, "evidence") }

// signerOf returns the log's key of a number; the first is 0. All are of one name.
func signerOf(keys vault.Keys, number int) note.Signer {
	seed := keys.Seed("evidence/log")
	sum := sha256.Sum256(seed[:])
	if number > 0 {
		seed = keys.Seed("evidence/log/" + strconv.Itoa(number))
	}
	signer, _ := evidence.NewSigner("vedette.invalid/log/"+hex.EncodeToString(sum[:6]), seed)
	return signer
}

func (h *house) tokensOf(t vedette.Tenant) (hunt.Tokens, error) {
	if t != h.cfg.Tenant {
		return nil, fmt.Errorf("tenant %s is not here: %w", t, vedette.ErrUnknown)
	}
	s, err := h.vault.Tenant(t)
	if err != nil {
		return nil, err
	}
	return hunt.TokensOf(s), nil
}

// rooms opens what stands beside the gate.
func (h *house) rooms(ctx context.Context, kept string) (err error) {
	if h.franking, err = h.frankingKeys(); err != nil {
		return err
	}
	h.facts, h.deeds, h.outbox = h.db.Enrichment(), h.db.Deeds(), h.db.Outbox()
	if h.past, err = h.openPast(ctx, filepath.Join(kept, "history")); err != nil {
		return err
	}
	h.ends = append(h.ends, func() error { return h.past.Close(context.Background()) })
	h.cases, err = casefile.NewBook(h.db.Cases(), casefile.Deps{
		Book: h.proof, Boxers: func(t vedette.Tenant) (casefile.Boxer, error) { return h.vault.Tenant(t) }, Register: h.people,
		Find: func(ctx context.Context, t vedette.Tenant, id vedette.EventID) (journal.Entry, error) {
			return h.journal.Find(ctx, t, id, time.Time{})
		},
		Now: h.now, Log: h.log, Registerer: h.metrics,
	})
	if err != nil {
		return err
	}
	h.hunter, err = hunt.New(hunt.Config{}, hunt.Deps{
		History: h.past, Tokens: h.tokensOf, Guard: h.guardNow, Ledger: h.db.Hunts(), Book: h.proof,
		Report: func(ctx context.Context, f vedette.Finding) error {
			_, err := h.cases.FromFinding(ctx, h.cfg.Tenant, f)
			return err
		},
		Now: h.now, Log: h.log, Registerer: h.metrics,
	})
	if err != nil {
		return err
	}
	h.recording, err = hunt.NewRecording(hunt.Rules{}, hunt.RecordingDeps{
		Journal: h.journal, History: h.past, Seen: h.hunter.Seen, Log: h.log, Registerer: h.metrics,
	})
	if err != nil {
		return err
	}
	h.desk, err = response.New(response.Config{}, response.Deps{
		People: h.people, Guard: func() response.Guard { return h.guardNow() }, Harm: harm{h}, Indicators: force{h}, Arms: h.arms,
		Book: h.proof, Deeds: h.deeds, Outbox: h.outbox, Now: h.now, Log: h.log, Registerer: h.metrics,
	})
	return err
}

// The name of a history that could not be opened and was moved aside: the mark, then when.
const (
	asideMark = "history.damaged-"
	asideTime = "20060102T150405Z"
)

// forgetAside removes histories that were moved aside when their own term is over: nothing else expires in them.
func (h *house) forgetAside(now time.Time) error {
	names, err := filepath.Glob(filepath.Join(h.folder.dir, asideMark+"*"))
	for _, name := range names {
		at, bad := time.Parse(asideTime, strings.TrimPrefix(filepath.Base(name), asideMark))
		if bad == nil && now.Sub(at) >= h.cfg.Retention {
			err = errors.Join(err, os.RemoveAll(name))
		}
	}
	return err
}

// openPast opens history. One that cannot be opened at all is moved aside, never removed, and history is made anew from what the journal has: the
// gate must not fall silent because the past is damaged. doctor tells of it.
func (h *house) openPast(ctx context.Context, dir string) (*history.History, error) {
	opt := history.Options{Log: h.log, Metrics: h.metrics}
	past, err := history.Open(ctx, dir, opt)
	if err == nil || errors.Is(err, history.ErrOwned) || !errors.Is(err, vedette.ErrUnavailable) {
		return past, err
	}
	aside := filepath.Join(filepath.Dir(dir), asideMark+time.Now().UTC().Format(asideTime))
	if moved := os.Rename(dir, aside); moved != nil {
		return nil, errors.Join(err, moved)
	}
	h.log.Error("history could not be opened; it was moved aside and is made anew from the journal", "aside", filepath.Base(aside), "cause", err.Error())
	return history.Open(ctx, dir, opt)
}

// frankingKeys reads the platform's keys, which lie outside the folder in a file of their own.
func (h *house) frankingKeys() (franking.Keys, error) {
	if h.cfg.Franking == "" {
		return nil, nil
	}
	b, err := secretFile(h.cfg.Franking)
	if err != nil {
		return nil, fmt.Errorf("franking: %w", err)
	}
	return franking.ParseKeys(b)
}

// webhook delivers changed decisions to the platform's address, when one is set.
func (h *house) webhook() (*webhook.Sender, error) {
	if h.cfg.Webhook.URL == "" {
		return nil, nil
	}
	cfg, err := h.webhookConfig()
	if err != nil {
		return nil, err
	}
	return webhook.New(cfg, webhook.Deps{Outbox: h.outbox, Jitter: rand.Reader, Log: h.log, Registerer: h.metrics})
}

// webhookConfig reads the file of secrets, and says what is wrong with it or with the address.
func (h *house) webhookConfig() (webhook.Config, error) {
	cfg := webhook.Config{Tenant: h.cfg.Tenant, Address: h.cfg.Webhook.URL}
	b, err := secretFile(h.cfg.Webhook.Secret)
	if err != nil {
		return cfg, fmt.Errorf("webhook: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			s, err := webhook.ParseSecret(line)
			if err != nil {
				return cfg, err
			}
			cfg.Secrets = append(cfg.Secrets, s)
		}
	}
	return cfg, cfg.Validate()
}

// secretFile reads a file that nobody else may read.
func secretFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	if m := st.Mode().Perm(); m&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o and can be read by others; run: chmod 600 %s: %w", path, m, path, vedette.ErrForbidden)
	}
	return os.ReadFile(path)
}

// guardNow is the guard with the operator's lists. When one of them cannot be read, the last guard that could holds; before there was one, that of the
// lists that can be read: a list that somebody broke must not open what the others spare.
func (h *house) guardNow() *indicator.Guard {
	ctx := context.Background()
	g, err := h.guard(ctx)
	if err == nil {
		h.guarding.Store(g)
		return g
	}
	h.log.Error("the guard's lists could not be read; those that could be hold", "cause", err.Error())
	if g := h.guarding.Load(); g != nil {
		return g
	}
	g = indicator.NewGuard()
	lists, _ := h.known.GuardLists(ctx) // no records, no lists; the error above tells it
	for _, l := range lists {
		_, _ = g.Add(l.Name, bytes.NewReader(l.Data), l.Kind)
	}
	return g
}

// force puts indicators in force: in the records, and in the generation that judges.
type force struct{ h *house }

func (f force) Put(ctx context.Context, in indicator.Indicator, at time.Time) (vedette.GenerationID, error) {
	if _, err := f.h.known.Put(ctx, []indicator.Indicator{in}, at); err != nil {
		return vedette.GenerationID{}, err
	}
	if err := f.h.change(ctx, f.h.now(), false, true); err != nil {
		return vedette.GenerationID{}, err
	}
	return f.h.judging.Load().generation.ID(), nil
}

func (f force) Revoke(ctx context.Context, key indicator.Key, why string, at time.Time) (vedette.GenerationID, error) {
	if err := f.h.known.Revoke(ctx, key, why, at); err != nil && !errors.Is(err, vedette.ErrUnknown) {
		return vedette.GenerationID{}, err
	}
	if err := f.h.change(ctx, f.h.now(), false, true); err != nil {
		return vedette.GenerationID{}, err
	}
	return f.h.judging.Load().generation.ID(), nil
}

// harm counts whom a block would touch: everybody of whom history knows that they met what it covers, the targets too. What more than 64 people
// have met is not in history: it is not known, which counts as too many.
type harm struct{ h *house }

func (x harm) Harmless(ctx context.Context, in *indicator.Indicator) (int, bool, error) {
	return x.h.met(ctx, in.Value, in.Scope)
}

// bands are the numbers of people that are told: it is at most so many. Who may name a host in a case, and a host in a table of facts, could otherwise count
// whom it reached with one person's word, and below ten. They end where more than one person is asked.
var bands = [...]int{0, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000}

// band gives the least of them that is not below n; above the last one every number is itself.
func band(n int) int {
	for _, b := range bands {
		if n <= b {
			return b
		}
	}
	return n
}

// pastSpan is how far history reaches: token epochs are those of that span, and of today.
func (h *house) pastSpan(ctx context.Context) (hunt.Window, error) {
	st, err := h.past.Stats(ctx)
	if err != nil {
		return hunt.Window{}, err
	}
	w := hunt.Window{From: st.Oldest, To: st.Newest.Add(time.Millisecond)}
	if st.Newest.IsZero() {
		w = hunt.Window{From: h.now(), To: h.now().Add(time.Millisecond)}
	}
	return w, nil
}

// met tells how many people have met a name at most, in bands, and whether that is known.
func (h *house) met(ctx context.Context, value string, scope indicator.Scope) (int, bool, error) {
	name, err := hunt.NameOf(value, scope)
	if err != nil {
		return 0, false, err
	}
	tokens, err := h.tokensOf(h.cfg.Tenant)
	if err != nil {
		return 0, false, err
	}
	span, err := h.pastSpan(ctx)
	if err != nil {
		return 0, false, err
	}
	units, covers := hunt.Cover(tokens, name, span)
	for _, u := range units {
		if h.recording.Popular(u) {
			return 0, false, nil
		}
	}
	people := map[vedette.AccountID]bool{}
	_, err = h.past.Find(ctx, units, hunt.Window{}, func(_ int, s *hunt.Sighting) bool {
		if covers(s) && !s.To.IsZero() {
			people[s.To] = true
		}
		return true
	})
	return band(len(people)), err == nil, err
}

// catchUp brings history and the book of cases to the end of the journal, for a command that asks a folder that nobody serves.
func (h *house) catchUp(ctx context.Context) error {
	if err := h.recording.CatchUp(ctx); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return journal.CatchUp(ctx, h.journal, h.cases.Follower(), 4096)
}

// stuck is how long a follower may stand still before whoever waits for it is told so.
const stuck = 20 * time.Second

// settle waits until history and the book of cases have all that the journal has now: by themselves where a server runs, else by catching up.
func (h *house) settle(ctx context.Context) error {
	if !h.following.Load() {
		return h.catchUp(ctx)
	}
	last := h.journal.Last()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	var before [2]journal.Position
	moved := h.now()
	for {
		taken, _ := h.recording.Position()
		place, err := journal.Place(ctx, h.journal, h.cases.Follower().Name())
		if err != nil {
			return err
		}
		if !taken.Less(last) && !place.Less(last) {
			return nil
		}
		// One that fails is tried again for ever, beside a gate that goes on: who asks is told, and does not wait for ever.
		if at := [...]journal.Position{taken, place}; at != before {
			before, moved = at, h.now()
		} else if h.now().Sub(moved) >= stuck {
			return fmt.Errorf("history or the book of cases stands still before %s, so the answer would be of the past; the server's log says why: %w", last, vedette.ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

// followers are what runs beside the gate, each at its own pace.
func (h *house) followers() map[string]func(context.Context) error {
	out := map[string]func(context.Context) error{
		"history":  h.recording.Run,
		"casefile": func(ctx context.Context) error { return journal.Follow(ctx, h.journal, h.cases.Follower(), 4096) },
		"evidence": func(ctx context.Context) error {
			log, err := h.proof.get()
			if err != nil {
				return err
			}
			sealer, err := h.sealer()
			if err != nil {
				return err
			}
			return log.Sealing(h.journal, 0, sealer, evidence.SealingOptions{}).Run(ctx)
		},
	}
	if h.cfg.Watch.On {
		out["watch"] = h.sentry.Run
	}
	return out
}
