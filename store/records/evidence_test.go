package records_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

func TestShelf(t *testing.T) {
	evidencetest.RunShelf(t, func(t *testing.T) (evidence.Shelf, func() evidence.Shelf) {
		dir := t.TempDir()
		d := openIn(t, dir)
		return d.Shelf(), func() evidence.Shelf {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return openIn(t, dir).Shelf()
		}
	})
}

func TestWhatIsErasedFromTheShelfIsInNoFile(t *testing.T) {
	dir := t.TempDir()
	d := openIn(t, dir)
	s := d.Shelf()
	secret := bytes.Repeat([]byte("a word that must go "), 300) // over several pages
	b := evidencetest.MakeBody(0, 2)
	b.Parts[4].Value = secret
	salt := bytes.Repeat([]byte("SALT"), 8)
	b.Parts[4].Salt = salt
	for _, err := range []error{s.Put(t.Context(), 0, []evidence.Body{b}), s.Place(t.Context(), 1, []byte("checkpoint"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	found := func() (n int) {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(data, secret[:20]) || bytes.Contains(data, salt) {
				n++
			}
		}
		return n
	}
	if found() == 0 {
		t.Fatal("the value is in no file before it is erased: this test looks at the wrong place")
	}
	if err := s.Erase(t.Context(), 0, "b"); err != nil {
		t.Fatal(err)
	}
	if n := found(); n != 0 {
		t.Errorf("the erased value is in %d files of the open database", n)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if n := found(); n != 0 {
		t.Errorf("the erased value is in %d files of the closed database", n)
	}
}
