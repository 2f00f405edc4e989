// Package history keeps sightings in files that other engines read, and finds them by key in milliseconds.
//
// In:     sightings in order, from one writer.
// Out:    those of some keys in a window, in time that grows with what is found, not with what is kept.
// Keeps:  one folder for each day of Parquet files with an index beside them; filters of all of them in memory, about 2 bytes a sighting.
// Fails:  a damaged file is named and left aside, and the rest is served; what was added and is not durable is given again after a crash.
// Source: docs/decisions/0014-history.md, docs/formats/history.md
package history
