package score

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"time"
)

// Curve is a line of a drawing, with an interval at each point if Low and High are given.
type Curve struct {
	Name      string
	X, Y      []float64
	Low, High []float64
}

// RecallDrawing shows what part of each playbook's campaigns was caught at which budget, in false alerts a week; budgets are drawn on a logarithmic axis.
// unit says for how many accounts the budget is.
func RecallDrawing(title, unit string, curves []Curve) []byte {
	d := draw(title)
	d.x = axis{log: true, label: "false alerts a week for each " + unit}
	d.y = axis{low: 0, high: 1, label: "campaigns caught before the first target", percent: true}
	d.x.span(curves, func(c *Curve) []float64 { return c.X })
	return d.lines(curves, false)
}

// LeadDrawing shows what part of each playbook's campaigns was told of at least so long before the first target; left of 0 it was too late for that one.
func LeadDrawing(title string, worlds []Judged, playbooks ...string) []byte {
	d := draw(title)
	d.y = axis{low: 0, high: 1, label: "campaigns told of by then", percent: true}
	d.x = axis{label: "days before the first target"}
	var curves []Curve
	most, least := 1.0, -1.0
	for _, p := range playbooks {
		leads, n := Leads(worlds, p)
		if n == 0 {
			continue
		}
		for _, l := range leads {
			most, least = max(most, l.Hours()/24), min(least, l.Hours()/24)
		}
	}
	d.x.low, d.x.high = max(-3, math.Floor(least)), math.Ceil(most)
	d.x.back = true
	for _, p := range playbooks {
		leads, n := Leads(worlds, p)
		if n == 0 {
			continue
		}
		c := Curve{Name: p, X: []float64{d.x.high}, Y: []float64{0}}
		slices.SortFunc(leads, func(a, b time.Duration) int { return cmp.Compare(b, a) })
		for i, l := range leads {
			if days := l.Hours() / 24; days >= d.x.low {
				c.X, c.Y = append(c.X, days), append(c.Y, float64(i+1)/float64(n))
			}
		}
		c.X, c.Y = append(c.X, d.x.low), append(c.Y, c.Y[len(c.Y)-1])
		curves = append(curves, c)
	}
	return d.lines(curves, true)
}

// CostDrawing shows how a cost grows with accounts, both logarithmic; the broken line is growth in proportion from the first point.
func CostDrawing(title, unit string, curves []Curve) []byte {
	d := draw(title)
	d.x, d.y = axis{log: true, label: "accounts"}, axis{log: true, label: unit}
	if len(curves) > 0 && len(curves[0].X) > 1 {
		c := &curves[0]
		last := c.X[len(c.X)-1]
		curves = append(slices.Clone(curves), Curve{Name: proportion, X: []float64{c.X[0], last}, Y: []float64{c.Y[0], c.Y[0] * last / c.X[0]}})
	}
	d.x.span(curves, func(c *Curve) []float64 { return c.X })
	d.y.span(curves, func(c *Curve) []float64 { return c.Y })
	return d.lines(curves, false)
}

const proportion = "in proportion"

// FalseDrawing shows whom false alerts fell on, a week and world, with intervals.
func FalseDrawing(title string, fallen []Fallen) []byte {
	d := draw(title)
	const row = 26
	d.left = 150
	d.right = 40
	d.top = 56
	d.height = d.top + row*max(1, len(fallen)) + 56
	d.x = axis{label: "false alerts a week and world", high: .1}
	for _, f := range fallen {
		d.x.high = max(d.x.high, f.Weekly.Value, f.Weekly.High)
	}
	d.x.nice()
	d.open()
	bottom := float64(d.height - 56)
	d.ticksX(float64(d.top), bottom)
	for i, f := range fallen {
		y := float64(d.top + row*i)
		d.textClass("row", float64(d.left-10), y+row/2+4, "end", f.Kind)
		fmt.Fprintf(&d.b, "<rect class=\"bar\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%d\"/>\n", num(float64(d.left)), num(y+5), num(max(0, d.px(f.Weekly.Value)-float64(d.left))), row-10)
		if f.Weekly.High > f.Weekly.Low {
			m := y + row/2
			fmt.Fprintf(&d.b, "<path class=\"whisker\" d=\"M%s %sH%sM%s %sv8M%s %sv8\"/>\n", num(d.px(f.Weekly.Low)), num(m), num(d.px(f.Weekly.High)),
				num(d.px(f.Weekly.Low)), num(m-4), num(d.px(f.Weekly.High)), num(m-4))
		}
	}
	fmt.Fprintf(&d.b, "<path class=\"axis\" d=\"M%d %dV%s\"/>\n", d.left, d.top, num(bottom))
	d.text(float64(d.left+d.width-d.right)/2, float64(d.height-14), "middle", d.x.label)
	d.text(float64(d.width-d.right), float64(d.top-10), "end", "whiskers: 95 % by bootstrap over worlds")
	return d.close()
}

