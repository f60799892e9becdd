package conform

import (
	"fmt"
	"runtime"
	"testing"
)

// Names of all cases.
func Names() (out []string) {
	for _, c := range cases() {
		out = append(out, c.name)
	}
	return out
}

// Verdict is what one case says of a provider: nothing when it is content.
func Verdict(t *testing.T, w World, name string) []string {
	t.Helper()
	for _, k := range cases() {
		if k.name != name {
			continue
		}
		r := &recorder{done: make(chan struct{})}
		go func() {
			defer close(r.done)
			judge(r, t, w, k)
		}()
		<-r.done
		return r.said
	}
	t.Fatalf("there is no case %q", name)
	return nil
}

type recorder struct {
	said []string
	done chan struct{}
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
