//go:build ignore

// Command benchtable makes docs/benchmarks.md of what scripts/bench.sh measured.
//
// In:     files of lines as "go test -bench" prints them, one file a room.
// Out:    a page on standard output: each thing beside its baseline, the ratio, the goal, and whether it is met.
// Keeps:  nothing.
// Fails:  when a file cannot be read. What was not measured stands in the page as not measured.
// Source: scripts/bench.sh
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// findings are all values of a metric: file, benchmark, unit.
type findings map[[3]string][]float64

var processors = regexp.MustCompile(`-\d+$`)

func (f findings) read(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	file := strings.TrimSuffix(filepath.Base(path), ".txt")
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		w := strings.Fields(sc.Text())
		if len(w) < 4 || !strings.HasPrefix(w[0], "Benchmark") {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(w[0], "Benchmark"), "")
		for i := 2; i+1 < len(w); i += 2 {
			v, err := strconv.ParseFloat(w[i], 64)
			if err != nil {
				break
			}
			k := [3]string{file, name, w[i+1]}
			f[k] = append(f[k], v)
		}
	}
	return sc.Err()
}

// unit knows how a value is written and which way is better.
type unit struct {
	write func(float64) string
	more  bool    // more is better
	scale float64 // from the benchmark's unit
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func duration(ns float64) string {
	switch {
	case ns >= 1e9:
		return digits(ns/1e9) + " s"
	case ns >= 1e6:
		return digits(ns/1e6) + " ms"
	case ns >= 1e3:
		return digits(ns/1e3) + " µs"
	}
	return digits(ns) + " ns"
}

func rate(v float64) string {
	switch {
	case v >= 1e6:
		return digits(v/1e6) + " M/s"
	case v >= 1e3:
		return digits(v/1e3) + " k/s"
	}
	return digits(v) + "/s"
}

func plainBytes(v float64) string { return digits(v) + " B" }

// perEntry is told as a rate, to stand beside one.
const perEntry = "ns/entry"

var units = map[string]unit{
	"ns/op":       {duration, false, 1},
	"ns/host":     {duration, false, 1},
	"ns/event":    {duration, false, 1},
	"p50-ms":      {duration, false, 1e6},
	"s":           {duration, false, 1e9},
	"events/s":    {rate, true, 1},
	"requests/s":  {rate, true, 1},
	perEntry:      {rate, true, 1},
	"B/indicator": {plainBytes, false, 1},
}

// side is one side of a comparison.
type side struct{ file, name, unit string }

// row is a comparison. The ratio says how much better ours is: 2 is twice the rate, or half the time or bytes.
type row struct {
	what string
	ours side
	base side
	than string // what the baseline is
	// best compares the best of both sides, for what only computes: others on the machine can only make it slower. Otherwise the median.
	best  bool
	least float64 // goal for the ratio; 0: none
	bound float64 // goal for ours, in the unit of the benchmark; 0: none
	why   string  // told when a goal is missed
}

type page struct {
	f      findings
	whys   []string // reasons for goals that the section missed, and below what each is about
	about  map[string][]string
	missed []string
	unseen []string
}

func (p *page) values(s side) (all []float64, u unit) {
	u = units[s.unit]
	for _, v := range p.f[[3]string{s.file, s.name, s.unit}] {
		if s.unit == perEntry {
			v = 1e9 / v
		}
		all = append(all, v*u.scale)
	}
	slices.Sort(all)
	return all, u
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// pick returns the value that stands for all, and its text with the spread.
func pick(all []float64, u unit, best bool) (float64, string) {
	if len(all) == 0 {
		return math.NaN(), "not measured"
	}
	v := median(all)
	if best {
		v = all[0]
		if u.more {
			v = all[len(all)-1]
		}
	}
	text := u.write(v)
	if len(all) > 1 && !best {
		text += " (" + u.write(all[0]) + " – " + u.write(all[len(all)-1]) + ")"
	}
	return v, text
}

func (p *page) section(title, text string, rows []row) {
	fmt.Printf("\n## %s\n\n%s\n\n| | vedette | compared with | | ratio | goal |\n|---|---|---|---|---|---|\n", title, text)
	for _, r := range rows {
		all, u := p.values(r.ours)
		ours, oursText := pick(all, u, r.best)
		than, baseText, ratioText := r.than, "", ""
		ratio := math.NaN()
		if r.base.name != "" {
			all, u := p.values(r.base)
			var base float64
			base, baseText = pick(all, u, r.best)
			ratio = base / ours
			if u.more {
				ratio = ours / base
			}
			if !math.IsNaN(ratio) {
				ratioText = digits(ratio)
			}
		}
		goal, met := "", true
		if r.least > 0 {
			goal, met = "at least "+strconv.FormatFloat(r.least, 'g', 2, 64), ratio >= r.least
		}
		if r.bound > 0 {
			if goal != "" {
				goal += "; "
			}
			if u.more {
				goal, met = goal+"at least "+u.write(r.bound*u.scale), met && ours >= r.bound*u.scale
			} else {
				goal, met = goal+"at most "+u.write(r.bound*u.scale), met && ours <= r.bound*u.scale
			}
		}
		p.tell(r.what, goal, met, math.IsNaN(ours) || r.least > 0 && math.IsNaN(ratio), r.why, &goal)
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", r.what, oursText, than, baseText, ratioText, goal)
	}
	p.flush()
}

// tell writes into goal whether it is met, and keeps what must be said below the table.
func (p *page) tell(what, text string, met, unseen bool, why string, goal *string) {
	switch {
	case unseen:
		p.unseen = append(p.unseen, what)
	case text == "":
	case met:
		*goal = text + ": met"
	default:
		*goal = "**" + text + ": missed**"
		p.missed = append(p.missed, what)
		if why != "" {
			if p.about == nil {
				p.about = map[string][]string{}
			}
			if len(p.about[why]) == 0 {
				p.whys = append(p.whys, why)
			}
			p.about[why] = append(p.about[why], what)
		}
	}
}

// flush tells why goals were missed, each reason once.
func (p *page) flush() {
	for _, why := range p.whys {
		fmt.Printf("\n*Missed.* %s: %s\n", strings.Join(p.about[why], "; "), why)
	}
	p.whys, p.about = nil, nil
}

func (p *page) swap() {
	fmt.Print("\n## Waiting while indicators are swapped\n\nOf 100,000 indicators, all are imported again and 1,000 are new, while single decisions go on. ")
	fmt.Println("\"During\" is the whole import: reading, guarding, writing to the store, building the set, and the swap itself. An even load asks 1,000 times a second, and waiting")
	fmt.Println("counts from when a request was due; a full load asks with 16 callers as fast as answers come. Callers and server share the same cores. Medians of the rounds, and their spread.")
	fmt.Print("\n| load | usual p50 | p99 | during p50 | p99 | longest | import | p99 during / usual | goal |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, mode := range []string{"even", "full"} {
		get := func(u string) []float64 { return p.f[[3]string{"whole", "Whole/swap/" + mode, u}] }
		usual, during := get("usual-p99-ms"), get("swap-p99-ms")
		if len(usual) == 0 || len(usual) != len(during) {
			p.unseen = append(p.unseen, "swap, "+mode+" load")
			continue
		}
		ratios := make([]float64, len(usual))
		for i := range usual {
			ratios[i] = during[i] / usual[i]
		}
		slices.Sort(ratios)
		text := func(u string, scale float64) string {
			v := slices.Clone(get(u))
			slices.Sort(v)
			return duration(median(v) * scale)
		}
		goal := "at most 2"
		p.tell("p99 during a swap, "+mode+" load", goal, median(ratios) <= 2, false, whySwap, &goal)
		fmt.Printf("| %s | %s | %s | %s | %s | %s | %s | %s (%s – %s) | %s |\n", mode, text("usual-p50-ms", 1e6), text("usual-p99-ms", 1e6), text("swap-p50-ms", 1e6),
			text("swap-p99-ms", 1e6), text("swap-longest-ms", 1e6), text("import-s", 1e9), digits(median(ratios)), digits(ratios[0]), digits(ratios[len(ratios)-1]), goal)
	}
	p.flush()
}

// Where the time goes when a goal is missed: found with pprof in November 2026, told only then.
const (
	whySwap = `reading, guarding, storing and building take one to two seconds of one core of two, in the process that serves, and the store writes where the journal
syncs. Tried on a file system in memory, on the same busy machine, p99 rose from 3.4 to 12 ms and from 8.6 to 20 ms, where the disk gave 148 and 154 ms: so most of it is
answers that wait for a sync and then for a processor. The swap itself is one pointer and one record.`
	whyDecide = `of the processor's time for a request about half is HTTP and sockets, as in the bare server; looking for the event's id in the journal takes 13 %,
reading and sealing 12 %, writing 10 %, measuring and deciding 8 %. The rest of the difference is waiting for the disk: with few callers most of them
wait for a sync at any time.`
	whyFirst = `of the processor's time of such a start (1.8 s, 261,121 events read again) building the set from the store and the store's compactions, which begin with
it, take a quarter each, loading the memory's segments a fifth, half of that for clearing memory that is still clear, reading events again an eighth, applying them less.`
	whyBatch  = whyReplay
	whyReplay = `of the processor's time for an event the store's flushes and compactions take 30 %, looking for its id in the journal 22 %, reading and sealing 13 %, measuring,
deciding and applying 11 %, appending 5 %. On two cores these add up.`
)

func line(path, key string) string {
	b, _ := os.ReadFile(path)
	for l := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func memory() string {
	kb, err := strconv.ParseFloat(strings.TrimSuffix(line("/proc/meminfo", "MemTotal"), " kB"), 64)
	if err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.0f GiB of memory", kb/(1<<20))
}

func loads(path string) string {
	b, _ := os.ReadFile(path)
	var all []float64
	for _, w := range strings.Fields(string(b)) {
		if v, err := strconv.ParseFloat(w, 64); err == nil {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return "not sampled"
	}
	slices.Sort(all)
	return fmt.Sprintf("%.1f in the middle, %.1f to %.1f", median(all), all[0], all[len(all)-1])
}

func main() {
	commit := flag.String("commit", "unknown", "the commit that was measured")
	took := flag.Int("took", 0, "seconds that the measurement took")
	others := flag.String("others", "unknown", "percent of the processors that others used before the run")
	load := flag.String("load", "", "file of load averages")
	keys := flag.Int("keys", 0, "keys in the memory that was measured")
	quick := flag.Bool("quick", false, "the measurement was the quick one")
	flag.Parse()
	p := &page{f: findings{}}
	for _, path := range flag.Args() {
		if err := p.f.read(path); err != nil {
			fmt.Fprintln(os.Stderr, "benchtable:", err)
			os.Exit(1)
		}
	}
	command := "make bench"
	if *quick {
		command = "scripts/bench.sh --quick FILE"
	}
	fmt.Println("# How fast, and in how little")
	fmt.Printf("\nMade by `%s`; numbers are not written by hand.\n\n", command)
	if *quick {
		fmt.Print("**A quick run: small and seldom. It shows that measuring works; do not quote its numbers.**\n\n")
	}
	fmt.Printf("- %s, commit %s, %s, no C compiler.\n", time.Now().UTC().Format("2 January 2006"), *commit, runtime.Version())
	fmt.Printf("- %d cores of %s, %s. One small synced write to the disk: %s.\n", runtime.NumCPU(), line("/proc/cpuinfo", "model name"), memory(), p.sync())
	fmt.Printf("- Others used %s %% of the processors just before. Load average during the run: %s (the measurements themselves make about %d). The run took %d min.\n",
		*others, loads(*load), runtime.NumCPU(), (*took+59)/60)
	fmt.Print(`
Read the ratios: both sides of a row ran one after the other in the same run, on the same input. A ratio above 1 means that vedette is better. What
only computes is told by its best repetition, since others on the machine can only make it slower; what waits for a disk or a socket by its median, with the least
and the greatest beside it.
`)
	size := "10,000,000"
	gate := "10000000"
	if _, ok := p.f[[3]string{"inline-decision", "Gate/vedette/" + gate, "ns/op"}]; !ok {
		gate, size = "1000000", "1,000,000"
	}
	ns := func(file, name string) side { return side{file, name, "ns/op"} }
	fast := func(what string, ours, base side, than string, least float64) row {
		return row{what: what, ours: ours, base: base, than: than, best: true, least: least}
	}
	const libs = "libraries as they come"
	p.section("One decision", "An event that is already read, with one URL: the link read, "+size+` indicators, measures from windows, fifty rules. The libraries as they come
are nlnwa/whatwg-url, x/net/publicsuffix, SHA-256 and a Go map, and cel-go; windows are ours on both sides, as no library has them. A test holds
both to the same verdicts (`+"`TestTheGateAnswersWhatTheLibrariesWould`).", []row{
		fast("a decision, whole", ns("inline-decision", "Gate/vedette/"+gate), ns("inline-decision", "Gate/libraries/"+gate), libs, 2),
		fast("reading a link, made-up links", ns("link", "Parse/ordinary/ours"), ns("link", "Parse/ordinary/library"), "whatwg-url and publicsuffix", 0),
		fast("reading a link, links that people sent", ns("link", "Parse/benign/ours"), ns("link", "Parse/benign/library"), "the same", 0),
		fast("registrable domain", side{"link", "Registrable/ours", "ns/host"}, side{"link", "Registrable/x-net", "ns/host"}, "x/net/publicsuffix", 0),
		fast("fifty rules", ns("inline-decision", "Decide/vedette/mixed"), ns("inline-decision", "Decide/plain/resolve"), "cel-go, facts on demand", 0),
		fast("", ns("inline-decision", "Decide/vedette/mixed"), ns("inline-decision", "Decide/plain/map"), "cel-go, facts in a map", 0),
	})
	p.section("Indicators", "A link with one parent name below its registrable domain, held against a list. Nearly all links are misses.", []row{
		fast("miss, 1 M", ns("record-indicator", "Match/set/miss"), ns("record-indicator", "Match/map/miss"), "Go map by name", 0),
		fast("hit, 1 M", ns("record-indicator", "Match/set/hit"), ns("record-indicator", "Match/map/hit"), "Go map by name", 0),
		fast("miss, 10 M", ns("record-indicator-10m", "Match/set/miss"), ns("record-indicator-10m", "Match/map/miss"), "Go map by name", 0),
		fast("hit, 10 M", ns("record-indicator-10m", "Match/set/hit"), ns("record-indicator-10m", "Match/map/hit"), "Go map by name", 0),
		{what: "resident for each, 1 M", ours: side{"record-indicator", "Resident/set/1000000", "B/indicator"}, base: side{"record-indicator", "Resident/map/1000000", "B/indicator"}, than: "Go map by name", bound: 32},
		{what: "resident for each, 10 M", ours: side{"record-indicator", "Resident/set/10000000", "B/indicator"}, base: side{"record-indicator", "Resident/map/10000000", "B/indicator"}, than: "Go map by name", bound: 32},
	})
	p.section("Windows", fmt.Sprintf("Memory of about %.1f million", float64(*keys)/1e6)+` keys, flat, without a pointer for a key. The map of pointers does less: it has counters where memory has sketches and windows,
and it forgets nothing.`, []row{
		fast("measure and apply one event", ns("inline-feature", "MeasureAndApply"), ns("inline-feature", "Plain/MeasureAndApply"), "Go maps of pointers", 0),
		fast("one round of the garbage collector", ns("inline-feature", "Collect"), ns("inline-feature", "Plain/Collect"), "Go maps of pointers", 0),
	})
	ev := func(file, name string) side { return side{file, name, "events/s"} }
	p.section("Journal", "Frames of 256 events, each with its decision and measures; an append is one synced write of so many frames, with the index of ids.", []row{
		{what: "append, 1 frame a sync", ours: ev("store-frames", "Append/journal/frames=1"), base: ev("store-frames", "Append/bare_file/frames=1"), than: "the same bytes by write and fdatasync"},
		{what: "append, 4 frames a sync", ours: ev("store-frames", "Append/journal/frames=4"), base: ev("store-frames", "Append/bare_file/frames=4"), than: "the same"},
		{what: "append, 16 frames a sync", ours: ev("store-frames", "Append/journal/frames=16"), base: ev("store-frames", "Append/bare_file/frames=16"), than: "the same", bound: 200_000},
		{what: "read from the start", ours: ev("store-frames", "Read"), base: side{"record-journal", "Frame/read", perEntry}, than: "the same frames decoded in memory", bound: 300_000},
	})
	p.section("Replay", "`vedette replay` of a file into an empty folder, 100,000 indicators: read, sealed, measured, decided, applied, kept and synced. Traffic is made up, one event in "+
		"ten has a link; the overlay has the timing of real conversations, real links and real hosts, nearly every event with one.", []row{
		{what: "traffic", ours: ev("whole", "Whole/replay/traffic/vedette"), base: ev("whole", "Whole/replay/traffic/decoding-alone"), than: "encoding/json of the same lines alone", why: whyReplay},
		{what: "overlay", ours: ev("whole", "Whole/replay/overlay/vedette"), base: ev("whole", "Whole/replay/overlay/decoding-alone"), than: "the same", why: whyReplay},
	})
	rq := func(name string) side { return side{"whole", "Whole/" + name, "requests/s"} }
	perEvent := func(name string) side { return side{"edge-intake", name, "ns/event"} }
	p.section("The door", `The first rows have the door alone, before a gate that answers at once. The others have the true server in its own process: vault, sequencer,
100,000 indicators, and a journal synced before each answer; the bare handler, in its own process too, decodes the same JSON and answers a constant. Callers, server and disk share
the machine.`, []row{
		fast("an event read and sealed, its link read", ns("edge-intake", "Decode/all"), ns("edge-intake", "Decode/json"), "encoding/json alone", 0),
		fast("`POST /v1/decide`, handlers called directly", ns("edge-intake", "DecideHandler/door"), ns("edge-intake", "DecideHandler/bare"), "bare handler", 0),
		{what: "`POST /v1/decide` through a socket, the door alone", ours: ns("edge-intake", "DecideServer/door"), base: ns("edge-intake", "DecideServer/bare"), than: "bare handler", least: .5},
		{what: "`POST /v1/events`, the door alone, an event", ours: perEvent("Events/door"), base: perEvent("Events/decode"), than: "our decoding alone", best: true, least: .33},
		{what: "", ours: perEvent("Events/door"), base: perEvent("Events/json"), than: "encoding/json alone", best: true, least: .33},
		{what: "`POST /v1/decide`, true server, 64 callers", ours: rq("decide/vedette/callers=64"), base: rq("decide/bare/callers=64"), than: "bare server", least: .5, why: whyDecide},
		{what: "`POST /v1/decide`, true server, 256 callers", ours: rq("decide/vedette/callers=256"), base: rq("decide/bare/callers=256"), than: "bare server", least: .5, why: whyDecide},
		{what: "`POST /v1/decide`, true server, one caller", ours: side{"whole", "Whole/decide/vedette/callers=1", "p50-ms"}, base: side{"whole", "Whole/decide/bare/callers=1", "p50-ms"}, than: "bare server"},
		{what: "`POST /v1/events`, true server, one caller", ours: ev("whole", "Whole/batch/vedette/callers=1"), base: ev("whole", "Whole/batch/decoding-alone"), than: "encoding/json alone, one core", least: .33, why: whyBatch},
		{what: "`POST /v1/events`, true server, 4 callers", ours: ev("whole", "Whole/batch/vedette/callers=4"), base: ev("whole", "Whole/batch/decoding-alone"), than: "the same", least: .33, why: whyBatch},
	})
	p.swap()
	one := func(u string) float64 {
		if v := p.f[[3]string{"whole", "Whole/first-answer/journal", u}]; len(v) > 0 {
			return v[0]
		}
		return math.NaN()
	}
	p.section("First answer after kill -9", fmt.Sprintf(`From exec to the first 200 of `+"`POST /v1/decide`"+`, after the server was killed under the load of 16 callers, with 100,000 indicators and a journal of %.1f million
events (%.2f GB), as many as the time for filling it allowed. The files are in the page cache, as they are after a kill. An empty folder with as many indicators shows what starting costs without a journal.`,
		one("events")/1e6, one("GB")), []row{
		{what: "first answer", ours: side{"whole", "Whole/first-answer/large", "s"}, base: side{"whole", "Whole/first-answer/empty", "s"}, than: "an empty folder", bound: 1, why: whyFirst},
	})
	fmt.Print("\n## Goals\n\n")
	if len(p.missed) == 0 {
		fmt.Println("Missed: none of those that were measured.")
	} else {
		fmt.Println("Missed: " + strings.Join(p.missed, "; ") + ".")
	}
	if len(p.unseen) > 0 {
		fmt.Println("\nNot measured in this run: " + strings.Join(p.unseen, "; ") + ".")
	}
}

func (p *page) sync() string {
	all, _ := p.values(side{"whole", "Whole/disk/sync", "p50-ms"})
	if len(all) == 0 {
		return "not measured"
	}
	return duration(median(all))
}
