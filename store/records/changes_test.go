package records_test

import (
	"testing"

	"vedette/act/response"
	"vedette/act/response/responsetest"
	"vedette/store/records"
)

func openAgain(t testing.TB, dir string) *records.DB {
	t.Helper()
	d, err := records.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestOutbox(t *testing.T) {
	responsetest.RunOutbox(t, func(t testing.TB) (response.Outbox, func() response.Outbox) {
		dir := t.TempDir()
		d := openAgain(t, dir)
		return d.Outbox(), func() response.Outbox {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return openAgain(t, dir).Outbox()
		}
	})
}

func TestDeeds(t *testing.T) {
	responsetest.RunDeeds(t, func(t testing.TB) (response.Deeds, func() response.Deeds) {
		dir := t.TempDir()
		d := openAgain(t, dir)
		return d.Deeds(), func() response.Deeds {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return openAgain(t, dir).Deeds()
		}
	})
}
