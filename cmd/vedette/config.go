package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"sort"
	"strconv"
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
	// Tiles is where the evidence log is served for anybody to read, without a key: leaves show nothing by themselves. Default: nowhere.
	Tiles string
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
	Trace string
	// Franking is a file with the keys by which the platform tags what it carries (docs/formats/franking.md). Default: none, no report is franked.
	Franking string
	// Webhook is where changed decisions are delivered, and the file of the secrets that sign them. Default: nowhere.
	Webhook  struct{ URL, Secret string }
	Sequence sequence.Config
	Watch    watchConfig
}

func defaults() config {
	return config{
		Listen: "127.0.0.1:8480", Ops: "127.0.0.1:8481", Tenant: "main", Fallback: vedette.Allow, Retention: 90 * 24 * time.Hour, Memory: 256, Watch: watchConfig{On: true},
	}
}

// keys are all the keys that a file or the environment may hold; any other is an error.
var keys = map[string]string{
	"listen":              "where the API is served (127.0.0.1:8480)",
	"ops":                 "where health, readiness and metrics are served (127.0.0.1:8481)",
	"tiles":               "where the evidence log is served for anybody to read (C2SP tlog-tiles), host:port (none)",
	"tenant":              "the tenant of commands that name none (main)",
	"rules":               "a folder of rule files that replace the starter rules (rules in the data folder)",
	"fallback":            "what is answered when a part fails: allow, hold or block (allow)",
	"retention":           "how long the journal is kept, 24h to 8784h (2160h)",
	"memory":              "MiB that the gate's memory may take, 16 to 65536 (256)",
	"tokens":              "compile indicators for tokens (tier 1) however many there are, 59 bytes each (false: up to 250,000)",
	"trace":               "an OpenTelemetry collector, host:port, OTLP over HTTP (none: nothing is sent)",
	"franking":            "a file with the keys by which the platform tags what it carries (none: no report is franked)",
	"webhook.url":         "the platform's own address to which changed decisions are delivered, https (none: they can be read at /v1/changes)",
	"webhook.secret":      "a file with the secrets that sign deliveries, one a line, the newest first; needed with webhook.url",
	"sequence.queue":      "events that may wait before the door answers busy, 1 to 1048576 (16384)",
	"sequence.budget":     "how long an event may wait before its answer counts as degraded, 1ms to 1s (20ms)",
	"sequence.checkpoint": "after how many events all of memory has been saved once more, 1024 to 16777216 (131072)",
	"watch.on":            "look for groups that rehearse (true)",
	"watch.per_week":      "false alerts a week that people can look at, of groups and of first contacts each, over 0, at most 1000 (3)",
	"watch.least":         "active accounts from which on groups are compared, 1 to 10000000 (2000)",
	"watch.settling":      "how long events are taken before any group is measured, 24h to 2160h (360h)",
	"watch.warm_up":       "how long groups are measured before any counts for the bound of alerts, 1h to 8760h (144h)",
	"watch.learning":      "the time after that by which the bound is first set, 168h to 8760h (504h)",
	"watch.tick":          "time between two looks at everybody, 1h to 168h (6h)",
	"watch.friction":      "warnings a week that all watch entries together may cause, for a million active accounts, 1 to 100000, and at least 10 in all (200)",
	"watch.per_entry":     "warnings that one watch entry may cause, 1 to 100000 (64)",
}

// readConfig reads the file, then the environment (VEDETTE_LISTEN, VEDETTE_SEQUENCE_BUDGET, …). Flags come last, by the commands that have them.
func readConfig(g *global) (config, error) {
	c := defaults()
	k := koanf.New(".")
	path := g.config
	if path == "" {
		path = filepath.Join(g.data, "vedette.yaml")
	}
	switch err := k.Load(file.Provider(path), yaml.Parser()); {
	case err == nil, g.config == "" && errors.Is(err, fs.ErrNotExist):
	case strings.Contains(fmt.Sprint(err), "cannot unmarshal"): // the library's words are about Go
		return c, fmt.Errorf("configuration %s: want lines like \"listen: %s\": %w", path, c.Listen, vedette.ErrInvalid)
	default:
		return c, fmt.Errorf("configuration %s: %w: %w", path, err, vedette.ErrInvalid)
	}
	for _, key := range k.Keys() {
		if _, ok := keys[key]; !ok {
			return c, fmt.Errorf("configuration %s: key %q is unknown; known are %s: %w", path, key, strings.Join(known(), ", "), vedette.ErrInvalid)
		}
	}
	from := map[string]string{} // where a key's value comes from, for messages
	for _, key := range k.Keys() {
		from[key] = path + ": " + key
	}
	err := k.Load(env.Provider(".", env.Opt{Prefix: "VEDETTE_", TransformFunc: func(name, value string) (string, any) {
		name = strings.ToLower(strings.TrimPrefix(name, "VEDETTE_"))
		if strings.HasPrefix(name, "sequence_") || strings.HasPrefix(name, "webhook_") || strings.HasPrefix(name, "watch_") {
			name = strings.Replace(name, "_", ".", 1)
		}
		if _, ok := keys[name]; !ok {
			return "", nil // VEDETTE_DATA and others that are not configuration
		}
		from[name] = "VEDETTE_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
		return name, value
	}}), nil)
	if err != nil {
		return c, fmt.Errorf("configuration from the environment: %w: %w", err, vedette.ErrInvalid)
	}
	return c, c.read(k, from)
}

