package sentry

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"vedette"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
	"vedette/watch/targeting"
)

// ErrDamaged says that a saved watch is not what was saved.
var ErrDamaged = fmt.Errorf("sentry: the saved state is damaged: %w", vedette.ErrInvalid)

const magic = "vedette watch 1\n"

// maxState bounds what a saved state may unpack to: about 20 million accounts.
const maxState = 8 << 30

var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1)) // fails on wrong options alone
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxState), zstd.WithDecoderConcurrency(1))
)

// encode writes everything (docs/formats/watch.md). The same events give the same bytes.
func (s *Sentry) encode() []byte {
	own, err := json.Marshal(s.kept)
	if err != nil {
		panic("sentry: a state has no JSON: " + err.Error()) // cannot happen: names and numbers
	}
	var b []byte
	for _, part := range [][]byte{s.pop.Save(nil), s.cells.Save(nil), s.aims.Save(nil), own} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return packer.EncodeAll(b, []byte(magic))
}

// decode reads what encode wrote. Its error wraps vedette.ErrInvalid, and leaves the sentry unfit for anything but begin.
func (s *Sentry) decode(b []byte) error {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return fmt.Errorf("sentry: not a saved watch of version 1: %w", ErrDamaged)
	}
	b, err := unpacker.DecodeAll(b[len(magic):], nil)
	if err != nil {
		return fmt.Errorf("sentry: %w: %w", err, ErrDamaged)
	}
	var parts [4][]byte
	for i := range parts {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return fmt.Errorf("sentry: its parts do not fit: %w", ErrDamaged)
		}
		parts[i], b = b[used:used+int(n)], b[used+int(n):]
	}
	if len(b) != 0 {
		return fmt.Errorf("sentry: its parts do not fit: %w", ErrDamaged)
	}
	own := kept{}
	if err := json.Unmarshal(parts[3], &own); err != nil {
		return fmt.Errorf("sentry: %w: %w", err, ErrDamaged)
	}
	if own.Days == nil || own.Found == nil {
		return fmt.Errorf("sentry: its numbers are missing: %w", ErrDamaged)
	}
	pop, err := population.Restore(s.cfg.Population, parts[0], s.hand)
	if err != nil {
		return err
	}
	cells, err := rehearsal.Restore(s.cfg.Rehearsal, nil, parts[1], pop.State())
	if err != nil {
		return err
	}
	cells.Vouchers = voucher{s}
	aims, err := targeting.Restore(s.cfg.Targeting, s.others(cells), parts[2])
	if err != nil {
		return err
	}
	s.pop, s.cells, s.aims, s.kept, s.ticking = pop, cells, aims, own, own.Ticked
	return nil
}
