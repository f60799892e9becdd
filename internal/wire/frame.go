package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"gridburst/internal/grid"
)

// ReadBlock reads one block: a four-byte big-endian length, at most limit, and that
// many bytes. The bytes are in buf when they fit, so they live until the next call
// that is given it. The error is io.EOF only between blocks.
func ReadBlock(r io.Reader, buf []byte, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > limit {
		return nil, grid.Errorf(grid.TooLarge, "a block of %d bytes, and %d is the most", n, limit)
	}
	// Memory follows the bytes that have come, not the length that was claimed.
	const step = 64 << 10
	buf = buf[:0]
	for len(buf) < n {
		have := len(buf)
		more := min(n-have, step)
		buf = append(buf, make([]byte, more)...)
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return buf, nil
}

// AppendBlock appends body to dst as a block.
func AppendBlock(dst, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(body))), body...)
}

// overhead bounds the bytes of a frame beside its messages.
const overhead = 64

// appendFrame appends a frame of encoded messages to dst as a block.
func appendFrame(dst []byte, first, ack uint64, msgs [][]byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, '{')
	comma := func() {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
	}
	if ack > 0 {
		dst = strconv.AppendUint(append(dst, `"a":`...), ack, 10)
	}
	if len(msgs) > 0 {
		comma()
		dst = strconv.AppendUint(append(dst, `"n":`...), first, 10)
		dst = append(dst, `,"m":[`...)
		for i, m := range msgs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, m...)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, '}')
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// parseFrame reads a block's bytes as a frame, and checks all that can be checked
// of it alone.
func parseFrame(body []byte) (Frame, error) {
	var f Frame
	if err := json.Unmarshal(body, &f); err != nil {
		return Frame{}, grid.Errorf(grid.Invalid, "a frame that is not one: %w", err)
	}
	if (f.First == 0) != (len(f.Msgs) == 0) || len(f.Msgs) > Window {
		return Frame{}, grid.Errorf(grid.Invalid, "a frame of %d messages from number %d", len(f.Msgs), f.First)
	}
	for i := range f.Msgs {
		if err := f.Msgs[i].check(); err != nil {
			return Frame{}, grid.Errorf(grid.Invalid, "message %d: %w", f.First+uint64(i), err)
		}
	}
	return f, nil
}

// check reports what is wrong with m as a message: it says exactly one thing that
// this version knows, and names a job where one is due.
func (m *Message) check() error {
	kinds := 0
	for _, set := range [...]bool{
		m.Hello != nil, m.Advert != nil, m.Report != nil, m.Beat != nil, m.Update != nil,
		m.Welcome != nil, m.Renew != nil, m.Start != nil, m.Kill != nil, m.Suspend != nil, m.Forget != nil, m.Drain != nil, m.Quit != nil,
	} {
		if set {
			kinds++
		}
	}
	var named bool
	switch {
	case kinds != 1:
		return fmt.Errorf("it says %d things, and one is right", kinds)
	case m.Report != nil:
		named = m.Report.Job.Cluster > 0
	case m.Update != nil:
		named = m.Update.Job.Cluster > 0
	case m.Start != nil:
		named = m.Start.Job.Cluster > 0
	case m.Suspend != nil:
		named = m.Suspend.Job.Cluster > 0
	case m.Kill != nil:
		named = m.Kill.Job.Cluster > 0
	case m.Forget != nil:
		named = m.Forget.Job.Cluster > 0
	case m.Hello != nil:
		named = !slices.ContainsFunc(m.Hello.Attempts, func(a Attempt) bool {
			return a.Job.Cluster <= 0 || a.Last.Job != a.Job || a.Last.Epoch != a.Epoch
		})
	default:
		named = true
	}
	if !named {
		return errors.New("it names no job")
	}
	return nil
}

// encode is m as it stands in a frame.
func (m *Message) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, grid.Errorf(grid.Internal, "encode a message: %w", err)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	if len(b) > MaxFrame-overhead {
		return nil, grid.Errorf(grid.TooLarge, "a message of %d bytes, and %d is the most", len(b), MaxFrame-overhead)
	}
	return b, nil
}
