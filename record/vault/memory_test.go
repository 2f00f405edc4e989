package vault_test

import (
	"testing"

	"vedette/record/vault"
	"vedette/record/vault/vaulttest"
)

func TestMemory(t *testing.T) {
	vaulttest.Run(t, func(*testing.T) (vault.Store, func() vault.Store) {
		m := vault.NewMemory()
		return m, func() vault.Store { return m }
	})
}
