package submit

import "gridburst/internal/macro"

// Compatible is the version of HTCondor whose behaviour this package follows.
const Compatible = macro.Compatible

// condition executes if, elif, else and endif, and reports whether s is one of them.
func (r *reading) condition(s *statement) bool {
	words := [...]macro.Word{ifWord: macro.If, elifWord: macro.Elif, elseWord: macro.Else, endifWord: macro.Endif}
	if s.word < ifWord || s.word > endifWord {
		return false
	}
	if problem := r.ifs.Take(words[s.word], func() bool { return r.holds(s) }); problem != "" {
		r.fail(s.pos, problem, "")
		return true
	}
	switch s.word {
	case ifWord:
		r.open = append(r.open, s.pos)
	case endifWord:
		r.open = r.open[:len(r.open)-1]
	}
	return true
}

func (r *reading) holds(s *statement) bool {
	holds, problem, detail := r.expander(s.at).Holds(s.value)
	if problem != "" {
		r.fail(s.at, problem, detail)
	}
	return holds && problem == ""
}
