// Command vedette is the whole house in one program: a gate that judges links while the sender waits, and everything around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vedette"
)

// The exit codes, the same for every command.
const (
	exitOK        = 0
	exitError     = 1
	exitUsage     = 2
	exitFinding   = 3  // check: not allowed; rules test: an example fails; doctor: something is wrong; evidence: something does not fit
	exitPartial   = 4  // some of the input could not be used; what could was
	exitTemporary = 75 // try again later (sysexits.h EX_TEMPFAIL)
)

// exit carries a code with an error, or with nothing more to say.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exit) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exit](err); ok {
		if e.err != nil {
			fmt.Fprintln(errOut, "vedette: "+words(e.err))
		}
		return e.code
	}
	fmt.Fprintln(errOut, "vedette: "+words(err))
	switch {
	case errors.Is(err, vedette.ErrBusy), errors.Is(err, vedette.ErrUnavailable):
		return exitTemporary
	}
	return exitError
}

// words are an error as a person reads it. The kind at a line's end is for programs: that something is invalid is what the line already says.
func words(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, l := range lines {
		for _, kind := range []error{vedette.ErrInvalid, vedette.ErrBusy} {
			l = strings.TrimSuffix(l, ": "+kind.Error())
		}
		lines[i] = l
	}
	return strings.Join(lines, "\n")
}

// noArgs refuses what a command has no use for, and says which command may have been meant.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usage(cmd, "%q is one word too many", args[0])
	}
	hint := ""
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage(cmd, "no command %q%s", args[0], hint)
}

// usage marks what the person typed as wrong, and says how it is meant.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format+"\nTry: %s --help", append(args, cmd.CommandPath())...)}
}

// global are the flags that every command has.
type global struct {
	data   string
	config string
	json   bool
	colour string
	key    string

	progress func(done, total int) // of a long answer, on a terminal
}

func rootCommand() *cobra.Command {
	g := &global{}
	root := &cobra.Command{
		Use:   "vedette",
		Short: "Stop mercenary-spyware links on a messaging platform, with proof",
		Long: `vedette stands before a messaging platform. It judges links while their sender waits, keeps every
decision so that it can be explained and played again, and answers "allow" to everything until you arm it.

Start here:   vedette demo      plays a small made-up platform and leaves a server open to try
Your own:     vedette serve     needs no configuration; then see "vedette doctor"`,
		Version:       thisBuild().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVar(&g.data, "data", defaultFolder(), "the data folder (environment: VEDETTE_DATA)")
	f.StringVar(&g.config, "config", "", "configuration file (default: vedette.yaml in the data folder, if there)")
	f.StringVar(&g.key, "key-file", "", "file with the root key, outside the data folder (environment: VEDETTE_KEY_FILE)")
	f.BoolVar(&g.json, "json", false, "print JSON, one object")
	f.StringVar(&g.colour, "color", "auto", "auto, always or never")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		switch g.colour {
		case "auto", "always", "never":
		default:
			return usage(cmd, "--color %s: auto, always or never", g.colour)
		}
		if g.data == "" {
			return usage(cmd, "--data: a folder without a name")
		}
		// A server tells of its folder to commands that run elsewhere.
		if abs, err := filepath.Abs(g.data); err == nil {
			g.data = abs
		}
		return nil
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%s", err) })
	root.AddGroup(&cobra.Group{ID: "main", Title: "The gate:"}, &cobra.Group{ID: "react", Title: "From a report to a block:"}, &cobra.Group{ID: "past", Title: "Looking back:"},
		&cobra.Group{ID: "know", Title: "What it knows and does:"},
		&cobra.Group{ID: "run", Title: "Running it:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("main", g.demo(), g.serve(), g.check(), g.replay(), g.decision())
	add("react", g.report(), g.caseCmd(), g.block(), g.unblock(), g.recall(), g.halt(), g.resume(), g.changes())
	add("past", g.watch(), g.hunt(), g.campaign(), g.attribute(), g.history(), g.evidence(), g.exhibit(), g.verify())
	add("know", g.indicator(), g.facts(), g.rules(), g.order(), g.clock(), g.arm(), g.disarm(), g.person(), g.approve(), g.erase(), g.risk())
	add("run", g.key_(), g.doctor(), g.witness(), g.inventory(), g.stress(), g.sim(), g.rangeCmd(), g.version())
	return root
}

func defaultFolder() string {
	if dir := os.Getenv("VEDETTE_DATA"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "vedette")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "vedette")
	}
	return "vedette-data"
}

// build tells what program this is, as far as the Go tool wrote it down.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Lists    string `json:"lists"` // digest of the public suffixes and the other tables about links
	Rules    string `json:"rules"` // digest of the starter rules
}

func thisBuild() build {
	b := build{Version: "devel"}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Go = info.GoVersion
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	return b
}
