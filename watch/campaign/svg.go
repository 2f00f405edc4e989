package campaign

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette/watch/hunt"
)

// columnMost is how many cards stand in one column of the picture; what is beyond stands as one card that says how many.
const columnMost = 40

// The picture's widths, in pixels: the one beside the other where there is room, the other below 760.
const (
	wideWidth   = 1320
	narrowWidth = 390
)

// SVG draws the graph as one file without script or reference: senders on the left, links in the middle, targets on the right; below 760 pixels
// link by link. It is light or dark as its reader asks. Everything that it shows can be read aloud.
func (g *Graph) SVG() []byte {
	p := newPicture(g)
	wide, high := p.wide()
	narrow, tall := p.narrow()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="vc" width="100%%" height="%d" role="group" aria-labelledby="vc-title vc-desc">`+"\n", high)
	fmt.Fprintf(&b, "<title id=\"vc-title\">Campaign around %s</title>\n<desc id=\"vc-desc\">%s</desc>\n", escape(g.Case), escape(g.describe()))
	b.WriteString("<style>" + strings.ReplaceAll(style, "TALL", strconv.Itoa(tall)) + "</style>\n")
	b.WriteString(`<rect class="paper" width="100%" height="100%" fill="#f7f6f2"/>` + "\n")
	fmt.Fprintf(&b, `<svg class="vc-wide" viewBox="0 0 %d %d" width="100%%" height="%d" preserveAspectRatio="xMidYMin meet">`+"\n%s</svg>\n", wideWidth, high, high, wide)
	fmt.Fprintf(&b, `<svg class="vc-narrow" display="none" viewBox="0 0 %d %d" width="100%%" height="%d" preserveAspectRatio="xMidYMin meet">`+"\n%s</svg>\n</svg>\n", narrowWidth, tall, tall, narrow)
	return []byte(b.String())
}

// Colours are told by shape and words too. Text keeps a contrast of 4.5 and more against what it stands on, in both.
const style = `
.vc{font-family:Inter,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;font-size:13px}
.vc text{fill:#1c2430}
.vc .h1{font-size:22px;font-weight:700}
.vc .h2{font-size:12px;font-weight:700;letter-spacing:.06em;fill:#566072}
.vc .lab{font-size:13px;font-weight:600}
.vc .sub,.vc .small{font-size:11px;fill:#566072}
.vc .num{font-size:22px;font-weight:700}
.vc .card{fill:#fff;stroke:#d9d6cd;stroke-width:1}
.vc .tile{fill:#fff;stroke:#d9d6cd;stroke-width:1}
.vc .more{fill:none;stroke:#8b93a1;stroke-width:1;stroke-dasharray:4 3}
.vc .rule{stroke:#d9d6cd;stroke-width:1}
.vc .e{fill:none;stroke-opacity:.55}
.vc .thin{stroke-opacity:.4}
.vc .f-sender{fill:#b23a2e}.vc .s-sender{stroke:#b23a2e}
.vc .f-cell{fill:#9a6512}.vc .s-cell{stroke:#9a6512}
.vc .f-link{fill:#4a4fb0}.vc .s-link{stroke:#4a4fb0}
.vc .f-target{fill:#0f766e}.vc .s-target{stroke:#0f766e}
.vc .f-opened{fill:#a3155a}.vc .s-opened{stroke:#a3155a}
.vc .f-shared{fill:#64748b}.vc .s-shared{stroke:#64748b}
.vc .f-report{fill:#6d3fc4}.vc .s-report{stroke:#6d3fc4}
.vc .line{fill:none;stroke-width:2}
@media (prefers-color-scheme:dark){
.vc .paper{fill:#12161c}.vc text{fill:#e8ebf0}.vc .h2,.vc .sub,.vc .small{fill:#a3aebd}
.vc .card,.vc .tile{fill:#1b212a;stroke:#353e4b}.vc .rule{stroke:#353e4b}.vc .more{stroke:#8792a2}.vc .e{stroke-opacity:.65}
.vc .f-sender{fill:#f08a78}.vc .s-sender{stroke:#f08a78}.vc .f-cell{fill:#e2b04a}.vc .s-cell{stroke:#e2b04a}
.vc .f-link{fill:#a5aaff}.vc .s-link{stroke:#a5aaff}.vc .f-target{fill:#4fd1c0}.vc .s-target{stroke:#4fd1c0}
.vc .f-opened{fill:#f77bb8}.vc .s-opened{stroke:#f77bb8}.vc .f-shared{fill:#94a3b8}.vc .s-shared{stroke:#94a3b8}
.vc .f-report{fill:#b79bff}.vc .s-report{stroke:#b79bff}
}
@media (max-width:759px){.vc{height:TALLpx}.vc .vc-wide{display:none}.vc .vc-narrow{display:inline}}
`

// picture is a graph on its way to paper.
type picture struct {
	g   *Graph
	at  map[string]int // place in g.Nodes, by id
	out [][]int        // edges by their node
	in  [][]int
}

func newPicture(g *Graph) *picture {
	p := &picture{g: g, at: map[string]int{}, out: make([][]int, len(g.Nodes)), in: make([][]int, len(g.Nodes))}
	for i := range g.Nodes {
		p.at[g.Nodes[i].ID] = i
	}
	for i := range g.Edges {
		from, to := p.at[g.Edges[i].From], p.at[g.Edges[i].To]
		p.out[from] = append(p.out[from], i)
		p.in[to] = append(p.in[to], i)
	}
	return p
}

// The columns.
const (
	columnShared = iota
	columnSenders
	columnLinks
	columnReached
	columns
	columnNone = -1 // in the lists below
)

var columnNames = [...]string{"WHAT THEY SHARE", "SENDERS AND THEIR CELL", "LINKS AND HOSTS", "WHO WAS REACHED"}

func column(n *Node) int {
	switch n.Kind {
	case KindCell, KindDevice, KindNetwork, KindBlock:
		return columnShared
	case KindGroup:
		if n.Reach == "" {
			return columnShared
		}
		return columnReached
	case KindAccount:
		if n.Role == RoleSender || n.Role == RoleCell {
			return columnSenders
		}
		return columnReached
	case KindHost, KindLink:
		return columnLinks
	}
	return columnNone
}

func colour(n *Node) string {
	switch n.Kind {
	case KindAccount:
		switch {
		case n.Role == RoleSender:
			return "sender"
		case n.Role == RoleCell:
			return "cell"
		case n.Reach == reachNames[reachOpened]:
			return "opened"
		}
		return "target"
	case KindHost, KindLink:
		return "link"
	case KindGroup:
		if n.Reach != "" {
			return "target"
		}
	case KindReport, KindIndicator:
		return "report"
	}
	return "shared"
}

// icon draws a node's sign, 14 pixels wide, around a middle.
func icon(n *Node, x, y int) string {
	c := colour(n)
	switch n.Kind {
	case KindAccount:
		switch n.Role {
		case RoleSender: // an arrow head
			return fmt.Sprintf(`<path class="f-%s" d="M%d %dl13 7l-13 7l3 -7z"/>`, c, x-6, y-7)
		case RoleCell:
			return fmt.Sprintf(`<path class="line s-%s" d="M%d %dl11 6l-11 6l2.500 -6z"/>`, c, x-5, y-6)
		}
		return state(n.Reach, x, y)
	case KindHost:
		if n.Role == RoleConfirmed {
			return fmt.Sprintf(`<rect class="f-%s" x="%d" y="%d" width="13" height="13" rx="2"/>`, c, x-6, y-6)
		}
		return fmt.Sprintf(`<rect class="line s-%s" x="%d" y="%d" width="11" height="11" rx="2"/>`, c, x-5, y-5)
	case KindLink:
		return fmt.Sprintf(`<path class="line s-%s" d="M%d %dl6 6l-6 6l-6 -6z"/>`, c, x, y-6)
	case KindGroup:
		return fmt.Sprintf(`<circle class="line s-%s" cx="%d" cy="%d" r="4"/><circle class="line s-%s" cx="%d" cy="%d" r="4"/>`, c, x-3, y, c, x+4, y)
	case KindCell:
		return fmt.Sprintf(`<path class="line s-%s" d="M%d %dl6 3.500v7l-6 3.500l-6 -3.500v-7z"/>`, c, x, y-7)
	case KindDevice:
		return fmt.Sprintf(`<rect class="line s-%s" x="%d" y="%d" width="8" height="13" rx="2"/>`, c, x-4, y-7)
	case KindNetwork:
		return fmt.Sprintf(`<path class="line s-%s" d="M%d %dl6 11h-12z"/>`, c, x, y-6)
	case KindBlock:
		return fmt.Sprintf(`<path class="line s-%s" d="M%d %dv12m5 -12v12m-8 -8h12m-12 5h12"/>`, c, x-3, y-6)
	case KindReport:
		return fmt.Sprintf(`<path class="f-%s" d="M%d %dh12l-3 4l3 4h-10v6h-2z"/>`, c, x-6, y-7)
	}
	return fmt.Sprintf(`<circle class="f-%s" cx="%d" cy="%d" r="4"/>`, c, x, y)
}

// state draws how far a link came: a crossed ring, a ring, half a disc, a disc.
func state(reach string, x, y int) string {
	switch reach {
	case reachNames[reachOpened]:
		return fmt.Sprintf(`<circle class="f-opened" cx="%d" cy="%d" r="7"/>`, x, y)
	case reachNames[reachSeen]:
		return fmt.Sprintf(`<circle class="line s-target" cx="%d" cy="%d" r="6"/><path class="f-target" d="M%d %da6 6 0 0 0 0 12z"/>`, x, y, x, y-6)
	case reachNames[reachStop]:
		return fmt.Sprintf(`<circle class="line s-shared" cx="%d" cy="%d" r="6"/><path class="line s-shared" d="M%d %dl8 8"/>`, x, y, x-4, y-4)
	}
	return fmt.Sprintf(`<circle class="line s-target" cx="%d" cy="%d" r="6"/>`, x, y)
}

// sub is a card's second line.
func (p *picture) sub(n *Node) string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	switch n.Kind {
	case KindAccount:
		switch n.Role {
		case RoleSender, RoleCell:
			if sent := p.total(n, Sent); sent > 0 {
				add("sent " + strconv.FormatInt(sent, 10))
			} else {
				add("nothing seen sent")
			}
			if n.Weight > 0 {
				add("shares " + n.Weight.String())
			}
		default:
			add(reachWord(n.Reach))
			if n.Role == RoleForwarder {
				add("sent it on")
			}
			if n.Basis == RoleOther {
				add("other link")
			}
			add(short(n.First))
		}
	case KindHost, KindLink:
		add(string(n.Role))
		if n.Links > 0 {
			add(count(n.Links, "URL"))
		}
		if n.People != hunt.Unanswered {
			add("people: " + n.People.String())
		} else if t := len(p.reached(n)); t > 0 {
			add("to " + strconv.Itoa(t))
		}
		if n.Role == RoleDerived || n.Role == RoleScores {
			add(n.Weight.String())
		}
		if k := p.about(n, Matches); k > 0 {
			add(count(k, "indicator"))
		}
		if k := p.about(n, Tells); k > 0 {
			add(count(k, "report"))
		}
	case KindGroup:
		if n.Size > 0 {
			add(count(n.Size, "member"))
		}
		add(short(n.First))
	default:
		if n.Size > 0 {
			add(count(n.Size, "account"))
		}
		if n.Weight > 0 {
			add(n.Weight.String())
		}
	}
	return strings.Join(parts, " · ")
}

func reachWord(reach string) string {
	if reach == reachNames[reachStop] {
		return "kept from"
	}
	return reach
}

func (p *picture) about(n *Node, k EdgeKind) (c int) {
	for _, e := range p.in[p.at[n.ID]] {
		if p.g.Edges[e].Kind == k {
			c++
		}
	}
	return c
}

func (p *picture) total(n *Node, k EdgeKind) (c int64) {
	for _, e := range p.out[p.at[n.ID]] {
		if p.g.Edges[e].Kind == k {
			c += p.g.Edges[e].Count
		}
	}
	return c
}

// reached returns whom a link reached, or was to: places in nodes, in order.
func (p *picture) reached(n *Node) (out []int) {
	for _, e := range p.out[p.at[n.ID]] {
		switch p.g.Edges[e].Kind {
		case Reached, Stopped, Previewed, Opened, PostedIn:
			if to := p.at[p.g.Edges[e].To]; !slices.Contains(out, to) {
				out = append(out, to)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (p *picture) senders(n *Node) (out []int) {
	for _, e := range p.in[p.at[n.ID]] {
		switch p.g.Edges[e].Kind {
		case Sent, Forwarded:
			out = append(out, p.at[p.g.Edges[e].From])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func short(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.UTC().Format("2 Jan") // an outline tells days
	}
	return t.UTC().Format("2 Jan 15:04")
}

// aloud is a node in words, with what hangs on it.
func (p *picture) aloud(n *Node) string {
	var b strings.Builder
	b.WriteString(n.Label)
	if n.Role != "" {
		b.WriteString(", " + string(n.Role))
	}
	b.WriteString(". " + n.Text)
	i := p.at[n.ID]
	for _, side := range []struct {
		edges []int
		verb  string
		other func(e *Edge) string
	}{
		{p.out[i], "", func(e *Edge) string { return e.To }},
		{p.in[i], "from ", func(e *Edge) string { return e.From }},
	} {
		said := 0
		for _, e := range side.edges {
			if said == 12 {
				fmt.Fprintf(&b, " And %d more ties.", len(side.edges)-said)
				break
			}
			ed := &p.g.Edges[e]
			other := &p.g.Nodes[p.at[side.other(ed)]]
			if side.verb == "" {
				fmt.Fprintf(&b, " %s → %s.", ed.Kind, other.Label)
			} else {
				fmt.Fprintf(&b, " %s ← %s.", ed.Kind, other.Label)
			}
			said++
		}
	}
	return b.String()
}

type card struct {
	n    *Node // nil: the rest
	rest int
	y    int
}

func text(class string, x, y int, s string) string {
	return fmt.Sprintf(`<text class="%s" x="%d" y="%d">%s</text>`, class, x, y, escape(s))
}

// columnsOf deals the nodes out, orders the outer columns by whom they hang on, and cuts each at columnMost.
func (p *picture) columnsOf() (cols [columns][]card, where map[string][2]int) {
	var lists [columns][]*Node
	for i := range p.g.Nodes {
		n := &p.g.Nodes[i]
		if c := column(n); c != columnNone {
			lists[c] = append(lists[c], n)
		}
	}
	order := map[string]int{}
	for i, n := range lists[columnLinks] {
		order[n.ID] = i
	}
	for i, n := range lists[columnSenders] {
		order[n.ID] = i
	}
	middle := func(n *Node) int {
		sum, c := 0, 0
		i := p.at[n.ID]
		for _, e := range p.in[i] {
			if at, ok := order[p.g.Edges[e].From]; ok {
				sum, c = sum+at*1000, c+1
			}
		}
		if c == 0 {
			return 1 << 40
		}
		return sum / c
	}
	for _, c := range []int{columnShared, columnReached} {
		slices.SortStableFunc(lists[c], func(a, b *Node) int { return cmp.Compare(middle(a), middle(b)) })
	}
	where = map[string][2]int{}
	for c, list := range lists {
		if len(list) > columnMost {
			// The strongest stand: targets by how far the link came, others in their order.
			strong := slices.Clone(list)
			slices.SortStableFunc(strong, func(a, b *Node) int {
				return cmp.Compare(slices.Index(reachNames[:], b.Reach), slices.Index(reachNames[:], a.Reach))
			})
			kept := map[*Node]bool{}
			for _, n := range strong[:columnMost-1] {
				kept[n] = true
			}
			for _, n := range list {
				if kept[n] {
					where[n.ID] = [2]int{c, len(cols[c])}
					cols[c] = append(cols[c], card{n: n})
				}
			}
			for _, n := range list {
				if !kept[n] {
					where[n.ID] = [2]int{c, len(cols[c])}
				}
			}
			cols[c] = append(cols[c], card{rest: len(list) - len(cols[c])})
			continue
		}
		for _, n := range list {
			where[n.ID] = [2]int{c, len(cols[c])}
			cols[c] = append(cols[c], card{n: n})
		}
	}
	return cols, where
}

func (p *picture) wide() (string, int) {
	var b strings.Builder
	g := p.g
	b.WriteString(text("h1", 32, 46, clip("Campaign around "+g.Case, 70)))
	b.WriteString(text("sub", 32, 66, p.under()))
	y := 84
	b.WriteString(p.tiles(32, y, 150, 12, len(p.figures())))
	y += 58 + 30
	cols, where := p.columnsOf()
	widths := [columns]int{216, 232, 350, 258}
	var present []int
	room := wideWidth - 64
	for c := range cols {
		if len(cols[c]) > 0 {
			present = append(present, c)
			room -= widths[c]
		}
	}
	gap := 0
	if len(present) > 1 {
		gap = min(room/(len(present)-1), 190)
	}
	var left [columns]int
	used := -gap
	for _, c := range present {
		used += widths[c] + gap
	}
	x := max((wideWidth-used)/2, 32)
	for _, c := range present {
		left[c] = x
		x += widths[c] + gap
	}
	const head = 26
	high := 0
	step := [columns]int{}
	for c := range cols {
		step[c] = 50
		if len(cols[c]) > 16 {
			step[c] = 32
		}
		high = max(high, len(cols[c])*step[c])
	}
	for _, c := range present {
		b.WriteString(text("h2", left[c], y, columnNames[c]))
		off := (high - len(cols[c])*step[c]) / 2
		for i := range cols[c] {
			cols[c][i].y = y + head - 10 + off + i*step[c]
		}
	}
	p.curves(&b, cols, where, left, widths, step)
	for _, c := range present {
		for i := range cols[c] {
			p.card(&b, &cols[c][i], left[c], widths[c], step[c]-8)
		}
	}
	y += head + high + 12
	y = p.lists(&b, 32, y, wideWidth-64, 2)
	return b.String(), y + 16
}

// under is the line under the title.
func (p *picture) under() string {
	g := p.g
	s := string(g.Tenant) + " · drawn " + moment(g.At)
	if !g.From.IsZero() || !g.To.IsZero() {
		s += " · asked from " + cmp.Or(moment(g.From), "the beginning") + " to " + cmp.Or(moment(g.To), "the end")
	}
	if g.Outline {
		s += " · outline without a permit: nobody is in it"
	}
	return s
}

type figure struct{ number, what string }

func (p *picture) figures() []figure {
	r := &p.g.Reach
	if p.g.Outline {
		links := 0
		for i := range p.g.Nodes {
			if column(&p.g.Nodes[i]) == columnLinks {
				links++
			}
		}
		return []figure{{r.People.String(), "people reached"}, {strconv.Itoa(links), "links and hosts"}, {strconv.Itoa(len(p.g.Blocks)), "to block now"}}
	}
	out := []figure{
		{strconv.Itoa(r.Delivered), "people got it"},
		{strconv.Itoa(r.Previewed), "saw it"},
		{strconv.Itoa(r.Opened), "opened it"},
		{strconv.Itoa(r.Stopped), "kept from"},
		{strconv.Itoa(r.Senders), "senders"},
		{strconv.Itoa(len(p.g.Blocks)), "hosts to block"},
	}
	if r.Groups > 0 {
		out = append(out, figure{strconv.Itoa(r.Groups), "groups"})
	}
	return out
}

func (p *picture) tiles(x, y, w, gap, perRow int) string {
	var b strings.Builder
	for i, f := range p.figures() {
		tx, ty := x+i%perRow*(w+gap), y+i/perRow*(58+gap)
		fmt.Fprintf(&b, `<g role="img" aria-label="%s: %s"><rect class="tile" x="%d" y="%d" width="%d" height="58" rx="8"/>`, escape(f.what), escape(f.number), tx, ty, w)
		class := "num"
		if p.g.Outline {
			class = "lab"
		}
		b.WriteString(text(class, tx+12, ty+28, f.number) + text("sub", tx+12, ty+47, f.what) + "</g>\n")
	}
	return b.String()
}

// paint is how an edge is drawn; an empty colour: it is not.
func paint(k EdgeKind) (colour, dash string, strength int) {
	switch k {
	case Sent:
		return "sender", "", 3
	case Forwarded:
		return "cell", "6 4", 2
	case Rehearsed:
		return "cell", "2 4", 1
	case Opened:
		return "opened", "", 6
	case Previewed:
		return "target", "", 5
	case Reached, PostedIn:
		return "target", "", 4
	case Stopped:
		return "shared", "3 4", 2
	case OnDevice, OnNetwork, OnBlock, MemberOf, CreatedIt, PartOf:
		return "shared", "", 1
	case SiblingOf, SameDomain:
		return "link", "2 4", 1
	}
	return "", "", 0
}

func (p *picture) curves(b *strings.Builder, cols [columns][]card, where map[string][2]int, left, widths, step [columns]int) {
	type lane struct{ from, to [2]int }
	best := map[lane]int{} // of edges between the same two cards the strongest is drawn
	var order []lane
	counts := map[lane]int64{}
	for i := range p.g.Edges {
		e := &p.g.Edges[i]
		from, ok := where[e.From]
		to, ok2 := where[e.To]
		c, _, strength := paint(e.Kind)
		if !ok || !ok2 || c == "" || from == to {
			continue
		}
		l := lane{from, to}
		counts[l] += max(e.Count, 1)
		if j, there := best[l]; !there {
			best[l] = i
			order = append(order, l)
		} else if _, _, s := paint(p.g.Edges[j].Kind); strength > s {
			best[l] = i
		}
	}
	slices.SortStableFunc(order, func(x, y lane) int {
		_, _, a := paint(p.g.Edges[best[x]].Kind)
		_, _, c := paint(p.g.Edges[best[y]].Kind)
		return cmp.Compare(a, c)
	})
	faint := ""
	if len(order) > 90 { // many lines are a weave, few are ropes
		faint = " thin"
	}
	b.WriteString(`<g aria-hidden="true">` + "\n")
	for _, l := range order {
		e := &p.g.Edges[best[l]]
		c, dash, _ := paint(e.Kind)
		y1 := cols[l.from[0]][l.from[1]].y + (step[l.from[0]]-8)/2
		y2 := cols[l.to[0]][l.to[1]].y + (step[l.to[0]]-8)/2
		x1, x2 := left[l.from[0]], left[l.to[0]]
		var d string
		switch {
		case l.from[0] == l.to[0]: // beside its column
			bend := 22 + min(abs(y2-y1)/8, 40)
			d = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1-bend, y1, x2-bend, y2, x2, y2)
		case l.from[0] < l.to[0]:
			x1 += widths[l.from[0]]
			m := (x2 - x1) / 2
			d = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+m, y1, x2-m, y2, x2, y2)
		default:
			x2 += widths[l.to[0]]
			m := (x1 - x2) / 2
			if e.Kind == Forwarded { // beside the line by which it came
				y1, y2 = y1+5, y2+5
			}
			d = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1-m, y1, x2+m, y2, x2, y2)
		}
		width := [...]string{"1.500", "2", "2.500", "3", "3.500"}[min(len(strconv.FormatInt(counts[l], 2))-1, 4)]
		if _, _, s := paint(e.Kind); s <= 2 || faint != "" {
			width = "1.200"
		}
		if dash != "" {
			dash = ` stroke-dasharray="` + dash + `"`
		}
		fmt.Fprintf(b, `<path class="e%s s-%s" stroke-width="%s"%s d="%s"/>`+"\n", faint, c, width, dash, d)
	}
	b.WriteString("</g>\n")
}

func abs(n int) int { return max(n, -n) }

func (p *picture) card(b *strings.Builder, c *card, x, w, h int) {
	if c.n == nil {
		fmt.Fprintf(b, `<g role="img" aria-label="and %d more"><rect class="paper" fill="#f7f6f2" x="%d" y="%d" width="%d" height="%d" rx="8"/>`, c.rest, x, c.y, w, h)
		fmt.Fprintf(b, `<rect class="more" x="%d" y="%d" width="%d" height="%d" rx="8"/>`, x, c.y, w, h)
		b.WriteString(text("sub", x+14, c.y+h/2+4, fmt.Sprintf("and %d more, in the JSON", c.rest)) + "</g>\n")
		return
	}
	full := p.aloud(c.n)
	fmt.Fprintf(b, `<g role="img" aria-label="%s"><title>%s</title><rect class="card" x="%d" y="%d" width="%d" height="%d" rx="8"/>`, escape(full), escape(full), x, c.y, w, h)
	fmt.Fprintf(b, `<rect class="f-%s" x="%d" y="%d" width="3" height="%d" rx="1"/>`, colour(c.n), x, c.y+6, h-12)
	b.WriteString(icon(c.n, x+19, c.y+h/2))
	if h < 34 {
		label := clip(c.n.Label, (w-44)/8)
		b.WriteString(text("lab", x+34, c.y+h/2+5, label))
		if rest := w - 44 - 9*len([]rune(label)); rest > 60 {
			what := p.sub(c.n)
			if len([]rune(what)) > rest/6 {
				what, _, _ = strings.Cut(what, " · ")
			}
			fmt.Fprintf(b, `<text class="sub" text-anchor="end" x="%d" y="%d">%s</text>`, x+w-10, c.y+h/2+4, escape(clip(what, rest/6)))
		}
	} else {
		b.WriteString(text("lab", x+34, c.y+18, clip(c.n.Label, (w-44)/8)) + text("sub", x+34, c.y+34, clip(p.sub(c.n), (w-40)/6)))
	}
	b.WriteString("</g>\n")
}

type line struct {
	sign string
	text string
	full string
}

// listings are what stands below the picture.
func (p *picture) listings() (out []struct {
	head  string
	lines []line
},
) {
	put := func(head string, lines []line) {
		if len(lines) > 14 {
			lines = append(lines[:13:13], line{text: fmt.Sprintf("and %d more, in the JSON", len(lines)-13)})
		}
		if len(lines) > 0 {
			out = append(out, struct {
				head  string
				lines []line
			}{head, lines})
		}
	}
	var block []line
	for _, x := range p.g.Blocks {
		s := x.Display + " (" + x.Scope.String() + "): " + x.Strongest.String()
		if !x.Confirmed {
			s += " at most"
		}
		block = append(block, line{text: s + "; " + x.Why, full: s})
	}
	put("TO BLOCK NOW", block)
	names := func(of []int, end func(*Edge) string) string {
		var l []string
		for _, e := range of {
			n := &p.g.Nodes[p.at[end(&p.g.Edges[e])]]
			if label, _, ok := strings.Cut(n.Label, ":"); ok {
				l = append(l, label)
			} else {
				l = append(l, strings.TrimSuffix(n.Label, " (not named here)"))
			}
		}
		return strings.Join(l, ", ")
	}
	to, from := func(e *Edge) string { return e.To }, func(e *Edge) string { return e.From }
	var reports, lists, facts []line
	for i := range p.g.Nodes {
		n := &p.g.Nodes[i]
		switch n.Kind {
		case KindReport:
			s := n.Label + ", " + short(n.First)
			if by := names(p.in[i], from); by != "" {
				s += ", by " + by
			}
			if about := names(p.out[i], to); about != "" {
				s += ": " + about
			}
			reports = append(reports, line{icon(n, 8, -4), s, p.aloud(n)})
		case KindIndicator:
			lists = append(lists, line{icon(n, 8, -4), n.Label + " → " + names(p.out[i], to), p.aloud(n)})
		case KindFact:
			facts = append(facts, line{icon(n, 8, -4), n.Label + " ← " + names(p.in[i], from), p.aloud(n)})
		}
	}
	put("REPORTS", reports)
	put("INDICATORS", lists)
	put("WHAT THE HOSTS SHARE", facts)
	var left []line
	for _, l := range p.g.Left {
		left = append(left, line{text: fmt.Sprintf("%d × %s: %s", l.Count, l.Kind, l.Why)})
	}
	for _, d := range p.g.Damaged {
		left = append(left, line{text: "could not be read: " + d.File + ": " + d.What})
	}
	for _, n := range p.g.Notes {
		left = append(left, line{text: n})
	}
	put("LEFT OUT", left)
	return out
}

// lists writes what stands below, in columns, each list where there is most room.
func (p *picture) lists(b *strings.Builder, x, y, w, cols int) int {
	fmt.Fprintf(b, `<path class="rule" d="M%d %dH%d"/>`+"\n", x, y, x+w)
	y += 28
	gap := 32
	cw := (w - gap*(cols-1)) / cols
	ys := make([]int, cols)
	for i := range ys {
		ys[i] = y
	}
	for _, l := range p.listings() {
		c := 0
		for i := range ys {
			if ys[i] < ys[c] {
				c = i
			}
		}
		cx := x + c*(cw+gap)
		b.WriteString(text("h2", cx, ys[c], l.head) + "\n")
		ys[c] += 20
		for _, ln := range l.lines {
			for i, part := range wrap(ln.text, (cw-24)/7, 3) {
				if i == 0 && ln.sign != "" {
					fmt.Fprintf(b, `<g transform="translate(%d %d) scale(.8)">%s</g>`, cx, ys[c], ln.sign)
				}
				tx := cx
				if ln.sign != "" {
					tx += 22
				}
				b.WriteString(text("", tx, ys[c], part) + "\n")
				ys[c] += 18
			}
			ys[c] += 3
		}
		ys[c] += 16
	}
	y = slices.Max(ys)
	fmt.Fprintf(b, `<path class="rule" d="M%d %dH%d"/>`+"\n", x, y-8, x+w)
	return p.legend(b, x, y+14, w)
}

// wrap breaks text at blanks into lines of at most n runes, and clips after most lines.
func wrap(s string, n, most int) []string {
	var out []string
	words := strings.Fields(s)
	cur := ""
	for _, word := range words {
		switch {
		case cur == "":
			cur = word
		case len([]rune(cur))+1+len([]rune(word)) <= n:
			cur += " " + word
		default:
			out = append(out, clip(cur, n))
			cur = word
		}
		if len(out) == most {
			out[most-1] = clip(out[most-1], n-1) + "…"
			return out
		}
	}
	return append(out, clip(cur, n))
}

func (p *picture) legend(b *strings.Builder, x, y, w int) int {
	type entry struct{ sign, text string }
	node := func(k Kind, r Role, reach, s string) entry {
		n := Node{Kind: k, Role: r, Reach: reach}
		return entry{icon(&n, 10, -4), s}
	}
	edge := func(k EdgeKind, s string) entry {
		c, dash, _ := paint(k)
		if dash != "" {
			dash = ` stroke-dasharray="` + dash + `"`
		}
		return entry{fmt.Sprintf(`<path class="e s-%s" stroke-width="2.500"%s d="M0 -4H20"/>`, c, dash), s}
	}
	list := []entry{
		node(KindHost, RoleConfirmed, "", "host, confirmed"), node(KindHost, RoleDerived, "", "host, derived"), node(KindLink, RoleSame, "", "link, not named"),
	}
	if !p.g.Outline {
		list = append([]entry{node(KindAccount, RoleSender, "", "sender"), node(KindAccount, RoleCell, "", "cell account")}, list...)
		list = append(
			list, node(KindAccount, RoleTarget, "opened", "target: opened"), node(KindAccount, RoleTarget, "previewed", "saw it"),
			node(KindAccount, RoleTarget, "delivered", "delivered"), node(KindAccount, RoleTarget, "stopped", "kept from"),
			node(KindGroup, "", "", "group"), node(KindCell, "", "", "cell"), node(KindDevice, "", "", "device"), node(KindNetwork, "", "", "network"), node(KindBlock, "", "", "number block"),
			edge(Sent, "sent"), edge(Reached, "reached"), edge(Opened, "opened"), edge(Stopped, "stopped"), edge(Forwarded, "sent on"),
			edge(Rehearsed, "tried on their own"), edge(OnDevice, "shares"),
		)
	}
	list = append(list, edge(SiblingOf, "hangs together"))
	b.WriteString(`<g role="img" aria-label="Legend">` + "\n")
	b.WriteString(text("h2", x, y, "LEGEND") + "\n")
	y += 22
	lx := x
	for _, e := range list {
		ew := 30 + 7*len(e.text) + 18
		if lx+ew > x+w && lx > x {
			lx, y = x, y+22
		}
		fmt.Fprintf(b, `<g transform="translate(%d %d)">%s%s</g>`+"\n", lx, y, e.sign, text("small", 26, 0, e.text))
		lx += ew
	}
	b.WriteString("</g>\n")
	return y + 16
}

// narrow draws link by link: who sent it on the left, whom it reached on the right.
func (p *picture) narrow() (string, int) {
	var b strings.Builder
	const x, w = 14, narrowWidth - 28
	y := 30
	for _, part := range wrap("Campaign around "+p.g.Case, 26, 2) {
		b.WriteString(text("h1", x, y, part) + "\n")
		y += 26
	}
	for _, part := range wrap(p.under(), 56, 4) {
		b.WriteString(text("sub", x, y-6, part) + "\n")
		y += 15
	}
	b.WriteString(p.tiles(x, y, 113, 11, 3))
	y += (len(p.figures())+2)/3*69 + 22
	shown, rest := 0, 0
	var shared []*Node
	for i := range p.g.Nodes {
		n := &p.g.Nodes[i]
		switch column(n) {
		case columnLinks:
			if shown == columnMost {
				rest++
				continue
			}
			shown++
			y = p.section(&b, n, x, y, w)
		case columnShared:
			shared = append(shared, n)
		}
	}
	if rest > 0 {
		b.WriteString(text("sub", x, y, fmt.Sprintf("and %d more links, in the JSON", rest)))
		y += 26
	}
	if len(shared) > 0 {
		y += 14
		b.WriteString(text("h2", x, y, columnNames[columnShared]) + "\n")
		y += 14
		for i, n := range shared {
			if i == columnMost {
				b.WriteString(text("sub", x, y+14, fmt.Sprintf("and %d more, in the JSON", len(shared)-i)))
				y += 30
				break
			}
			c := card{n: n, y: y}
			var who []string
			for _, e := range p.in[p.at[n.ID]] {
				who = append(who, p.g.Nodes[p.at[p.g.Edges[e].From]].Label)
			}
			lines := wrap(strings.Join(who, ", "), 50, 3)
			p.card(&b, &c, x, w, 42)
			y += 56
			for _, l := range lines {
				b.WriteString(text("sub", x+10, y, l) + "\n")
				y += 15
			}
			y += 6
		}
		y += 16
	}
	y = p.lists(&b, x, y, w, 1)
	return b.String(), y + 16
}

func (p *picture) section(b *strings.Builder, n *Node, x, y, w int) int {
	c := card{n: n, y: y}
	p.card(b, &c, x, w, 44)
	y += 52
	from, to := p.senders(n), p.reached(n)
	most := func(list []int) ([]int, int) {
		if len(list) > columnMost {
			return list[:columnMost-1], len(list) - columnMost + 1
		}
		return list, 0
	}
	from, fromRest := most(from)
	to, toRest := most(to)
	const h, step, lw, rw = 24, 29, 108, 102
	bus, right := x+lw+20, x+lw+40
	rows := max(len(from), (len(to)+1)/2)
	if rows == 0 {
		return y + 8
	}
	edgeTo := map[int]EdgeKind{}
	for _, e := range p.out[p.at[n.ID]] {
		ed := &p.g.Edges[e]
		_, _, s := paint(ed.Kind)
		if _, _, was := paint(edgeTo[p.at[ed.To]]); s > was {
			edgeTo[p.at[ed.To]] = ed.Kind
		}
	}
	mid := y + h/2
	b.WriteString(`<g aria-hidden="true">` + "\n")
	for i := range from {
		fy := y + i*step + h/2
		kind := Sent
		if p.g.Nodes[from[i]].Role == RoleForwarder {
			kind = Forwarded
		}
		colour, dash, _ := paint(kind)
		if dash != "" {
			dash = ` stroke-dasharray="` + dash + `"`
		}
		fmt.Fprintf(b, `<path class="e s-`+colour+`" stroke-width="2"`+dash+` d="M%d %dC%d %d %d %d %d %d"/>`+"\n", x+lw, fy, bus-6, fy, x+lw+6, mid, bus, mid)
	}
	for i := range to {
		ty := y + i/2*step + h/2
		tx := right + i%2*(rw+10)
		colour, dash, _ := paint(edgeTo[to[i]])
		if dash != "" {
			dash = ` stroke-dasharray="` + dash + `"`
		}
		fmt.Fprintf(b, `<path class="e s-%s" stroke-width="1.500"%s d="M%d %dC%d %d %d %d %d %dH%d"/>`+"\n", colour, dash, bus, mid, bus+14, mid, bus-2, ty, right-4, ty, tx)
	}
	b.WriteString("</g>\n")
	for i, at := range from {
		p.chip(b, &p.g.Nodes[at], x, y+i*step, lw, h)
	}
	for i, at := range to {
		p.chip(b, &p.g.Nodes[at], right+i%2*(rw+10), y+i/2*step, rw, h)
	}
	y += rows * step
	if fromRest+toRest > 0 {
		b.WriteString(text("sub", x, y+10, fmt.Sprintf("and %d senders, %d reached besides, in the JSON", fromRest, toRest)))
		y += 18
	}
	return y + 16
}

func (p *picture) chip(b *strings.Builder, n *Node, x, y, w, h int) {
	full := p.aloud(n)
	fmt.Fprintf(b, `<g role="img" aria-label="%s"><title>%s</title><rect class="card" x="%d" y="%d" width="%d" height="%d" rx="12"/>%s`,
		escape(full), escape(full), x, y, w, h, icon(n, x+15, y+h/2))
	b.WriteString(text("sub", x+28, y+h/2+4, clip(n.Label, (w-32)/7)) + "</g>\n")
}
