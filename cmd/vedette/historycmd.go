package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"vedette/watch/hunt"
)

type historyState struct {
	Folder string `json:"folder"`
	hunt.Stats
	Days int `json:"kept_days"`
}

var opHistory = operation[bool, historyState]{"history", func(ctx context.Context, h *house, verify bool) (historyState, error) {
	if err := h.settle(ctx); err != nil {
		return historyState{}, err
	}
	if verify {
		if err := h.recording.Flush(ctx); err != nil {
			return historyState{}, err
		}
		if _, err := h.past.Verify(ctx); err != nil {
			return historyState{}, err
		}
	}
	st, err := h.past.Stats(ctx)
	return historyState{filepath.Join(h.folder.dir, "history"), st, 90}, err
}}

func (g *global) history() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Tell what history holds, and check its files",
		Long: `History is what hunts ask: rare links of first contacts, for 90 days. It lies in Parquet files, a folder for each day, which other engines
read too (docs/formats/history.md); people stand in it as surrogates and links as keyed tokens. There is no way to list people.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opHistory.do(cmd.Context(), g, verify)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if g.json {
				err = printJSON(w, out)
			} else {
				fmt.Fprintf(w, "%s sightings in %s, %s on disk", count(int(out.Sightings)), out.Folder, mebibytes(out.Bytes))
				if !out.Oldest.IsZero() {
					fmt.Fprintf(w, ", %s to %s", out.Oldest.Format(time.DateOnly), out.Newest.Format(time.DateOnly))
				}
				fmt.Fprintln(w)
				for _, d := range out.Damaged {
					fmt.Fprintf(w, "%s %s: %s; the rest is served\n", g.paint(cmd).red("damaged:"), d.File, d.What)
				}
				if verify && len(out.Damaged) == 0 {
					fmt.Fprintln(w, "every byte is as it was written")
				}
			}
			if err == nil && len(out.Damaged) > 0 {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "read every byte of every file")
	return cmd
}

// mebibytes writes a size as a person reads it.
func mebibytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
