package attribution

import (
	"fmt"
	"strings"
	"time"
)

// Text returns the assessment for people: hosts are defanged, the three claims stand apart, and likelihood and confidence are never in one
// sentence. Lint finds nothing in it.
func (as *Assessment) Text() string {
	var b strings.Builder
	b.WriteString(Note + "\n")
	if as.Case != "" {
		fmt.Fprintf(&b, "Case %s.\n", as.Case)
	}
	if !as.First.IsZero() {
		fmt.Fprintf(&b, "First seen here on %s.\n", as.First.UTC().Format(time.DateOnly))
	}
	fmt.Fprintf(&b, "Held against %s, %s and %s, the last of %s.\n", plural(as.Known.Operators, "operator", "operators"),
		plural(as.Known.Reports, "report", "reports"), plural(as.Known.Names, "published name", "published names"), day(as.Known.Last))
	lines(&b, "Hosts", as.Hosts, 12)
	lines(&b, "Left out", as.Ignored, 12)
	for _, c := range []*Claim{&as.Campaign, &as.Vendor, &as.Customer} {
		c.text(&b)
	}
	b.WriteString("\nDISSENT\n")
	if len(as.Dissent) == 0 {
		b.WriteString("  None is on record. Whoever sees it otherwise writes it here; it stays beside the assessment.\n")
	}
	for _, d := range as.Dissent {
		fmt.Fprintf(&b, "  %s, %s: “%s”\n", d.Who, day(d.At), d.Text)
	}
	return b.String()
}

func day(t time.Time) string {
	if t.IsZero() {
		return "no date"
	}
	return t.UTC().Format(time.DateOnly)
}

func lines(b *strings.Builder, title string, list []string, limit int) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "%s:\n", title)
	for i, l := range list {
		if i == limit {
			fmt.Fprintf(b, "  and %d more\n", len(list)-limit)
			break
		}
		fmt.Fprintf(b, "  %s\n", l)
	}
}

func (c *Claim) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s: %s\n", strings.ToUpper(string(c.Kind)), c.Question)
	fmt.Fprintf(b, "  %s\n  %s\n", c.Likelihood, c.Ground)
	b.WriteString("  Hypotheses, with prior, evidence and total in bits, and per cent:\n")
	const shown = 8
	for i, h := range c.Hypotheses {
		if i == shown {
			fmt.Fprintf(b, "    and %s, each with less\n", plural(len(c.Hypotheses)-shown, "hypothesis more", "hypotheses more"))
			break
		}
		fmt.Fprintf(b, "    %-44s %7s %7s %7s  %4s\n", h.Name, inBits(int(h.Prior)), inBits(int(h.Evidence)), inBits(int(h.Total)), share(h.PPM))
	}
	if len(c.Evidence) > 0 {
		b.WriteString("  Evidence:\n")
	}
	for i := range c.Evidence {
		it := &c.Evidence[i]
		graded := ""
		if !it.computed() || it.Kind == Published || it.Kind == Beside {
			graded = "source graded " + it.Grade.String() + ", "
		}
		fmt.Fprintf(b, "    %s [%s%s]\n", it.Text, graded, it.FalseFlag)
		for j, r := range it.Ratios {
			if j == 6 {
				fmt.Fprintf(b, "      and %s more\n", plural(len(it.Ratios)-j, "hypothesis", "hypotheses"))
				break
			}
			fmt.Fprintf(b, "      %s for %s\n", inBits(int(r.Bits)), r.Hypothesis)
		}
	}
	fmt.Fprintf(b, "  False flag: %s\n", c.FalseFlag.Text)
	fmt.Fprintf(b, "  Against it: %s\n", c.Against)
	if len(c.Changes) > 0 {
		b.WriteString("  What would change this:\n")
	}
	for _, s := range c.Changes {
		fmt.Fprintf(b, "    %s\n", s)
	}
}

func inBits(m int) string {
	sign := "+"
	if m > -100 && m < 0 {
		m = 0
	}
	if m < 0 {
		sign, m = "-", -m
	}
	return fmt.Sprintf("%s%d.%d", sign, m/1000, m%1000/100)
}