// axis maps values to places.
type axis struct {
	low, high float64
	label     string
	log       bool
	percent   bool
	back      bool // from high to low
}

func (a *axis) span(curves []Curve, of func(*Curve) []float64) {
	a.low, a.high = math.Inf(1), math.Inf(-1)
	for i := range curves {
		for _, v := range of(&curves[i]) {
			if !a.log || v > 0 {
				a.low, a.high = min(a.low, v), max(a.high, v)
			}
		}
	}
	if a.low > a.high {
		a.low, a.high = 1, 10
	}
	if a.low == a.high {
		a.low, a.high = a.low/2, a.high*2
	}
}

// nice rounds the end up to a tick.
func (a *axis) nice() {
	step := a.step()
	a.high = step * math.Ceil(a.high/step-1e-9)
}

func (a *axis) step() float64 {
	raw := (a.high - a.low) / 8
	p := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5, 10} {
		if raw <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

func (a *axis) part(v float64) float64 {
	x := (v - a.low) / (a.high - a.low)
	if a.log {
		x = math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	if a.back {
		x = 1 - x
	}
	return min(1, max(0, x))
}

type tick struct {
	at    float64
	label string
}

func (a *axis) ticks() (list []tick) {
	if a.log {
		steps := []float64{1, 2, 3, 5}
		if r := a.high / a.low; r > 3000 {
			steps = steps[:1]
		} else if r > 90 {
			steps = []float64{1, 3}
		}
		for e := math.Floor(math.Log10(a.low)) - 1; e <= math.Log10(a.high)+1; e++ {
			for _, m := range steps {
				if v := m * math.Pow(10, e); v >= a.low*(1-1e-9) && v <= a.high*(1+1e-9) {
					list = append(list, tick{v, count(v)})
				}
			}
		}
		return list
	}
	step := a.step()
	if a.percent {
		step = .2
	}
	for i := math.Ceil(a.low/step - 1e-9); i*step <= a.high+1e-9; i++ {
		v := i * step
		s := count(v)
		if a.percent {
			s = fmt.Sprintf("%.0f %%", math.Abs(100*v)) // no −0
		}
		list = append(list, tick{v, s})
	}
	return list
}

// count writes a tick's number with its thousands apart.
func count(v float64) string {
	if math.Abs(v) < 1e-12 {
		return "0"
	}
	if math.Abs(v) >= 1e9 || math.Abs(v) < 1e-4 {
		return fmt.Sprintf("%.0e", v)
	}
	s := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.4f", v), "0"), ".")
	s = strings.Replace(s, "-", "−", 1)
	whole, rest, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] >= '0' && whole[i-1] <= '9'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		return whole + "." + rest
	}
	return whole
}

// drawing is one picture. Its colours follow the reader's: light or dark.
type drawing struct {
	b                        strings.Builder
	title                    string
	width, height            int
	left, right, top, bottom int
	x, y                     axis
}

func draw(title string) *drawing {
	return &drawing{title: title, width: 760, height: 420, left: 76, right: 150, top: 70, bottom: 58}
}

