package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"vedette"
	"vedette/inline/sequence"
)

// config is what a person may set. Every key has a default, so that no file is needed.
type config struct {
	// Listen is where the API is served. Default 127.0.0.1:8480.
	Listen string
	// Ops is where health, readiness and metrics are served, apart from the API. Default 127.0.0.1:8481.
	Ops string
	// Tenant is the tenant of commands that name none. Default main.
	Tenant vedette.Tenant
	// Rules is a folder of rule files that replace the starter rules. Default: rules in the data folder, if there.
	Rules string
	// Fallback is answered when a part fails: allow or hold or block. Default allow: a platform must not fall silent because we do.
	Fallback vedette.Verdict
	// Retention is how long the journal is kept. Default 2160h (90 days); 24h to 8784h.
	Retention time.Duration
	// Memory is how many bytes the gate's memory may take, in MiB. Default 256; 16 to 65536.
	Memory int
	// Tokens compiles indicators for tokens (tier 1) however many there are. Default false: up to 250,000 are.
	Tokens bool
	// Trace is the address of an OpenTelemetry collector (OTLP over HTTP, host:port). Default: none, nothing is sent.
	Trace    string
	Sequence sequence.Config
}

func defaults() config {
	return config{
		Listen: "127.0.0.1:8480", Ops: "127.0.0.1:8481", Tenant: "main", Fallback: vedette.Allow, Retention: 90 * 24 * time.Hour, Memory: 256,
	}
}

// keys are all the keys that a file or the environment may hold; any other is an error.
var keys = map[string]string{
	"listen":              "where the API is served (127.0.0.1:8480)",
	"ops":                 "where health, readiness and metrics are served (127.0.0.1:8481)",
	"tenant":              "the tenant of commands that name none (main)",
	"rules":               "a folder of rule files that replace the starter rules (rules in the data folder)",
	"fallback":            "what is answered when a part fails: allow, hold or block (allow)",
	"retention":           "how long the journal is kept, 24h to 8784h (2160h)",
	"memory":              "MiB that the gate's memory may take, 16 to 65536 (256)",
	"tokens":              "compile indicators for tokens (tier 1) however many there are, 59 bytes each (false: up to 250,000)",
	"trace":               "an OpenTelemetry collector, host:port, OTLP over HTTP (none: nothing is sent)",
	"sequence.queue":      "events that may wait before the door answers busy, 1 to 1048576 (16384)",
	"sequence.budget":     "how long an event may wait before its answer counts as degraded, 1ms to 1s (20ms)",
	"sequence.checkpoint": "after how many events all of memory has been saved once more, 1024 to 16777216 (262144)",
}

// readConfig reads the file, then the environment (VEDETTE_LISTEN, VEDETTE_SEQUENCE_BUDGET, …). Flags come last, by the commands that have them.
func readConfig(g *global) (config, error) {
	c := defaults()
	k := koanf.New(".")
	path := g.config
	if path == "" {
		path = filepath.Join(g.data, "vedette.yaml")
	}
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil && (g.config != "" || !errors.Is(err, fs.ErrNotExist)) {
		return c, fmt.Errorf("configuration %s: %w: %w", path, err, vedette.ErrInvalid)
	}
	for _, key := range k.Keys() {
		if _, ok := keys[key]; !ok {
			return c, fmt.Errorf("configuration %s: key %q is unknown; known are %s: %w", path, key, strings.Join(known(), ", "), vedette.ErrInvalid)
		}
	}
	err := k.Load(env.Provider(".", env.Opt{Prefix: "VEDETTE_", TransformFunc: func(name, value string) (string, any) {
		name = strings.ToLower(strings.TrimPrefix(name, "VEDETTE_"))
		if strings.HasPrefix(name, "sequence_") {
			name = strings.Replace(name, "_", ".", 1)
		}
		if _, ok := keys[name]; !ok {
			return "", nil // VEDETTE_DATA and others that are not configuration
		}
		return name, value
	}}), nil)
	if err != nil {
		return c, fmt.Errorf("configuration from the environment: %w: %w", err, vedette.ErrInvalid)
	}
	return c, c.read(k)
}

func known() []string {
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}

func (c *config) read(k *koanf.Koanf) error {
	var errs []error
	text := func(key string, to *string) {
		if k.Exists(key) {
			*to = k.String(key)
		}
	}
	number := func(key string, to *int, low, high int) {
		if !k.Exists(key) {
			return
		}
		var n int
		if _, err := fmt.Sscan(k.String(key), &n); err != nil || n < low || n > high {
			errs = append(errs, fmt.Errorf("%s: %q is no number within %d to %d: %w", key, k.String(key), low, high, vedette.ErrInvalid))
			return
		}
		*to = n
	}
	duration := func(key string, to *time.Duration, low, high time.Duration) {
		if !k.Exists(key) {
			return
		}
		d, err := time.ParseDuration(k.String(key))
		if err != nil || d < low || d > high {
			errs = append(errs, fmt.Errorf("%s: %q is no duration within %s to %s: %w", key, k.String(key), low, high, vedette.ErrInvalid))
			return
		}
		*to = d
	}
	text("listen", &c.Listen)
	text("ops", &c.Ops)
	text("rules", &c.Rules)
	text("trace", &c.Trace)
	if k.Exists("tokens") {
		c.Tokens = k.Bool("tokens")
	}
	if k.Exists("tenant") {
		t, err := vedette.ParseTenant(k.String("tenant"))
		if err != nil {
			errs = append(errs, err)
		}
		c.Tenant = t
	}
	if k.Exists("fallback") {
		v, err := vedette.ParseVerdict(k.String("fallback"))
		if err != nil || v == vedette.Warn {
			errs = append(errs, fmt.Errorf("fallback: %q: allow, hold or block: %w", k.String("fallback"), vedette.ErrInvalid))
		}
		c.Fallback = v
	}
	duration("retention", &c.Retention, 24*time.Hour, 366*24*time.Hour)
	number("memory", &c.Memory, 16, 65536)
	number("sequence.queue", &c.Sequence.Queue, 1, 1<<20)
	number("sequence.checkpoint", &c.Sequence.Checkpoint, 1024, 1<<24)
	duration("sequence.budget", &c.Sequence.Budget, time.Millisecond, time.Second)
	if c.Rules != "" {
		if _, err := os.Stat(c.Rules); err != nil {
			errs = append(errs, fmt.Errorf("rules: %w: %w", err, vedette.ErrInvalid))
		}
	}
	return errors.Join(errs...)
}
