package gahp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// words takes the words of a line one by one; the first that is wrong or missing
// stays as err, and what is taken after it is zero.
type words struct {
	rest []string
	err  error
}

func (w *words) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *words) text(what string) string {
	if w.err != nil {
		return ""
	}
	if len(w.rest) == 0 {
		w.fail("no %s", what)
		return ""
	}
	s := w.rest[0]
	w.rest = w.rest[1:]
	return s
}

// named is a word that is not empty.
func (w *words) named(what string) string {
	s := w.text(what)
	if s == "" {
		w.fail("no %s", what)
	}
	return s
}

// number is a whole number from 0 to most; an empty word is 0.
func (w *words) number(what string, most uint64) uint64 {
	s := w.text(what)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > most {
		w.fail("%s is %.40q, not a number from 0 to %d", what, s, most)
		return 0
	}
	return n
}

func (w *words) time(what string) time.Time {
	s := w.text(what)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		w.fail("%s is %.40q, not a time like 2026-01-31T12:00:00Z", what, s)
	}
	return t
}

// end is the verdict on a line of which every word has been taken.
func (w *words) end() error {
	if w.err == nil && len(w.rest) > 0 {
		w.fail("%d words too many", len(w.rest))
	}
	return w.err
}

func timeWord(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// orderWord is TERM.CLAIM.EPOCH.
func orderWord(o Order) string { return fmt.Sprintf("%d.%d.%d", o.Term, o.Claim, o.Epoch) }

func (w *words) order() Order {
	s := w.text("order")
	part := strings.Split(s, ".")
	if len(part) != 3 {
		w.fail("the order is %.40q, not TERM.CLAIM.EPOCH", s)
		return Order{}
	}
	n := words{rest: part}
	o := Order{Term: n.number("term", 1<<64-1), Claim: uint32(n.number("claim", 1<<32-1)), Epoch: uint32(n.number("epoch", 1<<32-1))}
	if err := n.end(); err != nil {
		w.fail("the order %.60q: %v", s, err)
	}
	return o
}

// listWord is a list of names, which have no commas.
func listWord(names []string) string { return strings.Join(names, ",") }

func (w *words) list(what string) []string {
	s := w.text(what)
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// vmWords is how many words a VM is.
const vmWords = 12

func appendVM(dst []string, m VM) []string {
	return append(dst, m.ID, m.Name, string(m.State), m.Detail, m.Mark, m.Template, strings.Join(m.Addresses, ","),
		timeWord(m.Created), timeWord(m.Started), timeWord(m.Stopped), m.StopReason, m.Description)
}

func (w *words) vm() VM {
	m := VM{
		ID: w.named("machine's id"), Name: w.text("name"), State: State(w.text("state")), Detail: w.text("detail"),
		Mark: w.text("mark"), Template: w.text("template"),
	}
	if s := w.text("addresses"); s != "" {
		m.Addresses = strings.Split(s, ",")
	}
	m.Created, m.Started, m.Stopped = w.time("created"), w.time("started"), w.time("stopped")
	m.StopReason, m.Description = w.text("stop reason"), w.text("description")
	return m
}

const templateWords = 6

func appendTemplate(dst []string, t Template) []string {
	return append(dst, t.ID, t.Name, strconv.Itoa(t.Version), t.State, strconv.FormatInt(t.MemoryMB, 10), strconv.Itoa(t.Cores))
}

func (w *words) template() Template {
	return Template{
		ID: w.text("template's id"), Name: w.text("name"), Version: int(w.number("version", 1<<31-1)), State: w.text("state"),
		MemoryMB: int64(w.number("memory", 1<<62)), Cores: int(w.number("cores", 1<<31-1)),
	}
}

func appendCreate(dst []string, c Create) []string {
	dst = append(dst, c.Name, c.Template, c.Cluster, strconv.FormatInt(c.MemoryMB, 10), strconv.Itoa(c.Cores),
		c.Description, c.Mark, c.UserData, c.HostName)
	if c.InstanceType != "" || c.Quota != "" {
		dst = append(dst, c.InstanceType, c.Quota)
	}
	return dst
}

func (w *words) create() Create {
	c := Create{
		Name: w.named("name"), Template: w.named("template"), Cluster: w.text("cluster"),
		MemoryMB: int64(w.number("memory", 1<<62)), Cores: int(w.number("cores", 1<<31-1)),
		Description: w.text("description"), Mark: w.text("mark"), UserData: w.text("user data"), HostName: w.text("host name"),
	}
	if len(w.rest) > 0 { // most end here
		c.InstanceType, c.Quota = w.text("instance type"), w.text("quota")
	}
	return c
}

// kindOf is what a result that is not good says in its second word. A kind that
// this side does not know says nothing of what was done.
func kindOf(s string) Kind {
	if k := Kind(s); slices.Contains(Kinds, k) {
		return k
	}
	return Unknown
}
