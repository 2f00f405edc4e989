package intake

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
)

// routes is the closed set of doors in metrics and access lines.
var routes = [...]string{"other", "decide", "events", "decision", "live", "ready", "metrics", "specification", "documentation", "report", "reported"}

func routeOf(pattern string) int {
	switch pattern {
	case "POST /v1/decide":
		return 1
	case "POST /v1/events":
		return 2
	case "GET /v1/decisions/{id}":
		return 3
	case "GET /livez":
		return 4
	case "GET /readyz":
		return 5
	case "GET /metrics":
		return 6
	case "GET /openapi.yaml":
		return 7
	case "GET /docs":
		return 8
	case "POST /v1/reports":
		return 9
	case "GET /v1/reports/{id}":
		return 10
	}
	return 0
}

// statuses is every status that we answer with.
var statuses = [...]int{200, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429, 500, 503}

// results is what became of an event.
var results = [...]string{"answered", "recorded", "invalid", "conflict", "busy", "unavailable", "fault"}

const (
	resultAnswered = iota
	resultRecorded
	resultInvalid
	resultConflict
	resultBusy
	resultUnavailable
	resultFault
)

// resultOf sorts an error into the closed set.
func resultOf(err error) int {
	switch {
	case errors.Is(err, vedette.ErrConflict):
		return resultConflict
	case errors.Is(err, vedette.ErrBusy), explain(err).status == http.StatusTooManyRequests:
		return resultBusy
	}
	switch s := explain(err).status; {
	case s == http.StatusServiceUnavailable:
		return resultUnavailable
	case s >= 500:
		return resultFault
	}
	return resultInvalid
}

type metrics struct {
	requests [len(routes)][len(statuses)]prometheus.Counter
	seconds  [len(routes)]prometheus.Observer
	events   [len(results)]prometheus.Counter
	late     prometheus.Counter
	unread   prometheus.Counter
	faults   prometheus.Counter
	pending  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, dropped *Dropped) (*metrics, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vedette_intake_requests_total",
		Help: "Requests by door and status. A rise of 4xx means that a caller changed; of 429, that the queue is full or a key over its rate; of 5xx, that the journal or a part of ours is down.",
	}, []string{"door", "status"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "vedette_intake_request_duration_seconds",
		Help:    "Time from the request's head to the end of its answer. A rise at decide means that senders wait: look at the journal's disk first.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5, 30, 300},
	}, []string{"door"})
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vedette_intake_events_total",
		Help: "Events by what became of them. A rise of invalid means that an adapter sends what we cannot read; of conflict, that a platform uses an id twice; of busy or unavailable, that events have no verdict.",
	}, []string{"result"})
	m := &metrics{
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_intake_late_answers_total",
			Help: "Answers that took longer than the time limit of a sender. A rise means that platforms may have taken their fallback.",
		}),
		unread: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_intake_unread_links_events_total",
			Help: "Events with a link that could not be read. A rise means that somebody tries spellings that only some clients open.",
		}),
		faults: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_intake_faults_total",
			Help: "Requests and events that broke a part of ours. A rise means a defect: the log has the stack.",
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vedette_intake_pending_events",
			Help: "Events that wait for their answer. A rise to the limit means that the journal is slower than the platform.",
		}),
	}
	for i, r := range routes {
		m.seconds[i] = seconds.WithLabelValues(r)
		for j, s := range statuses {
			m.requests[i][j] = requests.WithLabelValues(r, strconv.Itoa(s))
		}
	}
	for i, r := range results {
		m.events[i] = events.WithLabelValues(r)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{requests, seconds, events, m.late, m.unread, m.faults, m.pending, droppedFields{dropped}} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("intake: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) request(route, status int, took time.Duration) {
	for i, s := range statuses {
		if s == status {
			m.requests[route][i].Inc()
		}
	}
	m.seconds[route].Observe(took.Seconds())
}

// droppedFields shows the bounded table of dropped names. It is the one label that input can fill: at most 64 names, letters only.
type droppedFields struct{ *Dropped }

var droppedDesc = prometheus.NewDesc("vedette_intake_dropped_fields_total",
	"Fields that nobody here knows, by name; dropped. A rise means that an adapter sends more than it needs to, or spells a field wrong.",
	[]string{"field"}, nil)

func (droppedFields) Describe(ch chan<- *prometheus.Desc) { ch <- droppedDesc }

func (c droppedFields) Collect(ch chan<- prometheus.Metric) {
	for name, n := range c.Counts() {
		ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(n), name)
	}
}