// The colours are Okabe and Ito's, darker on white and lighter on black; lines differ in marks too, for who sees no colours.
const style = `<style>
svg { --paper: #ffffff; --ink: #1c2126; --soft: #59636d; --line: #dfe4e8; --c0: #0a6aa6; --c1: #b25d00; --c2: #00795a; --c3: #a23f7d; --c4: #b8860b; --c5: #2f8fc4; --c6: #6b4fa0; --c7: #5c6670 }
@media (prefers-color-scheme: dark) { svg { --paper: #14181c; --ink: #e6eaed; --soft: #9aa5ae; --line: #2b333a; --c0: #5fb4ea; --c1: #f0a04b; --c2: #3fcf9f; --c3: #e38fc0; --c4: #eddc5a; --c5: #9ad4f5; --c6: #b9a2ee; --c7: #b4bdc5 } }
text { font: 13px system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; fill: var(--soft) }
.title { font-size: 16px; font-weight: 600; fill: var(--ink) }
.row { fill: var(--ink) }
.paper { fill: var(--paper) }
.grid { stroke: var(--line); fill: none }
.axis { stroke: var(--soft); fill: none }
.bar { fill: var(--c0) }
.whisker { stroke: var(--ink); fill: none; stroke-width: 1.3 }
.broken { stroke: var(--soft); stroke-dasharray: 5 5; fill: none }
`

func (d *drawing) open() {
	fmt.Fprintf(&d.b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"t\">\n", d.width, d.height, d.width, d.height)
	fmt.Fprintf(&d.b, "<title id=\"t\">%s</title>\n%s", html.EscapeString(d.title), style)
	for i := range marks {
		fmt.Fprintf(&d.b, ".l%d { stroke: var(--c%d); fill: none; stroke-width: 2; stroke-linejoin: round } .m%d { fill: var(--c%d); stroke: var(--paper) } .a%d { fill: var(--c%d); fill-opacity: .13 }\n", i, i, i, i, i, i)
	}
	fmt.Fprintf(&d.b, "</style>\n<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", d.width, d.height)
	d.textClass("title", 20, 28, "start", d.title)
}

func (d *drawing) close() []byte {
	d.b.WriteString("</svg>\n")
	return []byte(d.b.String())
}

