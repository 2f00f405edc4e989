// Package corpus finds real public data for tests, which is never part of this repository.
//
// In:     the folder named by the environment variable VEDETTE_DATA_CORPORA.
// Out:    paths in it; a test that needs one is skipped aloud where the folder is absent, and fails where CI is set.
// Keeps:  nothing.
// Fails:  in CI, when the folder or the file is missing.
// Source: CONTRIBUTING.md, "Real data"
package corpus

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of a file or folder of the corpora, or skips the test (in CI: fails it).
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	dir := os.Getenv("VEDETTE_DATA_CORPORA")
	if dir == "" {
		missing(t, "VEDETTE_DATA_CORPORA is not set: real data is not tested here")
	}
	path := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		missing(t, "real data is absent: "+filepath.Join(elem...))
	}
	return path
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip("SKIPPED, NOT TESTED: " + why)
}
