package wire

import (
	"bufio"
	"context"
	"io"
	"sync"
	"time"

	"gridburst/internal/grid"
)

// Stream is one side of a worker's connection: it numbers, batches, acknowledges,
// keeps within the credit, sends heartbeats and notices silence.
//
// Two goroutines own a stream while [Stream.Run] lasts, one for each direction.
// Send may be called from any goroutine, also before Run.
type Stream struct {
	conn io.ReadWriteCloser
	wake chan struct{} // holds one token when the writer may have something to do

	mu       sync.Mutex
	silence  time.Duration
	heard    *time.Timer // ends the stream; put off by every byte that comes
	queue    [][]byte    // encoded messages that no frame has carried yet
	queued   int         // their bytes
	sent     uint64      // number of the last message sent
	acked    uint64      // number of the last of them that the other side has
	received uint64      // number of the last message that was handled here
	told     uint64      // the last received that a frame has carried
	ended    bool
}

// maxQueued bounds what waits for credit. Either side's traffic is bounded by what
// it holds, so a queue this long means that the other side does not read.
const maxQueued = 64 << 20

// NewStream makes a stream of conn, which Run closes. Silence is how long the
// other side may say nothing.
func NewStream(conn io.ReadWriteCloser, silence time.Duration) *Stream {
	return &Stream{conn: conn, silence: silence, wake: make(chan struct{}, 1)}
}

// SetSilence changes the silence that is put up with, beginning now.
func (s *Stream) SetSilence(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence = d
	if s.heard != nil {
		s.heard.Reset(d)
	}
	s.poke()
}

// Send queues m behind all that was sent before. It does not wait. A nil error
// says nothing about the other side: the stream may break with m on the way. The
// error is TooLarge for a message that no frame can hold, and Unavailable on a
// stream that has ended or that the other side does not read.
func (s *Stream) Send(m Message) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return grid.Errorf(grid.Unavailable, "the stream has ended")
	}
	if s.queued+len(b) > maxQueued {
		return grid.Errorf(grid.Unavailable, "%d bytes wait to be sent already", s.queued)
	}
	s.queue = append(s.queue, b)
	s.queued += len(b)
	s.poke()
	return nil
}

// Run moves messages until ctx ends or the stream breaks, and says why. It calls
// handle for each message, in order, on one goroutine; a message is acknowledged
// when handle has returned, so a handle that waits uses up the other side's
// credit. An error of handle ends the stream. The connection is closed when Run
// returns, and nothing of the stream runs any more.
func (s *Stream) Run(ctx context.Context, handle func(Message) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		s.conn.Close() // the one way to wake a goroutine that reads or writes; what it returns says nothing new
	})
	s.mu.Lock()
	s.heard = time.AfterFunc(s.silence, func() {
		cancel(grid.Errorf(grid.Unavailable, "nothing was heard for %v", s.limit()))
	})
	s.mu.Unlock()
	var reading sync.WaitGroup
	reading.Go(func() { cancel(s.read(handle)) })
	cancel(s.write(ctx, cancel))
	reading.Wait()
	<-closed
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Stop()
	s.ended, s.queue, s.queued = true, nil, 0
	return context.Cause(ctx)
}

// read is the incoming direction.
func (s *Stream) read(handle func(Message) error) error {
	r := bufio.NewReaderSize(hearing{s}, 64<<10)
	var buf []byte
	var last uint64
	for {
		body, err := ReadBlock(r, buf, MaxFrame)
		if err != nil {
			return err
		}
		buf = body
		f, err := parseFrame(body)
		if err != nil {
			return err
		}
		if len(f.Msgs) > 0 && f.First != last+1 {
			return grid.Errorf(grid.Invalid, "message %d came where %d was due", f.First, last+1)
		}
		last += uint64(len(f.Msgs))
		if err := s.account(f.Ack, last); err != nil {
			return err
		}
		for i := range f.Msgs {
			if err := handle(f.Msgs[i]); err != nil {
				return err
			}
			s.mu.Lock()
			s.received++
			if s.received-s.told >= Window/4 {
				s.poke()
			}
			s.mu.Unlock()
		}
		if cap(buf) > 256<<10 {
			buf = nil // one large frame is no reason to keep its memory
		}
	}
}

// account takes an acknowledgement, and checks that the other side kept to its
// credit with messages up to last.
func (s *Stream) account(ack, last uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ack > s.sent || ack < s.acked && ack != 0 {
		return grid.Errorf(grid.Invalid, "an acknowledgement of message %d, between %d and %d of mine", ack, s.acked, s.sent)
	}
	if last-s.told > Window {
		return grid.Errorf(grid.Invalid, "message %d came with %d acknowledged: that is more than the window", last, s.told)
	}
	if ack > s.acked {
		s.acked = ack
		if len(s.queue) > 0 {
			s.poke()
		}
	}
	return nil
}

// write is the outgoing direction.
func (s *Stream) write(ctx context.Context, cancel context.CancelCauseFunc) error {
	wrote := time.Now()
	beat := time.NewTimer(s.limit() / 3)
	defer beat.Stop()
	stuck := time.AfterFunc(s.limit(), func() {
		cancel(grid.Errorf(grid.Unavailable, "nothing could be sent for %v", s.limit()))
	})
	defer stuck.Stop()
	stuck.Stop()
	var buf []byte
	due := false
	for {
		buf = s.frame(buf[:0], due)
		if len(buf) == 0 {
			beat.Reset(time.Until(wrote.Add(s.limit() / 3)))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.wake:
			case <-beat.C:
				due = true
			}
			continue
		}
		// In pieces: a slow line is not a dead one.
		const piece = 32 << 10
		for b := buf; len(b) > 0; b = b[min(piece, len(b)):] {
			stuck.Reset(s.limit())
			if _, err := s.conn.Write(b[:min(piece, len(b))]); err != nil {
				return err
			}
		}
		stuck.Stop()
		due, wrote = false, time.Now()
		if cap(buf) > 256<<10 {
			buf = nil
		}
	}
}

// frame appends the next frame to buf: what waits and has credit, and the
// acknowledgement. Without a message it appends one only if a heartbeat is due or
// the other side may run short of credit.
func (s *Stream) frame(buf []byte, due bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, overhead
	for n < len(s.queue) && s.sent+uint64(n)-s.acked < Window && size+len(s.queue[n])+1 <= MaxFrame {
		size += len(s.queue[n]) + 1
		n++
	}
	if n == 0 && !due && s.received-s.told < Window/4 {
		return buf
	}
	buf = appendFrame(buf, s.sent+1, s.received, s.queue[:n])
	for _, m := range s.queue[:n] {
		s.queued -= len(m)
	}
	s.sent += uint64(n)
	s.told = s.received
	clear(s.queue[:n])
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil // a slice of a slice would keep its start for ever
	}
	return buf
}

func (s *Stream) limit() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silence
}

// poke wakes the writer; it may be called with s.mu held.
func (s *Stream) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// hearing is the reading side of a stream's connection.
type hearing struct{ s *Stream }

func (h hearing) Read(p []byte) (int, error) {
	n, err := h.s.conn.Read(p)
	if n > 0 {
		h.s.mu.Lock()
		h.s.heard.Reset(h.s.silence)
		h.s.mu.Unlock()
	}
	return n, err
}
