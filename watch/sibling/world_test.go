package sibling

import (
	"context"
	"time"

	"vedette/record/enrichment"
)

// names indexes every name of the world.
func (w *world) names() *Names {
	return NewNames(func(yield func(string) bool) {
		for i := range w.list {
			if !yield(w.list[i].Host) {
				return
			}
		}
	})
}

// asked remembers answers of a store in memory, which looks through all that it has for each.
type asked struct {
	enrichment.Facts
	said map[string]answer
}

type answer struct {
	hosts []string
	facts []enrichment.Fact
	total int
}

func cached(f enrichment.Facts) *asked { return &asked{f, map[string]answer{}} }

func (a *asked) ask(key string, f func() (answer, error)) (answer, error) {
	if got, ok := a.said[key]; ok {
		return got, nil
	}
	got, err := f()
	a.said[key] = got
	return got, err
}

func (a *asked) Sharing(ctx context.Context, k enrichment.Kind, value string, limit int) ([]string, int, error) {
	got, err := a.ask("s "+string(k)+" "+value+" "+string(rune(limit)), func() (answer, error) {
		h, n, err := a.Facts.Sharing(ctx, k, value, limit)
		return answer{hosts: h, total: n}, err
	})
	return got.hosts, got.total, err
}

func (a *asked) RegisteredBetween(ctx context.Context, from, to time.Time, limit int) ([]enrichment.Fact, int, error) {
	got, err := a.ask("r "+from.String()+to.String()+string(rune(limit)), func() (answer, error) {
		f, n, err := a.Facts.RegisteredBetween(ctx, from, to, limit)
		return answer{facts: f, total: n}, err
	})
	return got.facts, got.total, err
}

func (a *asked) IssuedBetween(ctx context.Context, issuer string, from, to time.Time, limit int) ([]enrichment.Fact, int, error) {
	got, err := a.ask("i "+issuer+from.String()+to.String()+string(rune(limit)), func() (answer, error) {
		f, n, err := a.Facts.IssuedBetween(ctx, issuer, from, to, limit)
		return answer{facts: f, total: n}, err
	})
	return got.facts, got.total, err
}

func (a *asked) Within(ctx context.Context, address string, limit int) ([]enrichment.Fact, int, error) {
	got, err := a.ask("w "+enrichment.Network(address)+string(rune(limit)), func() (answer, error) {
		f, n, err := a.Facts.Within(ctx, address, limit)
		return answer{facts: f, total: n}, err
	})
	return got.facts, got.total, err
}

func (a *asked) Containing(ctx context.Context, part string, limit int) ([]string, int, error) {
	got, err := a.ask("c "+part+string(rune(limit)), func() (answer, error) {
		h, n, err := a.Facts.Containing(ctx, part, limit)
		return answer{hosts: h, total: n}, err
	})
	return got.hosts, got.total, err
}
