package response

import (
	"testing"

	"vedette"
)

// An id that came out otherwise than yesterday would send everything twice.
func TestChangeIDVector(t *testing.T) {
	const want = "chg_n1fc2d4nqsphm44q90ejwqaax8"
	if got := changeID("chat-example", vedette.EventID{1, 2, 3}, CauseBlock, vedette.Digest{4, 5, 6}); got.String() != want {
		t.Errorf("changeID = %s, want %s", got, want)
	}
	seen := map[ChangeID]bool{}
	for _, tenant := range []vedette.Tenant{"a", "b"} {
		for _, cause := range []CauseKind{CauseBlock, CauseRecall, CauseIndicator, CauseRevoked} {
			for event := range byte(3) {
				for of := range byte(3) {
					seen[changeID(tenant, vedette.EventID{event}, cause, vedette.Digest{of})] = true
				}
			}
		}
	}
	if len(seen) != 2*4*3*3 {
		t.Errorf("%d ids for %d changes", len(seen), 2*4*3*3)
	}
	var c ChangeID
	for _, bad := range []string{"", "chg_", "evt_jbbbd4kwtjhqg8q9ghhh1kcy9r", "chg_JBBBD4KWTJHQG8Q9GHHH1KCY9R", "chg_jbbbd4kwtjhqg8q9ghhh1kcy9z"} {
		if err := c.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("UnmarshalText(%q) = %s", bad, c)
		}
	}
}
