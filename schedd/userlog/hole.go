package userlog

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// dropHole cuts off the zero bytes at a file's end. A power cut leaves them when the
// file system knew how long the file was to be, and not yet what is in it.
func dropHole(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	for buf := make([]byte, 64<<10); end > 0; {
		b := buf[:min(int64(len(buf)), end)]
		if _, err := f.ReadAt(b, end-int64(len(b))); err != nil && err != io.EOF {
			return err
		}
		text := bytes.TrimRight(b, "\x00")
		end -= int64(len(b) - len(text))
		if len(text) > 0 {
			break
		}
	}
	if end == info.Size() {
		return nil
	}
	if err := f.Truncate(end); err != nil {
		return fmt.Errorf("cut off what a power cut has left: %w", err)
	}
	return nil
}
