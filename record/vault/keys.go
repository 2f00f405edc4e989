package vault

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"vedette"
)

// Keys is the root key of one data folder. Every other key is derived from it, one for each tenant and purpose. It redacts itself.
type Keys struct {
	root        [32]byte
	set         bool
	where       string
	unprotected bool
}

// NewKeys makes Keys from 32 bytes that the caller took from a safe place. where says which, for people.
func NewKeys(root [32]byte, where string) Keys { return Keys{root: root, set: true, where: where} }

// Unprotected tells that the key lies in the data folder: whoever copies the folder reads what is sealed in it.
func (k Keys) Unprotected() bool { return k.unprotected }

// Where tells where the key was found.
func (k Keys) Where() string { return k.where }

func (k Keys) String() string             { return "key from " + k.where }
func (k Keys) GoString() string           { return k.String() }
func (k Keys) LogValue() slog.Value       { return slog.StringValue(k.String()) }
func (k Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// derive gives the key for a purpose, and for a tenant unless that is empty. A tenant's name holds no slash, so no two paths are equal.
func (k Keys) derive(tenant vedette.Tenant, purpose string) []byte {
	b, err := hkdf.Key(sha256.New, k.root[:], nil, "vedette/1/"+string(tenant)+"/"+purpose, 32)
	if err != nil {
		panic("vault: 32 bytes of HKDF: " + err.Error()) // cannot happen: the length is far below the limit
	}
	return b
}

// KeyOptions says where to look for the root key.
type KeyOptions struct {
	// Dir is the data folder. It must exist.
	Dir string
	// File is a path that a person named. When set, only it is tried.
	File string
	// Getenv reads the environment: VEDETTE_KEY_FILE, CREDENTIALS_DIRECTORY, XDG_CONFIG_HOME, HOME. Nil: nothing is set.
	Getenv func(string) string
}

// Errors of the keys.
var (
	ErrKeyMissing = fmt.Errorf("vault: the key of this folder is missing: %w", vedette.ErrUnknown)
	ErrKeyOpen    = fmt.Errorf("vault: the key file can be read by others: %w", vedette.ErrForbidden)
	ErrWrongKey   = fmt.Errorf("vault: this is not the key that the folder was made with: %w", vedette.ErrConflict)
)

const (
	keyHeader  = "vedette-key-1:" // then 64 hexadecimal digits and a newline
	keyName    = "vedette.key"
	folderName = "folder-id"
)

// LoadKeys finds the root key of a data folder: the file named, else $VEDETTE_KEY_FILE, else vedette.key among systemd's credentials, else the
// key under the folder's id in the user's config folder, else vedette.key in the data folder itself. Only a folder that never had a key gets a
// fresh one, in the config folder or, when that cannot be written, in the data folder: then Unprotected is true.
// Its errors: ErrKeyMissing, ErrKeyOpen, vedette.ErrInvalid for a file that is no key.
func LoadKeys(o KeyOptions) (Keys, error) {
	env := o.Getenv
	if env == nil {
		env = func(string) string { return "" }
	}
	id, known, err := folderID(o.Dir)
	if err != nil {
		return Keys{}, err
	}
	named, mode := o.File, fs.FileMode(0o077)
	if named == "" {
		named = env("VEDETTE_KEY_FILE")
	}
	if named == "" {
		if dir := env("CREDENTIALS_DIRECTORY"); dir != "" {
			path := filepath.Join(dir, keyName)
			if _, err := os.Stat(path); err == nil {
				// systemd gives the service its right by an access list, which shows as group-readable.
				named, mode = path, 0o037
			}
		}
	}
	if named != "" {
		k, err := readKey(named, mode)
		if errors.Is(err, fs.ErrNotExist) {
			return Keys{}, fmt.Errorf("%w: no file %s", ErrKeyMissing, named)
		}
		if err != nil {
			return Keys{}, err
		}
		k.unprotected = inside(o.Dir, named)
		return k, keepFolderID(o.Dir, id, known)
	}

	own := ""
	if dir := configDir(env); dir != "" {
		own = filepath.Join(dir, "vedette", "keys", id)
	}
	local := filepath.Join(o.Dir, keyName)
	var tried []string
	for _, path := range []string{own, local} {
		if path == "" || path == own && !known {
			continue
		}
		k, err := readKey(path, 0o077)
		if _, lost := errors.AsType[*fs.PathError](err); lost { // not there, or behind a folder that we may not enter
			tried = append(tried, err.Error())
			continue
		}
		if err != nil {
			return Keys{}, err
		}
		k.unprotected = inside(o.Dir, path)
		return k, keepFolderID(o.Dir, id, known)
	}
	if known {
		return Keys{}, fmt.Errorf("%w; name it with VEDETTE_KEY_FILE (tried: %s)", ErrKeyMissing, strings.Join(tried, "; "))
	}
	// The key first, then the folder's id: a crash between them leaves a key that nobody misses.
	if own != "" {
		if err := NewKeyFile(own); err == nil {
			k, err := readKey(own, 0o077)
			if err != nil {
				return Keys{}, err
			}
			k.unprotected = inside(o.Dir, own)
			return k, keepFolderID(o.Dir, id, known)
		}
	}
	if err := NewKeyFile(local); err != nil {
		return Keys{}, err
	}
	k, err := readKey(local, 0o077)
	if err != nil {
		return Keys{}, err
	}
	k.unprotected = true
	return k, keepFolderID(o.Dir, id, known)
}

// NewKeyFile writes a fresh key, readable by its owner alone, durable when it returns. It never writes over a file.
func NewKeyFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("vault: new key: %w", err)
	}
	var root [32]byte
	_, _ = rand.Read(root[:])
	if err := writeNew(path, []byte(keyHeader+hex.EncodeToString(root[:])+"\n"), 0o600); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("vault: new key: %s exists: %w", path, vedette.ErrConflict)
		}
		return fmt.Errorf("vault: new key: %w", err)
	}
	return nil
}

