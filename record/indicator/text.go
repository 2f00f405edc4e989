package indicator

// Text is the label of an indicator for people, such as "as published by S on D", or "" for a number that the set does not have.
func (s *Set) Text(number uint32) string { return s.Entry(number).Label }
