package gahp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

var order = gahp.Order{Term: 1, Claim: 1, Epoch: 1}

// script is a GAHP that says what it is told to: it greets properly and then answers
// each request with what reply makes of it.
type script struct {
	banner   string                                  // empty: the right one
	commands string                                  // beside the usual ones; "-": none
	reply    func(id, line string, say func(string)) // of a request, with the prefix set
	prefix   *string                                 // is told it, if wanted
}

func (s script) dial(context.Context) (io.ReadWriteCloser, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		s.speak(theirs)
	}()
	return ours, nil
}

func (s script) speak(c net.Conn) {
	if s.banner == "" {
		s.banner = "$GahpVersion: 1.0.0 Jan 01 2026 script $"
	}
	prefix := ""
	say := func(line string) { io.WriteString(c, prefix+line+"\n") }
	say(s.banner)
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch words[0] {
		case "RESPONSE_PREFIX":
			say("S")
			prefix = words[1]
			if s.prefix != nil {
				*s.prefix = prefix
			}
		case "VERSION":
			say("S " + strings.ReplaceAll(s.banner, " ", `\ `))
		case "COMMANDS":
			if s.commands == "-" {
				say("S QUIT")
				continue
			}
			say("S ASYNC_MODE_OFF ASYNC_MODE_ON COMMANDS QUIT RESPONSE_PREFIX RESULTS VERSION VM_CANCEL VM_CREATE VM_FIND VM_GET VM_LIST VM_PING VM_REMOVE VM_SHUTDOWN VM_START VM_STOP VM_TEMPLATES" + s.commands)
		case "ASYNC_MODE_ON", "VM_CANCEL":
			say("S")
		case "QUIT":
			say("S")
			return
		default:
			id := "0"
			if len(words) > 1 {
				id = words[1]
			}
			s.reply(id, words[0], say)
		}
	}
}

// saying is a GAHP that greets properly, and to the first request says what it is
// told to, and is gone.
func saying(text []byte) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		go func() {
			var prefix string
			s := script{prefix: &prefix}
			s.reply = func(string, string, func(string)) {
				for line := range bytes.Lines(text) {
					io.WriteString(theirs, prefix+string(line))
				}
				theirs.Close()
			}
			s.speak(theirs)
		}()
		return ours, nil
	}
}

