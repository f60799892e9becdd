package desk

import (
	"io"
	"sync"
	"time"
)

// alive says that this desk lives while it moves files: when some have moved, and it was not
// said for a while. Where nothing moves, nothing is said, and the desk is taken for hung.
type alive struct {
	say   func()
	often time.Duration

	mu   sync.Mutex
	last time.Time
}

func (a *alive) moved() {
	a.mu.Lock()
	now := time.Now()
	due := now.Sub(a.last) >= a.often
	if due {
		a.last = now
	}
	a.mu.Unlock()
	if due {
		a.say()
	}
}

// reader, readerAt and writer are what they are made of, and tell a of each piece.
func (a *alive) reader(r io.Reader) io.Reader       { return movingReader{r, a} }
func (a *alive) readerAt(r io.ReaderAt) io.ReaderAt { return movingReaderAt{r, a} }
func (a *alive) writer(w io.Writer) io.Writer       { return movingWriter{w, a} }

type movingReader struct {
	io.Reader
	a *alive
}

func (m movingReader) Read(p []byte) (int, error) {
	m.a.moved()
	return m.Reader.Read(p)
}

type movingReaderAt struct {
	io.ReaderAt
	a *alive
}

func (m movingReaderAt) ReadAt(p []byte, at int64) (int, error) {
	m.a.moved()
	return m.ReaderAt.ReadAt(p, at)
}

type movingWriter struct {
	io.Writer
	a *alive
}

func (m movingWriter) Write(p []byte) (int, error) {
	m.a.moved()
	return m.Writer.Write(p)
}
