package gahp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxLine bounds a line as it travels, in bytes. The longest honest ones carry user
// data, or a part of a listing.
const MaxLine = 1 << 20

// null stands for an empty word.
const null = "NULL"

var (
	errLong = fmt.Errorf("a line of more than %d bytes", MaxLine)
	errNUL  = errors.New("a NUL byte, which no line can carry")
)

// appendLine appends words to dst as a line, without its end.
func appendLine(dst []byte, words ...string) ([]byte, error) {
	line, err := joinLine(dst, words...)
	if err == nil && len(line)-len(dst) > MaxLine {
		return dst, errLong
	}
	return line, err
}

// joinLine is [appendLine] for a line that may be longer than [MaxLine].
func joinLine(dst []byte, words ...string) ([]byte, error) {
	start := len(dst)
	for i, w := range words {
		if i > 0 {
			dst = append(dst, ' ')
		}
		switch {
		case w == "":
			dst = append(dst, null...)
			continue
		case strings.EqualFold(w, null):
			dst = append(dst, '\\') // the word itself, and in no reader's eyes an empty one
		}
		for _, b := range []byte(w) {
			switch b {
			case 0:
				return dst[:start], errNUL
			case ' ', '\\', '\r', '\n':
				dst = append(dst, '\\')
			}
			dst = append(dst, b)
		}
	}
	return dst, nil
}

// splitLine is the words of a line that [lineReader.next] has read. A person may
// leave several blanks between two.
func splitLine(line []byte) (words []string, err error) {
	var w []byte
	inWord, escaped := false, false
	end := func() {
		if inWord {
			if !escaped && string(w) == null {
				w = w[:0]
			}
			words = append(words, string(w))
		}
		w, inWord, escaped = w[:0], false, false
	}
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch b {
		case 0:
			return nil, errNUL
		case ' ':
			end()
			continue
		case '\\':
			if i++; i == len(line) {
				return nil, errors.New("a backslash with nothing after it")
			}
			if b = line[i]; b == 0 {
				return nil, errNUL
			}
			escaped = true
		}
		w, inWord = append(w, b), true
	}
	end()
	return words, nil
}

// lineReader reads lines that end with LF or CR LF. An LF behind a backslash belongs
// to its word.
type lineReader struct {
	r   *bufio.Reader
	buf []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 32<<10)} }

// next is the next line, valid until the call after it. A line that is too long is
// passed over and is errLong. The error is io.EOF only between lines.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	long := false
	for escaped := false; ; {
		b, err := l.r.ReadByte()
		if err != nil {
			if err == io.EOF && (len(l.buf) > 0 || long) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if b == '\n' && !escaped {
			break
		}
		escaped = b == '\\' && !escaped
		if len(l.buf) > MaxLine { // one more byte than a line has: its CR
			long = true
			continue
		}
		l.buf = append(l.buf, b)
	}
	line := l.buf
	if n := len(line); n > 0 && line[n-1] == '\r' && !escapedAt(line, n-1) {
		line = line[:n-1]
	}
	if long || len(line) > MaxLine {
		return nil, errLong
	}
	return line, nil
}

// escapedAt: the byte at i stands behind an odd number of backslashes.
func escapedAt(line []byte, i int) bool {
	return (i-len(bytes.TrimRight(line[:i], `\`)))%2 == 1
}
