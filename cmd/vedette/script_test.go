package main

import (
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var updateScripts = flag.Bool("update", false, "write what the commands print into the stories")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vedette": main})
}

// TestStories plays what people do, as they would type it: testdata/script/*.txtar.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *updateScripts,
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
			"serving": serving_,
			"hide":    hide,
			"now":     putNow,
		},
	})
}

// serving_ waits until a server in the background answers, and sets URL to its address.
func serving_(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s, ok := server(ts.Getenv("VEDETTE_DATA"))
		if !ok {
			continue
		}
		if c, err := net.Dial("tcp", s.Address); err == nil {
			_ = c.Close()
			ts.Setenv("URL", "http://"+s.Address)
			return
		}
	}
	ts.Fatalf("no server answered within 30 s")
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
