package corpus

import (
	"fmt"
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

// incidental are the attributes that follow the time, the place, the submitter and the
// sizes of stub files, by folded name.
var incidental = []string{
	"condorplatform", "condorversion", "diskusage", "enteredcurrentstatus", "executablesize", "imagesize", "jobsubmitfile", "jobsubmitmethod",
	"osuser", "owner", "qdate", "transferinputsizemb", "user",
}

// parseAds reads ads in HTCondor's long form. The first of a cluster is whole; a later
// one may list only what differs from it.
func parseAds(text string) ([]*ad.Ad, error) {
	var ads []*ad.Ad
	var whole *ad.Ad
	for block := range blocks(text) {
		a, err := ad.ParseLong(block)
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "ad %d: %w", len(ads)+1, err)
		}
		if whole == nil || a.Has("ClusterId") {
			whole = a
		} else {
			changes := a
			a = whole.Clone()
			for _, n := range changes.Names() {
				e, _ := changes.Expr(n)
				a.SetExpr(n, e)
			}
		}
		ads = append(ads, a)
	}
	return ads, nil
}

// blocks are the parts of text between empty lines.
func blocks(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var b strings.Builder
		for line := range strings.Lines(text + "\n\n") {
			if strings.TrimSpace(line) != "" {
				b.WriteString(line)
				continue
			}
			if b.Len() > 0 && !yield(b.String()) {
				return
			}
			b.Reset()
		}
	}
}

// compare lists how got is not want, a line or more each.
func compare(got, want []*ad.Ad) []string {
	var out []string
	if len(got) != len(want) {
		out = append(out, fmt.Sprintf("%d jobs, want %d", len(got), len(want)))
	}
	said := map[string]bool{}
	for i := range min(len(got), len(want)) {
		names := append(got[i].Names(), want[i].Names()...)
		slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
		names = slices.CompactFunc(names, strings.EqualFold)
		for _, n := range names {
			g, w := source(got[i], n), source(want[i], n)
			if g == w || slices.Contains(incidental, strings.ToLower(n)) {
				continue
			}
			isEnvironment := strings.EqualFold(n, "Environment") || strings.EqualFold(n, "Env")
			if isEnvironment && slices.Equal(environment(got[i]), environment(want[i])) {
				continue
			}
			d := fmt.Sprintf("%s\n    ours: %s\n    want: %s", n, shown(g), shown(w))
			if !said[d] { // the same in every job of a cluster is said once
				out = append(out, fmt.Sprintf("job %d: %s", i, d))
			}
			said[d] = true
		}
	}
	return out
}

func source(a *ad.Ad, name string) string {
	s, ok := a.Source(name)
	if !ok {
		return "(not set)"
	}
	return s
}

// shown is a value in a message, cut.
func shown(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:most], ""), len(s))
}

// environment is the variables of a job, but for those of the shell that submitted it.
func environment(a *ad.Ad) []string {
	words, err := submit.Environ(a)
	if err != nil {
		return []string{err.Error()}
	}
	return slices.DeleteFunc(words, func(w string) bool {
		name, _, _ := strings.Cut(w, "=")
		return slices.Contains([]string{"CONDOR_CONFIG", "FILES", "PWD", "OLDPWD", "SHLVL", "USER", "LOGNAME", "_"}, name)
	})
}
