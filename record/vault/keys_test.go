package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette"
	"vedette/record/vault"
)

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func load(t *testing.T, o vault.KeyOptions) vault.Keys {
	t.Helper()
	k, err := vault.LoadKeys(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sameKey tells whether two keys open the same vault.
func sameKey(t *testing.T, a, b vault.Keys) bool {
	t.Helper()
	m := vault.NewMemory()
	if _, err := vault.Open(m, a); err != nil {
		t.Fatal(err)
	}
	_, err := vault.Open(m, b)
	return err == nil
}

func TestAFreshFolderGetsAKeyOutsideOfItself(t *testing.T) {
	dir, config := t.TempDir(), t.TempDir()
	o := vault.KeyOptions{Dir: dir, Getenv: env(map[string]string{"XDG_CONFIG_HOME": config})}
	k := load(t, o)
	if k.Unprotected() || !strings.HasPrefix(k.Where(), filepath.Join(config, "vedette", "keys")) {
		t.Errorf("%s, unprotected %v", k.Where(), k.Unprotected())
	}
	info, err := os.Stat(k.Where())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if again := load(t, o); !sameKey(t, k, again) {
		t.Error("the second start found another key")
	}
	other := load(t, vault.KeyOptions{Dir: t.TempDir(), Getenv: o.Getenv})
	if sameKey(t, k, other) {
		t.Error("two folders share a key")
	}
	// A lost key is missed, never made anew: everything sealed would be lost in silence.
	if err := os.Remove(k.Where()); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.LoadKeys(o); !errors.Is(err, vault.ErrKeyMissing) {
		t.Errorf("LoadKeys after the key was lost = %v", err)
	}
}

func TestWithoutAConfigFolderTheKeyIsUnprotected(t *testing.T) {
	for name, e := range map[string]map[string]string{
		"no home":                      nil,
		"a home that is not writable":  {"HOME": "/dev/null/nowhere"},
		"a config folder inside of it": {"XDG_CONFIG_HOME": "inside"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if e["XDG_CONFIG_HOME"] == "inside" {
				e = map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "config")}
			}
			o := vault.KeyOptions{Dir: dir, Getenv: env(e)}
			k := load(t, o)
			if !k.Unprotected() {
				t.Errorf("%s counts as protected", k.Where())
			}
			if again := load(t, o); !sameKey(t, k, again) || !again.Unprotected() {
				t.Error("the second start found another key")
			}
			// Later with a home: the key that the folder has goes on.
			if again := load(t, vault.KeyOptions{Dir: dir, Getenv: env(map[string]string{"HOME": t.TempDir(), "XDG_CONFIG_HOME": e["XDG_CONFIG_HOME"]})}); !sameKey(t, k, again) {
				t.Error("a home changed the key")
			}
		})
	}
}

func TestNamedKeys(t *testing.T) {
	dir, keys := t.TempDir(), t.TempDir()
	file := func(name string) string {
		path := filepath.Join(keys, name)
		if err := vault.NewKeyFile(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b, c := file("a"), file("b"), file("vedette.key")
	all := map[string]string{"VEDETTE_KEY_FILE": b, "CREDENTIALS_DIRECTORY": keys, "XDG_CONFIG_HOME": t.TempDir()}
	for _, tt := range []struct {
		name string
		o    vault.KeyOptions
		want string
	}{
		{"a named file goes first", vault.KeyOptions{Dir: dir, File: a, Getenv: env(all)}, a},
		{"then the environment's", vault.KeyOptions{Dir: dir, Getenv: env(all)}, b},
		{"then the service manager's", vault.KeyOptions{Dir: dir, Getenv: env(map[string]string{"CREDENTIALS_DIRECTORY": keys})}, c},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if k := load(t, tt.o); k.Where() != tt.want || k.Unprotected() {
				t.Errorf("found %s, want %s", k.Where(), tt.want)
			}
		})
	}
	if _, err := vault.LoadKeys(vault.KeyOptions{Dir: dir, File: filepath.Join(keys, "none"), Getenv: env(all)}); !errors.Is(err, vault.ErrKeyMissing) {
		t.Errorf("a named file that is not there = %v", err)
	}
	inside := filepath.Join(dir, "my.key")
	if err := vault.NewKeyFile(inside); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(keys, "link")
	if err := os.Symlink(inside, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{inside, link} {
		if k := load(t, vault.KeyOptions{Dir: dir, File: path}); !k.Unprotected() {
			t.Errorf("%s lies in the folder and counts as protected", path)
		}
	}
	// The folder was used with a named key: forgetting to name it makes no new one.
	if _, err := vault.LoadKeys(vault.KeyOptions{Dir: dir, Getenv: env(map[string]string{"XDG_CONFIG_HOME": t.TempDir()})}); !errors.Is(err, vault.ErrKeyMissing) {
		t.Errorf("without naming the key = %v", err)
	}
	if err := vault.NewKeyFile(a); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("NewKeyFile over a key = %v", err)
	}
}

func TestBadKeyFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := "vedette-key-1:" + strings.Repeat("0f", 32) + "\n"
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       error
	}{
		{"good", good, 0o600, nil},
		{"read-only", good, 0o400, nil},
		{"without a newline", strings.TrimSpace(good), 0o600, nil},
		{"readable by the group", good, 0o640, vault.ErrKeyOpen},
		{"readable by all", good, 0o604, vault.ErrKeyOpen},
		{"writable by the group", good, 0o620, vault.ErrKeyOpen},
		{"empty", "", 0o600, vedette.ErrInvalid},
		{"short", "vedette-key-1:0f0f", 0o600, vedette.ErrInvalid},
		{"without its head", strings.Repeat("0f", 32), 0o600, vedette.ErrInvalid},
		{"long", good + strings.Repeat(" ", 5000), 0o600, vedette.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(tt.text, tt.mode)
			_, err := vault.LoadKeys(vault.KeyOptions{Dir: dir, File: path})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("LoadKeys = %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "0f0f0f") {
				t.Errorf("the error tells the key: %v", err)
			}
			if errors.Is(err, vault.ErrKeyOpen) && !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("the error does not say how to mend it: %v", err)
			}
		})
	}
	if _, err := vault.LoadKeys(vault.KeyOptions{Dir: dir, File: dir}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("a folder as key = %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "folder-id"), []byte("../../etc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.LoadKeys(vault.KeyOptions{Dir: dir}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("a folder id that is none = %v", err)
	}
}

func TestKeysRedactThemselves(t *testing.T) {
	k := vault.NewKeys([32]byte(bytes.Repeat([]byte{0xab}, 32)), "here")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k)
	text := fmt.Sprintf("%v %+v %#v %s %x %q %d", k, k, k, k, k, k, k) + log.String()
	if strings.Contains(text, "171") || strings.Contains(strings.ToLower(text), "abab") || strings.Contains(strings.ToLower(text), "0xab") {
		t.Errorf("a key was printed: %s", text)
	}
}
