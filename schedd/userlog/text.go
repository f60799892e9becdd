package userlog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
)

// text is the body of an event being written in the text form.
type text struct {
	strings.Builder
}

// longest bounds what is taken of one value: HTCondor's readers have room for no more.
const longest = 8191

// line writes one line. What comes from outside cannot end it.
func (t *text) line(before, value string) {
	t.WriteString(before)
	t.WriteString(oneLine(value))
	t.WriteByte('\n')
}

// raw writes a line of another writer as it was.
func (t *text) raw(line string) {
	t.WriteString(line)
	t.WriteByte('\n')
}

// padded writes a line with blanks at its end, which the header of an event log has.
func (t *text) padded(value string) {
	t.raw(oneLine(value) + value[len(strings.TrimRight(value, " ")):])
}

// optional writes a line if there is something to say.
func (t *text) optional(before, value string) {
	if oneLine(value) != "" {
		t.line(before, value)
	}
}

func (t *text) notes(log, user string) {
	for _, notes := range [...]string{log, user} {
		for line := range strings.Lines(notes) {
			t.optional("    ", line)
		}
	}
}

func (t *text) codes(before string, code, sub int32) {
	fmt.Fprintf(t, "%sCode %d Subcode %d\n", before, code, sub)
}

func (t *text) usage(what string, u Usage) {
	fmt.Fprintf(t, "\t\t%s  -  %s Usage\n", u, what)
}

// row is a number and what it is.
type row struct {
	value *int64
	what  string
}

func (t *text) row(r row) { fmt.Fprintf(t, "\t%d  -  %s\n", *r.value, r.what) }

func movedRows(which, whose string, sent, received *int64) [2]row {
	return [2]row{{sent, which + " Bytes Sent By " + whose}, {received, which + " Bytes Received By " + whose}}
}

func (t *text) bytes(which, whose string, sent, received *int64) {
	for _, r := range movedRows(which, whose, sent, received) {
		t.row(r)
	}
}

// exit writes how a program ended; core says whether core files are spoken of.
func (t *text) exit(x *Exit, core bool) {
	if !x.Signal {
		fmt.Fprintf(t, "\t(1) Normal termination (return value %d)\n", x.Code)
		return
	}
	fmt.Fprintf(t, "\t(0) Abnormal termination (signal %d)\n", x.Code)
	switch {
	case !core:
	case x.Core == "":
		t.line("\t(0) No core file", "")
	default:
		t.line("\t(1) Corefile in: ", x.Core)
	}
}

// ad writes attributes in the long form.
func (t *text) ad(before string, a *ad.Ad) {
	if a == nil {
		return
	}
	for line := range strings.Lines(string(a.AppendLong(nil))) {
		t.raw(before + strings.TrimRight(line, "\n"))
	}
}

// labels are how resources are called whose numbers have a unit.
var labels = map[string]string{
	"Memory": "Memory (MB)", "Disk": "Disk (KB)", "Gpus": "Gpus (Average)", "GpusMemory": "GpusMemory (MB)",
	"TimeExecute": "TimeExecute (s)", "TimeSlotBusy": "TimeSlotBusy (s)",
}

// column is one of the table of resources: what it is called, where its values are,
// and how narrow it may be.
type column struct {
	title  string
	value  func(*Resource) *string
	narrow int
}

var columns = [...]column{
	{"Usage", func(r *Resource) *string { return &r.Usage }, 8},
	{"Request", func(r *Resource) *string { return &r.Request }, 8},
	{"Allocated", func(r *Resource) *string { return &r.Allocation }, 9},
}

const tableTitle = "\tPartitionable Resources :"

// resources writes the table. A column in which there are fractions has its whole
// numbers aligned with them.
func (t *text) resources(rows []Resource) {
	if len(rows) == 0 {
		return
	}
	rows = append([]Resource(nil), rows...)
	widths := [len(columns)]int{}
	wide, assigned := len("Memory (MB)")+1, ""
	for i, c := range columns {
		fractions := false
		for k := range rows {
			fractions = fractions || strings.Contains(*c.value(&rows[k]), ".")
		}
		widths[i] = c.narrow
		for k := range rows {
			v := c.value(&rows[k])
			*v = oneLine(*v)
			if _, err := strconv.ParseUint(*v, 10, 64); fractions && err == nil {
				*v += "   "
			}
			widths[i] = max(widths[i], len(*v))
		}
	}
	for k := range rows {
		wide = max(wide, len(rows[k].Name))
		if rows[k].Assigned != "" {
			assigned = "Assigned"
		}
	}
	t.WriteString(tableTitle)
	for i, c := range columns {
		fmt.Fprintf(t, " %*s", widths[i], c.title)
	}
	t.WriteString(" " + assigned + "\n")
	for k := range rows {
		name := oneLine(rows[k].Name)
		if l := labels[name]; l != "" {
			name = l
		}
		fmt.Fprintf(t, "\t   %-*s :", wide+8, name)
		for i, c := range columns {
			fmt.Fprintf(t, " %*s", widths[i], *c.value(&rows[k]))
		}
		t.WriteString(" " + oneLine(rows[k].Assigned) + "\n")
	}
}

// String is "Usr D HH:MM:SS, Sys D HH:MM:SS".
func (u Usage) String() string { return "Usr " + clock(u.User) + ", Sys " + clock(u.Sys) }

