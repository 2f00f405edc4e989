package sim

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette/internal/corpus"
)

func channel(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "logs.tar.gz")
	f, err := os.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "logs/" + name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []interface{ Close() error }{w, z, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestAChannelsLogs(t *testing.T) {
	p := channel(t, "2031-03-01.raw.txt", "=== ada [a@harbour.example] has joined #ferry\n[23:59] <ada> tide?\n[23:59] <noor> see http://tides.example\n[00:01] <ada> thanks\nnot a line\n")
	type line struct {
		at          string
		from, to    int
		group, link bool
	}
	var got []line
	n, err := Conversation(p, func(at time.Time, from, to int, group, link bool) {
		got = append(got, line{at.UTC().Format("01-02T15:04:05.0"), from, to, group, link})
	})
	want := []line{{"03-01T23:59:00.0", 0, 0, true, false}, {"03-01T23:59:00.1", 1, 0, true, true}, {"03-02T00:01:00.0", 0, 0, true, false}}
	if err != nil || n != 2 || len(got) != len(want) {
		t.Fatalf("%d people, %v, %v", n, got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got[i], want[i])
		}
	}
}

func TestLogsThatAreNone(t *testing.T) {
	for _, x := range []struct{ name, text, want string }{
		{"ferry.txt", "[10:00] <ada> hello\n", `"ferry.txt": its name does not begin with a day`},
		{"2031-03-01.txt", "[10:00] <ada> hello\n[24:00] <ada> late\n", "2031-03-01.txt, line 2: 24:00 is no time of day"},
		{"2031-03-01.txt", "[10:75] <ada> hello\n", "line 1: 10:75 is no time of day"},
		{"2031-03-01.txt", "nobody said anything\n", "no messages"},
	} {
		if _, err := Conversation(channel(t, x.name, x.text), func(time.Time, int, int, bool, bool) {}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.text, err, x.want)
		}
	}
}

// TestTheChannelThatOthersLogged reads all of a real one.
func TestTheChannelThatOthersLogged(t *testing.T) {
	lines, links := 0, 0
	people, err := Conversation(corpus.Path(t, "graphs", "irc", "ubuntu-train-raw.tar.gz"), func(_ time.Time, _, _ int, _, link bool) {
		lines++
		if link {
			links++
		}
	})
	if err != nil || people < 1000 || lines < 100_000 || links < 5000 {
		t.Errorf("%d people, %d lines, %d links, %v", people, lines, links, err)
	}
}
