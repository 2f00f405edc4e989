package exhibit

import (
	"fmt"

	"vedette/record/evidence"
)

// files writes all files but the seal, the manifest first. Their order is that of the manifest.
func (b *body) files() ([]file, error) {
	var out []file
	var failed error
	add := func(name string, data []byte, err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("exhibit: %s: %w", name, err)
		}
		out = append(out, file{name, data})
	}
	put := func(name string, v any) {
		data, err := canonical(v)
		add(name, data, err)
	}
	add("checkpoint.txt", b.checkpoint, nil)
	put("index.json", b.index)
	data, err := compact(b.disclosure)
	add("disclosure.json", data, err)
	for n := range b.records {
		data, err := compact(&b.records[n])
		add(recordFile(n+1), data, err)
	}
	put("withheld.json", b.withheld)
	chain := consistency{Anchors: []anchored{}, Format: Format}
	for n, a := range b.anchors {
		over, err := evidence.ReadCheckpoint(a.Checkpoint)
		if err != nil {
			return nil, fmt.Errorf("exhibit: anchor: %w", err)
		}
		x := anchored{Checkpoint: fmt.Sprintf("anchors/%03d.checkpoint", n+1), Kind: a.Kind, Path: b.paths[n], Size: over.Size, Token: fmt.Sprintf("anchors/%03d.%s", n+1, a.Kind)}
		chain.Anchors = append(chain.Anchors, x)
		add(x.Checkpoint, a.Checkpoint, nil)
		add(x.Token, a.Token, nil)
	}
	if len(chain.Anchors) > 0 {
		put("consistency.json", chain)
	}
	line, held := timelineOf(b.manifest.Mark, b.shown), custodyOf(b.shown, &b.export)
	put("timeline.json", line)
	put("custody.json", held)
	cp, err := evidence.ReadCheckpoint(b.checkpoint)
	if err != nil {
		return nil, fmt.Errorf("exhibit: %w", err)
	}
	var anchors []string
	for _, x := range chain.Anchors {
		anchors = append(anchors, anchorText(x.Kind, x.Size))
	}
	people, err := pageOf(&b.manifest, cp, b.shown, b.index, &b.withheld, &line, &held, anchors).files()
	if err != nil {
		return nil, err
	}
	for _, f := range people {
		add(f.name, f.data, nil)
	}
	if failed != nil {
		return nil, failed
	}
	b.manifest.Files = make([]Listed, len(out))
	for i, f := range out {
		b.manifest.Files[i] = Listed{f.name, len(f.data), sum(f.data)}
	}
	m, err := canonical(b.manifest)
	if err != nil {
		return nil, fmt.Errorf("exhibit: manifest: %w", err)
	}
	return append([]file{{"manifest.json", m}}, out...), nil
}

func recordFile(n int) string { return fmt.Sprintf("records/%04d.json", n) }

// timelineOf tells of what is shown, record by record.
func timelineOf(mark string, shown []evidence.Shown) Timeline {
	out := Timeline{Format: Format, Events: []Event{}}
	for n := range shown {
		s := &shown[n]
		if s.Kind == "" || s.At.IsZero() {
			continue
		}
		out.Events = append(out.Events, Event{Exhibit: exhibitID(mark, n+1), Index: s.Index, At: at(s.At), Kind: s.Kind, Shows: shows(s)})
	}
	return out
}

// custodyOf tells of every disclosure for the case, this one last.
func custodyOf(shown []evidence.Shown, this *evidence.Shown) Custody {
	out := Custody{Format: Format, Exports: []Export{}}
	for n := range shown {
		if s := &shown[n]; s.Kind == evidence.KindDisclose {
			out.Exports = append(out.Exports, Export{Index: s.Index, At: at(s.At), Shows: shows(s)})
		}
	}
	out.Exports = append(out.Exports, Export{Index: this.Index, At: at(this.At), Shows: shows(this), This: true})
	return out
}

func shows(s *evidence.Shown) map[string]string {
	out := map[string]string{}
	for _, f := range s.Fields {
		out[f.Name] = text(f.Value)
	}
	return out
}
