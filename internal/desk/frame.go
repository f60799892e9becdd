package desk

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// A frame is a length (four bytes, big-endian) and that much JSON. A file that goes
// with it is attached to the length's bytes.

// maxFrame bounds one frame: a submit file's specs with their item rows.
const maxFrame = 64 << 20

type request struct {
	ID   uint64          `json:"id"`
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args"`
	File bool            `json:"file,omitempty"` // one is attached

	Lives time.Duration `json:"lives,omitempty"` // how often to say so, while that takes long
}

type response struct {
	ID     uint64           `json:"id"`
	Result json.RawMessage  `json:"result,omitempty"`
	Code   grid.Code        `json:"code,omitempty"`
	Error  string           `json:"error,omitempty"`
	Errno  int              `json:"errno,omitempty"`
	Diags  grid.Diagnostics `json:"diags,omitempty"`
}

func writeFrame(c *net.UnixConn, v any, file *os.File) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return grid.Errorf(grid.TooLarge, "%s in one message; at most %s", grid.FormatSize(int64(len(body))), grid.FormatSize(maxFrame))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	var oob []byte
	if file != nil {
		oob = unix.UnixRights(int(file.Fd()))
	}
	if _, _, err := c.WriteMsgUnix(head, oob, nil); err != nil {
		return err
	}
	_, err = c.Write(body)
	return err
}

func readFrame(c *net.UnixConn, v any) (file *os.File, err error) {
	var head [4]byte
	oob := make([]byte, unix.CmsgSpace(4))
	for n := 0; n < len(head); {
		got, oobn, _, _, err := c.ReadMsgUnix(head[n:], oob)
		if err != nil {
			return nil, err
		}
		if got == 0 {
			return nil, io.EOF
		}
		n += got
		if oobn > 0 && file == nil {
			if file, err = attached(oob[:oobn]); err != nil {
				return nil, err
			}
		}
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return file, fmt.Errorf("a frame of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c, body); err != nil {
		return file, err
	}
	return file, json.Unmarshal(body, v)
}

func attached(oob []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("read an attached file: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("read an attached file: %v", err)
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "pipe"), nil
}
