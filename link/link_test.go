package link_test

import (
	"errors"

	"vedette"
)

func errorIsInvalid(err error) bool { return errors.Is(err, vedette.ErrInvalid) }
