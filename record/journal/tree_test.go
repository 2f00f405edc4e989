package journal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"vedette"
)

// The test tree of Certificate Transparency: eight leaves and the root of each prefix.
func TestTheTreeIsThatOfRFC6962(t *testing.T) {
	var leaves []vedette.Digest
	for i, tt := range []struct{ leaf, root string }{
		{"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
		{"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
		{"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
		{"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
		{"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
		{"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
		{"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
		{"606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
	} {
		b, err := hex.DecodeString(tt.leaf)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leafHash(b))
		if got := treeHash(leaves).String(); got != tt.root {
			t.Errorf("root of %d leaves = %s, want %s", i+1, got, tt.root)
		}
	}
	if got := treeHash(nil).String(); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("root of no leaves = %s", got)
	}
}

func TestEveryPathLeadsToTheRootAndNoOtherDoes(t *testing.T) {
	var leaves []vedette.Digest
	for n := 1; n <= 70; n++ {
		leaves = append(leaves, leafHash([]byte{byte(n)}))
		root := treeHash(leaves)
		for i := range leaves {
			path := treePath(leaves, uint64(i))
			if got, ok := treeRoot(leaves[i], uint64(i), uint64(n), path); !ok || got != root {
				t.Fatalf("leaf %d of %d does not lead to the root", i, n)
			}
			if got, ok := treeRoot(leaves[i], uint64(i+1)%uint64(n), uint64(n), path); ok && got == root && n > 1 {
				t.Fatalf("leaf %d of %d is proved at another place", i, n)
			}
			if len(path) > 0 {
				if _, ok := treeRoot(leaves[i], uint64(i), uint64(n), path[1:]); ok {
					t.Fatalf("leaf %d of %d is proved by a path that is too short", i, n)
				}
			}
			if _, ok := treeRoot(leaves[i], uint64(i), uint64(n), append(path, root)); ok {
				t.Fatalf("leaf %d of %d is proved by a path that is too long", i, n)
			}
		}
	}
}

func TestSaltsAreHKDFExpand(t *testing.T) {
	for i := range 50 {
		seed := [32]byte{byte(i), 31: byte(3 * i)}
		at := Position{Frame: uint64(i) << 33, Index: uint16(7 * i)}
		info := binary.BigEndian.AppendUint16([]byte("vedette/seal/1/salt\x00"), uint16(i))
		info = binary.BigEndian.AppendUint64(info, at.Frame)
		info = append(binary.BigEndian.AppendUint16(info, at.Index), byte(i%4))
		want, err := hkdf.Expand(sha256.New, seed[:], string(info), 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := saltOf(seed, uint16(i), at, Group(i%4)); got != [32]byte(want) {
			t.Fatalf("salt %d = %x, want %x", i, got, want)
		}
	}
}
