package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

// pair is two streams that face each other over a pipe.
type pair struct {
	a, b       *Stream
	aEnd, bEnd error
	atB        []Message
	running    sync.WaitGroup
}

func run(ctx context.Context, ca, cb io.ReadWriteCloser, silence time.Duration, atB func(Message) error) *pair {
	p := &pair{a: NewStream(ca, silence), b: NewStream(cb, silence)}
	p.running.Go(func() { p.aEnd = p.a.Run(ctx, func(Message) error { return nil }) })
	p.running.Go(func() {
		p.bEnd = p.b.Run(ctx, func(m Message) error {
			p.atB = append(p.atB, m)
			if atB != nil {
				return atB(m)
			}
			return nil
		})
	})
	return p
}

func beat(n int64) Message { return Message{Beat: &Beat{Clock: n}} }

// cut is a connection that ends after some bytes were written to it.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		n, _ := c.Conn.Write(p[:len(p)+c.left])
		c.Conn.Close()
		return n, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

// Law: what is sent arrives in order, each once, whole; and all of it, unless the
// stream breaks.
func TestWhatIsSentArrivesInOrderExactlyOnceOrTheStreamBreaks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bursts := rapid.SliceOfN(rapid.IntRange(1, 700), 1, 6).Draw(rt, "bursts")
		pause := rapid.IntRange(0, 2000).Draw(rt, "milliseconds between bursts")
		pad := rapid.IntRange(0, 3000).Draw(rt, "padding")
		after := rapid.IntRange(1, 6000).Draw(rt, "cut after this many hundred bytes")
		whole := rapid.Bool().Draw(rt, "no cut")

		var got []Message
		var broke bool
		sent := int64(0)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			ca, cb := net.Pipe()
			var conn io.ReadWriteCloser = &cut{ca, after * 100}
			if whole {
				conn = ca
			}
			p := run(ctx, conn, cb, 30*time.Second, nil)
			for _, n := range bursts {
				for range n {
					sent++
					m := Message{Report: &Report{Job: grid.JobID{Cluster: 1}, Epoch: uint32(sent), Kind: Started, Reason: strings.Repeat("x", pad)}}
					if err := p.a.Send(m); err != nil && whole {
						t.Error(err)
					}
				}
				time.Sleep(time.Duration(pause) * time.Millisecond)
			}
			synctest.Wait()
			broke = p.aEnd != nil || p.bEnd != nil
			cancel()
			p.running.Wait()
			got = p.atB
		})
		for i, m := range got {
			if m.Report == nil || m.Report.Epoch != uint32(i+1) || len(m.Report.Reason) != pad {
				rt.Fatalf("message %d arrived as %+v", i+1, m.Report)
			}
		}
		if int64(len(got)) != sent && !broke {
			rt.Fatalf("%d of %d arrived, and the stream did not break", len(got), sent)
		}
		if whole && broke {
			rt.Fatal("nothing cut the stream, and it broke")
		}
	})
}

func TestMessagesThatAreReadyTogetherShareAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ca, cb := net.Pipe()
		s := NewStream(ca, time.Minute)
		for i := range int64(100) {
			if err := s.Send(beat(i)); err != nil {
				t.Fatal(err)
			}
		}
		var ended sync.WaitGroup
		ended.Go(func() { s.Run(ctx, func(Message) error { return nil }) })
		body, err := ReadBlock(cb, nil, MaxFrame)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parseFrame(body)
		if err != nil || f.First != 1 || len(f.Msgs) != 100 {
			t.Fatalf("a first frame of %d messages from %d, %v", len(f.Msgs), f.First, err)
		}
		cancel()
		ended.Wait()
	})
}

func TestNobodySendsMoreThanTheWindowUnacknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ca, cb := net.Pipe()
		s := NewStream(ca, time.Hour)
		for i := range int64(3 * Window) {
			if err := s.Send(beat(i)); err != nil {
				t.Fatal(err)
			}
		}
		var ended sync.WaitGroup
		ended.Go(func() { s.Run(ctx, func(Message) error { return nil }) })
		came := 0
		ended.Go(func() {
			for {
				body, err := ReadBlock(cb, nil, MaxFrame)
				if err != nil {
					return
				}
				f, err := parseFrame(body)
				if err != nil {
					t.Error(err)
				}
				came += len(f.Msgs)
			}
		})
		for _, c := range []struct{ ack, want int }{{0, Window}, {10, Window + 10}, {Window + 10, 2*Window + 10}, {2*Window + 10, 3 * Window}} {
			if c.ack > 0 {
				if _, err := cb.Write(appendFrame(nil, 0, uint64(c.ack), nil)); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if came != c.want {
				t.Errorf("%d messages acknowledged: %d came, want %d", c.ack, came, c.want)
			}
		}
		cancel()
		ended.Wait()
	})
}

func TestAnIdleStreamLivesByItsHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ca, cb := net.Pipe()
		p := run(ctx, ca, cb, 30*time.Second, nil)
		time.Sleep(24 * time.Hour)
		if err := p.a.Send(beat(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(p.atB) != 1 || p.aEnd != nil || p.bEnd != nil {
			t.Errorf("after a day: %d messages, %v, %v", len(p.atB), p.aEnd, p.bEnd)
		}
		cancel()
		p.running.Wait()
	})
}

