package runner

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the time since the machine started, sleep included, in milliseconds.
// All leases are counted on it: it does not jump, and it does not stand still
// while a laptop's lid is closed.
func Clock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("CLOCK_BOOTTIME: " + err.Error()) // every Linux since 2.6.39 has it
	}
	return ts.Nano() / int64(time.Millisecond)
}

// Alarm fires at a moment of [Clock].
type Alarm struct{ f *os.File }

// NewAlarm makes an alarm that is not set.
func NewAlarm() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return &Alarm{os.NewFile(uintptr(fd), "timerfd")}, nil
}

// Set makes the alarm fire at a moment, past ones included. It replaces an earlier
// one.
func (a *Alarm) Set(at int64) error {
	raw, err := a.f.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		v := unix.NsecToTimespec(max(at, 1) * int64(time.Millisecond)) // 0 would unset it
		set = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{Value: v}, nil)
	})
	if err == nil {
		err = set
	}
	return err
}

// Wait returns when the alarm fires, or with an error when it is closed.
func (a *Alarm) Wait() error {
	var count [8]byte
	_, err := a.f.Read(count[:])
	return err
}

// Close ends the alarm and whoever waits for it.
func (a *Alarm) Close() error { return a.f.Close() }
