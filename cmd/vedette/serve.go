package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"vedette"
	"vedette/act/response"
	"vedette/edge/adapter/matrix"
	"vedette/edge/adapter/stream"
	"vedette/edge/intake"
	"vedette/edge/tiles"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

func (g *global) serve() *cobra.Command {
	var listen, ops, logLevel string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the gate",
		Long: `Serves the API, and health and metrics on an address of their own. Needs no configuration: everything is in the data folder, except
the root key, which is made in your configuration folder on the first start. It observes until you arm it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var level slog.Level
			if err := level.UnmarshalText([]byte(logLevel)); err != nil {
				return usage(cmd, "--log %s: debug, info, warn or error", logLevel)
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			h, err := open(cmd.Context(), g, opening{gate: true, log: log})
			if errors.Is(err, errOwned) {
				return fmt.Errorf("%w\nA second server needs a folder of its own (--data). Commands need nothing: they ask the process that has it", err)
			}
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("listen") {
				h.cfg.Listen = listen
			}
			if cmd.Flags().Changed("ops") {
				h.cfg.Ops = ops
			}
			err = h.listen(cmd.Context(), func(address string) {
				log.Info("serving", "api", "http://"+address+"/docs", "ops", "http://"+h.cfg.Ops+"/readyz", "data", g.data, "generation", h.judging.Load().generation.ID().String())
				if h.cfg.Tiles != "" {
					log.Info("the evidence log is served for anybody to read", "at", "http://"+h.cfg.Tiles+"/checkpoint")
				}
				if h.vault.Unprotected() {
					log.Error("UNPROTECTED: the root key lies in the data folder; see vedette doctor")
				}
				if ms, err := h.machines.List(cmd.Context()); err == nil && len(ms) == 0 {
					log.Warn("nobody can send events yet; make a key in another shell: vedette key create --scope decide,events --data " + g.data)
				}
			})
			err = errors.Join(err, h.close())
			log.Info("stopped")
			return err
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "where the API is served (default 127.0.0.1:8480)")
	cmd.Flags().StringVar(&ops, "ops", "", "where health and metrics are served (default 127.0.0.1:8481)")
	cmd.Flags().StringVar(&logLevel, "log", "info", "debug, info, warn or error")
	return cmd
}

// listen serves until ctx ends: the API, the ops address, the socket for commands, and the clockwork. ready is told the API's address.
func (h *house) listen(ctx context.Context, ready func(address string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tracer, stopTracer, err := h.tracer(ctx)
	if err != nil {
		return err
	}
	defer stopTracer()
	door, err := intake.New(intake.Config{Budget: h.cfg.Sequence.Budget}, intake.Deps{
		Gate:    h.seq,
		Sealers: func(t vedette.Tenant) (intake.Sealer, error) { return h.vault.Tenant(t) },
		Keys:    h.machines,
		Find: func(ctx context.Context, t vedette.Tenant, id vedette.EventID) (journal.Entry, error) {
			return h.journal.Find(ctx, t, id, time.Time{})
		},
		Reports: h.cases, Franking: h.franking,
		Ready: h.seq.Ready, Registerer: h.metrics, Gatherer: h.metrics, TracerProvider: tracer, Logger: h.log,
	})
	if err != nil {
		return err
	}
	synapse, err := matrix.New(matrix.Config{Fallback: matrixFallback(h.cfg.Fallback)}, matrix.Keys(h.machines), wireDoor{h}, nil, h.metrics, h.log)
	if err != nil {
		return err
	}
	changes, err := stream.New(stream.Config{}, stream.Deps{Outbox: h.outbox, Keys: h.machines, Log: h.log, Registerer: h.metrics})
	if err != nil {
		return err
	}
	hook, err := h.webhook()
	if err != nil {
		return err
	}
	h.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/", door)
	mux.Handle(matrix.Path, synapse)
	mux.Handle(stream.Pattern, changes)
	api, err := net.Listen("tcp", h.cfg.Listen)
	if err != nil {
		return fmt.Errorf("the API cannot be served at %s: %w; choose another address with --listen", h.cfg.Listen, cause(err))
	}
	opsAt, err := net.Listen("tcp", h.cfg.Ops)
	if err != nil {
		return errors.Join(fmt.Errorf("health and metrics cannot be served at %s: %w; choose another address with --ops", h.cfg.Ops, cause(err)), api.Close())
	}
	h.cfg.Ops = opsAt.Addr().String()
	closeAll := func(err error) error { return errors.Join(err, api.Close(), opsAt.Close()) }
	var tilesAt net.Listener
	if h.cfg.Tiles != "" {
		if tilesAt, err = net.Listen("tcp", h.cfg.Tiles); err != nil {
			return closeAll(fmt.Errorf("the evidence log cannot be served at %s: %w; choose another address (tiles in the configuration)", h.cfg.Tiles, cause(err)))
		}
		h.cfg.Tiles = tilesAt.Addr().String()
		closeAll = func(err error) error { return errors.Join(err, api.Close(), opsAt.Close(), tilesAt.Close()) }
	}
	path, err := socketPath(h.folder.dir)
	if err != nil {
		return closeAll(err)
	}
	_ = os.Remove(path) // of a server that was killed; the lock says that none is alive
	old := setUmask(0o177)
	socket, err := net.Listen("unix", path)
	setUmask(old)
	if err != nil {
		return closeAll(fmt.Errorf("socket: %w", err))
	}
	opsMux := http.NewServeMux()
	opsMux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	opsMux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.seq.Ready(); err != nil {
			http.Error(w, "no verdicts: the journal cannot keep events; look at the disk of the data folder", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	opsMux.Handle("GET /metrics", promhttp.HandlerFor(h.metrics, promhttp.HandlerOpts{}))
	type serves struct {
		at net.Listener
		s  *http.Server
	}
	servers := []serves{
		{api, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)}},
		{opsAt, &http.Server{Handler: opsMux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute}},
		{socket, &http.Server{Handler: operationsHandler(h), ReadHeaderTimeout: 10 * time.Second}},
	}
	if tilesAt != nil {
		servers = append(servers, serves{tilesAt, &http.Server{
			Handler: tiles.Handler(h.evidenceDir(), h.log), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
			IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
		}})
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(servers)+1) // one from each goroutine at most
	for _, s := range servers {
		wg.Go(func() {
			if err := s.s.Serve(s.at); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	wg.Go(func() { h.clockwork(ctx) })
	if n, err := h.desk.Finish(ctx); err != nil {
		h.log.Error("acts that were begun before the last stop could not be finished", "cause", err.Error())
	} else if n > 0 {
		h.log.Warn("acts that were begun before the last stop are finished", "acts", n)
	}
	h.following.Store(true)
	defer h.following.Store(false)
	for name, run := range h.followers() {
		wg.Go(func() { h.keepUp(ctx, name, run) })
	}
	if hook != nil {
		wg.Go(func() { h.keepUp(ctx, "webhook", hook.Run) })
	}
	if err := h.folder.announce(serving{PID: os.Getpid(), Socket: path, Address: api.Addr().String(), Tiles: h.cfg.Tiles}); err != nil {
		failed <- err
	}
	ready(api.Addr().String())
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	cancel()
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	for _, s := range servers {
		if e := s.s.Shutdown(end); e != nil {
			_ = s.s.Close()
		}
	}
	wg.Wait()
	_ = os.Remove(h.folder.dir + "/serving.json")
	return err
}

// cause is what is wrong with an address, without the address.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// keepUp runs what follows the journal until ctx ends. When it fails it is tried again: what a full disk stopped goes on when there is room.
func (h *house) keepUp(ctx context.Context, name string, run func(context.Context) error) {
	for ctx.Err() == nil {
		err := run(ctx)
		if ctx.Err() != nil {
			return
		}
		h.log.Error("a part beside the gate stopped and is tried again in 5 seconds; the gate goes on", "part", name, "cause", fmt.Sprint(err))
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// matrixFallback is what the homeserver gets when there is no decision; it knows no third thing between allow and block.
func matrixFallback(v vedette.Verdict) vedette.Verdict {
	if v >= vedette.Hold {
		return vedette.Block
	}
	return vedette.Allow
}

// wireDoor gives an adapter's events the way that all events go.
type wireDoor struct{ h *house }

func (d wireDoor) Decide(ctx context.Context, tenant vedette.Tenant, wire []byte) (vedette.Decision, error) {
	s, err := d.h.vault.Tenant(tenant)
	if err != nil {
		return vedette.Decision{}, err
	}
	e, err := intake.Decode(wire, s, intake.DecodeOptions{Tenant: tenant, Platform: "matrix", Source: vedette.SourceMatrix, Now: time.Now()})
	if err != nil {
		return vedette.Decision{}, err
	}
	out := d.h.seq.Submit(ctx, []sequence.Arrival{e.Arrival})[0]
	return out.Decision, out.Err
}

// clockwork does what time asks for: ticks, ends of arming and of indicators' overrides, and forgetting what is past its term.
func (h *house) clockwork(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	second := time.NewTicker(time.Second) // how late the end of what is armed may be
	defer second.Stop()
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	h.forget(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-minute.C:
			now = now.UTC().Truncate(time.Millisecond)
			if err := h.seq.Tick(ctx, now); err != nil && ctx.Err() == nil {
				h.log.Error("no tick could be kept; look at the disk of the data folder", "cause", err.Error())
			}
		case now := <-second.C:
			if err := h.turn(ctx, now); err != nil && ctx.Err() == nil {
				h.log.Error("what is armed ended, and the next generation could not be made", "cause", err.Error())
			}
		case <-hour.C:
			h.forget(ctx)
		case <-day.C: // a set knows the tokens of this epoch and of the one 30 days from now
			if err := h.refresh(ctx); err != nil && ctx.Err() == nil {
				h.log.Error("indicators could not be compiled anew", "cause", err.Error())
			}
		}
	}
}

func (h *house) forget(ctx context.Context) {
	if h.demo {
		return
	}
	now := time.Now()
	for what, expire := range map[string]func() error{
		"history": func() error { _, err := h.recording.Expire(ctx, now); return err },
		"aside":   func() error { return h.forgetAside(now) },
		"hunts":   func() error { _, err := h.hunter.Expire(ctx, now); return err },
		"reports": func() error { _, err := h.cases.Expire(ctx, now.Add(-h.cfg.Retention)); return err },
		"changes": func() error { _, err := h.outbox.Expire(ctx, now.Add(-response.Retention)); return err },
	} {
		if err := expire(); err != nil && ctx.Err() == nil {
			h.log.Error("what is past its term could not be forgotten", "what", what, "cause", err.Error())
		}
	}
	r, err := journal.Retain(ctx, h.journal, h.cfg.Retention, time.Now(), "gate/segment/")
	switch {
	case err != nil && ctx.Err() == nil:
		h.log.Error("what is past its term could not be forgotten", "cause", err.Error())
	case r.Purged > 0:
		h.log.Info("forgotten", "frames", r.Purged, "before", r.Before)
	}
	if strings.HasPrefix(r.Waiting, "gate/segment/") {
		h.log.Debug("events past their term are kept until the gate's own memory has passed them, with the events to come", "follower", r.Waiting)
	} else if r.Waiting != "" {
		h.log.Warn("events past their term are kept, since a follower has not passed them", "follower", r.Waiting)
	}
}

// tracer sends traces where the configuration says, or nowhere.
func (h *house) tracer(ctx context.Context) (trace.TracerProvider, func(), error) {
	if h.cfg.Trace == "" {
		return nil, func() {}, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(h.cfg.Trace), otlptracehttp.WithInsecure())
	if err != nil {
		return nil, nil, fmt.Errorf("trace: %w: %w", err, vedette.ErrInvalid)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.Default()))
	return p, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = p.Shutdown(end)
	}, nil
}
