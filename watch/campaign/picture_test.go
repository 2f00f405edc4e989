package campaign

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPictures writes what people see into a folder, when one is named: VEDETTE_PICTURES=folder go test -run TestPictures.
func TestPictures(t *testing.T) {
	dir := os.Getenv("VEDETTE_PICTURES")
	if dir == "" {
		t.Skip("VEDETTE_PICTURES is not set: nothing is to be looked at")
	}
	_, in, s := attack(t)
	o, err := Outline(t.Context(), in, s)
	if err != nil {
		t.Fatal(err)
	}
	g := draw(t, in, s, Budget{})
	for name, out := range map[string][]byte{
		"campaign.svg": g.SVG(), "campaign.json": g.JSON(), "campaign.graphml": g.GraphML(), "outline.svg": o.SVG(), "outline.json": o.JSON(),
		"large.svg": large(t).SVG(), "large.graphml": large(t).GraphML(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
