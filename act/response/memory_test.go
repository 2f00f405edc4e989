package response_test

import (
	"testing"

	"vedette/act/response"
	"vedette/act/response/responsetest"
)

func TestMemory(t *testing.T) {
	responsetest.RunOutbox(t, func(testing.TB) (response.Outbox, func() response.Outbox) {
		m := response.NewMemory()
		return m, func() response.Outbox { return m }
	})
	responsetest.RunDeeds(t, func(testing.TB) (response.Deeds, func() response.Deeds) {
		m := new(response.MemoryDeeds)
		return m, func() response.Deeds { return m }
	})
}
