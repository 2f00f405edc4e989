package history

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// measure registers the store's numbers.
func (h *History) measure(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	gauge := func(name, help string, f func(*view) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			h.mu.Lock()
			defer h.mu.Unlock()
			return f(h.view)
		})
	}
	count := func(name, help string, f func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	for _, c := range []prometheus.Collector{
		gauge("vedette_history_stored_sightings", "Sightings that are kept, on disk and not yet. A rise without end means that nothing expires.", func(v *view) (n float64) {
			for _, f := range v.files {
				n += float64(f.Rows - f.Hidden)
			}
			return n + float64(len(h.active.rows)+len(h.writes.rows))
		}),
		gauge("vedette_history_bytes", "Bytes of history's files. Rises and falls with its sightings.", func(v *view) (n float64) {
			for _, f := range v.files {
				n += float64(f.Bytes)
			}
			return n
		}),
		gauge("vedette_history_files", "Files of history. A rise beyond some for each day means that they are no longer merged.", func(v *view) float64 {
			return float64(len(v.files))
		}),
		gauge("vedette_history_damaged", "Parts of history that cannot be read. Anything but zero means that a person must look: vedette names them.", func(*view) float64 {
			return float64(len(h.damaged))
		}),
		count("vedette_history_finds_total", "Questions by unit.", h.counts.finds.Load),
		count("vedette_history_blocks_read_total", "Blocks read for questions by unit. A rise per question means that they match more.", h.counts.blocks.Load),
		count("vedette_history_rewrites_total", "Files written anew: merged, erased from, or expired in part.", h.counts.merges.Load),
		count("vedette_history_failures_total", "Changes that could not be made durable. A rise means a full or broken disk: history falls behind the journal.", h.counts.failures.Load),
	} {
		if err := r.Register(c); err != nil {
			for _, c := range h.collectors {
				r.Unregister(c)
			}
			return fmt.Errorf("history: metrics: %w", err)
		}
		h.collectors = append(h.collectors, c)
	}
	return nil
}
