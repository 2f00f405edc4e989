package rehearsal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vedette"
	"vedette/watch/population"
)

// ErrDamaged says that a saved detector is not what was saved.
var ErrDamaged = fmt.Errorf("rehearsal: the saved state is damaged: %w", vedette.ErrInvalid)

const saved = "vedette rehearsal 2\n"

// keptCell is a Cell as it is saved: JSON for what has names, and the numbers of its grounds beside it, since some of them are not measured.
type keptCell struct {
	Cell    savedCell           `json:"cell"`
	Grounds []byte              `json:"grounds"`
	Owned   []vedette.AccountID `json:"owned"` // members that are in this cell and not in a later one
}

type savedCell struct {
	ID      vedette.Digest      `json:"id"`
	Members []vedette.AccountID `json:"members"`
	First   time.Time           `json:"first"`
	Last    time.Time           `json:"last"`
	Score   vedette.MilliBits   `json:"score"`
	At      time.Time           `json:"at"`
	Alerted time.Time           `json:"alerted"`
	Told    int                 `json:"told"`
	Judged  Disposition         `json:"judged"`
}

type savedRest struct {
	Model    vedette.Digest    `json:"model"`
	Begun    time.Time         `json:"begun"`
	Warm     bool              `json:"warm"`
	Day      int64             `json:"day"`
	Budget   Budget            `json:"budget"`
	Next     time.Time         `json:"next"`
	Past     []past            `json:"past"`
	Silent   string            `json:"silent"`
	Findings []vedette.Finding `json:"findings"`
	Cells    []keptCell        `json:"cells"`
}

// digest tells models apart.
func (m *Model) digest() vedette.Digest {
	b, err := json.Marshal(m)
	if err != nil {
		panic("rehearsal: a model has no JSON: " + err.Error()) // cannot happen: numbers and names
	}
	return vedette.Digest(sha256.Sum256(b))
}

// Save appends everything to b. The same events give the same bytes.
func (d *Detector) Save(b []byte) []byte {
	from := len(b)
	b = append(b, saved...)
	rest := savedRest{
		Model: d.model.digest(), Begun: d.begun, Warm: d.warm, Day: d.day, Budget: d.budget, Next: d.budget.next, Past: d.past, Silent: d.silent, Findings: d.findings,
	}
	for _, c := range d.cells {
		k := keptCell{Cell: savedCell{c.ID, c.Members, c.First, c.Last, c.Score, c.At, c.Alerted, c.Told, c.Judged}}
		k.Grounds, _ = binary.Append(nil, binary.LittleEndian, fixedGrounds{c.Grounds.Channels, c.Grounds.Measured, c.Grounds.among}) // never fails: numbers alone
		for _, a := range c.Members {
			if d.of[a] == c {
				k.Owned = append(k.Owned, a)
			}
		}
		rest.Cells = append(rest.Cells, k)
	}
	text, err := json.Marshal(rest)
	if err != nil {
		panic("rehearsal: a state has no JSON: " + err.Error()) // cannot happen
	}
	b = binary.AppendUvarint(b, uint64(len(text)))
	b = append(b, text...)
	for i := range d.tails {
		for j := range d.tails[i] {
			b = d.tails[i][j].append(b)
		}
	}
	for i := range d.curve {
		b = d.curve[i].append(b)
	}
	sum := sha256.Sum256(b[from:])
	return append(b, sum[:]...)
}

// fixedGrounds are Grounds in numbers of known size.
type fixedGrounds struct {
	Channels [Channels]float64
	Measured [Features]float64
	Among    uint64
}

// Restore makes the detector that Save saved, of the same model. Its state is the population's that goes with it. Its error wraps vedette.ErrInvalid.
func Restore(cfg Config, model *Model, b []byte, s *population.State) (*Detector, error) {
	if len(b) < len(saved)+32 || string(b[:len(saved)]) != saved {
		return nil, fmt.Errorf("rehearsal: not a saved state of version 2: %w", ErrDamaged)
	}
	body, sum := b[:len(b)-32], b[len(b)-32:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("rehearsal: checksum: %w", ErrDamaged)
	}
	d, err := New(cfg, model)
	if err != nil {
		return nil, err
	}
	body = body[len(saved):]
	n, used := binary.Uvarint(body)
	if used <= 0 || n > uint64(len(body)-used) {
		return nil, fmt.Errorf("rehearsal: its parts do not fit: %w", ErrDamaged)
	}
	var rest savedRest
	if err := json.Unmarshal(body[used:used+int(n)], &rest); err != nil {
		return nil, fmt.Errorf("rehearsal: %w: %w", err, ErrDamaged)
	}
	if rest.Model != d.model.digest() {
		return nil, fmt.Errorf("rehearsal: saved with another model: what it learned does not fit this one; begin anew from the journal: %w", vedette.ErrInvalid)
	}
	body = body[used+int(n):]
	for i := range d.tails {
		for j := range d.tails[i] {
			if body, err = d.tails[i][j].read(body); err != nil {
				return nil, err
			}
		}
	}
	for i := range d.curve {
		if body, err = d.curve[i].read(body); err != nil {
			return nil, err
		}
	}
	if len(body) != 0 {
		return nil, fmt.Errorf("rehearsal: its parts do not fit: %w", ErrDamaged)
	}
	d.warm = rest.Warm
	d.begun, d.day, d.past, d.silent, d.findings, d.state = rest.Begun, rest.Day, rest.Past, rest.Silent, rest.Findings, s
	per := d.budget.PerWeek // what the team sets today
	d.budget = rest.Budget
	d.budget.PerWeek, d.budget.next = per, rest.Next
	for i := range rest.Cells {
		k := &rest.Cells[i]
		var g fixedGrounds
		if n, err := binary.Decode(k.Grounds, binary.LittleEndian, &g); err != nil || n != len(k.Grounds) {
			return nil, fmt.Errorf("rehearsal: grounds of cell %d: %w", i, ErrDamaged)
		}
		x := &k.Cell
		c := &Cell{x.ID, x.Members, x.First, x.Last, x.Score, x.At, Grounds{g.Channels, g.Measured, g.Among}, x.Alerted, x.Told, x.Judged}
		for _, a := range k.Owned {
			if !slices.Contains(c.Members, a) {
				return nil, fmt.Errorf("rehearsal: a member of cell %d: %w", i, ErrDamaged)
			}
			d.of[a] = c
		}
		d.cells = append(d.cells, c)
	}
	d.ready()
	return d, nil
}

func (c *Curve) append(b []byte) []byte {
	b = binary.AppendUvarint(b, c.n)
	for _, n := range c.bins {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func (c *Curve) read(b []byte) ([]byte, error) {
	t, err := numbers(b, curveBins)
	if err != nil {
		return nil, err
	}
	c.n = t.first
	copy(c.bins[:], t.rest)
	return t.b, nil
}

type read struct {
	first uint64
	rest  []uint32
	b     []byte
}

// numbers reads a count and n parts of it.
func numbers(b []byte, n int) (r read, err error) {
	r.rest = make([]uint32, n)
	for i := -1; i < n; i++ {
		v, used := binary.Uvarint(b)
		if used <= 0 || i >= 0 && v > 1<<32-1 {
			return r, fmt.Errorf("rehearsal: a distribution ends early: %w", ErrDamaged)
		}
		b = b[used:]
		if i < 0 {
			r.first = v
		} else {
			r.rest[i] = uint32(v)
		}
	}
	r.b = b
	return r, nil
}
