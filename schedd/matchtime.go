package schedd

import (
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// matchTime are the attributes in which $$(...) is replaced when a job has been given its
// slot.
var matchTime = [...]string{"Cmd", "Args", "Arguments", "Env", "Environment", "In", "Out", "Err", "ReadyCommand", "ReadyHttp", "ReadyAddress"}

// fillIn replaces $$(Name), $$(Name:otherwise) and $$([expression]) by what the slot, and
// for an expression also the job, says. What nobody says is an error: the job would not
// be what its owner meant.
func fillIn(now ad.Instant, job, slot *ad.Ad) error {
	for _, name := range matchTime {
		text := job.Text(name)
		if !strings.Contains(text, "$$(") {
			continue
		}
		out, err := fillText(now, text, job, slot)
		if err != nil {
			return grid.Errorf(grid.Invalid, "%s: %w", name, err)
		}
		job.SetString(name, out)
	}
	return nil
}

func fillText(now ad.Instant, text string, job, slot *ad.Ad) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$$(")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		end := ")"
		expr := strings.HasPrefix(rest, "[")
		if expr {
			end = "])"
		}
		ref, after, closed := strings.Cut(rest, end)
		if !closed {
			b.WriteString("$$(") // no reference after all
			text = rest
			continue
		}
		v, err := fillRef(now, ref, expr, job, slot)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		text = after
	}
}

func fillRef(now ad.Instant, ref string, expr bool, job, slot *ad.Ad) (string, error) {
	if expr {
		e, err := ad.Parse(strings.TrimPrefix(ref, "["))
		if err != nil {
			return "", grid.Errorf(grid.Invalid, "$$(%s]): %w", ref, err)
		}
		v := now.Eval(e, job, slot)
		if v.IsUndefined() {
			return "", grid.Errorf(grid.Invalid, "$$(%s]) is undefined with the slot that the job was given", ref)
		}
		return plain(v), nil
	}
	name, otherwise, has := strings.Cut(ref, ":")
	if strings.EqualFold(name, "DOLLARDOLLAR") {
		return "$$", nil
	}
	v := now.Attr(name, slot, job)
	switch {
	case !v.IsUndefined():
		return plain(v), nil
	case has:
		return otherwise, nil
	}
	return "", grid.Errorf(grid.Invalid, "$$(%s): the slot that the job was given has no attribute %s", ref, name)
}

// plain is a value as text: a string without its quotes.
func plain(v ad.Value) string {
	if s, ok := v.Text(); ok {
		return s
	}
	return v.String()
}
