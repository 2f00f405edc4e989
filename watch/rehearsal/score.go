package rehearsal

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"vedette"
)

// most is how many bits one feature may bring: one loud number must not drown the others.
const most = 12

// Evidence is what a group's features say against the platform's own past, in bits of surprise.
type Evidence struct {
	Size int
	Bits [Features]float64
	Grounds
}

// Grounds are what a finding is explained with.
type Grounds struct {
	Channels [Channels]float64 // bits
	Measured Measured
	among    uint64 // groups that it was held against
}

func (t *table) evidence(k int, f *Measured) (e Evidence) {
	e.Size, e.Measured = k, *f
	at := &t[band(k)]
	for i := range f {
		if !math.IsNaN(f[i]) {
			e.Bits[i] = min(most, float64(at[i][binOf(f[i])]))
		}
	}
	e.Channels = channels(&e.Bits)
	return e
}

// channels sums up features by channel: those of one depend on each other, so that the second counts half, and the others not.
func channels(bits *[Features]float64) (out [Channels]float64) {
	var first, second [Channels]float64
	for i, b := range bits {
		if Feature(i) == Outreach {
			continue // tells against a cell
		}
		c := channelOf[i]
		if b > first[c] {
			first[c], second[c] = b, first[c]
		} else if b > second[c] {
			second[c] = b
		}
	}
	for c := range out {
		out[c] = .7*first[c] + .5*second[c]
	}
	return out
}

// ChannelOf is the kind of evidence that a feature is.
func ChannelOf(f Feature) Channel { return channelOf[f] }

// surprise is the score that nobody had to teach: what the channels say together, without half of the loudest, so that none of them is enough alone
// (DETECTION 2.4).
func (e *Evidence) surprise() float64 {
	var sum, loudest float64
	for c, b := range e.Channels {
		w := 1.0
		switch Channel(c) {
		case Social, Probe, Link:
			w = 1.3
		}
		b = w * min(most, b)
		sum += b
		loudest = max(loudest, b)
	}
	s := sum - loudest/2
	if !math.IsNaN(e.Measured[Confined]) {
		s *= .5 + .5*min(1, e.Channels[Link]/4)
	}
	return s * max(.2, 1-e.Measured[Outreach]/2)
}

// Levels is how many steps of a feature's bits that a filter tells apart: level i is passed above steps[i].
const Levels = 10

var steps = [Levels]float64{.01, 1, 2, 3, 4, 5, 6, 7, 8.5, 10}

// Level is how many steps a number of bits passes.
func Level(bits float64) int {
	for i, s := range steps {
		if bits <= s {
			return i
		}
	}
	return Levels
}

// Filter is what one way of rehearsing looks like, as a scorecard: for each feature, by the level that its bits reach, so many thousandths.
type Filter struct {
	Name  string                    `json:"name"` // the playbook that it was made from, or "all"
	Bias  int                       `json:"bias"`
	Cards [Features][Levels + 1]int `json:"cards"`
}

func (f *Filter) apply(at *[Features]uint8) float64 {
	s := f.Bias
	for i, l := range at {
		s += f.Cards[i][l]
	}
	return float64(s) / 1000
}

// Model is a bank of filters, with how it was made.
type Model struct {
	Version int      `json:"version"`
	Made    string   `json:"made"` // by which command, from which worlds
	Filters []Filter `json:"filters"`
}

//go:embed model.json
var standard []byte

// Standard returns the model that comes with the house.
func Standard() *Model {
	m, err := ReadModel(standard)
	if err != nil {
		panic("rehearsal: the model that comes with the house: " + err.Error()) // a test reads it
	}
	return m
}

// ReadModel reads a model. Its error wraps vedette.ErrInvalid.
func ReadModel(b []byte) (*Model, error) {
	m := new(Model)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("rehearsal: model: %w: %w", err, vedette.ErrInvalid)
	}
	if m.Version != 1 {
		return nil, fmt.Errorf("rehearsal: model of version %d: %w", m.Version, vedette.ErrInvalid)
	}
	for i := range m.Filters {
		if m.Filters[i].Name == "" {
			return nil, fmt.Errorf("rehearsal: model: filter %d has no name: %w", i, vedette.ErrInvalid)
		}
	}
	return m, nil
}

// Write writes a model so that people can read its cards: a line for each feature.
func (m *Model) Write(w io.Writer) error {
	var b bytes.Buffer
	made, err := json.Marshal(m.Made)
	if err != nil {
		return fmt.Errorf("rehearsal: model: %w", err)
	}
	fmt.Fprintf(&b, "{\n \"version\": %d,\n \"made\": %s,\n \"filters\": [", m.Version, made)
	for i := range m.Filters {
		f := &m.Filters[i]
		name, err := json.Marshal(f.Name)
		if err != nil {
			return fmt.Errorf("rehearsal: model: %w", err)
		}
		fmt.Fprintf(&b, "%s\n  {\"name\": %s, \"bias\": %d, \"cards\": [", comma(i), name, f.Bias)
		for j := range f.Cards {
			card, err := json.Marshal(f.Cards[j])
			if err != nil {
				return fmt.Errorf("rehearsal: model: %w", err)
			}
			fmt.Fprintf(&b, "%s\n   %s", comma(j), card)
		}
		b.WriteString("\n  ]}")
	}
	b.WriteString("\n ]\n}\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("rehearsal: model: %w", err)
	}
	return nil
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// Curve maps a filter's output to bits: how seldom the platform's own groups reach it. Beyond the 99.75 % quantile the tail is taken to fall
// exponentially, at the pace at which it falls from the 97.5 % quantile to there: what lies farther out may be operators whom nobody has found yet, and must
// not hide the next.
type Curve struct {
	n    uint64
	bins [curveBins]uint32
}

// curveBins are of a quarter of a unit each, from curveLow on.
const (
	curveBins = 480
	curveLow  = -60.0
	curveStep = .25
)

func curveBin(x float64) int { return min(max(int((x-curveLow)/curveStep), 0), curveBins-1) }

func (c *Curve) add(x float64) {
	c.n++
	c.bins[curveBin(x)]++
}

// fitted is a curve made ready for asking.
type fitted struct {
	bits  [curveBins]float32
	from  int     // the bin of the 99.75 % quantile
	base  float64 // bits there
	slope float64 // bits a unit beyond it
}

func (c *Curve) fit() *fitted {
	f := &fitted{slope: .5, from: curveBins - 1}
	above, early := uint64(0), curveBins-1
	for i := curveBins - 1; i >= 0; i-- {
		above += uint64(c.bins[i])
		f.bits[i] = float32(max(0, -math.Log2(float64(above+1)/float64(c.n+1))))
		if 400*above <= c.n {
			f.from = i
		}
		if 40*above <= c.n {
			early = i
		}
	}
	f.base = float64(f.bits[f.from])
	if f.from > early {
		f.slope = (f.base - float64(f.bits[early])) / (curveStep * float64(f.from-early))
	}
	return f
}

func (f *fitted) at(x float64) float64 {
	b := curveBin(x)
	if b <= f.from {
		return float64(f.bits[b])
	}
	return min(mostBits, f.base+f.slope*(x-(curveLow+curveStep*float64(f.from))))
}

// mostBits keeps sums of likelihoods within what a float can hold.
const mostBits = 900

// mixture is the likelihood ratio of several ways of rehearsing that nobody knows the prior of: their mean. Knowing the right one would save at most
// log2 of their number.
func mixture(bits []float64) float64 {
	sum := 0.0
	for _, b := range bits {
		sum += math.Exp2(b)
	}
	return math.Log2(sum / float64(len(bits)))
}
