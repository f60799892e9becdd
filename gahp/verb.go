package gahp

import (
	"context"
	"strconv"
)

// Verbs that are answered at once.
const (
	verbCommands = "COMMANDS"
	verbVersion  = "VERSION"
	verbResults  = "RESULTS"
	verbAsyncOn  = "ASYNC_MODE_ON"
	verbAsyncOff = "ASYNC_MODE_OFF"
	verbPrefix   = "RESPONSE_PREFIX"
	verbCondor   = "CONDOR_VERSION"
	verbCancel   = "VM_CANCEL"
	verbQuit     = "QUIT"
)

// Verbs whose outcome comes later.
const (
	verbPing      = "VM_PING"
	verbCreate    = "VM_CREATE"
	verbStart     = "VM_START"
	verbGet       = "VM_GET"
	verbFind      = "VM_FIND"
	verbList      = "VM_LIST"
	verbShutdown  = "VM_SHUTDOWN"
	verbStop      = "VM_STOP"
	verbRemove    = "VM_REMOVE"
	verbTemplates = "VM_TEMPLATES"
	verbCheck     = "VM_CHECK"
)

// Verbs of an [Extra], which a GAHP need not know.
const (
	verbAssign = "VM_ASSIGN"
	verbCopy   = "VM_COPY"
	verbEvents = "VM_EVENTS"
)

// general are the verbs that every server answers at once.
var general = []string{
	verbAsyncOff, verbAsyncOn, verbCommands, verbCondor, verbQuit, verbPrefix, verbResults, verbVersion, verbCancel,
}

// hasEffect: it may change something at the engine, so a lost answer is [Unknown].
func hasEffect(verb string) bool {
	switch verb {
	case verbCreate, verbStart, verbShutdown, verbStop, verbRemove, verbAssign, verbCopy:
		return true
	}
	return false
}

// work is a request that waits to be carried out.
type work func(ctx context.Context, p Provider) (answer, error)

// answer is the rest of a good result: single words, or a listing of records.
type answer struct {
	words   []string
	records [][]string
	listing bool
}

// works reads the arguments of each verb whose outcome comes later.
var works = map[string]func(*words) work{
	verbPing: func(*words) work {
		return func(ctx context.Context, p Provider) (answer, error) { return answer{}, p.Ping(ctx) }
	},
	verbCreate: func(w *words) work {
		o, c := w.order(), w.create()
		return func(ctx context.Context, p Provider) (answer, error) { return oneVM(p.Create(ctx, o, c)) }
	},
	verbStart: func(w *words) work {
		o, id, s := w.order(), w.named("id"), Start{UserData: w.text("user data")}
		return func(ctx context.Context, p Provider) (answer, error) { return answer{}, p.Start(ctx, o, id, s) }
	},
	verbGet: func(w *words) work {
		id := w.named("id")
		return func(ctx context.Context, p Provider) (answer, error) { return oneVM(p.Get(ctx, id)) }
	},
	verbFind: func(w *words) work {
		name := w.named("name")
		return func(ctx context.Context, p Provider) (answer, error) { return oneVM(p.Find(ctx, name)) }
	},
	verbList: func(w *words) work {
		prefix := w.text("prefix")
		return func(ctx context.Context, p Provider) (answer, error) {
			vms, err := p.List(ctx, prefix)
			return listing(vms, appendVM), err
		}
	},
	verbShutdown: orderOn(Provider.Shutdown),
	verbStop:     orderOn(Provider.Stop),
	verbRemove:   orderOn(Provider.Remove),
	verbAssign: func(w *words) work {
		o, id, a := w.order(), w.named("id"), Assign{Affinity: w.list("affinity groups"), Tags: w.list("tags")}
		return func(ctx context.Context, p Provider) (answer, error) {
			return answer{}, ExtraOf(p).Assign(ctx, o, id, a)
		}
	},
	verbCopy: func(w *words) work {
		o, id, c := w.order(), w.named("id"), Copy{Name: w.named("template's name"), Mark: w.text("mark")}
		return func(ctx context.Context, p Provider) (answer, error) {
			return answer{}, ExtraOf(p).Copy(ctx, o, id, c)
		}
	},
	verbEvents: func(w *words) work {
		id := w.named("id")
		return func(ctx context.Context, p Provider) (answer, error) {
			es, err := ExtraOf(p).Events(ctx, id)
			return listing(es, appendEvent), err
		}
	},
	verbCheck: checkWork,
	verbTemplates: func(*words) work {
		return func(ctx context.Context, p Provider) (answer, error) {
			ts, err := p.Templates(ctx)
			return listing(ts, appendTemplate), err
		}
	},
}

func orderOn(do func(Provider, context.Context, Order, string) error) func(*words) work {
	return func(w *words) work {
		o, id := w.order(), w.named("id")
		return func(ctx context.Context, p Provider) (answer, error) { return answer{}, do(p, ctx, o, id) }
	}
}

func oneVM(m VM, err error) (answer, error) { return answer{words: appendVM(nil, m)}, err }

func listing[T any](all []T, add func([]string, T) []string) answer {
	a := answer{listing: true}
	for _, t := range all {
		a.records = append(a.records, add(nil, t))
	}
	return a
}

const (
	more    = "MORE"    // second word of a part of a listing that is not its last
	maxPart = 128 << 10 // bytes of a part, about
)

// lines are a good result as it travels: one line, or a listing in parts of which
// the last ends with the number of records.
func (a answer) lines(id string) ([][]byte, error) {
	if !a.listing {
		line, err := appendLine(nil, append([]string{id, ""}, a.words...)...)
		return [][]byte{line}, err
	}
	var out [][]byte
	part, size := []string{id, more}, 0
	for _, r := range a.records {
		n := len(r)
		for _, w := range r {
			n += len(w)
		}
		if size > 0 && size+n > maxPart {
			line, err := appendLine(nil, part...)
			if err != nil {
				return nil, err
			}
			out = append(out, line)
			part, size = []string{id, more}, 0
		}
		part, size = append(part, r...), size+n
	}
	part[1] = ""
	part = append(part, strconv.Itoa(len(a.records)))
	line, err := appendLine(nil, part...)
	return append(out, line), err
}
