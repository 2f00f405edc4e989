package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sort"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"vedette"
	"vedette/edge/intake"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

// replayed is what a replay prints at its end. Everything but the last two fields is the same for the same events, generation and folder.
type replayed struct {
	Events     int            `json:"events"`     // that were decided, now or before
	Duplicates int            `json:"duplicates"` // lines whose event this very file already had
	Decisions  map[string]int `json:"decisions"`  // by the judgement: what vedette would say were everything armed
	Answered   map[string]int `json:"answered"`   // by the answer that a platform would have got, as armed now
	ByReason   map[string]int `json:"by_reason"`
	ByKind     map[string]int `json:"by_kind"`
	Links      int            `json:"links"`
	Degraded   map[string]int `json:"degraded"`
	Refused    int            `json:"refused_lines"` // lines that are no event; the first ones are listed
	Lines      []badLine      `json:"refused,omitempty"`
	Conflicts  int            `json:"conflicts"` // lines whose id was known with other bytes
	Hindsight  bool           `json:"hindsight"` // judged with what is known now, not with what was known then
	Generation string         `json:"generation"`
	Truth      *scored        `json:"truth,omitempty"` // with --truth
	Watch      *watchedOut    `json:"findings"`        // of the slow watch, over everything that the journal has
	Journal    string         `json:"journal_digest"`  // of all entries, whatever people are called in them
	Recorded   bool           `json:"recorded"`        // kept in the data folder's journal
	Seconds    float64        `json:"seconds"`
	Rate       float64        `json:"events_per_second"`
}

type badLine struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// maxBadLines is how many refused lines are listed; the count is always whole.
const maxBadLines = 20

func (g *global) replay() *cobra.Command {
	var asKnown, scratch, quiet bool
	var truth string
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Play events from a file through the whole engine and sum up what it said",
		Long: `Plays newline-delimited JSON events (also gzipped; - is standard input) through the whole engine: reading, sealing, measuring,
deciding, keeping. Events go into the data folder's journal, so a replay that was stopped goes on where it ended, and
"vedette decision show" explains each decision. With --scratch nothing is kept.

The past is judged with what is known now. With --as-known an indicator counts only from the moment on when this house had it.
"decisions" counts the judgement; "answered" counts what a platform would have got, since what is not armed answers allow.

The slow watch looks when all events are decided: its findings are told and kept, but no answer of the replay has a warning of a link that a group
tried first, as it would have had live.`,
		Example: "  vedette replay events.ndjson\n  vedette replay --scratch --json events.ndjson.gz",
		Args:    exactly(1, "a file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sum, err := g.runReplay(cmd, args[0], truth, asKnown, scratch, quiet)
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), sum)
			} else {
				sum.print(cmd.OutOrStdout(), g.paint(cmd))
			}
			if err == nil && sum.Refused+sum.Conflicts > 0 {
				return &exit{code: exitPartial}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asKnown, "as-known", false, "judge each event with the indicators known at its time")
	cmd.Flags().BoolVar(&scratch, "scratch", false, "keep nothing: use the folder's indicators, rules and arming, and a journal of its own")
	cmd.Flags().StringVar(&truth, "truth", "", "hold the verdicts against a truth file (docs/formats/truth.md)")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "no progress bar")
	return cmd
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(cmd, "this needs %s", what)
		}
		return nil
	}
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage(cmd, "%q is one word too many", args[1])
	}
	return nil
}

