package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vedette/act/exhibit"
	"vedette/record/authority"
)

// demoProof is what came of the demo's exhibit.
type demoProof struct {
	Integrity    string `json:"integrity"`
	Time         string `json:"time"`
	Signer       string `json:"signer"`
	Completeness string `json:"completeness"`
	Records      int    `json:"records"`
	Withheld     int    `json:"withheld"`
	Fields       int    `json:"fields_withheld"`
	Altered      struct {
		Path      string `json:"path"`
		Byte      int    `json:"byte"`
		File      string `json:"file"`
		Integrity string `json:"integrity"`
		Detail    string `json:"detail"`
	} `json:"altered"`
}

// tellExhibit ends the story: an exhibit of the case is written to a folder (none named: a new one, which stays), verified by the key alone, and refused with one byte altered.
func (h *house) tellExhibit(ctx context.Context, sum *demoed, dir string, say func(string, ...any), p paint) error {
	if sum.Report == nil {
		return nil
	}
	t, err := h.demoTeam(ctx)
	if err != nil {
		return err
	}
	now := h.now().UTC()
	in := exhibiting{
		Choice: exhibit.Choice{
			Case: sum.Report.Case, Tenant: h.cfg.Tenant, Variant: exhibit.Public, Disclose: []exhibit.Group{exhibit.Indicators}, Mark: "HX",
			Label: "Harbour Messenger v. Doe (made up)", For: "counsel of harbour.example",
		},
		Recipient: authority.ToCourt, Until: now.Add(24 * time.Hour).Truncate(time.Second),
	}
	for _, x := range in.handings() {
		act, err := x.Act()
		if err != nil {
			return err
		}
		signed, err := t.sign(act, "ana", "omar")
		if err != nil {
			return err
		}
		in.Approvals = append(in.Approvals, signed...)
	}
	made, err := opExhibit.run(ctx, h, in)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "vedette-exhibit-"); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	sum.Exhibit, sum.Key = filepath.Join(dir, "harbour-exhibit.zip"), filepath.Join(dir, "log.key")
	out := &demoProof{}
	sum.Proof = out
	out.Altered.Path = filepath.Join(dir, "harbour-exhibit-altered.zip")
	verifier, err := verifierOf(h.proof.key)
	if err != nil {
		return err
	}
	r := exhibit.Verify(made.Zip, verifier, nil)
	out.Integrity, out.Time, out.Signer, out.Completeness, out.Records, out.Withheld, out.Fields = r.Integrity, r.Time, r.Signer, r.Completeness, r.Records, r.Withheld, r.Fields
	altered, err := alterOne(made.Zip, out)
	if err != nil {
		return err
	}
	bad := exhibit.Verify(altered, verifier, nil)
	out.Altered.Integrity = bad.Integrity
	for _, c := range bad.Checks {
		if !c.OK {
			out.Altered.Detail = c.Detail
		}
	}
	for path, b := range map[string][]byte{sum.Exhibit: made.Zip, sum.Key: []byte(h.proof.key + "\n"), out.Altered.Path: altered} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	sum.OK = sum.OK && r.Good() && !bad.Good()
	say("")
	say("%s", p.bold("What a court gets"))
	say("Both sign that counsel gets an exhibit: %d records of the case, the hosts shown, %d fields withheld and listed, nobody named.", r.Records, r.Fields)
	say("  integrity %s · signer %s · completeness %s · time %s", p.green(r.Integrity), p.green(r.Signer), p.green(r.Completeness), p.amber(r.Time))
	say("One byte of a copy is altered, in %s. %s: %s", out.Altered.File, p.red(bad.Integrity), out.Altered.Detail)
	say("  %s", sum.Exhibit)
	say("  vedette verify --key %s %s", sum.Key, sum.Exhibit)
	say("  vedette verify --key %s %s", sum.Key, out.Altered.Path)
	return nil
}

// alterOne changes one bit of a copy's last record of the case, as somebody would who wants it to say something else.
func alterOne(b []byte, out *demoProof) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	for _, f := range z.File {
		if strings.HasPrefix(f.Name, "records/") {
			at, err := f.DataOffset()
			if err != nil {
				return nil, fmt.Errorf("demo: %w", err)
			}
			out.Altered.File, out.Altered.Byte = f.Name, int(at)+int(f.UncompressedSize64)/2
		}
	}
	altered := bytes.Clone(b)
	altered[out.Altered.Byte] ^= 1
	return altered, nil
}
