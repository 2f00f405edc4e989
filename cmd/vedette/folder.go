package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vedette"
)

// errOwned says that another process owns the data folder.
var errOwned = fmt.Errorf("the data folder is in use: %w", vedette.ErrBusy)

// owned is errOwned with the folder and the process that has it.
type owned struct{ dir, pid string }

func (o *owned) Error() string {
	return "the data folder is in use: " + o.dir + ", by process " + o.pid
}
func (o *owned) Unwrap() error { return errOwned }

// folder is a data folder that this process owns until it is released.
type folder struct {
	dir  string
	lock *os.File
}

// own takes the folder, creating it if need be. Its error wraps errOwned when another process has it.
func own(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &owned{dir, owner(dir)}
		}
		return nil, fmt.Errorf("data folder: lock %s: %w", path, err)
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data folder: lock %s: %w", path, err)
	}
	// What a replay without keeping left when it was killed holds its events, and nobody would ever ask for them.
	left, err := os.ReadDir(dir)
	for _, l := range left {
		if strings.HasPrefix(l.Name(), "scratch-") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, l.Name())))
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data folder: what a killed replay left: %w", err)
	}
	return &folder{dir, f}, nil
}

func owner(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "lock"))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}

func (f *folder) release() { _ = f.lock.Close() }

// serving is what a running server writes into its folder, so that commands find it.
type serving struct {
	PID     int    `json:"pid"`
	Socket  string `json:"socket"`  // for commands on this machine, by the folder's owner alone
	Address string `json:"address"` // of the API
	Tiles   string `json:"tiles,omitempty"`
}

func (f *folder) announce(s serving) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp := filepath.Join(f.dir, "serving.json.new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(f.dir, "serving.json"))
}

// server returns the server that owns the folder, or false.
func server(dir string) (serving, bool) {
	var s serving
	b, err := os.ReadFile(filepath.Join(dir, "serving.json"))
	if errors.Is(err, fs.ErrNotExist) || err != nil || json.Unmarshal(b, &s) != nil {
		return s, false
	}
	return s, s.Socket != ""
}

// socketPath is in the folder unless that is too long for a socket's name (107 bytes on Linux).
func socketPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(abs, "socket"); len(path) <= 100 {
		return path, nil
	}
	tmp, err := os.MkdirTemp("", "vedette-")
	if err != nil {
		return "", err
	}
	return filepath.Join(tmp, "socket"), nil
}