func num(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

func (d *drawing) px(v float64) float64 {
	return float64(d.left) + d.x.part(v)*float64(d.width-d.left-d.right)
}

func (d *drawing) py(v float64) float64 {
	return float64(d.height-d.bottom) - d.y.part(v)*float64(d.height-d.top-d.bottom)
}

func (d *drawing) text(x, y float64, anchor, s string) { d.textClass("", x, y, anchor, s) }

func (d *drawing) textClass(class string, x, y float64, anchor, s string) {
	if class != "" {
		class = " class=\"" + class + "\""
	}
	fmt.Fprintf(&d.b, "<text%s x=\"%s\" y=\"%s\" text-anchor=\"%s\">%s</text>\n", class, num(x), num(y), anchor, html.EscapeString(s))
}

func (d *drawing) ticksX(top, bottom float64) {
	for _, t := range d.x.ticks() {
		x := d.px(t.at)
		fmt.Fprintf(&d.b, "<path class=\"grid\" d=\"M%s %sV%s\"/>\n", num(x), num(top), num(bottom))
		d.text(x, bottom+18, "middle", t.label)
	}
}

// marks are drawn around 0, 0.
var marks = [8]string{
	"M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "M-3.6 -3.6h7.2v7.2h-7.2z", "M0 -4.8L4.6 3.4H-4.6z", "M0 -5L5 0L0 5L-5 0z",
	"M0 4.8L4.6 -3.4H-4.6z", "M-5 -1.5h3.5v-3.5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5z", "M-2 -4.6h4l2.6 4.6l-2.6 4.6h-4l-2.6 -4.6z", "M-5 -2h10v4h-10z",
}

// lines draws curves; in steps, a value holds until the next.
func (d *drawing) lines(curves []Curve, steps bool) []byte {
	d.open()
	bottom := float64(d.height - d.bottom)
	d.ticksX(float64(d.top), bottom)
	for _, t := range d.y.ticks() {
		y := d.py(t.at)
		fmt.Fprintf(&d.b, "<path class=\"grid\" d=\"M%d %sH%d\"/>\n", d.left, num(y), d.width-d.right)
		d.text(float64(d.left-8), y+4.5, "end", t.label)
	}
	fmt.Fprintf(&d.b, "<path class=\"axis\" d=\"M%d %dV%sH%d\"/>\n", d.left, d.top, num(bottom), d.width-d.right)
	if d.x.back && d.x.low < 0 {
		fmt.Fprintf(&d.b, "<path class=\"broken\" d=\"M%s %dV%s\"/>\n", num(d.px(0)), d.top, num(bottom))
	}
	d.text(float64(d.left+d.width-d.right)/2, float64(d.height-14), "middle", d.x.label)
	fmt.Fprintf(&d.b, "<text x=\"%d\" y=\"%d\">%s</text>\n", 20, d.top-20, html.EscapeString(d.y.label))
	colour := func(i int) int { return i % len(marks) }
	for i := range curves {
		c := &curves[i]
		if len(c.Low) != len(c.X) || len(c.High) != len(c.X) || len(c.X) < 2 {
			continue
		}
		var p strings.Builder
		for k := range c.X {
			fmt.Fprintf(&p, "%c%s %s", "ML"[min(k, 1)], num(d.px(c.X[k])), num(d.py(c.High[k])))
		}
		for k := len(c.X) - 1; k >= 0; k-- {
			fmt.Fprintf(&p, "L%s %s", num(d.px(c.X[k])), num(d.py(c.Low[k])))
		}
		fmt.Fprintf(&d.b, "<path class=\"a%d\" d=\"%sz\"/>\n", colour(i), p.String())
	}
	type named struct {
		i int
		y float64
	}
	var order []named
	for i := range curves {
		c := &curves[i]
		if len(c.X) == 0 {
			continue
		}
		var p strings.Builder
		for k := range c.X {
			switch {
			case k == 0:
				fmt.Fprintf(&p, "M%s %s", num(d.px(c.X[k])), num(d.py(c.Y[k])))
			case steps:
				fmt.Fprintf(&p, "H%sV%s", num(d.px(c.X[k])), num(d.py(c.Y[k])))
			default:
				fmt.Fprintf(&p, "L%s %s", num(d.px(c.X[k])), num(d.py(c.Y[k])))
			}
		}
		class := fmt.Sprintf("l%d", colour(i))
		if c.Name == proportion {
			class = "broken"
		}
		fmt.Fprintf(&d.b, "<path class=\"%s\" d=\"%s\"/>\n", class, p.String())
		for k := range c.X {
			last := k == len(c.X)-1
			if c.Name != proportion && (!steps || last) {
				d.mark(colour(i), d.px(c.X[k]), d.py(c.Y[k]))
			}
		}
		order = append(order, named{i, d.py(c.Y[len(c.Y)-1])})
	}
	// The legend stands where the lines end, as far as there is room.
	slices.SortStableFunc(order, func(a, b named) int { return cmp.Compare(a.y, b.y) })
	const gap = 19
	for i := range order {
		order[i].y = max(order[i].y, float64(d.top+6))
		if i > 0 {
			order[i].y = max(order[i].y, order[i-1].y+gap)
		}
	}
	limit := bottom
	for i := len(order) - 1; i >= 0; i-- {
		order[i].y = min(order[i].y, limit)
		limit = order[i].y - gap
	}
	for _, o := range order {
		x := float64(d.width - d.right + 14)
		class := fmt.Sprintf("l%d", colour(o.i))
		if curves[o.i].Name == proportion {
			class = "broken"
		}
		fmt.Fprintf(&d.b, "<path class=\"%s\" d=\"M%s %sh22\"/>\n", class, num(x), num(o.y))
		if class != "broken" {
			d.mark(colour(o.i), x+11, o.y)
		}
		d.textClass("row", x+30, o.y+4.5, "start", curves[o.i].Name)
	}
	return d.close()
}

func (d *drawing) mark(i int, x, y float64) {
	fmt.Fprintf(&d.b, "<path class=\"m%d\" transform=\"translate(%s %s)\" d=\"%s\"/>\n", i, num(x), num(y), marks[i])
}