func (g *global) runReplay(cmd *cobra.Command, path, truth string, asKnown, scratch, quiet bool) (*replayed, error) {
	ctx := cmd.Context()
	in, size, closeIn, err := openEvents(path, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	defer closeIn()
	h, err := open(ctx, g, opening{gate: true, scratch: scratch, replay: true})
	if errors.Is(err, errOwned) {
		return nil, fmt.Errorf("%w\nStop that process, name another folder with --data, or use --scratch with a copy", err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.close() }()
	var bar *progressbar.ProgressBar
	if !quiet && !g.json && terminal(cmd.ErrOrStderr()) {
		bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(cmd.ErrOrStderr()), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("replay"), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		in = io.TeeReader(in, bar)
	}
	if gz, err := maybeGzip(in); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, err, vedette.ErrInvalid)
	} else {
		in = gz
	}
	sum := newReplayed(!asKnown, !scratch)
	done := sum.add
	if truth != "" {
		s, err := h.scorer(truth)
		if err != nil {
			return nil, err
		}
		sum.Truth = s
		done = func(line int, a *sequence.Arrival, out *sequence.Outcome) { sum.add(line, a, out); s.add(line, a, out) }
	}
	begin := time.Now()
	if err := h.play(ctx, in, !asKnown, done, sum.bad); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	took := time.Since(begin)
	slices.SortStableFunc(sum.Lines, func(a, b badLine) int { return a.Line - b.Line })
	if bar != nil {
		_ = bar.Finish()
	}
	if sum.Journal, err = h.digest(ctx); err != nil {
		return nil, err
	}
	if sum.Watch, err = h.watchPlayed(ctx); err != nil {
		return nil, err
	}
	sum.Generation = h.judging.Load().generation.ID().String()
	sum.Seconds = took.Seconds()
	if sum.Seconds > 0 {
		sum.Rate = float64(sum.Events) / sum.Seconds
	}
	return sum, nil
}

func openEvents(path string, stdin io.Reader) (r io.Reader, size int64, end func(), err error) {
	if path == "-" {
		return stdin, -1, func() {}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	size = -1
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		size = st.Size()
	}
	return f, size, func() { _ = f.Close() }, nil
}

func maybeGzip(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 1<<20)
	if magic, _ := br.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		return gzip.NewReader(br)
	}
	return br, nil
}

// chunk is a run of lines on its way through the engine.
type chunk struct {
	first    int // number of the first line
	lines    []int
	arrivals []sequence.Arrival
	bad      []badLine
	err      error
}

// chunkEvents is how many events go to the sequencer at once: as many as one sync can keep.
const chunkEvents = 32 * journal.MaxFrame

