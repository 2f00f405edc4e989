package score

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var pictures = flag.String("pictures", "", "write the drawings of made-up numbers into this folder")

// drawn are drawings of made-up numbers.
func drawnAll() map[string][]byte {
	var recall []Curve
	for i, p := range []string{"L0", "L1", "L2", "L3", "L4", "L5"} {
		c := Curve{Name: p}
		for k, b := range []float64{.3, 1, 3, 10} {
			v := min(1, max(0, 1.02-.19*float64(i)+.06*float64(k)))
			c.X, c.Y = append(c.X, b), append(c.Y, v)
			c.Low, c.High = append(c.Low, max(0, v-.08)), append(c.High, min(1, v+.08))
		}
		recall = append(recall, c)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	w := Judged{Seed: 1, Weeks: 3}
	for i, p := range []string{"L0", "L1", "L2", "L3", "L4", "L5"} {
		for range 40 {
			c := Campaign{Playbook: p, Targets: 6}
			if rng.Float64() > .17*float64(i) {
				c.Caught = true
				c.Lead = time.Duration((rng.Float64()*float64(4+2*i) - 1) * 24 * float64(time.Hour))
			}
			w.Campaigns = append(w.Campaigns, c)
		}
	}
	fallen := []Fallen{
		{"bot-developers", 30, Interval{.95, .7, 1.3, 12}},
		{"qa-team", 21, Interval{.66, .4, .9, 12}},
		{Ordinary, 9, Interval{.3, .1, .5, 12}},
		{"source-group", 2, Interval{.06, 0, .15, 12}},
	}
	cost := []Curve{
		{Name: "time", X: []float64{1e4, 3e4, 1e5, 3e5, 1e6}, Y: []float64{2.1, 6.6, 23, 71, 260}},
		{Name: "memory", X: []float64{1e4, 3e4, 1e5, 3e5, 1e6}, Y: []float64{9, 25, 71, 190, 610}},
	}
	return map[string][]byte{
		"recall.svg": RecallDrawing("Campaigns caught before the first target", "100,000 accounts", recall),
		"lead.svg":   LeadDrawing("How long before the first target", []Judged{w}, "L0", "L1", "L2", "L3", "L4", "L5"),
		"false.svg":  FalseDrawing("Whom false alerts fell on", fallen),
		"cost.svg":   CostDrawing("Cost of a world of 63 days", "seconds, or MB", cost),
		"empty.svg":  RecallDrawing("Nothing < & >", "1", nil),
		"none.svg":   FalseDrawing("Nobody", nil),
	}
}

func TestDrawingsAreTheSameAgainAndWellFormed(t *testing.T) {
	again := drawnAll()
	for name, b := range drawnAll() {
		if !bytes.Equal(b, again[name]) {
			t.Errorf("%s: other bytes", name)
		}
		dec := xml.NewDecoder(bytes.NewReader(b))
		for {
			_, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if s := string(b); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") || !strings.Contains(s, "prefers-color-scheme: dark") {
			t.Errorf("%s: %s", name, s)
		}
		if *pictures != "" {
			if err := os.WriteFile(filepath.Join(*pictures, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTablesLineUp(t *testing.T) {
	r := Pool("m", Budget{PerWeek: 3, Per: 100_000}, made(1, 4, .7))
	for _, s := range []string{r.Markdown(), r.Harmed(), Overview([]Result{r}, false), Overview([]Result{r}, true), Differences("a", "b", Compare(made(1, 4, .2), made(2, 4, .9), Caught))} {
		lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
		for _, l := range lines {
			if len([]rune(l)) != len([]rune(lines[0])) || strings.Count(l, "|") != strings.Count(lines[0], "|") {
				t.Errorf("%q does not stand under %q", l, lines[0])
			}
		}
		t.Log("\n" + s)
	}
	if got := fmt.Sprint(ShareOf(42, 42), Share{}, Interval{Value: 123.4, Low: 9.996, High: -.001, N: 1}); got != "42/42 [0.92, 1.00] – 123 [10.00, 0.00]" {
		t.Error(got)
	}
}
