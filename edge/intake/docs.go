package intake

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed docs.css
var docsStyle string

//go:embed docs.html
var docsPage string

// renderDocs makes the documentation page of a specification, and the policy it is served under: no script, nothing foreign, one style.
func renderDocs(spec []byte) (page []byte, csp string, err error) {
	var doc document
	if err := yaml.Unmarshal(spec, &doc); err != nil {
		return nil, "", fmt.Errorf("intake: read the specification: %w", err)
	}
	t, err := template.New("docs").Funcs(template.FuncMap{
		"prose": prose, "code": inCode, "example": asText, "type": func(s schema) template.HTML { return s.typeName() },
		"last": last, "statusText": statusText, "kindOf": problemKind, "statusOf": problemStatus, "curl": curl, "file": bodyFile,
		"about": func(s schema) string { // a field that says nothing itself is what its word says
			for _, w := range doc.Components.Schemas {
				if s.Description == "" && s.Ref != "" && w.Key == last(s.Ref) {
					return w.Value.Description
				}
			}
			return s.Description
		},
		"meaning": func(name string) string {
			for _, r := range doc.Components.Responses {
				if r.Key == name {
					return r.Value.Description
				}
			}
			return ""
		},
	}).Parse(docsPage)
	if err != nil {
		return nil, "", fmt.Errorf("intake: docs page: %w", err)
	}
	var buf bytes.Buffer
	if err := t.Execute(&buf, struct {
		*document
		Style template.CSS
	}{&doc, template.CSS(docsStyle)}); err != nil {
		return nil, "", fmt.Errorf("intake: docs page: %w", err)
	}
	sum := sha256.Sum256([]byte(docsStyle))
	csp = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return buf.Bytes(), csp, nil
}

// document is what the page shows of a specification, in the file's order.
type document struct {
	OpenAPI string `yaml:"openapi"`
	Info    struct {
		Title, Version, Summary, Description string
	}
	Paths      ordered[ordered[operation]]
	Components struct {
		Responses ordered[response]
		Schemas   ordered[schema]
	}
}

type operation struct {
	OperationID string `yaml:"operationId"`
	Summary     string
	Description string
	Security    *[]any
	Parameters  []struct {
		Name, In, Description string
		Required              bool
		Schema                schema
	}
	RequestBody *struct {
		Description string
		Content     ordered[media]
	} `yaml:"requestBody"`
	Responses ordered[response]
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Content     ordered[media]
}

type media struct {
	Schema   schema
	Examples ordered[struct {
		Summary string
		Value   yaml.Node
	}]
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        string
	Format      string
	Description string
	Pattern     string
	Enum        []any
	Minimum     *int64
	Maximum     *int64
	MinLength   *int64 `yaml:"minLength"`
	MaxLength   *int64 `yaml:"maxLength"`
	MaxItems    *int64 `yaml:"maxItems"`
	Required    []string
	Properties  ordered[schema]
	Items       *schema
	Examples    []any
}

// Needs tells whether the object needs a property.
func (s schema) Needs(name string) bool { return slices.Contains(s.Required, name) }

func (s schema) typeName() template.HTML {
	if s.Ref != "" {
		n := template.HTMLEscapeString(last(s.Ref))
		return template.HTML(`<a href="#schema-` + n + `">` + n + `</a>`)
	}
	if s.Type == "array" && s.Items != nil {
		return "array of " + s.Items.typeName()
	}
	return template.HTML(template.HTMLEscapeString(s.Type))
}

// Limits says in words what the schema asks besides the type.
func (s schema) Limits() string {
	var out []string
	if len(s.Enum) > 0 {
		var ws []string
		for _, e := range s.Enum {
			ws = append(ws, fmt.Sprint(e))
		}
		out = append(out, strings.Join(ws, " · "))
	}
	if s.Format == "date-time" {
		out = append(out, "RFC 3339")
	}
	span := func(lo, hi *int64, unit string) {
		switch {
		case lo != nil && hi != nil:
			out = append(out, fmt.Sprintf("%d to %d%s", *lo, *hi, unit))
		case lo != nil:
			out = append(out, fmt.Sprintf("at least %d%s", *lo, unit))
		case hi != nil:
			out = append(out, fmt.Sprintf("at most %d%s", *hi, unit))
		}
	}
	span(s.Minimum, s.Maximum, "")
	span(s.MinLength, s.MaxLength, " bytes")
	span(nil, s.MaxItems, " items")
	if s.Pattern != "" {
		out = append(out, s.Pattern)
	}
	return strings.Join(out, "; ")
}

