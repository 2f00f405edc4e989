package exhibit

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
)

//go:embed report.html.tmpl
var reportTemplate string

var report = template.Must(template.New("report").Parse(reportTemplate))

// html is the report as a page that needs nothing but itself: no script, no font, no picture from elsewhere.
func (p *page) html() ([]byte, error) {
	var b bytes.Buffer
	if err := report.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("exhibit: report: %w", err)
	}
	return b.Bytes(), nil
}