func clock(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("%d %02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
}

func (u *Usage) parse(s string) bool {
	var user, sys [4]int64
	if n, _ := fmt.Sscanf(s, "Usr %d %d:%d:%d, Sys %d %d:%d:%d", &user[0], &user[1], &user[2], &user[3], &sys[0], &sys[1], &sys[2], &sys[3]); n != 8 {
		return false
	}
	span := func(f [4]int64) time.Duration {
		return time.Duration(((f[0]*24+f[1])*60+f[2])*60+f[3]) * time.Second
	}
	u.User, u.Sys = span(user), span(sys)
	return true
}

// oneLine keeps text from outside from ending an event or a line, and from being
// longer than readers can take.
func oneLine(s string) string {
	clean := func(r rune) bool { return r < ' ' && r != '\t' }
	if strings.IndexFunc(s, clean) >= 0 {
		s = strings.Map(func(r rune) rune {
			if clean(r) {
				return ' '
			}
			return r
		}, s)
	}
	if s = strings.TrimSpace(s); len(s) > longest {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:longest], ""))
	}
	return s
}

// lines is the text of an event being read.
type lines struct {
	head string   // the first line, behind the time
	rest []string // the others, without their ends
}

func (l *lines) next() (line string, ok bool) {
	if len(l.rest) == 0 {
		return "", false
	}
	line, l.rest = l.rest[0], l.rest[1:]
	return line, true
}

func (l *lines) is(head string) bool { return strings.HasPrefix(l.head, head) }

func (l *lines) headed(before string, value *string) (ok bool) {
	*value, ok = strings.CutPrefix(l.head, before)
	*value = strings.TrimSpace(*value)
	return ok
}

func (l *lines) starts(before string) bool {
	return len(l.rest) > 0 && strings.HasPrefix(l.rest[0], before)
}

// required takes the next line, which must begin so.
func (l *lines) required(before string, value *string) bool {
	if !l.starts(before) {
		return false
	}
	line, _ := l.next()
	*value = strings.TrimSpace(line[len(before):])
	return true
}

// optional takes the next line if it begins so. It is always true.
func (l *lines) optional(before string, value *string) bool {
	l.required(before, value)
	return true
}

// notes takes what a submission says beside its host.
func (l *lines) notes() (log, user, warnings string) {
	for first := true; ; first = false {
		line, ok := l.next()
		if line = strings.TrimSpace(line); !ok {
			return log, user, warnings
		}
		if text, ok := strings.CutPrefix(line, warningPrefix); ok {
			warnings = text
		} else if first {
			log = line
		} else {
			user = strings.TrimPrefix(user+"\n"+line, "\n")
		}
	}
}

func (l *lines) codes(before string, code, sub *int32) bool {
	if !l.starts(before + "Code ") {
		return false
	}
	if n, _ := fmt.Sscanf(strings.TrimPrefix(l.rest[0], before), "Code %d Subcode %d", code, sub); n != 2 {
		return false
	}
	l.next()
	return true
}

func (l *lines) usage(what string, u *Usage) bool {
	line, _ := l.next()
	before, found := strings.CutSuffix(strings.TrimSpace(line), "  -  "+what+" Usage")
	return found && u.parse(before)
}

// row takes the next line if it is that number.
func (l *lines) row(r row) bool {
	if len(l.rest) == 0 {
		return false
	}
	number, what, ok := strings.Cut(strings.TrimSpace(l.rest[0]), "  -  ")
	if !ok || what != r.what || !integer(number, r.value) {
		return false
	}
	l.next()
	return true
}

func (l *lines) bytes(which, whose string, sent, received *int64) {
	for _, r := range movedRows(which, whose, sent, received) {
		l.row(r)
	}
}

func (l *lines) exit(x *Exit, core bool) bool {
	line, _ := l.next()
	line = strings.TrimSpace(line)
	if n, _ := fmt.Sscanf(line, "(1) Normal termination (return value %d)", &x.Code); n == 1 {
		return true
	}
	if n, _ := fmt.Sscanf(line, "(0) Abnormal termination (signal %d)", &x.Code); n != 1 {
		return false
	}
	x.Signal = true
	if core && !l.required("\t(1) Corefile in: ", &x.Core) {
		var none string
		return l.required("\t(0)", &none)
	}
	return true
}

// ad takes the rest as attributes; nil if there are none.
func (l *lines) ad() *ad.Ad {
	var a *ad.Ad
	for {
		line, ok := l.next()
		if !ok {
			return a
		}
		name, source, found := strings.Cut(strings.TrimSpace(line), " = ")
		if e, err := ad.ParseOld(source); found && err == nil && ad.ValidName(name) {
			if a == nil {
				a = ad.New(4)
			}
			a.SetExpr(name, e)
		}
	}
}

func (l *lines) table() bool { return l.starts("\tPartitionable Resources") }

// resources takes the table. Its columns end where their titles do.
func (l *lines) resources() (rows []Resource) {
	if !l.table() {
		return nil
	}
	title, _ := l.next()
	var ends [len(columns)]int
	for i, c := range columns {
		if ends[i] = strings.Index(title, c.title); ends[i] < 0 {
			return nil
		}
		ends[i] += len(c.title)
	}
	colon := strings.IndexByte(title, ':')
	for {
		if len(l.rest) == 0 {
			return rows
		}
		at := strings.Index(l.rest[0], " :")
		if at < 0 {
			return rows
		}
		line, _ := l.next()
		name, _, _ := strings.Cut(strings.TrimSpace(line[:at]), " (")
		r := Resource{Name: name}
		from := colon
		for i, c := range columns {
			// The rows' colon need not stand below the title's.
			begin, end := min(at+2+from-colon, len(line)), min(at+2+ends[i]-colon, len(line))
			*c.value(&r) = strings.TrimSpace(line[begin:end])
			from = ends[i]
		}
		r.Assigned = strings.TrimSpace(line[min(at+2+from-colon, len(line)):])
		rows = append(rows, r)
	}
}

func integer(s string, to *int64) bool {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return false
	}
	*to = n
	return true
}
