package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/edge/witness"
	"vedette/record/anchor"
	"vedette/record/vault"
	"vedette/store/records"
)

// witnessDir is where a witness remembers, beside the rest of a data folder and apart from it: a server may own that meanwhile.
func (g *global) witnessDir() string { return filepath.Join(g.data, "witness") }

// witnessKeys returns the key that cosigns, and the name of the folder's own log, which it must not cosign.
func (g *global) witnessKeys(name string) (*anchor.Cosigner, string, error) {
	if err := os.MkdirAll(g.data, 0o700); err != nil {
		return nil, "", fmt.Errorf("data folder: %w", err)
	}
	keys, err := vault.LoadKeys(vault.KeyOptions{Dir: g.data, File: g.key, Getenv: os.Getenv})
	if err != nil {
		return nil, "", err
	}
	seed := keys.Seed("evidence/witness")
	if name == "" {
		sum := sha256.Sum256(seed[:])
		name = "vedette.invalid/witness/" + hex.EncodeToString(sum[:6])
	}
	c, err := anchor.NewCosigner(name, seed)
	return c, signerOf(keys, 0).Name(), err
}

func (g *global) witness() *cobra.Command {
	cmd := &cobra.Command{
		Use: "witness", Short: "Vouch for other evidence logs, so that none can show two histories",
		Long: `A witness remembers the last checkpoint of each log that it knows, and cosigns only what continues it (C2SP tlog-witness). It sees how many records a
log has and nothing of what is in them. Two platforms can be each other's witness; a witness of one's own log proves nothing.`,
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.witnessServe(), g.witnessKey())
	return cmd
}

func (g *global) witnessKey() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "key", Short: "Print this witness's public key, for those whose logs it cosigns", Args: noArgs,
		Long: `Prints the public key that cosignatures are made with, in the form of C2SP signed-note, type cosignature/v1. Give it to logs' operators, and to whoever
verifies what they show, by another way than the cosignatures come.`,
		Example: "  vedette witness key > witness.key",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := g.witnessKeys(name)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"key": c.VerifierKey()})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), c.VerifierKey())
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the witness's name (default: made from its key)")
	return cmd
}

func (g *global) witnessServe() *cobra.Command {
	var listen, name string
	var logs []string
	cmd := &cobra.Command{
		Use: "serve --log KEY", Short: "Cosign the checkpoints of logs that you know",
		Long: `Serves POST /add-checkpoint for the logs whose public keys --log names (the key itself, or a file with one a line): "vedette evidence key" prints it. What
it cosigned last is kept in witness/ in the data folder, never goes back, and is what makes its word worth something: keep the folder. Put TLS before it.`,
		Example: "  vedette witness serve --log other-platform.key --listen 127.0.0.1:8482",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(logs) == 0 {
				return usage(cmd, "--log is needed: the public key of a log to cosign, or a file that holds keys, one a line")
			}
			key, own, err := g.witnessKeys(name)
			if err != nil {
				return err
			}
			known, err := logKeys(logs, own)
			if err != nil {
				return usage(cmd, "--log: %s", err)
			}
			logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return serveWitness(cmd.Context(), g.witnessDir(), listen, key, known, logger)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8482", "where it is served")
	cmd.Flags().StringVar(&name, "name", "", "the witness's name (default: made from its key); others pin it with the key")
	cmd.Flags().StringArrayVar(&logs, "log", nil, "a log's public key, or a file with one a line; may be given again")
	return cmd
}

// logKeys reads logs' keys, each as it is or from a file with one a line.
func logKeys(given []string, own string) (out []note.Verifier, err error) {
	for _, s := range given {
		lines := []string{s}
		if b, err := os.ReadFile(s); err == nil {
			lines = strings.Split(string(b), "\n")
		}
		for _, line := range lines {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			if name, _, _ := strings.Cut(line, "+"); name == own {
				return nil, errors.New("this is the log of this folder: a witness of one's own log proves nothing. Ask another platform, or run it elsewhere with a folder of its own")
			}
			v, err := note.NewVerifier(line)
			if err != nil {
				return nil, fmt.Errorf("%q is no key and no file that holds one: want NAME+HASH+KEY, as vedette evidence key prints it", visible(line[:min(len(line), 60)]))
			}
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no key in it")
	}
	return out, nil
}

func serveWitness(ctx context.Context, dir, listen string, key *anchor.Cosigner, known []note.Verifier, log *slog.Logger) (err error) {
	f, err := own(dir)
	if err != nil {
		return err
	}
	defer f.release()
	db, err := records.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	w, err := anchor.NewWitness(key, known, db.Witnessed(), time.Now)
	if err != nil {
		return err
	}
	at, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("the witness cannot be served at %s: %w; choose another address with --listen", listen, cause(err))
	}
	s := &http.Server{
		Handler: witness.Handler(w, log), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1) // sent once
	go func() { failed <- s.Serve(at) }()
	if err := f.announce(serving{PID: os.Getpid(), Address: at.Addr().String()}); err != nil {
		return errors.Join(err, s.Close(), notClosed(<-failed))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "witnessing", slog.String("address", "http://"+at.Addr().String()), slog.String("key", key.VerifierKey()), slog.Int("logs", len(known)))
	select {
	case <-ctx.Done():
	case err = <-failed:
		return errors.Join(err, os.Remove(filepath.Join(dir, "serving.json")))
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if s.Shutdown(end) != nil {
		_ = s.Close()
	}
	return errors.Join(notClosed(<-failed), os.Remove(filepath.Join(dir, "serving.json")))
}

func notClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%w: %w", vedette.ErrUnavailable, err)
}
