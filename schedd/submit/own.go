package submit

import (
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// OwnCommand is a submit command of one site: its administrator has added it, and it
// becomes the attribute of its name. With the type "refused" it is one that jobs must not
// use there. HTCondor calls them extended submit commands.
type OwnCommand struct {
	Name string `json:"name"`
	Type string `json:"type" doc:"string, strings, file, int, unsigned, bool, expression or refused"`
}

// refused is the type of commands that must not be used.
const refused = "refused"

// ownKinds are the types of own commands.
var ownKinds = map[string]Kind{
	"string": KindString, "strings": KindNames, "file": KindPath, "int": KindInt, "unsigned": KindUnsigned,
	"bool": KindTruth, "expression": KindOldExpr, refused: KindString,
}

// Check refuses a command that cannot be.
func (o OwnCommand) Check() error {
	_, known := ownKinds[o.Type]
	_, taken := CommandNamed(o.Name)
	switch {
	case !known:
		return grid.Errorf(grid.Invalid, "%q is no type of a submit command: it is one of string, strings, file, int, unsigned, bool, expression, refused", o.Type)
	case o.Type == refused && (taken || macro.ValidName(o.Name)):
		return nil
	case taken:
		return grid.Errorf(grid.Invalid, "%s is a submit command already; it can only be %q", o.Name, refused)
	case !ad.ValidName(o.Name):
		return grid.Errorf(grid.Invalid, "%q is no name for an attribute", o.Name)
	case Protected(o.Name):
		return grid.Errorf(grid.Invalid, "the attribute %s is set by the queue itself", o.Name)
	case strings.HasPrefix(fold(o.Name), "request_"):
		return grid.Errorf(grid.Invalid, "%s asks for a custom resource already", o.Name)
	}
	return nil
}

func (o OwnCommand) command() Command {
	return Command{Name: o.Name, Attr: o.Name, Kind: ownKinds[o.Type], unquote: true}
}

// Command finds a command by its name in any case: one of the site's own, or one of
// every site's.
func (s *Site) Command(name string) (Command, bool) {
	if c, ok := CommandNamed(name); ok {
		return c, true
	}
	i := slices.IndexFunc(s.Own, func(o OwnCommand) bool { return o.Type != refused && compareNames(o.Name, fold(name)) == 0 })
	if i < 0 {
		return Command{}, false
	}
	return s.Own[i].command(), true
}

// CommandNames are the names of the commands of the site.
func (s *Site) CommandNames() []string {
	names := CommandNames()
	for _, o := range s.Own {
		if o.Type == refused {
			names = slices.DeleteFunc(names, func(n string) bool { return compareNames(n, fold(o.Name)) == 0 })
		} else {
			names = append(names, o.Name)
		}
	}
	return names
}

// setOwnCommands sets the attributes of the site's own commands, and refuses those that
// are not to be used.
func (l *lowering) setOwnCommands() {
	for _, o := range l.site.Own {
		l.asked = nil
		if o.Type == refused {
			l.refuse(o.Name)
			continue
		}
		v, ok := l.command(o.Name)
		switch c := o.command(); {
		case !ok:
		case c.Kind == KindPath:
			l.put(c.Attr, c.Kind, v, l.iwd...)
		default:
			if v.IsList {
				v = joined(v)
			}
			l.put(c.Attr, c.Kind, v)
		}
	}
}

func (l *lowering) refuse(name string) {
	names := []string{name}
	if c, known := CommandNamed(name); known {
		names = c.names()
	}
	for _, n := range names {
		if v, ok := l.job.Get(n); ok {
			l.fail(v.Pos, name+" must not be used here", "The administrator of this schedd does not allow it.")
		}
	}
}