// ordered is a YAML mapping that keeps its order.
type ordered[T any] []struct {
	Key   string
	Value T
}

// UnmarshalYAML reads a mapping.
func (o *ordered[T]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a mapping", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var v T
		if err := n.Content[i+1].Decode(&v); err != nil {
			return err
		}
		*o = append(*o, struct {
			Key   string
			Value T
		}{n.Content[i].Value, v})
	}
	return nil
}

// prose makes paragraphs, with words between backquotes as code.
func prose(s string) template.HTML {
	var b strings.Builder
	for p := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		if p != "" {
			b.WriteString("<p>" + string(inCode(p)) + "</p>\n")
		}
	}
	return template.HTML(b.String())
}

func inCode(s string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
		} else {
			b.WriteString(template.HTMLEscapeString(part))
		}
	}
	return template.HTML(b.String())
}

// asText writes an example: text as it is, all else as JSON.
func asText(n yaml.Node) (string, error) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return strings.TrimRight(n.Value, "\n"), nil
	}
	return asJSON(n)
}

// curl writes how a person asks: the first example is what stands in the file that it sends.
func curl(path string, op operation) string {
	for _, p := range op.Parameters {
		for _, e := range p.Schema.Examples {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(fmt.Sprint(e)))
			break
		}
	}
	parts := []string{`curl -s "$URL` + path + `"`}
	if op.Security == nil {
		parts = append(parts, `-H "Authorization: Bearer $KEY"`)
	}
	if op.RequestBody != nil {
		for _, m := range op.RequestBody.Content {
			parts = append(parts, "-H 'Content-Type: "+m.Key+"'", "--data-binary @"+bodyFile(op, m.Key))
		}
	}
	return strings.Join(parts, " \\\n  ")
}

// bodyFile names the file that holds a request's example.
func bodyFile(op operation, contentType string) string {
	return op.OperationID + "." + strings.TrimPrefix(contentType[strings.IndexByte(contentType, '/')+1:], "x-")
}

// asJSON writes an example as JSON, its fields in the file's order.
func asJSON(n yaml.Node) (string, error) {
	var compact, out bytes.Buffer
	if err := writeJSON(&compact, &n); err != nil {
		return "", err
	}
	err := json.Indent(&out, compact.Bytes(), "", "  ")
	return out.String(), err
}

func writeJSON(w *bytes.Buffer, n *yaml.Node) error {
	open, shut := byte('['), byte(']')
	switch n.Kind {
	case yaml.MappingNode:
		open, shut = '{', '}'
	case yaml.SequenceNode:
	default:
		if n.Tag == "!!float" { // as it is written: 20.0 stays 20.0
			w.WriteString(n.Value)
			return nil
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		b, err := json.Marshal(v)
		w.Write(b)
		return err
	}
	w.WriteByte(open)
	for i, c := range n.Content {
		switch {
		case i == 0:
		case open == '{' && i%2 == 1:
			w.WriteByte(':')
		default:
			w.WriteByte(',')
		}
		if err := writeJSON(w, c); err != nil {
			return err
		}
	}
	w.WriteByte(shut)
	return nil
}

func last(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func statusText(code string) string {
	var n int
	_, _ = fmt.Sscan(code, &n)
	return http.StatusText(n)
}

// problems are the kinds of problems that the specification's responses stand for, and their status.
var problems = map[string]struct {
	kind   string
	status int
}{
	"Invalid": {"invalid", http.StatusBadRequest}, "NoKey": {"no-key", http.StatusUnauthorized}, "Forbidden": {"forbidden", http.StatusForbidden},
	"NotFound": {"not-found", http.StatusNotFound}, "Method": {"method", http.StatusMethodNotAllowed},
	"NotAcceptable": {"not-acceptable", http.StatusNotAcceptable}, "TooSlow": {"too-slow", http.StatusRequestTimeout},
	"Conflict": {"conflict", http.StatusConflict}, "TooLarge": {"too-large", http.StatusRequestEntityTooLarge},
	"MediaType": {"media-type", http.StatusUnsupportedMediaType}, "Busy": {"busy", http.StatusTooManyRequests},
	"Fault": {"fault", http.StatusInternalServerError}, "Unavailable": {"unavailable", http.StatusServiceUnavailable},
}

// problemKind names the kind that a response's problems have, by the response's name in the specification.
func problemKind(name string) string { return problems[name].kind }

func problemStatus(name string) string { return strconv.Itoa(problems[name].status) }
