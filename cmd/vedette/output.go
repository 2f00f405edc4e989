package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"vedette"
)

// printJSON writes one object, for machines.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// paint is how a word is coloured on a terminal, and nowhere else.
type paint struct{ on bool }

func (g *global) paint(cmd *cobra.Command) paint {
	switch g.colour {
	case "always":
		return paint{true}
	case "never":
		return paint{}
	}
	return paint{os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminal(cmd.OutOrStdout())}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

func (p paint) bold(s string) string  { return p.with("1", s) }
func (p paint) dim(s string) string   { return p.with("2", s) }
func (p paint) red(s string) string   { return p.with("31;1", s) }
func (p paint) green(s string) string { return p.with("32", s) }
func (p paint) amber(s string) string { return p.with("33;1", s) }

func (p paint) with(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// verdict colours a verdict; the word itself says it too.
func (p paint) verdict(v vedette.Verdict) string {
	switch v {
	case vedette.Block, vedette.Hold:
		return p.red(v.String())
	case vedette.Warn:
		return p.amber(v.String())
	}
	return p.green(v.String())
}

// table writes aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

func (t table) row(cells ...string) { _, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t")) }
func (t table) flush()              { _ = t.w.Flush() }

// counted writes how many of what there are: "1 name", "2,000 names".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// bits writes evidence as people read it.
func bits(m vedette.MilliBits) float64 { return float64(m) / 1000 }
