package submit

import (
	"slices"
	"strings"
)

// Origin is where an attribute of a job came from.
type Origin struct {
	Pos Pos    // of the command that set it; without a line where none did
	Why string // the command's name, or in words what implies it
}

// asked is a command that the lowering asked for and found set.
type asked struct {
	name string
	pos  Pos
}

// Origins are the origins of a section's attributes, by folded name.
type Origins map[string]Origin

// Of is where an attribute of the section's jobs came from.
func (o Origins) Of(attr string) Origin {
	if origin, ok := o[fold(attr)]; ok {
		return origin
	}
	switch fold(attr) {
	case "clusterid", "procid":
		return Origin{Why: "the queue numbers its jobs"}
	case "holdreason", "holdreasoncode":
		return Origin{Why: "implied by hold"}
	}
	return Origin{Why: "every new job has it"}
}

// written notes that a command's value, at p, became the attribute.
func (l *lowering) written(attr string, p Pos) {
	if l.site.Explain == nil {
		return
	}
	why := ""
	for _, a := range l.asked {
		if a.pos == p {
			why = a.name
		}
	}
	if why == "" {
		l.implied(attr)
		return
	}
	l.origins[fold(attr)] = Origin{p, why}
}

// implied notes that an attribute follows from the commands that were asked for since
// the last step of the lowering began; from none, it is a default.
func (l *lowering) implied(attr string) {
	if l.site.Explain == nil {
		return
	}
	if why, ok := facts[attr]; ok && len(l.asked) == 0 {
		l.origins[fold(attr)] = Origin{Why: why}
		return
	}
	if len(l.asked) == 0 {
		l.origins[fold(attr)] = Origin{Why: "default"}
		return
	}
	var names []string
	for _, a := range l.asked {
		if !slices.Contains(names, a.name) {
			names = append(names, a.name)
		}
	}
	l.origins[fold(attr)] = Origin{Pos: l.asked[0].pos, Why: "implied by " + strings.Join(names, ", ")}
}

// facts are attributes that follow from where the job is submitted.
var facts = map[string]string{
	"DiskUsage":           "the sizes of the executable and the inputs",
	"ExecutableSize":      "the size of the executable",
	"FileSystemDomain":    "the pool's configuration",
	"ImageSize":           "the size of the executable",
	"Iwd":                 "the directory of the submission",
	"Requirements":        "what the job asks for",
	"TransferInputSizeMB": "the sizes of the inputs",
}
