package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette"
)

// FollowerState is how the names of followers' places begin.
const FollowerState = "follower/"

// Follow hands a journal's entries to a follower, in order, up to batch at a time, from where the follower stood, and keeps its place after
// each batch. It returns when ctx ends (with ctx's error), when the follower fails, or when the journal does; an entry whose batch was not
// kept is given again the next time. An entry that was purged before the follower saw it is an error that wraps ErrPurged, never a gap.
func Follow(ctx context.Context, j Journal, f Follower, batch int) error {
	return follow(ctx, j, f, batch, true)
}

// CatchUp is Follow to the end that the journal has when it begins: then it returns nil.
func CatchUp(ctx context.Context, j Journal, f Follower, batch int) error {
	return follow(ctx, j, f, batch, false)
}

func follow(ctx context.Context, j Journal, f Follower, batch int, on bool) error {
	if batch < 1 {
		return fmt.Errorf("journal: follow %s: batches of %d: %w", f.Name(), batch, vedette.ErrInvalid)
	}
	name := FollowerState + f.Name()
	place, err := Place(ctx, j, f.Name())
	if err != nil {
		return err
	}
	for last := j.Last(); on || place.Less(last); {
		if err := j.Wait(ctx, place); err != nil {
			return err
		}
		var from Position // a follower without a place takes what is retained
		if place != (Position{}) {
			from = Position{place.Frame, place.Index + 1}
		}
		entries := make([]Entry, 0, min(batch, 4*MaxFrame))
		flush := func() error {
			if len(entries) == 0 {
				return nil
			}
			at := entries[len(entries)-1].Position
			if err := f.Follow(ctx, entries); err != nil {
				return fmt.Errorf("journal: follow %s: %w", f.Name(), err)
			}
			if err := j.SaveState(ctx, name, at, []byte{}); err != nil {
				return err
			}
			place = at
			entries = make([]Entry, 0, min(batch, 4*MaxFrame)) // the follower may have kept the last one until it returned; entries are not reused
			return nil
		}
		for e, err := range j.Read(ctx, from) {
			if err != nil {
				return errors.Join(err, flush()) // what was read before the damage is good
			}
			if entries = append(entries, e); len(entries) == batch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}

// Place returns the last position that a follower has taken, or zero.
func Place(ctx context.Context, j Journal, follower string) (Position, error) {
	states, err := j.LoadStates(ctx, FollowerState+follower)
	if err != nil {
		return Position{}, err
	}
	for _, s := range states {
		if s.Name == FollowerState+follower {
			return s.At, nil
		}
	}
	return Position{}, nil
}

// Passed returns the position that every follower has passed, and the name of the state that stands there. States whose names begin with one
// of the given prefixes count like followers: the gate's memory is restored from its states and the entries after them.
// Without any such state it is the last position, and the name is empty.
func Passed(ctx context.Context, j Journal, prefixes ...string) (at Position, by string, err error) {
	at = j.Last()
	for _, prefix := range append([]string{FollowerState}, prefixes...) {
		states, err := j.LoadStates(ctx, prefix)
		if err != nil {
			return Position{}, "", err
		}
		for _, s := range states {
			if by == "" || s.At.Less(at) {
				at, by = s.At, s.Name
			}
		}
	}
	return at, by, nil
}

// Retained says what Retain did.
type Retained struct {
	Purged  uint64    // frames that were forgotten
	Before  uint64    // the first frame that may be left
	Waiting string    // the state that kept frames past their term, if one did
	Oldest  time.Time // when the oldest entry that is left was seen; zero: none is
}

// Retain forgets the frames all of whose entries were seen longer ago than term, as of now, but none that a follower or a saved piece of
// memory (a state whose name begins with one of the given prefixes) has yet to pass. It reads what it forgets, once: each frame is read so one time in its life.
func Retain(ctx context.Context, j Journal, term time.Duration, now time.Time, prefixes ...string) (Retained, error) {
	if term <= 0 {
		return Retained{}, fmt.Errorf("journal: retain for %s: %w", term, vedette.ErrInvalid)
	}
	first := j.First()
	r := Retained{Before: first.Frame}
	if first == (Position{}) {
		return r, nil
	}
	passed, by, err := Passed(ctx, j, prefixes...)
	if err != nil {
		return r, err
	}
	cut := now.Add(-term)
	for e, err := range j.Read(ctx, first) {
		if err != nil {
			return r, err
		}
		r.Before, r.Oldest = e.Position.Frame, e.Event.Seen
		if !e.Event.Seen.Before(cut) {
			break
		}
		// The frame of the place itself stays: the follower continues inside it, or right behind it.
		if e.Position.Frame >= passed.Frame {
			if by != "" {
				r.Waiting = by
			}
			break
		}
	}
	r.Purged = r.Before - first.Frame
	return r, j.Purge(ctx, r.Before)
}