func known() []string {
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}

func (c *config) read(k *koanf.Koanf, from map[string]string) error {
	var errs []error
	wrong := func(key, want string) {
		errs = append(errs, fmt.Errorf("%s: %q: want %s: %w", from[key], k.String(key), want, vedette.ErrInvalid))
	}
	// An address that is empty would be every address of the machine, on a port that nobody knows.
	address := func(key string, to *string) {
		if !k.Exists(key) {
			return
		}
		if _, port, err := net.SplitHostPort(k.String(key)); err != nil || port == "" {
			wrong(key, "host:port, like "+defaults().Listen)
			return
		}
		*to = k.String(key)
	}
	number := func(key string, to *int, low, high int) {
		if !k.Exists(key) {
			return
		}
		n, err := strconv.Atoi(k.String(key))
		if err != nil || n < low || n > high {
			wrong(key, fmt.Sprintf("a whole number from %d to %d", low, high))
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
			wrong(key, "a duration from "+span(low)+" to "+span(high))
			return
		}
		*to = d
	}
	address("listen", &c.Listen)
	address("ops", &c.Ops)
	address("trace", &c.Trace)
	address("tiles", &c.Tiles)
	if k.Exists("rules") {
		c.Rules = k.String("rules")
	}
	if k.Exists("tokens") {
		switch k.String("tokens") {
		case "true", "false":
			c.Tokens = k.Bool("tokens")
		default:
			wrong("tokens", "true or false")
		}
	}
	if k.Exists("tenant") {
		t, err := vedette.ParseTenant(k.String("tenant"))
		if err != nil {
			wrong("tenant", "1 to 40 of a-z, 0-9 and -")
		}
		c.Tenant = t
	}
	if k.Exists("fallback") {
		v, err := vedette.ParseVerdict(k.String("fallback"))
		if err != nil || v == vedette.Warn {
			wrong("fallback", "allow, hold or block")
		}
		c.Fallback = v
	}
	duration("retention", &c.Retention, 24*time.Hour, 366*24*time.Hour)
	number("memory", &c.Memory, 16, 65536)
	number("sequence.queue", &c.Sequence.Queue, 1, 1<<20)
	number("sequence.checkpoint", &c.Sequence.Checkpoint, 1024, 1<<24)
	duration("sequence.budget", &c.Sequence.Budget, time.Millisecond, time.Second)
	if k.Exists("watch.on") {
		switch k.String("watch.on") {
		case "true", "false":
			c.Watch.On = k.Bool("watch.on")
		default:
			wrong("watch.on", "true or false")
		}
	}
	rate := func(key string, to *float64, low, high float64, want string) {
		if !k.Exists(key) {
			return
		}
		v, err := strconv.ParseFloat(k.String(key), 64)
		if err != nil || !(v >= low && v <= high) {
			wrong(key, want)
			return
		}
		*to = v
	}
	rate("watch.per_week", &c.Watch.Rehearsal.PerWeek, .001, 1000, "a number over 0, at most 1000")
	rate("watch.friction", &c.Watch.Friction, 1, 100_000, "a number from 1 to 100000")
	number("watch.least", &c.Watch.Rehearsal.Least, 1, 10_000_000)
	number("watch.per_entry", &c.Watch.PerEntry, 1, 100_000)
	duration("watch.settling", &c.Watch.Rehearsal.Settling, 24*time.Hour, 90*24*time.Hour)
	duration("watch.warm_up", &c.Watch.Rehearsal.WarmUp, time.Hour, 365*24*time.Hour)
	duration("watch.learning", &c.Watch.Rehearsal.Learning, 7*24*time.Hour, 365*24*time.Hour)
	duration("watch.tick", &c.Watch.Population.Tick, time.Hour, 7*24*time.Hour)
	// First contacts are watched as groups are; acquaintances count for them from the second week on.
	r, t := &c.Watch.Rehearsal, &c.Watch.Targeting
	t.PerWeek, t.Least, t.WarmUp, t.Learning = r.PerWeek, r.Least, r.WarmUp, r.Learning
	if r.Settling > 0 {
		t.Settling = max(8*24*time.Hour, r.Settling)
	}
	if s := r.Settling; s > 0 { // what is met in the first half of it counts as known before
		c.Watch.Population.Settling = min(7*24*time.Hour, s/2)
	}
	c.Franking, c.Webhook.URL, c.Webhook.Secret = k.String("franking"), k.String("webhook.url"), k.String("webhook.secret")
	if c.Webhook.URL != "" && c.Webhook.Secret == "" {
		wrong("webhook.url", "webhook.secret beside it: unsigned deliveries are not made")
	}
	if c.Rules != "" {
		if !isDir(c.Rules) {
			wrong("rules", "a folder of rule files that is there")
		}
	}
	return errors.Join(errs...)
}

// span writes a duration without the zeros that Go adds: 24h, not 24h0m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// days writes a long time as people say it.
func days(d time.Duration) string {
	if n := d / (24 * time.Hour); n > 1 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", n)
	}
	return span(d)
}
