package records_test

import (
	"testing"
	"time"

	"vedette"
	"vedette/act/response"
	"vedette/act/response/responsetest"
	"vedette/store/records"
)

func openAgain(t testing.TB, dir string) *records.DB {
	t.Helper()
	d, err := records.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestOutbox(t *testing.T) {
	responsetest.RunOutbox(t, func(t testing.TB) (response.Outbox, func() response.Outbox) {
		dir := t.TempDir()
		d := openAgain(t, dir)
		return d.Outbox(), func() response.Outbox {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return openAgain(t, dir).Outbox()
		}
	})
}

func TestDeeds(t *testing.T) {
	responsetest.RunDeeds(t, func(t testing.TB) (response.Deeds, func() response.Deeds) {
		dir := t.TempDir()
		d := openAgain(t, dir)
		return d.Deeds(), func() response.Deeds {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return openAgain(t, dir).Deeds()
		}
	})
}

// A chunk of a sweep into a box that holds 100,000 changes, and what is asked before it.
func BenchmarkPutChunk(b *testing.B) {
	o := openAgain(b, b.TempDir()).Outbox()
	n := 0
	chunk := func() {
		list := make([]response.Changed, response.MaxChunk)
		ids := make([]vedette.EventID, response.MaxChunk)
		for i := range list {
			list[i] = responsetest.Change("chat-example", n, n)
			ids[i] = list[i].Event
			n++
		}
		if _, err := o.Of(b.Context(), "chat-example", ids); err != nil {
			b.Fatal(err)
		}
		if _, err := o.Put(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	for range 100 {
		chunk()
	}
	b.ReportAllocs()
	for b.Loop() {
		chunk()
	}
}

// What a sender does for one change, 100,000 delivered before it.
func BenchmarkNoteDelivery(b *testing.B) {
	o := openAgain(b, b.TempDir()).Outbox()
	sub := response.Subscriber{Tenant: "chat-example", Name: "hook"}
	at := time.Now()
	put := func(n int) {
		if _, err := o.Put(b.Context(), []response.Changed{responsetest.Change("chat-example", n, n)}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 100 {
		var list []response.Changed
		for k := range 1000 {
			list = append(list, responsetest.Change("chat-example", i*1000+k, i*1000+k))
		}
		if _, err := o.Put(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	if err := o.Delivered(b.Context(), sub, 100_000, at); err != nil {
		b.Fatal(err)
	}
	n := 100_000
	b.ReportAllocs()
	for b.Loop() {
		put(n)
		n++
		if err := o.Delivered(b.Context(), sub, uint64(n), at); err != nil {
			b.Fatal(err)
		}
		if _, _, err := o.Pending(b.Context(), sub, at, 64); err != nil {
			b.Fatal(err)
		}
	}
}
