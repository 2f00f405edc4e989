package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/sim/score"
	"vedette/sim/world"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

// costed is what the watch cost on a world of one size.
type costed struct {
	Accounts int     `json:"accounts"` // kept at the end
	Events   uint64  `json:"events"`
	Rate     float64 `json:"events_per_second"` // of the state alone, on one core, without ticks and without making the events
	Bytes    float64 `json:"bytes_per_account"` // of the state and the detector between two ticks, after collection
	Tick     float64 `json:"tick_seconds"`      // one look at everything, the median
}

func (g *global) rangeCost() *cobra.Command {
	var f scenarioFlags
	var sizes, plot string
	cmd := &cobra.Command{
		Use: "cost --accounts 10000,100000", Short: "Measure what the watch costs on worlds of several sizes, on one core",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.read()
			if err != nil {
				return err
			}
			s.Warmup, s.Learning, s.Test = 17, 2, 1
			var out []costed
			for _, text := range strings.Split(sizes, ",") {
				n, err := strconv.Atoi(text)
				if err != nil || n < 2000 {
					return usage(cmd, "--accounts: %q is not a number of 2000 at least", text)
				}
				x := *s
				x.Accounts = n
				c, err := costOf(cmd.Context(), &x, f.seed)
				if err != nil {
					return err
				}
				out = append(out, c)
			}
			if plot != "" {
				state, tick := score.Curve{Name: "20 days"}, score.Curve{Name: "one tick"}
				for _, c := range out {
					state.X, state.Y = append(state.X, float64(c.Accounts)), append(state.Y, float64(c.Events)/c.Rate)
					tick.X, tick.Y = append(tick.X, float64(c.Accounts)), append(tick.Y, c.Tick)
				}
				if err := os.WriteFile(plot, score.CostDrawing("Cost of the watch on one core", "seconds", []score.Curve{state, tick}), 0o644); err != nil {
					return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
				}
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "accounts\tevents\tevents/s, state\tbytes/account\tone tick")
			for _, c := range out {
				fmt.Fprintf(t, "%s\t%s\t%s\t%.0f\t%.2f s\n", count(c.Accounts), count(int(c.Events)), count(int(c.Rate)), c.Bytes, c.Tick)
			}
			return t.Flush()
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&sizes, "accounts", "10000,100000", "sizes, with commas")
	cmd.Flags().StringVar(&plot, "plot", "", "file of a drawing")
	return cmd
}

// timing measures the detector's ticks.
type timing struct {
	*rehearsal.Detector
	ticks []float64
}

func (t *timing) Tick(s *population.State, at time.Time) {
	begin := time.Now()
	t.Detector.Tick(s, at)
	if t.Silent() == "" {
		t.ticks = append(t.ticks, time.Since(begin).Seconds())
	}
}

// heap is what is in use, after collection, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func costOf(ctx context.Context, s *world.Scenario, seed uint64) (c costed, err error) {
	runtime.GOMAXPROCS(1) // for what follows: one core is what is told of
	w, err := world.New(s, seed)
	if err != nil {
		return c, err
	}
	begin := time.Now()
	if err := through(ctx, w, func(*vedette.Event) {}); err != nil {
		return c, err
	}
	making := time.Since(begin).Seconds()
	if w, err = world.New(s, seed); err != nil {
		return c, err
	}
	d, err := rehearsal.New(rehearsal.Config{}, nil)
	if err != nil {
		return c, err
	}
	t := &timing{Detector: d}
	p, err := population.New(population.Config{Tick: 24 * time.Hour}, t)
	if err != nil {
		return c, err
	}
	begin = time.Now()
	if err := through(ctx, w, func(e *vedette.Event) { p.Take(0, e) }); err != nil {
		return c, err
	}
	took := time.Since(begin).Seconds() - making
	ticks := 0.0
	for _, x := range t.ticks {
		ticks += x
	}
	c.Accounts, c.Events = p.State().Len(), p.Counts().Taken+p.Counts().Silent
	c.Rate = float64(c.Events) / max(took-ticks, 1e-9)
	if l := t.ticks; len(l) > 0 {
		c.Tick = l[len(l)/2]
	}
	// What is free once the watch is gone was the watch's; the world has grown too.
	with := heap()
	runtime.KeepAlive(p)
	p, d, t = nil, nil, nil
	c.Bytes = float64(with-heap()) / float64(c.Accounts)
	runtime.KeepAlive(w)
	return c, nil
}
