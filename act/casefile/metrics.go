package casefile

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	resultTaken = iota
	resultKnown
)

type metrics struct {
	reports [Franked + 1][2]prometheus.Counter
	moved   map[State]prometheus.Counter
	refused prometheus.Counter
	skipped prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	reports := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vedette_casefile_reports_total",
		Help: "Reports by grade and by whether they were new. A rise of claims without a rise of stronger grades may be a crowd that was called up.",
	}, []string{"grade", "result"})
	moved := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vedette_casefile_steps_total",
		Help: "Steps of cases by the state that they led to. A rise of signal means more leads than people may have time for; of confirmed, that a campaign is on.",
	}, []string{"state"})
	m := &metrics{
		moved: map[State]prometheus.Counter{},
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_casefile_reports_refused_total",
			Help: "Reports refused for a tag that the platform did not make. A rise means that somebody forges reports, or that the platform stamps with a key that we do not have.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_casefile_events_skipped_total",
			Help: "Events of reports that could not be taken as claims. A rise means a defect, or ids that a platform uses twice.",
		}),
	}
	for g := Claim; g <= Franked; g++ {
		m.reports[g] = [2]prometheus.Counter{reports.WithLabelValues(g.String(), "taken"), reports.WithLabelValues(g.String(), "known")}
	}
	for _, s := range states {
		m.moved[s] = moved.WithLabelValues(string(s))
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{reports, moved, m.refused, m.skipped} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("casefile: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) report(g Grade, result int) { m.reports[g][result].Inc() }

func (m *metrics) steps(steps []Step) {
	for i := range steps {
		m.moved[steps[i].State].Inc()
	}
}