func TestASilentSideIsHungUpOn(t *testing.T) {
	for name, reads := range map[string]bool{"it reads but says nothing": true, "it does not even read": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, cb := net.Pipe()
				if reads {
					go io.Copy(io.Discard, cb)
				}
				s := NewStream(ca, 30*time.Second)
				if err := s.Send(beat(1)); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				err := s.Run(t.Context(), func(Message) error { return nil })
				if d := time.Since(began); grid.CodeOf(err) != grid.Unavailable || d != 30*time.Second {
					t.Fatalf("after %v: %v", d, err)
				}
				if err := s.Send(beat(2)); grid.CodeOf(err) != grid.Unavailable {
					t.Fatalf("a message for a stream that has ended: %v", err)
				}
			})
		})
	}
}

func TestALongerSilenceHoldsFromTheMomentItIsAgreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := net.Pipe()
		go io.Copy(io.Discard, cb)
		s := NewStream(ca, 10*time.Second)
		began := time.Now()
		time.AfterFunc(5*time.Second, func() { s.SetSilence(time.Minute) })
		s.Run(t.Context(), func(Message) error { return nil })
		if d := time.Since(began); d != 65*time.Second {
			t.Fatalf("hung up after %v, want 65s", d)
		}
	})
}

func TestASlowLineIsNotASilentOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ca, cb := net.Pipe()
		p := run(ctx, ca, &slow{cb}, 30*time.Second, nil)
		if err := p.a.Send(Message{Report: &Report{Job: grid.JobID{Cluster: 1}, Kind: Started, Reason: strings.Repeat("x", 1<<20)}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(p.atB) != 1 || p.aEnd != nil || p.bEnd != nil {
			t.Errorf("%d messages, %v, %v", len(p.atB), p.aEnd, p.bEnd)
		}
		cancel()
		p.running.Wait()
	})
}

// slow reads 4 KiB a second.
type slow struct{ net.Conn }

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.Conn.Read(p[:min(len(p), 4<<10)])
}

func TestAStreamThatLiesIsEnded(t *testing.T) {
	for name, blocks := range map[string][]string{
		"a gap in the numbers":              {`{"n":1,"m":[{"quit":{}}]}`, `{"n":3,"m":[{"quit":{}}]}`},
		"a number twice":                    {`{"n":1,"m":[{"quit":{}}]}`, `{"n":1,"m":[{"quit":{}}]}`},
		"an acknowledgement of the unsent":  {`{"a":5}`},
		"an acknowledgement that goes back": {`{"a":2}`, `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := tell(t, blocks...); grid.CodeOf(err) != grid.Invalid {
					t.Fatalf("it ended with %v", err)
				}
			})
		})
	}
	t.Run("more than the window", func(t *testing.T) {
		// Only an acknowledgement that has been sent gives credit, so the reader can tell.
		s := NewStream(nil, time.Minute)
		if err := s.account(0, Window); err != nil {
			t.Fatal(err)
		}
		if err := s.account(0, Window+1); grid.CodeOf(err) != grid.Invalid {
			t.Fatalf("message %d without an acknowledgement: %v", Window+1, err)
		}
	})
}

// tell runs a stream that has sent two messages against raw blocks, and returns why
// it ended.
func tell(t *testing.T, blocks ...string) error {
	ca, cb := net.Pipe()
	s := NewStream(ca, time.Minute)
	for i := range int64(2) {
		if err := s.Send(beat(i)); err != nil {
			t.Fatal(err)
		}
	}
	sent := make(chan struct{})
	go func() {
		if _, err := ReadBlock(cb, nil, MaxFrame); err != nil {
			t.Error(err)
		}
		close(sent)
		io.Copy(io.Discard, cb)
	}()
	go func() {
		<-sent
		for _, b := range blocks {
			if _, err := cb.Write(AppendBlock(nil, []byte(b))); err != nil {
				return
			}
		}
	}()
	return s.Run(t.Context(), func(Message) error { return nil })
}

func TestAMessageThatNoFrameHoldsIsRefusedAtOnce(t *testing.T) {
	s := NewStream(nil, time.Minute)
	err := s.Send(Message{Report: &Report{Job: grid.JobID{Cluster: 1}, Reason: strings.Repeat("x", MaxFrame)}})
	if grid.CodeOf(err) != grid.TooLarge {
		t.Fatal(err)
	}
}

func TestAHelloOfEveryAttemptFitsAFrame(t *testing.T) {
	h := Hello{Worker: strings.Repeat("w", 200), Advert: Advert{Attrs: map[string]string{"Requirements": strings.Repeat("x", 4096)}}}
	for i := range int32(MaxAttempts) {
		job := grid.JobID{Cluster: 1<<31 - 1, Proc: grid.MaxProcs - 1 - i}
		r := Report{
			Job: job, Epoch: 1<<32 - 1, Kind: Failed, Code: -1, Reason: strings.Repeat("\x01", MaxReason),
			Usage: Usage{1 << 50, 1 << 50, 1 << 50, 1 << 50, 1 << 50, 1 << 50, 1 << 50}, Staged: &Staged{1 << 20, 1 << 50, strings.Repeat("0", 64)},
		}
		h.Attempts = append(h.Attempts, Attempt{Job: job, Epoch: 1<<32 - 1, Last: r})
	}
	if err := NewStream(nil, time.Minute).Send(Message{Hello: &h}); err != nil {
		t.Fatal(err)
	}
}

func TestAnErrorOfTheHandlerEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := net.Pipe()
		enough := errors.New("enough")
		p := run(t.Context(), ca, cb, time.Minute, func(Message) error { return enough })
		if err := p.a.Send(beat(1)); err != nil {
			t.Fatal(err)
		}
		p.running.Wait()
		if p.bEnd != enough || p.aEnd == nil {
			t.Fatalf("the sides ended with %v and %v", p.aEnd, p.bEnd)
		}
	})
}
