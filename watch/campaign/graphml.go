package campaign

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"vedette/watch/hunt"
)

// attribute is one column of GraphML's table of nodes or edges.
type attribute struct{ id, name, kind string }

var nodeAttributes = []attribute{
	{"n_kind", "kind", "string"},
	{"n_label", "label", "string"},
	{"n_role", "role", "string"},
	{"n_text", "text", "string"},
	{"n_reach", "reach", "string"},
	{"n_basis", "basis", "string"},
	{"n_people", "people", "string"},
	{"n_links", "links", "int"},
	{"n_size", "size", "int"},
	{"n_weight", "weight_millibits", "int"},
	{"n_first", "first", "string"},
	{"n_last", "last", "string"},
	{"n_evidence", "evidence", "string"},
}

var edgeAttributes = []attribute{
	{"e_kind", "kind", "string"},
	{"e_text", "text", "string"},
	{"e_first", "first", "string"},
	{"e_last", "last", "string"},
	{"e_count", "count", "long"},
	{"e_weight", "weight_millibits", "int"},
	{"e_via", "via", "string"},
	{"e_evidence", "evidence", "string"},
	{"e_more", "more_evidence", "int"},
}

// GraphML writes the nodes and edges for other tools (GraphML 1.0, http://graphml.graphdrawing.org); what was left out is in its description.
func (g *Graph) GraphML() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ` +
		`xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">` + "\n")
	b.WriteString(" <desc>" + escape(g.describe()) + "</desc>\n")
	for _, of := range []struct {
		what string
		list []attribute
	}{{"node", nodeAttributes}, {"edge", edgeAttributes}} {
		for _, a := range of.list {
			b.WriteString(` <key id="` + a.id + `" for="` + of.what + `" attr.name="` + a.name + `" attr.type="` + a.kind + `"/>` + "\n")
		}
	}
	b.WriteString(` <graph id="campaign" edgedefault="directed">` + "\n")
	data := func(a attribute, value string) {
		if value != "" {
			b.WriteString(`   <data key="` + a.id + `">` + escape(value) + "</data>\n")
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		people := ""
		if n.People != hunt.Unanswered {
			people = n.People.String()
		}
		b.WriteString(`  <node id="` + escape(n.ID) + `">` + "\n")
		for j, v := range []string{
			string(n.Kind), n.Label, string(n.Role), n.Text, n.Reach, string(n.Basis), people, number(int64(n.Links)), number(int64(n.Size)),
			number(int64(n.Weight)), moment(n.First), moment(n.Last), strings.Join(n.Evidence, "; "),
		} {
			data(nodeAttributes[j], v)
		}
		b.WriteString("  </node>\n")
	}
	for i := range g.Edges {
		e := &g.Edges[i]
		b.WriteString(`  <edge id="e` + strconv.Itoa(i+1) + `" source="` + escape(e.From) + `" target="` + escape(e.To) + `">` + "\n")
		for j, v := range []string{
			string(e.Kind), e.Text, moment(e.First), moment(e.Last), number(e.Count), number(int64(e.Weight)), strings.Join(e.Via, "; "),
			strings.Join(e.Evidence, "; "), number(int64(e.More)),
		} {
			data(edgeAttributes[j], v)
		}
		b.WriteString("  </edge>\n")
	}
	b.WriteString(" </graph>\n</graphml>\n")
	return b.Bytes()
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// escape makes text of anything; what XML cannot hold becomes U+FFFD.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}

// describe says in words what the graph holds.
func (g *Graph) describe() string {
	var b strings.Builder
	b.WriteString("Campaign around " + g.Case + " of " + string(g.Tenant) + ", drawn " + moment(g.At) + ".")
	r := &g.Reach
	if g.Outline {
		b.WriteString(" An outline without a permit: nobody is in it. People reached: " + r.People.String() + ".")
	} else {
		b.WriteString(" Delivered to " + people(r.Delivered) + ", seen by " + strconv.Itoa(r.Previewed) + ", opened by " + strconv.Itoa(r.Opened) +
			"; kept from " + strconv.Itoa(r.Stopped) + "; " + count(r.Senders, "sender") + ", " + count(r.Groups, "group") + ".")
	}
	if !r.First.IsZero() {
		b.WriteString(" First " + moment(r.First) + ", last " + moment(r.Last) + ".")
	}
	for _, l := range g.Left {
		b.WriteString(" Left out: " + strconv.FormatInt(l.Count, 10) + " of " + l.Kind + ": " + l.Why + ".")
	}
	for _, x := range g.Damaged {
		b.WriteString(" Could not be read: " + x.File + ": " + x.What + ".")
	}
	for _, n := range g.Notes {
		b.WriteString(" " + n)
	}
	return b.String()
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return strconv.Itoa(n) + " people"
}
