package sequence

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/journal"
)

// Metrics are the sequencer's numbers. All labels come from closed sets.
type Metrics struct {
	decisions  *prometheus.CounterVec
	degraded   *prometheus.CounterVec
	duplicates prometheus.Counter
	refused    prometheus.Counter
	appends    prometheus.Histogram
	entries    prometheus.Histogram

	verdicts [vedette.Block + 1][vedette.Block + 1]prometheus.Counter
}

// NewMetrics registers the sequencer's metrics; nil registers nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_decisions_total",
			Help: "Decisions by answer and by judgement. A rise of answer=block is links being stopped; judgement above answer is what arming would stop.",
		}, []string{"answer", "judgement"}),
		degraded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_decisions_degraded_total",
			Help: "Decisions made without a part. A rise means that answers are given blind: look at the part named.",
		}, []string{"part"}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_duplicates_total",
			Help: "Events that were known and got the recorded decision. A rise means that a platform sends again.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_refused_total",
			Help: "Events refused because too many were waiting. A rise means that the machine or its disk is too slow.",
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
		reg.MustRegister(m.decisions, m.degraded, m.duplicates, m.refused, m.appends, m.entries)
	}
	for answer := range m.verdicts {
		for would := range m.verdicts[answer] {
			m.verdicts[answer][would] = m.decisions.WithLabelValues(vedette.Verdict(answer).String(), vedette.Verdict(would).String())
		}
	}
	return m
}

func (m *Metrics) decided(_ *vedette.Event, d *vedette.Decision) {
	m.verdicts[d.Verdict][d.Would].Inc()
	if d.Degraded != 0 {
		for _, part := range d.Degraded.Names() {
			m.degraded.WithLabelValues(part).Inc()
		}
	}
}

func (m *Metrics) appended(took time.Duration, frames [][]journal.Entry) {
	m.appends.Observe(took.Seconds())
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	m.entries.Observe(float64(n))
}
