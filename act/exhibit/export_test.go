package exhibit

import (
	"context"
	"encoding/json"
	"strconv"

	"vedette"
	"vedette/record/evidence"
)

// File is a file of a container, for tests that put one together by hand.
type File struct {
	Name string
	Data []byte
}

func Pack(files []File) ([]byte, error) {
	var out []file
	for _, f := range files {
		out = append(out, file{f.Name, f.Data})
	}
	return pack(out)
}

func Unpack(b []byte) (out []File, err error) {
	list, err := unpack(b)
	for _, f := range list {
		out = append(out, File{f.name, f.data})
	}
	return out, err
}

func Canonical(v any) ([]byte, error) { return canonical(v) }

// checkpoints of an exhibit, from its files.
func checkpoints(b []byte) (first, last []byte, err error) {
	list, err := unpack(b)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range list {
		switch f.name {
		case "checkpoint.txt":
			first = f.data
		case "seal.json":
			var s seal
			if err := json.Unmarshal(f.data, &s); err != nil {
				return nil, nil, err
			}
			last = []byte(s.Checkpoint)
		}
	}
	return first, last, nil
}

// Again makes an exhibit again from the log, without writing to it.
func Again(ctx context.Context, log Log, c Choice, made Made) ([]byte, error) {
	first, last, err := checkpoints(made.Zip)
	if err != nil {
		return nil, err
	}
	list, err := unpack(made.Zip)
	if err != nil {
		return nil, err
	}
	var index Index
	for _, f := range list {
		if f.name == "index.json" {
			if err := json.Unmarshal(f.data, &index); err != nil {
				return nil, err
			}
		}
	}
	b, err := gather(ctx, log, &c, &index, made.Disclosure, first, nil)
	if err != nil {
		return nil, err
	}
	files, err := b.files()
	if err != nil {
		return nil, err
	}
	return conclude(ctx, log, files, first, made.Seal, last)
}

// Reseal does what a log's owner could: it seals files of his making.
func Reseal(ctx context.Context, log Log, t vedette.Tenant, files []File, made Made) ([]byte, error) {
	r, err := log.Append(ctx, evidence.Record{Kind: evidence.KindDisclose, Tenant: t, Fields: []evidence.Field{
		{Name: "exhibit", Value: strconv.AppendUint(nil, made.Disclosure, 10)}, {Name: "manifest", Value: []byte(sum(files[0].Data).String())},
	}})
	if err != nil {
		return nil, err
	}
	first, _, err := checkpoints(made.Zip)
	if err != nil {
		return nil, err
	}
	last, _, err := log.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	var out []file
	for _, f := range files[:len(files)-1] {
		out = append(out, file{f.Name, f.Data})
	}
	return conclude(ctx, log, out, first, r[0].Index, last)
}
