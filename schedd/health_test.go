package schedd

import (
	"testing"
	"time"

	"gridburst/schedd/ledger"
)

func TestHealthSaysWhatARestartWouldMend(t *testing.T) {
	for _, c := range []struct {
		name        string
		load        ledger.Load
		trouble     []string
		live, ready bool
		reasons     int
	}{
		{"all is well", ledger.Load{FreeBytes: 10, Reserve: 10, Writing: time.Second}, nil, true, true, 0},
		{"a full disk is no reason to restart", ledger.Load{FreeBytes: 9, Reserve: 10}, nil, true, false, 1},
		{"a disk that hangs", ledger.Load{FreeBytes: 10, Reserve: 10, Writing: time.Minute}, nil, false, false, 1},
		{"trouble keeps nobody from working", ledger.Load{FreeBytes: 10, Reserve: 10}, []string{"a record is damaged"}, true, true, 1},
	} {
		if h := healthOf(c.load, c.trouble); h.Live != c.live || h.Ready != c.ready || len(h.Reasons) != c.reasons {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
}
