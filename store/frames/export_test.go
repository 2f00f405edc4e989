package frames

// Metrics tells what the store below did, for measuring.
func (j *Journal) Metrics() string { return j.engine.Load().db.Metrics().String() }
