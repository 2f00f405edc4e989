package intake

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.yaml.in/yaml/v3"

	"vedette"
	"vedette/edge/intake/internal/api"
)

// TestThePageOfTheFormatIsTrue holds docs/formats/event.md against the reader: its example is taken, its fields and kinds are all of ours.
func TestThePageOfTheFormatIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../docs/formats/event.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of JSON, want the event, the answer and the results", len(blocks))
	}
	opt := live
	opt.Now = time.Time{}
	if _, err := Decode([]byte(blocks[0][1]), &plainSealer{}, opt); err != nil {
		t.Errorf("the page's event is refused: %v", err)
	}
	strict := func(s string, v any) {
		dec := json.NewDecoder(strings.NewReader(s))
		dec.DisallowUnknownFields()
		if err := dec.Decode(v); err != nil {
			t.Errorf("the page's %s is not of the specification: %v", s, err)
		}
	}
	strict(blocks[1][1], new(api.Answer))
	for l := range strings.Lines(blocks[2][1]) {
		strict(l, new(api.Result))
	}
	for f, r := range rules {
		if field(f) <= fCategory && !strings.Contains(page, "`"+r.path+"`") {
			t.Errorf("the page does not name the field %s", r.path)
		}
		for _, w := range r.words {
			if w != "" && !strings.Contains(page, "`"+w+"`") && r.path != "tier" {
				t.Errorf("the page does not name %s of %s", w, r.path)
			}
		}
	}
	for _, k := range vedette.Kinds() {
		if !strings.Contains(page, "`"+k.String()+"`") {
			t.Errorf("the page does not name the kind %s", k)
		}
	}
}

// However the bytes of a batch arrive, its results are the same.
func TestABatchIsTheSameInAnyPieces(t *testing.T) {
	body := strings.Join([]string{
		nth(1), "", strings.Repeat("x", MaxEvent+1), nth(2), strings.Repeat("y", MaxEvent), "\r", `{"x":"` + strings.Repeat("ä", 1<<15) + `"}`, nth(3), "z",
	}, "\n")
	const want = "1:200 3:413 4:200 5:400 7:413 8:200 9:400"
	pieces := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "bytes": iotest.OneByteReader, "with the end": iotest.DataErrReader,
	}
	for name, cut := range pieces {
		h := open(t, Config{})
		r := h.request(http.MethodPost, "/v1/events", "")
		r.Body = io.NopCloser(cut(strings.NewReader(body)))
		if got := told(resultsOf(t, h.do(r).Body.String())); got != want {
			t.Errorf("in %s: %s\nwant %s", name, got, want)
		}
	}
}

// The examples of the specification are what the door takes and answers, so that who copies one has a good start.
func TestTheExamplesOfTheSpecificationAreTrue(t *testing.T) {
	raw, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	opt := live
	opt.Now = time.Time{}
	strict := func(s string, v any) {
		dec := json.NewDecoder(strings.NewReader(s))
		dec.DisallowUnknownFields()
		if err := dec.Decode(v); err != nil {
			t.Errorf("%s is not of the specification: %v", s, err)
		}
	}
	for _, path := range doc.Paths {
		for _, op := range path.Value {
			shown := false
			if b := op.Value.RequestBody; b != nil {
				for _, m := range b.Content {
					shown = shown || len(m.Value.Examples) > 0
					for _, e := range m.Value.Examples {
						text, err := asText(e.Value.Value)
						if err != nil {
							t.Fatal(err)
						}
						lines := []string{text}
						if m.Key == "application/x-ndjson" {
							lines = strings.Split(text, "\n")
						}
						for i, l := range lines {
							_, err := Decode([]byte(l), &plainSealer{}, opt)
							if path.Key == "/v1/reports" {
								_, err = readReport([]byte(l), &opt)
							}
							if wrong := len(lines) > 1 && i == 1; (err != nil) != wrong {
								t.Errorf("%s, example %s, line %d: %v", path.Key, e.Key, i+1, err)
							}
						}
					}
				}
				if !shown {
					t.Errorf("%s shows no request", path.Key)
				}
			}
			for _, r := range op.Value.Responses {
				for _, m := range r.Value.Content {
					for _, e := range m.Value.Examples {
						text, err := asText(e.Value.Value)
						if err != nil {
							t.Fatal(err)
						}
						switch path.Key {
						case "/v1/decide":
							strict(text, new(api.Answer))
						case "/v1/reports":
							strict(text, new(api.Taken))
						case "/v1/reports/{id}":
							strict(text, new(api.Reported))
						case "/v1/decisions/{id}":
							strict(text, new(api.Recorded))
						case "/v1/events":
							for l := range strings.Lines(text) {
								strict(l, new(api.Result))
							}
						}
					}
				}
			}
		}
	}
}
