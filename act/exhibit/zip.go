package exhibit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode"
	"unicode/utf8"

	"vedette"
)

// The container is a zip in which nothing can be chosen: files are stored, in one order, with one time and no extra field, and lie one behind the other from
// the first byte to the last. So there is one file for the same contents, whoever writes it, and no byte that means nothing (docs/formats/exhibit.md).
const (
	zipLocal   = 0x04034b50
	zipCentral = 0x02014b50
	zipEnd     = 0x06054b50
	zipDate    = 0x21   // 1980-01-01, the format's first day
	zipVersion = 10     // nothing but stored files
	zipUTF8    = 0x0800 // names are UTF-8
	maxFiles   = 65_534
)

// file is one file of the container.
type file struct {
	name string
	data []byte
}

// fileName refuses what could be anything but a plain file below the folder where it is unpacked.
func fileName(s string) bool {
	if s == "" || len(s) > 60 || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '/' {
			return false
		}
	}
	for p := range strings.SplitSeq(s, "/") {
		if strings.HasPrefix(p, ".") || strings.HasSuffix(p, ".") {
			return false
		}
	}
	return true
}

func le16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }
func le32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }

func localHeader(b []byte, name string, crc uint32, size int) []byte {
	b = le16(le16(le16(le32(b, zipLocal), zipVersion), zipUTF8), 0)
	b = le32(le32(le32(le16(le16(b, 0), zipDate), crc), uint32(size)), uint32(size))
	return append(le16(le16(b, uint16(len(name))), 0), name...)
}

func centralHeader(b []byte, name string, crc uint32, size, offset int) []byte {
	b = le16(le16(le16(le16(le32(b, zipCentral), zipVersion), zipVersion), zipUTF8), 0)
	b = le32(le32(le32(le16(le16(b, 0), zipDate), crc), uint32(size)), uint32(size))
	b = le16(le16(le16(le16(le16(b, uint16(len(name))), 0), 0), 0), 0)
	return append(le32(le32(b, 0), uint32(offset)), name...)
}

func endRecord(b []byte, files, central, offset int) []byte {
	b = le16(le16(le16(le16(le32(b, zipEnd), 0), 0), uint16(files)), uint16(files))
	return le16(le32(le32(b, uint32(central)), uint32(offset)), 0)
}

// pack writes the container. Its error wraps vedette.ErrInvalid or ErrTooLarge.
func pack(files []file) ([]byte, error) {
	size := 22
	for _, f := range files {
		if !fileName(f.name) {
			return nil, fmt.Errorf("exhibit: file name %.80q: %w", f.name, vedette.ErrInvalid)
		}
		size += 30 + 46 + 2*len(f.name) + len(f.data)
	}
	if size > MaxSize || len(files) > maxFiles {
		return nil, fmt.Errorf("exhibit: %d files with %d bytes; at most %d and %d: %w", len(files), size, maxFiles, MaxSize, vedette.ErrTooLarge)
	}
	b, central := make([]byte, 0, size), []byte{}
	for _, f := range files {
		crc := crc32.ChecksumIEEE(f.data)
		central = centralHeader(central, f.name, crc, len(f.data), len(b))
		b = append(localHeader(b, f.name, crc, len(f.data)), f.data...)
	}
	at := len(b)
	return endRecord(append(b, central...), len(files), len(central), at), nil
}

// packed is a file of a container that was read, with the place of its bytes.
type packed struct {
	file
	at int
}

// unpack reads a container from its first byte to its last; each must be the one that pack writes. It looks at nothing before it knows its place, and
// takes no memory that the bytes do not take themselves. Its error wraps ErrAltered and names the byte.
func unpack(b []byte) ([]packed, error) {
	bad := func(at int, format string, args ...any) error {
		return fmt.Errorf("%w: byte %d: "+format, append([]any{ErrAltered, at}, args...)...)
	}
	if len(b) > MaxSize {
		return nil, fmt.Errorf("exhibit: %d bytes, at most %d: %w", len(b), MaxSize, vedette.ErrTooLarge)
	}
	var out []packed
	var central []byte
	seen := map[string]bool{}
	pos := 0
	for len(b)-pos >= 30 && binary.LittleEndian.Uint32(b[pos:]) == zipLocal {
		h := b[pos:]
		crc, size, names := binary.LittleEndian.Uint32(h[14:]), int64(binary.LittleEndian.Uint32(h[18:])), int(binary.LittleEndian.Uint16(h[26:]))
		if names > 60 || int64(len(h)) < int64(30+names)+size {
			return nil, bad(pos, "the header of file %d promises more than there is", len(out)+1)
		}
		name := string(h[30 : 30+names])
		data := h[30+names : 30+names+int(size)]
		if !fileName(name) {
			return nil, bad(pos+30, "file %d is called %.60q", len(out)+1, name)
		}
		if i := differ(h[:30+names], localHeader(nil, name, crc, len(data))); i >= 0 {
			return nil, bad(pos+i, "the header of %s is not as it is written", name)
		}
		if seen[name] {
			return nil, bad(pos+30, "%s is there twice", name)
		}
		if got := crc32.ChecksumIEEE(data); got != crc {
			return nil, bad(pos+30+names, "%s, in its %d bytes from here on, is not what was written: checksum %08x, want %08x", name, len(data), got, crc)
		}
		if len(out) == maxFiles {
			return nil, bad(pos, "more than %d files", maxFiles)
		}
		seen[name] = true
		central = centralHeader(central, name, crc, len(data), pos)
		out = append(out, packed{file{name, data}, pos + 30 + names})
		pos += 30 + names + len(data)
	}
	want := endRecord(central, len(out), len(central), pos)
	if i := differ(b[pos:], want); i >= 0 {
		switch {
		case len(out) == 0:
			return nil, bad(0, "this is no exhibit: it does not begin with a file")
		case i >= len(want):
			return nil, bad(pos+i, "there are %d bytes behind the end", len(b)-pos-len(want))
		case i < len(central):
			return nil, bad(pos+i, "the list of files is not what the files are")
		}
		return nil, bad(pos+i, "the end of the list of files is not as it is written")
	}
	return out, nil
}

func sum(b []byte) vedette.Digest { return sha256.Sum256(b) }

// plain tells whether a text is one line that people can read.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) })
}

// text is a value as it is read: the text (line ends and tabs included), or hexadecimal behind "0x" where it is none.
func text(b []byte) string {
	if s := string(b); plain(strings.NewReplacer("\n", " ", "\t", " ").Replace(s)) && !strings.HasPrefix(s, "0x") {
		return s
	}
	return "0x" + hex.EncodeToString(b)
}
