package ad

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
)

// Times are values of their own in ClassAds. An absolute time is seconds since 1970 and
// the time zone that it was written in, which only printing asks for; a relative time is
// seconds. Job ads hold integers instead, so these are met in expressions alone.

// absolute is a time. zone is "+hh:mm" or "-hh:mm"; that of UTC is "-00:00".
func absolute(seconds int64, zone string) Value {
	return Value{kind: AbsTime, bits: uint64(seconds), str: zone}
}

func relative(seconds float64) Value { return Value{kind: RelTime, bits: math.Float64bits(seconds)} }

const utc = "-00:00"

// offset is the seconds that a zone is ahead of UTC.
func offset(zone string) int64 {
	var hours, minutes int64
	if _, err := fmt.Sscanf(zone[1:], "%d:%d", &hours, &minutes); err != nil {
		return 0
	}
	if zone[0] == '-' {
		return -(hours*3600 + minutes*60)
	}
	return hours*3600 + minutes*60
}

// absTime reads a time as ISO 8601 writes it, or takes a number of seconds since 1970.
// Without a zone it is UTC: an expression means the same on every machine.
func absTime(r *run, args []Value) Value {
	if len(args) == 0 {
		return absolute(r.now, utc)
	}
	switch v := args[0]; v.kind {
	case AbsTime:
		return v
	case Int, Real:
		f, _ := v.Number()
		if math.Abs(f) > 1<<40 {
			return ErrorValue()
		}
		return absolute(int64(f), utc)
	case String:
		for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
			t, err := time.Parse(form, v.str)
			if err != nil {
				continue
			}
			zone := t.Format("-07:00")
			if _, ahead := t.Zone(); ahead == 0 {
				zone = utc
			}
			return absolute(t.Unix(), zone)
		}
	}
	return unlessUndefined(args[0])
}

// relTime takes a number of seconds. Of a text, as in 1+02:03:04, HTCondor makes a real.
func relTime(_ *run, args []Value) Value {
	switch v := args[0]; v.kind {
	case RelTime:
		return v
	case Int, Real:
		f, _ := v.Number()
		return relative(f)
	case String:
		var days, seconds float64
		rest := v.str
		if before, after, ok := strings.Cut(rest, "+"); ok {
			if _, err := fmt.Sscanf(before, "%f", &days); err != nil {
				return ErrorValue()
			}
			rest = after
		}
		for part := range strings.SplitSeq(rest, ":") {
			var f float64
			if _, err := fmt.Sscanf(part, "%f", &f); err != nil {
				return ErrorValue()
			}
			seconds = seconds*60 + f
		}
		return RealValue(days*86400 + seconds)
	}
	return unlessUndefined(args[0])
}

// dayTime is the time since midnight.
func dayTime(r *run, _ []Value) Value { return relative(float64(r.now % 86400)) }

// splitTime is a record of a time's parts.
func splitTime(r *run, args []Value) Value {
	switch v := args[0]; v.kind {
	case Int, Real, AbsTime:
		abs := absTime(r, args)
		if abs.kind != AbsTime {
			return ErrorValue()
		}
		t := time.Unix(int64(abs.bits)+offset(abs.str), 0).UTC()
		return r.made(fmt.Sprintf(`[ Type = "AbsoluteTime"; Year = %d; Month = %d; Day = %d; Hours = %d; Minutes = %d; Seconds = %d; Offset = %d ]`,
			t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), offset(abs.str)))
	case RelTime:
		s := int64(v.real())
		return r.made(fmt.Sprintf(`[ Type = "RelativeTime"; Days = %d; Hours = %d; Minutes = %d; Seconds = %d ]`, s/86400, s/3600%24, s/60%60, s%60))
	}
	return unlessUndefined(args[0])
}

// made is the value of source that we wrote.
func (r *run) made(src string) Value {
	e, err := Parse(src)
	if err != nil || !r.spend(e.size) {
		return ErrorValue()
	}
	return e.root.eval(r)
}

