package indicator

// Text is what people read when an indicator speaks, such as "listed as harmful, as published by S on D"; "" for a number that the set does
// not have. It names who said it, never whom it is said of.
func (s *Set) Text(number uint32) string {
	label := s.Entry(number).Label
	if label == "" {
		return ""
	}
	return "listed as harmful, " + label
}