func TestAGahpThatCannotBeUnderstoodIsReplaced(t *testing.T) {
	taken := func(id, line string, say func(string)) {
		say("S")
		say("R")
	}
	for _, c := range []struct {
		why   string
		reply func(id, line string, say func(string))
		want  gahp.Kind // of a Stop
	}{
		{"it dies", nil, gahp.Unknown},
		{"an answer that is none", func(_, _ string, say func(string)) { say("well") }, gahp.Unknown},
		{"an endless line", func(_, _ string, say func(string)) {
			for range 40 {
				say(strings.Repeat("x", gahp.MaxLine/16) + `\`)
			}
		}, gahp.Unknown},
		{"the result of a request that nobody made", func(id, line string, say func(string)) {
			if line == "RESULTS" {
				say("S 1")
				say("4711 NULL")
				return
			}
			taken(id, line, say)
		}, gahp.Unknown},
		{"results that cannot be counted", func(id, line string, say func(string)) {
			if line == "RESULTS" {
				say("S many")
				return
			}
			taken(id, line, say)
		}, gahp.Unknown},
		{"half a result", func(id, line string, say func(string)) {
			if line == "RESULTS" {
				say("S 1")
				say("1")
				return
			}
			taken(id, line, say)
		}, gahp.Unknown},
		{"no answer at all", func(string, string, func(string)) {}, gahp.Unknown},
		{"it takes the request and never has a result", func(_, line string, say func(string)) {
			if line != "RESULTS" {
				say("S")
			}
		}, gahp.Unknown},
		{"it does not understand", func(_, _ string, say func(string)) { say(`E what\ is\ that`) }, gahp.Refused},
		{"it is busy", func(_, _ string, say func(string)) { say(`F later`) }, gahp.EngineDown},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				starts := 0
				cl := gahp.NewClient(gahp.Options{Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
					if starts++; starts > 1 {
						return fake.Dial(newEngine())(ctx)
					}
					if c.reply == nil {
						ours, theirs := net.Pipe()
						go func() {
							script{reply: func(string, string, func(string)) { theirs.Close() }}.speak(theirs)
						}()
						return ours, nil
					}
					return script{reply: c.reply}.dial(ctx)
				}})
				defer cl.Close()
				wantKind(t, "stop", cl.Stop(t.Context(), order, "fake-1"), c.want)
				if c.want == gahp.Unknown {
					if err := cl.Ping(t.Context()); err != nil {
						t.Errorf("the next GAHP: %v", err)
					}
					if s := cl.Stats(); s.Starts != 2 || s.Last == nil {
						t.Errorf("stats %+v", s)
					}
				} else if s := cl.Stats(); s.Starts != 1 || s.Last != nil {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestAGahpThatIsNotOursIsNotUsed(t *testing.T) {
	for _, c := range []struct {
		why  string
		s    script
		says string
	}{
		{"another version", script{banner: "$GahpVersion: 2.0.0 x $"}, "version 2.0.0"},
		{"a command is missing", script{commands: "-"}, "does not know"},
		{"no banner", script{banner: "Usage: ovirt_gahp [--help]"}, "banner"},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := gahp.NewClient(gahp.Options{Dial: c.s.dial})
				defer cl.Close()
				err := cl.Stop(t.Context(), order, "fake-1")
				wantKind(t, "stop", err, gahp.EngineDown)
				if err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v does not say %q", err, c.says)
				}
			})
		})
	}
}

func TestNoiseIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newEngine()
		cl := gahp.NewClient(gahp.Options{Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			rw, err := fake.Dial(engine)(ctx)
			return &noisy{ReadWriteCloser: rw, r: bufio.NewReader(rw)}, err
		}})
		defer cl.Close()
		for range 3 {
			if vms, err := cl.List(t.Context(), ""); err != nil || len(vms) != 1 {
				t.Errorf("%d machines, %v", len(vms), err)
			}
		}
	})
}

// noisy is a connection on which somebody else prints too, as soon as it has had its
// banner and prefix.
type noisy struct {
	io.ReadWriteCloser
	r     *bufio.Reader
	lines int
	rest  string
}

func (n *noisy) Read(b []byte) (int, error) {
	if n.rest == "" {
		line, err := n.r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		n.rest = line
		if n.lines++; n.lines > 2 {
			n.rest = "err is EOF\nS 3\n\nR\n" + line + "E\n1 NULL\n"
		}
	}
	m := copy(b, n.rest)
	n.rest = n.rest[m:]
	return m, nil
}

func TestACallThatWasNeverWrittenHadNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		heal := e.Inject(conform.Silent)
		kill := make(chan func(), 8)
		cl := gahp.NewClient(gahp.Options{Pending: 1, Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			rw, err := fake.Dial(e)(ctx)
			kill <- func() { rw.Close() }
			return rw, err
		}})
		defer cl.Close()
		first, second, read := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() { first <- cl.Stop(t.Context(), order, "fake-1") }()
		synctest.Wait()
		go func() { second <- cl.Stop(t.Context(), order, "fake-1") }()
		go func() { _, err := cl.Find(t.Context(), conform.Foreign); read <- err }()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantKind(t, "a stop that gave up before its turn", cl.Stop(short, order, "fake-1"), gahp.EngineDown)
		heal()
		(<-kill)()
		wantKind(t, "the stop that was written", <-first, gahp.Unknown)
		wantKind(t, "the stop that was not", <-second, gahp.EngineDown)
		if err := <-read; err != nil {
			t.Errorf("the look-up in the next GAHP: %v", err)
		}
		if s := cl.Stats(); s.Starts != 2 {
			t.Errorf("stats %+v, want 2 starts", s)
		}
	})
}

func TestALookUpIsRetriedOnceAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		cl := gahp.NewClient(gahp.Options{Dial: func(context.Context) (io.ReadWriteCloser, error) {
			ours, theirs := net.Pipe()
			go script{reply: func(string, string, func(string)) { asked.Add(1); theirs.Close() }}.speak(theirs)
			return ours, nil
		}})
		defer cl.Close()
		_, err := cl.Get(t.Context(), "fake-1")
		wantKind(t, "get", err, gahp.EngineDown)
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
		wantKind(t, "remove", cl.Remove(t.Context(), order, "fake-1"), gahp.Unknown)
		if n := asked.Load(); n != 3 {
			t.Errorf("asked %d times, want 3: what has an effect is asked once", n)
		}
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		cl := gahp.NewClient(gahp.Options{Dial: fake.Dial(e), Call: time.Minute})
		defer cl.Close()
		heal := e.Inject(conform.Silent)
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error, 1)
		go func() { answer <- cl.Stop(ctx, order, "fake-1") }()
		synctest.Wait()
		cancel()
		wantKind(t, "a stop whose caller went", <-answer, gahp.Unknown)
		wantKind(t, "a stop whose caller had gone before", cl.Stop(ctx, order, "fake-1"), gahp.EngineDown)
		wantKind(t, "a stop without a deadline", cl.Stop(t.Context(), order, "fake-1"), gahp.Unknown)
		heal()
		if err := cl.Stop(t.Context(), order, "fake-1"); err != nil {
			t.Errorf("a stop afterwards: %v", err)
		}
		if s := cl.Stats(); s.Starts != 1 || s.Hung != 0 {
			t.Errorf("stats %+v: the GAHP did nothing wrong", s)
		}
	})
}

func TestAGahpWithoutResultsIsHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		cl := gahp.NewClient(gahp.Options{Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			if starts++; starts > 1 {
				return fake.Dial(newEngine())(ctx)
			}
			return script{reply: func(_, _ string, say func(string)) { say("S") }}.dial(ctx)
		}})
		defer cl.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantKind(t, "a stop in a GAHP that hangs", cl.Stop(ctx, order, "fake-1"), gahp.Unknown)
		if s := cl.Stats(); s.Hung != 0 {
			t.Errorf("it has a while to give its result: %+v", s)
		}
		time.Sleep(time.Minute)
		if s := cl.Stats(); s.Hung != 1 {
			t.Errorf("stats %+v, want one that hung", s)
		}
		if err := cl.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStartsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		cl := gahp.NewClient(gahp.Options{Dial: func(context.Context) (io.ReadWriteCloser, error) {
			starts++
			return nil, errors.New("no program")
		}})
		defer cl.Close()
		for begin := time.Now(); time.Since(begin) < time.Hour; {
			wantKind(t, "stop", cl.Stop(t.Context(), order, "fake-1"), gahp.EngineDown)
		}
		// The pauses grow to half a minute, less or more by half.
		if starts < 3600/45 || starts > 3600/15+20 {
			t.Errorf("%d starts in an hour of asking", starts)
		}
		if s := cl.Stats(); s.Starts != starts || s.Last == nil || s.PID != 0 {
			t.Errorf("stats %+v, want %d starts", s, starts)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		wantKind(t, "a stop that cannot wait", cl.Stop(ctx, order, "fake-1"), gahp.EngineDown)
		if ctx.Err() != nil {
			t.Error("it waited all the same")
		}
	})
}

func TestWhatNoLineCanCarryIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := gahp.NewClient(gahp.Options{Dial: fake.Dial(newEngine())})
		defer cl.Close()
		for _, data := range []string{"a\x00b", strings.Repeat("x", gahp.MaxLine)} {
			_, err := cl.Create(t.Context(), order, gahp.Create{Name: "m", Template: conform.Worker, UserData: data})
			wantKind(t, "create", err, gahp.Refused)
		}
		if s := cl.Stats(); s.Starts != 1 || s.Last != nil {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAClosedClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := gahp.NewClient(gahp.Options{Dial: fake.Dial(newEngine())})
		if err := errors.Join(never.Close(), never.Close()); err != nil {
			t.Error(err)
		}
		wantKind(t, "ping", never.Ping(t.Context()), gahp.EngineDown)

		e := newEngine()
		e.Inject(conform.Silent)
		cl := gahp.NewClient(gahp.Options{Dial: fake.Dial(e)})
		stop := make(chan error, 1)
		go func() { stop <- cl.Stop(t.Context(), order, "fake-1") }()
		synctest.Wait()
		if err := cl.Close(); err != nil {
			t.Error(err)
		}
		wantKind(t, "a stop that was waited for", <-stop, gahp.Unknown)

		starting := gahp.NewClient(gahp.Options{Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("dial: %w", context.Cause(ctx))
		}})
		go func() { stop <- starting.Stop(t.Context(), order, "fake-1") }()
		synctest.Wait()
		if err := starting.Close(); err != nil {
			t.Error(err)
		}
		wantKind(t, "a stop that waited for a start", <-stop, gahp.EngineDown)
	})
}
