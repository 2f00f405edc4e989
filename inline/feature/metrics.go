package feature

import "github.com/prometheus/client_golang/prometheus"

// Collector tells memory's numbers: how many keys each table holds, how many it can, its bytes, and how many keys gave way. Collectors of two
// memories count as the same one, so that the one of a memory that is gone can be unregistered by its successor's.
func (m *Memory) Collector() prometheus.Collector { return collector{m} }

type collector struct{ m *Memory }

var (
	keysDesc      = prometheus.NewDesc("vedette_memory_keys", "Keys that memory holds. Near vedette_memory_slots, keys will give way.", []string{"table"}, nil)
	slotsDesc     = prometheus.NewDesc("vedette_memory_slots", "Keys that memory has room for.", []string{"table"}, nil)
	bytesDesc     = prometheus.NewDesc("vedette_memory_bytes", "Bytes set aside for the table, full or not.", []string{"table"}, nil)
	evictionsDesc = prometheus.NewDesc("vedette_memory_evictions_total",
		"Keys that gave way to others. A rise means that the table is too small: its measures become lower bounds, and known pairs may look new.", []string{"table"}, nil)
)

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- keysDesc
	ch <- slotsDesc
	ch <- bytesDesc
	ch <- evictionsDesc
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.m.Stats() {
		ch <- prometheus.MustNewConstMetric(keysDesc, prometheus.GaugeValue, float64(s.Keys), s.Name)
		ch <- prometheus.MustNewConstMetric(slotsDesc, prometheus.GaugeValue, float64(s.Capacity), s.Name)
		ch <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(s.Bytes), s.Name)
		ch <- prometheus.MustNewConstMetric(evictionsDesc, prometheus.CounterValue, float64(s.Evictions), s.Name)
	}
}