// play decides every event of r in order. done is told every outcome, bad every line that is no event; both from one goroutine.
func (h *house) play(ctx context.Context, r io.Reader, hindsight bool, done func(line int, a *sequence.Arrival, out *sequence.Outcome), bad func(badLine)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sealer, err := h.vault.Tenant(h.cfg.Tenant)
	if err != nil {
		return err
	}
	chunks := make(chan chunk, 1) // one ahead: the next is read while the last is decided
	go func() {
		defer close(chunks)
		lines := bufio.NewReaderSize(r, 1<<20)
		n := 0
		for end := false; !end; {
			c := chunk{first: n + 1, arrivals: make([]sequence.Arrival, 0, chunkEvents), lines: make([]int, 0, chunkEvents)}
			h.sealing.Lock()
			for len(c.arrivals) < chunkEvents && len(c.bad) < chunkEvents {
				line, tooLong, err := readLine(lines)
				if errors.Is(err, io.EOF) {
					end = true
					break
				}
				if err != nil {
					c.err, end = fmt.Errorf("line %d: %w", n+1, err), true
					break
				}
				n++
				if tooLong {
					c.bad = append(c.bad, badLine{n, fmt.Sprintf("longer than %d KiB", intake.MaxEvent>>10)})
					continue
				}
				if len(bytes.TrimSpace(line)) == 0 {
					continue
				}
				d, err := intake.Decode(line, sealer, intake.DecodeOptions{Tenant: h.cfg.Tenant, Platform: "replay", Source: vedette.SourceReplay})
				if err != nil {
					if errors.Is(err, vedette.ErrUnavailable) {
						c.err, end = fmt.Errorf("line %d: %w", n, err), true
						break
					}
					c.bad = append(c.bad, badLine{n, err.Error()})
					continue
				}
				d.Arrival.Hindsight = hindsight
				c.arrivals, c.lines = append(c.arrivals, d.Arrival), append(c.lines, n)
			}
			h.sealing.Unlock()
			select {
			case chunks <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	for c := range chunks {
		for i, out := range h.seq.Submit(ctx, c.arrivals) {
			if out.Err != nil && !errors.Is(out.Err, vedette.ErrConflict) {
				return fmt.Errorf("line %d: %w", c.lines[i], out.Err)
			}
			done(c.lines[i], &c.arrivals[i], &out)
		}
		for _, b := range c.bad {
			bad(b)
		}
		if c.err != nil {
			return c.err
		}
	}
	return ctx.Err()
}

// readLine returns the next line without its end. A line over the limit is skipped and reported as too long. The slice is valid until the
// next call.
func readLine(r *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if !tooLong {
			if line == nil && err == nil {
				return trimEnd(part), len(part) > intake.MaxEvent+2, nil
			}
			line = append(line, part...)
			tooLong = len(line) > intake.MaxEvent+2
		}
		switch {
		case err == nil:
			return trimEnd(line), tooLong, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(line) > 0 || tooLong):
			return trimEnd(line), tooLong, nil
		default:
			return nil, false, err
		}
	}
}

func trimEnd(b []byte) []byte { return bytes.TrimRight(b, "\r\n") }

func newReplayed(hindsight, recorded bool) *replayed {
	return &replayed{
		Decisions: map[string]int{}, Answered: map[string]int{}, ByReason: map[string]int{}, ByKind: map[string]int{}, Degraded: map[string]int{},
		Hindsight: hindsight, Recorded: recorded,
	}
}

func (s *replayed) add(line int, a *sequence.Arrival, out *sequence.Outcome) {
	if out.Err != nil {
		s.Conflicts++
		s.list(badLine{line, out.Err.Error()})
		return
	}
	s.Events++
	s.ByKind[a.Event.Kind().String()]++
	s.Links += len(a.Event.Links())
	d := &out.Decision
	s.Decisions[d.Would.String()]++
	s.Answered[d.Verdict.String()]++
	seen := map[vedette.RuleID]bool{}
	for _, r := range d.Reasons {
		if !seen[r.Rule] {
			seen[r.Rule] = true
			s.ByReason[string(r.Rule)]++
		}
	}
	for _, part := range d.Degraded.Names() {
		s.Degraded[part]++
	}
}

func (s *replayed) bad(b badLine) { s.Refused++; s.list(b) }

func (s *replayed) list(b badLine) {
	if len(s.Lines) < maxBadLines {
		s.Lines = append(s.Lines, b)
	}
}

func (s *replayed) print(w io.Writer, p paint) {
	fmt.Fprintf(w, "%s events, %s links, in %.1f s (%s events/s)\n\n", count(s.Events), count(s.Links), s.Seconds, count(int(s.Rate)))
	t := newTable(w, "verdict", "judged", "answered, as armed now")
	for v := vedette.Block; ; v-- {
		t.row(p.verdict(v), count(s.Decisions[v.String()]), count(s.Answered[v.String()]))
		if v == vedette.Allow {
			break
		}
	}
	t.flush()
	section := func(title string, m map[string]int) {
		if len(m) == 0 {
			return
		}
		fmt.Fprintf(w, "\n%s\n", title)
		t := newTable(w)
		for _, k := range byCount(m) {
			t.row("  "+k, count(m[k]))
		}
		t.flush()
	}
	section("Reasons, each counted once for an event", s.ByReason)
	section("Kinds", s.ByKind)
	if s.Truth != nil {
		s.Truth.print(w, p)
	}
	section("Judged without a part", s.Degraded)
	if s.Watch != nil {
		s.Watch.print(w)
	}
	if n := s.Refused + s.Conflicts; n > 0 {
		fmt.Fprintf(w, "\n%s lines gave no event:\n", count(n))
		for _, b := range s.Lines {
			fmt.Fprintf(w, "  line %d: %s\n", b.Line, b.Error)
		}
		if n > len(s.Lines) {
			fmt.Fprintf(w, "  … and %s more\n", count(n-len(s.Lines)))
		}
	}
	fmt.Fprintf(w, "\njournal digest %s\n", s.Journal)
	if s.Hindsight {
		fmt.Fprintln(w, p.dim("Judged with what is known now; --as-known judges with what was known then."))
	}
}

func byCount(m map[string]int) []string {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	sort.Slice(ks, func(i, j int) bool { return m[ks[i]] > m[ks[j]] || m[ks[i]] == m[ks[j]] && ks[i] < ks[j] })
	return ks
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// count writes a number with thin groups of three.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
