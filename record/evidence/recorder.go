package evidence

import (
	"context"
	"fmt"
	"strings"

	"vedette/record/authority"
)

// Recorder returns a recorder that puts each question into the log first and hands it on to next then (nil: to nobody). When the log fails, it
// fails, and what was asked for is refused.
func (l *Log) Recorder(next authority.Recorder) authority.Recorder { return &recorder{l, next} }

type recorder struct {
	log  *Log
	next authority.Recorder
}

// Record implements authority.Recorder.
func (r *recorder) Record(ctx context.Context, a authority.Asked) error {
	if _, err := r.log.Append(ctx, AskedRecord(a)); err != nil {
		return fmt.Errorf("evidence: record what was asked: %w", err)
	}
	if r.next == nil {
		return nil
	}
	return r.next.Record(ctx, a)
}

// AskedRecord writes a question as a record. Fields that say nothing are left out; given is always there.
func AskedRecord(a authority.Asked) Record {
	rec := Record{Kind: KindAsked, At: a.At, Tenant: a.Tenant}
	put := func(name, value string) {
		if value != "" {
			rec.Fields = append(rec.Fields, Field{name, []byte(value[:min(len(value), MaxValue)])})
		}
	}
	put("what", a.What)
	if a.Purpose != 0 {
		put("purpose", a.Purpose.String())
	}
	put("case", a.Case)
	people := make([]string, len(a.People))
	for i, p := range a.People {
		people[i] = string(p)
	}
	put("people", strings.Join(people, ","))
	if !a.Act.IsZero() {
		put("act", a.Act.String())
	}
	put("given", map[bool]string{true: "yes", false: "no"}[a.Given])
	put("why", a.Why)
	return rec
}