func readKey(path string, forbidden fs.FileMode) (Keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Keys{}, fmt.Errorf("vault: key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > 4096 {
		return Keys{}, fmt.Errorf("vault: key %s: no key file: %w", path, vedette.ErrInvalid)
	}
	if m := info.Mode().Perm(); m&forbidden != 0 {
		return Keys{}, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", ErrKeyOpen, path, m, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Keys{}, fmt.Errorf("vault: key: %w", err)
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(b)), keyHeader)
	raw, err := hex.DecodeString(text)
	if !ok || err != nil || len(raw) != 32 {
		return Keys{}, fmt.Errorf("vault: key %s: not %q and 64 hexadecimal digits: %w", path, keyHeader, vedette.ErrInvalid)
	}
	return NewKeys([32]byte(raw), path), nil
}

var letters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// folderID reads the folder's id, or makes one that is not yet kept.
func folderID(dir string) (id string, known bool, err error) {
	path := filepath.Join(dir, folderName)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		var raw [16]byte
		_, _ = rand.Read(raw[:])
		return letters.EncodeToString(raw[:]), false, nil
	case err != nil:
		return "", false, fmt.Errorf("vault: folder id: %w", err)
	}
	id = strings.TrimSpace(string(b))
	if raw, err := letters.DecodeString(id); err != nil || len(raw) != 16 {
		return "", false, fmt.Errorf("vault: %s holds no folder id: %w", path, vedette.ErrInvalid)
	}
	return id, true, nil
}

func keepFolderID(dir, id string, known bool) error {
	if known {
		return nil
	}
	if err := writeNew(filepath.Join(dir, folderName), []byte(id+"\n"), 0o644); err != nil {
		return fmt.Errorf("vault: folder id: %w", err)
	}
	return nil
}

// writeNew writes a file that did not exist, whole and durable, or not at all.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // fails where the name is taken, unlike a rename
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func configDir(env func(string) string) string {
	if dir := env("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".config")
	}
	return ""
}

// inside tells whether path lies in dir, links resolved.
func inside(dir, path string) bool {
	d, err := filepath.EvalSymlinks(dir)
	p, err2 := filepath.EvalSymlinks(path)
	if err != nil || err2 != nil {
		return true // when in doubt, a person is warned
	}
	d, err = filepath.Abs(d)
	p, err2 = filepath.Abs(p)
	if err != nil || err2 != nil {
		return true
	}
	rel, err := filepath.Rel(d, p)
	return err != nil || rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
