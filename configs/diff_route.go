package configs

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/router/route"
)

// routing compares how jobs are routed. What a file of HTCondor's says is not looked at.
func routing(was, now *Router) (out []Change) {
	var none Router
	if was == nil {
		was = &none
	}
	if now == nil {
		now = &none
	}
	a, b := &was.source, &now.source
	add := func(key, x, y string) { out = append(out, change("job_router", key, x, y)...) }
	said := func(s string) string {
		if s == "" {
			return ""
		}
		return quote(s)
	}
	add("condor_config", said(was.CondorConfig), said(now.CondorConfig))
	add("name", said(a.Name), said(b.Name))
	add("constraint", sourceText(a.Constraint), sourceText(b.Constraint))
	add("max_jobs", countText(a.MaxJobs), countText(b.MaxJobs))
	add("max_jobs_per_route", countText(a.MaxPerRoute), countText(b.MaxPerRoute))
	add("max_idle_jobs_per_route", countText(a.MaxIdle), countText(b.MaxIdle))
	add("round_robin", strconv.FormatBool(a.RoundRobin), strconv.FormatBool(b.RoundRobin))
	add("release_on_hold", strconv.FormatBool(!a.HoldStays), strconv.FormatBool(!b.HoldStays))
	out = append(out, named("transform", "transforms before the routes", a.Pre, b.Pre)...)
	out = append(out, named("route", "routes", a.Routes, b.Routes)...)
	return append(out, named("transform", "transforms behind the routes", a.Post, b.Post)...)
}

func sourceText(x *ad.Expr) string {
	if x == nil {
		return ""
	}
	return x.String()
}

func countText(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// named compares routes, or transforms, by their names, and then their order.
func named(kind, all string, was, now []route.Text) (out []Change) {
	at := func(in []route.Text, name string) int {
		return slices.IndexFunc(in, func(x route.Text) bool { return x.Name == name })
	}
	order := func(of, in []route.Text) string {
		var names []string
		for _, x := range of {
			if at(in, x.Name) >= 0 {
				names = append(names, x.Name)
			}
		}
		return strings.Join(names, ", ")
	}
	for _, x := range was {
		where := kind + " " + quote(x.Name)
		if i := at(now, x.Name); i < 0 {
			out = append(out, Change{Where: where, Was: "there"})
		} else {
			out = append(out, linesOf(where, x.Lines, now[i].Lines)...)
		}
	}
	for _, x := range now {
		if at(was, x.Name) < 0 {
			out = append(out, Change{Where: kind + " " + quote(x.Name), Now: "new"})
		}
	}
	return append(out, change(all, "their order", order(was, now), order(now, was))...)
}

// linesOf compares the lines of a route or a transform by what they set; where that does not
// tell them apart, as a whole.
func linesOf(where string, was, now []route.Line) (out []Change) {
	a, keys, onceA := byKey(was)
	b, more, onceB := byKey(now)
	if !onceA || !onceB {
		return change(where, "its lines", joined(was), joined(now))
	}
	for _, k := range more {
		if _, had := a[k]; !had {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		out = append(out, change(where, k, a[k], b[k])...)
	}
	if len(out) == 0 { // they work in their order
		out = change(where, "its lines", joined(was), joined(now))
	}
	return out
}

func joined(lines []route.Line) string {
	var parts []string
	for _, l := range lines {
		if text := strings.TrimSpace(l.Text); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// byKey is what lines set, by words for it; not once: some word is there twice.
func byKey(lines []route.Line) (values map[string]string, keys []string, once bool) {
	values = map[string]string{}
	for _, l := range lines {
		text := strings.TrimSpace(l.Text)
		if text == "" {
			continue
		}
		key, value := lineOf(text)
		if _, twice := values[key]; twice {
			return nil, nil, false
		}
		values[key] = value
		keys = append(keys, key)
	}
	return values, keys, true
}

// lineOf is what one line sets, and to what.
func lineOf(text string) (key, value string) {
	if name, value, ok := strings.Cut(text, "="); ok && len(strings.Fields(name)) == 1 {
		return strings.TrimSpace(name), strings.TrimSpace(value)
	}
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToUpper(word) {
	case "REQUIREMENTS", "UNIVERSE":
		return strings.ToLower(word), rest
	case "SET", "DEFAULT", "EVALSET", "EVALMACRO", "COPY", "RENAME":
		name, value, _ := strings.Cut(rest, " ")
		return word + " " + name, strings.TrimSpace(value)
	}
	return text, "there"
}
