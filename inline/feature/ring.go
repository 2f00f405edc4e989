package feature

import "math"

// Rings count in buckets of event time: what happened late is counted where it belongs, or dropped when its bucket is gone. A ring of n
// buckets reaches back n-1 full buckets and the one that is still filling. Counters stop at their type's largest value.

const (
	hourBuckets = 25 // 24 to 25 hours
	dayBuckets  = 8  // 7 to 8 days
)

type counter interface{ ~uint16 | ~uint32 }

// turn empties the buckets that the ring's head passes on its way from one unit to a later one.
func turn[C counter](ring []C, from, to uint32) {
	n := uint32(len(ring))
	if to-from >= n {
		clear(ring)
		return
	}
	for u := from + 1; u <= to; u++ {
		ring[u%n] = 0
	}
}

// count adds to the bucket of a unit, given the ring's head, which is not before it.
func count[C counter](ring []C, head, unit uint32, by uint32) {
	n := uint32(len(ring))
	if head-unit >= n {
		return
	}
	c := &ring[unit%n]
	if sum := uint64(*c) + uint64(by); sum <= uint64(^C(0)) {
		*c = C(sum)
	} else {
		*c = ^C(0)
	}
}

// total sums the buckets of the window that ends with unit. Of a window that lies before the head, what the ring still holds is summed.
func total[C counter](ring []C, head, unit uint32) (sum int64) {
	n := uint32(len(ring))
	if unit == head {
		for _, c := range ring {
			sum += int64(c)
		}
		return sum
	}
	if unit > head {
		if unit-head >= n {
			return 0
		}
		// The buckets that the head would pass are outside of the window.
		for u := unit - n + 1; u <= head; u++ {
			sum += int64(ring[u%n])
		}
		return sum
	}
	if head-unit >= n {
		return 0
	}
	for u := head - n + 1; u <= unit; u++ {
		sum += int64(ring[u%n])
	}
	return sum
}

// more adds to a plain counter that stops at its largest value.
func more(c *uint32, by uint32) {
	if *c > math.MaxUint32-by {
		*c = math.MaxUint32
		return
	}
	*c += by
}
