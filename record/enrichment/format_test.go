package enrichment_test

import (
	"os"
	"strings"
	"testing"

	"vedette/record/enrichment"
)

// The examples of the page are read as the page says.
func TestThePageOfTheFormats(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/enrichment.md")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	_, examples, _ := strings.Cut(string(page), "\n## ")
	for block := range strings.SplitSeq(examples, "\n```") {
		head, body, _ := strings.Cut(block, "\n")
		lang, format, ok := strings.Cut(strings.TrimSpace(head), " ")
		if !ok || strings.HasPrefix(lang, "`") {
			continue
		}
		read++
		switch format {
		case "asn":
			if _, refused, err := enrichment.LoadASNs(strings.NewReader(body), "page"); err != nil || len(refused) != 0 {
				t.Errorf("%s: %v, %v", format, refused, err)
			}
			continue
		case "shared":
			if _, refused, err := enrichment.LoadRanges(strings.NewReader(body), "page"); err != nil || len(refused) != 0 {
				t.Errorf("%s: %v, %v", format, refused, err)
			}
			continue
		}
		for _, f := range []string{format, ""} {
			rep, err := importString(t, enrichment.NewMemory(), "page", body+"\n", f)
			if err != nil || rep.Refused != 0 || rep.Taken == 0 {
				t.Errorf("%s as %q: %+v, %v", format, f, rep, err)
			}
		}
	}
	if read != 8 {
		t.Errorf("%d examples were read, want 8", read)
	}
}
