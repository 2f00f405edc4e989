package score

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// grid writes a table of Markdown with columns as wide as what stands in them; all but the first are aligned to the right.
func grid(head []string, rows [][]string) string {
	wide := make([]int, len(head))
	for _, r := range append([][]string{head}, rows...) {
		for i, c := range r {
			wide[i] = max(wide[i], utf8.RuneCountInString(c), 3)
		}
	}
	var b strings.Builder
	line := func(r []string) {
		for i, c := range r {
			space := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(c))
			if i == 0 {
				b.WriteString("| " + c + space)
			} else {
				b.WriteString(" | " + space + c)
			}
		}
		b.WriteString(" |\n")
	}
	line(head)
	for i := range head {
		if i == 0 {
			b.WriteString("|" + strings.Repeat("-", wide[i]+2))
		} else {
			b.WriteString("|" + strings.Repeat("-", wide[i]+1) + ":")
		}
	}
	b.WriteString("|\n")
	for _, r := range rows {
		line(r)
	}
	return b.String()
}

func (s Share) String() string {
	if s.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%d/%d [%.2f, %.2f]", s.K, s.N, s.Low, s.High)
}

func (x Interval) String() string {
	if x.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%s [%s, %s]", short(x.Value), short(x.Low), short(x.High))
}

// short writes a number with as many digits as it deserves.
func short(x float64) string {
	switch a := math.Abs(x); {
	case a >= 100:
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return strings.Replace(fmt.Sprintf("%.2f", x), "-0.00", "0.00", 1)
}

// Markdown is the result by playbook. Numbers in brackets are intervals of 95 %.
func (r *Result) Markdown() string {
	rows := make([][]string, 0, len(r.Rows))
	for i := range r.Rows {
		x := &r.Rows[i]
		rows = append(rows, []string{
			x.Playbook, x.Caught.String(), x.Before.String(), x.Contact.String(), x.Lead.String(), x.Targets.String(), x.Reached.String(), x.Quick.String(), x.Slow.String(),
		})
	}
	return grid([]string{
		"playbook", "caught", "before the first target", "at a target's message", "lead, hours (median)", "targets", "reached to the alert", "to a stop 30 min later", "8 h later",
	}, rows)
}

// Harmed is a table of whom false alerts fell on.
func (r *Result) Harmed() string {
	rows := make([][]string, 0, len(r.False))
	for _, f := range r.False {
		rows = append(rows, []string{f.Kind, fmt.Sprint(f.Alerts), f.Weekly.String()})
	}
	return grid([]string{"who", "false alerts", "a week and world"}, rows)
}

// Overview is a table of methods by playbook, with what they caught before the first target; contact: at a target's message.
func Overview(results []Result, contact bool) string {
	var books []string
	for i := range results {
		for k := range results[i].Rows {
			if p := results[i].Rows[k].Playbook; !has(books, p) {
				books = append(books, p)
			}
		}
	}
	rows := make([][]string, 0, len(results))
	for i := range results {
		r := &results[i]
		row := []string{r.Method, fmt.Sprintf("%.1f", r.FalseWeekly)}
		for _, p := range books {
			s := Share{}
			for k := range r.Rows {
				if x := &r.Rows[k]; x.Playbook == p && contact {
					s = x.Contact
				} else if x.Playbook == p {
					s = x.Before
				}
			}
			row = append(row, s.String())
		}
		rows = append(rows, row)
	}
	return grid(append([]string{"method", "false/week"}, books...), rows)
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// Differences is a table of comparisons; what is significant says which way.
func Differences(first, second string, list []Difference) string {
	rows := make([][]string, 0, len(list))
	for _, d := range list {
		what := "no difference shown"
		if d.Better {
			what = second + " is better"
		} else if d.Worse {
			what = first + " is better"
		}
		rows = append(rows, []string{d.Playbook, d.Measure, fmt.Sprint(d.By.N), d.By.String(), what})
	}
	return grid([]string{"playbook", "measure", "campaigns", second + " − " + first, "at 95 %"}, rows)
}
