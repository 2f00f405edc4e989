package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vedette/record/anchor/anchortest"
)

var updateScripts = flag.Bool("update", false, "write what the commands print into the stories")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vedette": main})
}

// TestStories plays what people do, as they would type it: testdata/script/*.txtar.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *updateScripts,
		Condition: func(cond string) (bool, error) {
			if cond == "openssl" {
				return anchortest.Available(), nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("VEDETTE_DATA", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("NO_COLOR", "1")
			env.Setenv("NOW", time.Now().UTC().Format(time.RFC3339))
			env.Setenv("NEXTWEEK", time.Now().UTC().Add(7*24*time.Hour).Format(time.DateOnly))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serving":      serving_,
			"witnessing":   witnessing,
			"stamps":       stamps,
			"fetch":        fetch,
			"announcement": announcement,
			"hide":         hide,
			"now":          putNow,
			"find":         find,
			"damage":       damage,
		},
	})
}

// serving_ waits until a server in the background answers, and sets URL to its address, and TILES to that of its evidence log.
func serving_(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s, ok := server(ts.Getenv("VEDETTE_DATA"))
		if !ok {
			continue
		}
		if c, err := net.Dial("tcp", s.Address); err == nil {
			_ = c.Close()
			ts.Setenv("URL", "http://"+s.Address)
			ts.Setenv("TILES", "http://"+s.Tiles)
			return
		}
	}
	ts.Fatalf("no server answered within 30 s")
}

// witnessing waits until a witness in the background answers, and sets a variable to its address: witnessing DATA NAME.
func witnessing(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: witnessing DATA NAME")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(ts.MkAbs(args[0]), "witness", "serving.json"))
		var s serving
		if err == nil && json.Unmarshal(b, &s) == nil && s.Address != "" {
			ts.Setenv(args[1], "http://"+s.Address)
			return
		}
	}
	ts.Fatalf("no witness answered within 30 s")
}

// stamps starts a time-stamping authority on this machine, writes its root into a file, and sets STAMPS to its address: stamps FILE.
func stamps(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: stamps FILE")
	}
	a, err := anchortest.NewAuthority(filepath.Join(ts.Getenv("WORK"), "authority-"+filepath.Base(args[0])), false)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), a.RootPEM, 0o600))
	s := httptest.NewServer(a)
	ts.Defer(s.Close)
	ts.Setenv("STAMPS", s.URL)
}

// fetch gets what lies at an address: fetch URL.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: fetch URL")
	}
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if (resp.StatusCode == http.StatusOK) == neg {
		ts.Fatalf("%s: %s", args[0], resp.Status)
	}
	_, _ = ts.Stdout().Write(b)
}

// announcement writes the first proof of a list of announced keys into a file: announcement FROM TO.
func announcement(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: announcement FROM TO")
	}
	var keys []struct{ Proof json.RawMessage }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &keys))
	if len(keys) == 0 {
		ts.Fatalf("no key is announced in %s", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), keys[0].Proof, 0o600))
}

// hide reads the last command's output into a variable: hide NAME.
func hide(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: hide NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// putNow replaces the word $NOW in a file by the present time.
func putNow(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		b := ts.ReadFile(name)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(strings.ReplaceAll(b, "$NOW", ts.Getenv("NOW"))), 0o600))
	}
}

// find puts what a pattern first finds in the last command's output into a variable: find NAME PATTERN.
func find(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: find NAME PATTERN")
	}
	found := regexp.MustCompile(args[1]).FindString(ts.ReadFile("stdout"))
	if found == "" {
		ts.Fatalf("%q is not in the output", args[1])
	}
	ts.Setenv(args[0], found)
}

// damage changes one byte in the middle of each history file of a folder: damage DIR.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "day=*", "*.parquet"))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("no history files in %s", args[0])
	}
	for _, f := range files[len(files)-1:] {
		b, err := os.ReadFile(f)
		ts.Check(err)
		b[len(b)/3] ^= 0x40
		ts.Check(os.WriteFile(f, b, 0o600))
	}
}
