// Package synapse_test holds vedette against a real Synapse homeserver with real clients.
//
// In:     a Python environment made by install.sh, named by VEDETTE_SYNAPSE; else it is skipped aloud, and in CI it fails.
// Out:    true when a spyware link is refused, an honest one passes, and with the gate killed the declared fallback is taken.
// Keeps:  nothing: all is in folders of the test, on loopback ports that the system chose.
// Fails:  naming the step. What Synapse said is then shown.
// Source: docs/platforms/matrix.md
package synapse_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/edge/adapter/matrix"
	"vedette/link"
	"vedette/sim"
)

const (
	tenant  = "harbour"
	listed  = "parcel-desk.example" // on the list that sim.StoryIndicators gives
	spyware = "https://" + listed + "/k3xQ9w"
	honest  = "https://daily-harbour.example/101"
)

// gate is a running process that answers Synapse's callbacks.
type gate struct {
	url string // base address of the callbacks
	key string
	pid int
}

// startVedette starts the true one. Its contract:
//
//   - the program is $VEDETTE_BIN, or what "go build ./cmd/vedette" makes;
//   - data and keys are in folders of the test; the address is one on loopback that the system chose;
//   - sim.StoryIndicators() is imported so that its hosts are blocked, and armed;
//   - the returned key may ask for decisions, for the tenant above;
//   - it is ready when startVedette returns, and ends with the test if it was not killed before.
//
// It skips where there is no program.
func startVedette(t *testing.T) gate {
	t.Helper()
	bin := os.Getenv("VEDETTE_BIN")
	if bin == "" {
		if _, err := os.Stat(filepath.Join("..", "..", "cmd", "vedette", "main.go")); err != nil {
			t.Skip("SKIPPED, NOT TESTED: there is no vedette to start")
		}
		bin = filepath.Join(t.TempDir(), "vedette")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "vedette/cmd/vedette").CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	dir, keys := t.TempDir(), t.TempDir()
	data := filepath.Join(dir, "data")
	list := filepath.Join(dir, "hosts.txt")
	if err := os.WriteFile(list, sim.StoryIndicators(), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(bin, append([]string{"--data", data}, args...)...)
		cmd.Env = append(os.Environ(), "VEDETTE_TENANT="+tenant, "XDG_CONFIG_HOME="+keys)
		return cmd
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := command(args...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("vedette %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
		}
		return strings.TrimSpace(string(out))
	}
	run("indicator", "import", list, "--source", "lab", "--grade", "A1", "--verdict", "block")
	run("arm", "list:lab", "--verdict", "block", "--yes")
	key := run("key", "create", "--scope", "decide")

	serve := command("serve", "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0")
	var said strings.Builder
	serve.Stderr = &said
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = serve.Wait() }()
	t.Cleanup(func() { _ = serve.Process.Kill(); <-ended })
	var at struct{ Address string }
	for tick := time.NewTicker(50 * time.Millisecond); at.Address == ""; {
		select {
		case <-ended:
			t.Fatalf("vedette serve ended:\n%s", &said)
		case <-tick.C:
			if b, err := os.ReadFile(filepath.Join(data, "serving.json")); err == nil {
				_ = json.Unmarshal(b, &at) // not whole yet: the next tick reads it again
			}
		}
	}
	return gate{url: "http://" + at.Address + "/integrations/synapse/" + tenant, key: key, pid: serve.Process.Pid}
}

// TestMain lets this binary be the stub: a process of its own, so that it can be killed.
func TestMain(m *testing.M) {
	if key := os.Getenv("VEDETTE_TEST_STUB"); key != "" {
		if err := serveStub(key); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// oneHost is a gate that knows one indicator.
type oneHost struct{}

func (oneHost) Decide(_ context.Context, _ vedette.Tenant, wire []byte) (d vedette.Decision, err error) {
	var e struct{ Links []struct{ URL string } }
	if err := json.Unmarshal(wire, &e); err != nil {
		return d, err
	}
	for _, l := range e.Links {
		if u, err := link.Parse(l.URL); err == nil && u.Host() == listed {
			d.Verdict = vedette.Block
		}
	}
	return d, nil
}

// serveStub answers callbacks with the true adapter and oneHost behind it, prints its address, and runs until it is killed.
func serveStub(key string) error {
	h, err := matrix.New(matrix.Config{}, func(r *http.Request) (vedette.Tenant, string, bool) {
		return tenant, "synapse", r.Header.Get("Authorization") == "Bearer "+key
	}, oneHost{}, nil, nil, nil)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(matrix.Path, h)
	fmt.Println(l.Addr())
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}).Serve(l)
}

func startStub(t *testing.T) gate {
	t.Helper()
	const key = "stub-key"
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "VEDETTE_TEST_STUB="+key)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the stub said no address: %v", err)
	}
	return gate{url: "http://" + strings.TrimSpace(addr) + "/integrations/synapse/" + tenant, key: key, pid: cmd.Process.Pid}
}

// python is the environment's interpreter, or the test is skipped.
func python(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("VEDETTE_SYNAPSE")
	p := filepath.Join(dir, "bin", "python")
	_, err := os.Stat(p)
	if dir != "" && err == nil {
		return p
	}
	why := "no Synapse: make one with test/synapse/install.sh FOLDER and set VEDETTE_SYNAPSE=FOLDER"
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip("SKIPPED, NOT TESTED: " + why)
	return ""
}

// play runs two people on a Synapse that asks the gate.
func play(t *testing.T, py string, g gate) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, py, "run_test.py", dir)
	cmd.Env = append(os.Environ(), "VEDETTE_URL="+g.url, "VEDETTE_KEY="+g.key, "VEDETTE_PID="+strconv.Itoa(g.pid),
		"SPYWARE_LINK="+spyware, "HONEST_LINK="+honest, "PYTHONDONTWRITEBYTECODE=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it stops its Synapse
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		for _, name := range []string{"synapse.out", "synapse.log"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				t.Logf("%s ends with:\n%s", name, b[max(0, len(b)-4000):])
			}
		}
		t.Fatalf("run_test.py: %v", err)
	}
}

func TestSynapseAsksTheAdapter(t *testing.T) {
	py := python(t)
	play(t, py, startStub(t))
}

func TestSynapseAsksVedette(t *testing.T) {
	py := python(t)
	if !strings.Contains(string(sim.StoryIndicators()), "\n"+listed+"\n") {
		t.Fatalf("%s is not on the list", listed)
	}
	play(t, py, startVedette(t))
}
