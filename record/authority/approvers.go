package authority

import (
	"context"
	"fmt"
	"time"

	"vedette"
)

// Approvers is Approved for acts that need another number of people than two: one where what is done ends by itself and harms few, more where
// it harms many. Its error is ErrUnapproved, or wraps vedette.ErrInvalid when need is below one.
func (r *Register) Approvers(ctx context.Context, act Act, approvals [][]byte, need int, at time.Time) ([]PersonID, error) {
	if need < 1 {
		return nil, fmt.Errorf("authority: approved by %d people: at least one: %w", need, vedette.ErrInvalid)
	}
	ps, err := r.People(ctx)
	if err != nil {
		return nil, err
	}
	return judge(ps, act, approvals, at, need)
}
