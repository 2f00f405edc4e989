package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"vedette/internal/corpus"
)

func TestTheCommittedTableIsWhatTheFileGives(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "conformance", "unicode", "confusables.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Table(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../confusables_table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("confusables_table.go is not what the generator makes: run go generate ./link")
	}
}

func TestTableNamesTheLineThatItCannotRead(t *testing.T) {
	for _, bad := range []string{"# ok\n0041 0042\n", "\nzzzz ;\t0041 ;\tMA\n", "# ok\n0041 0042 ;\t0041 ;\tMA\n"} {
		if _, err := Table([]byte(bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("Table(%q): %v, want an error that names line 2", bad, err)
		}
	}
}