// ofDate is one part of an absolute time.
func ofDate(part func(time.Time) int) func(*run, []Value) Value {
	return func(_ *run, args []Value) Value {
		v := args[0]
		if v.kind != AbsTime {
			return unlessUndefined(v)
		}
		return IntValue(int64(part(time.Unix(int64(v.bits)+offset(v.str), 0).UTC())))
	}
}

// ofClock is one part of an absolute time, or of a relative one: what whole units it has,
// counted up to the next larger one.
func ofClock(unit, next int64) func(*run, []Value) Value {
	return func(_ *run, args []Value) Value {
		switch v := args[0]; v.kind {
		case AbsTime:
			s := (int64(v.bits) + offset(v.str)) % 86400
			return IntValue((s + 86400) % 86400 / unit % next)
		case RelTime:
			return IntValue(int64(v.real()) / unit % next)
		}
		return unlessUndefined(args[0])
	}
}

// days is the whole days of a relative time.
func days(_ *run, args []Value) Value {
	if args[0].kind != RelTime {
		return unlessUndefined(args[0])
	}
	return IntValue(int64(args[0].real()) / 86400)
}

// time prints a time as the call that makes it.
func (w *writer) time(v Value) {
	if v.kind == AbsTime {
		w.WriteString(`absTime("` + timeText(v) + `")`)
		return
	}
	w.WriteString(`relTime("` + timeText(v) + `")`)
}

// timeText is a time without quotes: a date with its zone, or days+hours:minutes:seconds
// from the first that is not nought.
func timeText(v Value) string {
	if v.kind == AbsTime {
		return time.Unix(int64(v.bits)+offset(v.str), 0).UTC().Format("2006-01-02T15:04:05") + v.str
	}
	f := v.real()
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	s := int64(f)
	days, hours, minutes, seconds := s/86400, s/3600%24, s/60%60, s%60
	switch {
	case days > 0:
		return fmt.Sprintf("%s%d+%02d:%02d:%02d", sign, days, hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%s%02d:%02d:%02d", sign, hours, minutes, seconds)
	case minutes > 0:
		return fmt.Sprintf("%s%02d:%02d", sign, minutes, seconds)
	}
	return fmt.Sprintf("%s%02d", sign, seconds)
}

// isTime reports whether an operand is one.
func isTime(v Value) bool { return v.kind == AbsTime || v.kind == RelTime }

// applyTime is a binary operator of which an operand is a time.
func applyTime(op operator, a, b Value) Value {
	abs, rel := a.kind == AbsTime, a.kind == RelTime
	switch {
	case op >= opEqual && op <= opGreaterEqual && a.kind == b.kind && abs:
		return BoolValue(ordered(op, cmp.Compare(int64(a.bits), int64(b.bits))))
	case op >= opEqual && op <= opGreaterEqual && a.kind == b.kind:
		return BoolValue(ordered(op, cmp.Compare(a.real(), b.real())))
	case op == opMinus && abs && b.kind == AbsTime:
		return relative(float64(int64(a.bits) - int64(b.bits)))
	case op == opPlus && abs && b.kind == RelTime:
		return absolute(int64(a.bits)+int64(b.real()), a.str)
	case op == opPlus && rel && b.kind == AbsTime:
		return absolute(int64(b.bits)+int64(a.real()), b.str)
	case op == opMinus && abs && b.kind == RelTime:
		return absolute(int64(a.bits)-int64(b.real()), a.str)
	case op == opPlus && rel && b.kind == RelTime:
		return relative(a.real() + b.real())
	case op == opMinus && rel && b.kind == RelTime:
		return relative(a.real() - b.real())
	}
	if f, ok := b.Number(); ok && rel && op == opTimes {
		return relative(a.real() * f)
	} else if ok && rel && op == opDivide && f != 0 {
		return relative(a.real() / f)
	}
	if f, ok := a.Number(); ok && b.kind == RelTime && op == opTimes {
		return relative(f * b.real())
	}
	return ErrorValue()
}

// userMap looks a user up in a map of the administrator's. There is none: nobody is found.
func userMap(_ *run, args []Value) Value {
	if len(args) == 4 {
		return args[3]
	}
	return UndefinedValue()
}
