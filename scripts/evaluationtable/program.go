//go:build ignore

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/store/frames"
)

// bench is where the true program runs: its own folders, keys and home, so that nothing of the person who starts it is read or changed.
type bench struct {
	bin     string
	corpora string
	work    string
	quick   bool

	mu  sync.Mutex
	ran map[string]int // commands of the program, by name
}

func (b *bench) path(parts ...string) string {
	return filepath.Join(append([]string{b.corpora}, parts...)...)
}

// run gives what the program prints. Exit codes 3 (found something) and 4 (part of the input could not be used) are no failure.
func (b *bench) run(folder string, args ...string) ([]byte, error) {
	cmd := exec.Command(b.bin, args...)
	cmd.Env = []string{
		"VEDETTE_DATA=" + filepath.Join(b.work, folder), "XDG_CONFIG_HOME=" + filepath.Join(b.work, "config"), "HOME=" + b.work, "PATH=" + os.Getenv("PATH"),
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	b.mu.Lock()
	b.ran[strings.Join(args[:min(2, len(args))], " ")]++
	b.mu.Unlock()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && (e.ExitCode() == 3 || e.ExitCode() == 4) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("vedette %s: %w\n%s", strings.Join(args, " "), err, &said)
	}
	return out, nil
}

// sources are the folders of published indicators; each is imported as a list of its own. The folder avast holds running text alone.
var sources = []string{"amnesty", "citizenlab", "mvt", "meta", "maltrail", "eset", "volexity", "stalkerware", "targetedthreats"}

type importReport struct {
	File     string `json:"file"`
	Source   string `json:"source"`
	Seen     int    `json:"seen"`
	Taken    int    `json:"taken"`
	Narrowed int    `json:"narrowed"`
	Observed int    `json:"observed"`
	Refused  int    `json:"refused"`
	Refusals []struct {
		Value  string `json:"value"`
		Reason string `json:"reason"`
	} `json:"refusals"`
}

// fill imports every file of every source that keep names (by its path under indicators/), each list by its word at block.
func (b *bench) fill(folder string, guards []string, keep func(rel string) bool) ([]importReport, error) {
	for _, g := range guards {
		if _, err := b.run(folder, "indicator", "guard", "add", g); err != nil {
			return nil, err
		}
	}
	var reports []importReport
	for _, s := range sources {
		files, err := b.indicatorFiles(s, keep)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			continue
		}
		out, err := b.run(folder, append([]string{"indicator", "import", "--json", "--source", s, "--grade", "A1", "--verdict", "block"}, files...)...)
		if err != nil {
			return nil, err
		}
		type done struct{ Report importReport }
		var many []done
		if bytes.HasPrefix(bytes.TrimSpace(out), []byte("{")) {
			many = make([]done, 1)
			err = json.Unmarshal(out, &many[0])
		} else {
			err = json.Unmarshal(out, &many)
		}
		if err != nil {
			return nil, fmt.Errorf("what import printed for %s: %w", s, err)
		}
		for _, d := range many {
			reports = append(reports, d.Report)
		}
	}
	return reports, nil
}

func (b *bench) indicatorFiles(source string, keep func(string) bool) (files []string, err error) {
	root := b.path("indicators")
	err = filepath.WalkDir(filepath.Join(root, source), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if slices.Contains([]string{".stix2", ".csv", ".txt", ".json"}, filepath.Ext(path)) && !strings.HasPrefix(d.Name(), "LICENSE") &&
			d.Name() != "requirements.txt" && (keep == nil || keep(filepath.ToSlash(rel))) {
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// said is what the gate judged of one event: were everything armed.
type said struct {
	would vedette.Verdict
	lists []string // lists that spoke, not in shadow
	rules []string // rules that spoke at all, not in shadow
}

func (s *said) stopped() bool { return s.would >= vedette.Hold }

type replayReport struct {
	Events     int            `json:"events"`
	Links      int            `json:"links"`
	Decisions  map[string]int `json:"decisions"`
	ByReason   map[string]int `json:"by_reason"`
	Refused    int            `json:"refused_lines"`
	Conflicts  int            `json:"conflicts"`
	Duplicates int            `json:"duplicates"`
	Digest     string         `json:"journal_digest"`
	Truth      *struct {
		Injected   int `json:"injected"`
		Stopped    int `json:"stopped"`
		Missed     int `json:"missed"`
		Harmless   int `json:"harmless_with_link"`
		FalseStops int `json:"false_stops"`
		FalseWarns int `json:"false_warns"`
	} `json:"truth"`
}

// judge plays events through a copy of the folder, and returns what was judged of each line: the journal has one entry for each, in order.
func (b *bench) judge(base, events, truth string) (replayReport, []said, error) {
	const folder = "judged"
	var rep replayReport
	dir := filepath.Join(b.work, folder)
	if err := os.RemoveAll(dir); err != nil {
		return rep, nil, err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(b.work, base))); err != nil {
		return rep, nil, err
	}
	args := []string{"replay", "--json", "--quiet", events}
	if truth != "" {
		args = append(args, "--truth", truth)
	}
	out, err := b.run(folder, args...)
	if err != nil {
		return rep, nil, err
	}
	if err := json.Unmarshal(out, &rep); err != nil {
		return rep, nil, fmt.Errorf("what replay printed: %w", err)
	}
	if rep.Refused+rep.Conflicts+rep.Duplicates > 0 {
		return rep, nil, fmt.Errorf("%s: %d lines refused, %d in conflict, %d twice: lines and journal would not fit together", events, rep.Refused, rep.Conflicts, rep.Duplicates)
	}
	all, err := verdicts(dir)
	if err == nil && len(all) != rep.Events {
		err = fmt.Errorf("%s: the journal has %d entries for %d events", events, len(all), rep.Events)
	}
	return rep, all, err
}

// verdicts reads every platform's event of a folder's journal, in order.
func verdicts(dir string) (all []said, err error) {
	ctx := context.Background()
	j, err := frames.Open(ctx, filepath.Join(dir, "journal"), frames.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	names := map[vedette.RuleID]string{}
	for e, err := range j.Read(ctx, journal.Position{}) {
		if err != nil {
			return nil, err
		}
		if e.Event.Source == vedette.SourceJournal {
			continue
		}
		s := said{would: e.Decision.Would}
		for _, r := range e.Decision.Reasons {
			if r.Shadow {
				continue
			}
			name, ok := names[r.Rule]
			if !ok {
				name = string(r.Rule)
				names[r.Rule] = name
			}
			if strings.HasPrefix(name, "list:") {
				if r.Verdict >= vedette.Hold && !slices.Contains(s.lists, name) {
					s.lists = append(s.lists, name)
				}
			} else if !slices.Contains(s.rules, name) {
				s.rules = append(s.rules, name)
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// overlay has the program write a stream and its truth.
func (b *bench) overlay(name string, args ...string) (events, truth string, rep overlayReport, err error) {
	events, truth = filepath.Join(b.work, name+".ndjson"), filepath.Join(b.work, name+".truth.ndjson")
	out, err := b.run("unused", append([]string{"sim", "overlay", "--json", "--out", events, "--truth", truth}, args...)...)
	if err == nil {
		err = json.Unmarshal(out, &rep)
	}
	return events, truth, rep, err
}

type overlayReport struct {
	Events   int            `json:"events"`
	Messages int            `json:"messages"`
	Accounts int            `json:"accounts"`
	Links    int            `json:"links"`
	Targets  int            `json:"targets"`
	Injected int            `json:"injected"`
	LeftOut  map[string]int `json:"left_out"`
	First    time.Time      `json:"first"`
	Last     time.Time      `json:"last"`
}
