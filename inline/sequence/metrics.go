package sequence

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette/record/journal"
)

// Metrics are the sequencer's numbers. What was decided is counted by the generation that decided it.
type Metrics struct {
	duplicates prometheus.Counter
	refused    prometheus.Counter
	faults     prometheus.Counter
	appends    prometheus.Histogram
	entries    prometheus.Histogram
}

// NewMetrics registers the sequencer's metrics; nil registers nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_duplicates_total",
			Help: "Events that were known and got the recorded decision. A rise means that a platform sends again.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_refused_total",
			Help: "Events refused because too many were waiting. A rise means that the machine or its disk is too slow.",
		}),
		faults: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_order_faults_total",
			Help: "Events on which a part of ours broke while they were measured or applied. Any rise is a fault of ours: the log has it.",
		}),
		appends: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "vedette_journal_append_duration_seconds",
			Help:    "Time to make a group of frames durable. A rise means a slow disk, and slow answers with it.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 14),
		}),
		entries: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "vedette_journal_append_events",
			Help:    "Events kept by one sync. A rise means load: more events share a sync.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 8),
		}),
	}
	if reg != nil {
		reg.MustRegister(m.duplicates, m.refused, m.faults, m.appends, m.entries)
	}
	return m
}

func (m *Metrics) appended(took time.Duration, frames [][]journal.Entry) {
	m.appends.Observe(took.Seconds())
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	m.entries.Observe(float64(n))
}
