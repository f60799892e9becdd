package dagfile

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// Write is a DAG file that [ReadAll] reads back to an equal graph. Splices have become
// nodes whose names hold a +: such a file needs [Options.AnyName], and in DAGMan
// DAGMAN_ALLOW_ANY_NODE_NAME_CHARACTERS. A graph that DAGMan's language cannot say, one
// with job blocks of an HCL file, is refused.
func Write(g *dag.Graph) ([]byte, error) {
	w := &writer{g: g}
	w.whole()
	inline := w.descriptions()
	for i := range g.Nodes[:g.Len()] {
		w.node(&g.Nodes[i], inline)
	}
	w.order()
	for _, c := range g.Categories {
		w.line("MAXJOBS", word1(c.Name), fmt.Sprint(c.MaxJobs))
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.out.Bytes(), nil
}

type writer struct {
	g   *dag.Graph
	out bytes.Buffer
	err error
}

// line writes words that stand as they are.
func (w *writer) line(words ...string) {
	s := strings.Join(words, " ")
	if i := strings.IndexAny(s, "\n\x00"); i >= 0 {
		w.refuse("%s holds a line end", quote(grid.Printable(s)))
		return
	}
	w.out.WriteString(s)
	if strings.HasSuffix(s, `\`) {
		w.out.WriteString("\\\n") // the line is continued, by nothing
	}
	w.out.WriteByte('\n')
}

func (w *writer) refuse(format string, args ...any) {
	if w.err == nil {
		w.err = grid.Errorf(grid.Invalid, "the workflow %s cannot be written as a DAG file: "+format, append([]any{grid.Printable(w.g.Name)}, args...)...)
	}
}

// word1 is a word of a line, in quotes where it would not be read as one.
func word1(s string) string {
	if s == "" || strings.ContainsAny(s, blanks+`\`) || s == "{" || strings.HasPrefix(s, "@=") {
		return quote(s)
	}
	return s
}

// whole writes what concerns the run.
func (w *writer) whole() {
	g := w.g
	if len(g.Files) > 0 || g.MaxJobs != 0 {
		w.refuse("it is of several files, or has a limit of its own")
	}
	if g.Config != "" {
		w.line("CONFIG", word1(g.Config))
	}
	for _, v := range g.Attrs {
		w.line("SET_JOB_ATTR", v.Name, "=", v.Value)
	}
	for _, e := range g.Env {
		if e.Get != "" {
			w.line("ENV GET", e.Get)
			continue
		}
		w.line(`ENV SET "` + strings.ReplaceAll(e.Set+"='"+strings.ReplaceAll(e.Value, "'", "''")+"'", `"`, `""`) + `"`)
	}
	if s := g.Status; s != nil {
		words := []string{"NODE_STATUS_FILE", word1(s.File), fmt.Sprint(s.Seconds)}
		if s.Always {
			words = append(words, "ALWAYS-UPDATE")
		}
		w.line(words...)
	}
	if g.StateLog != "" {
		w.line("JOBSTATE_LOG", word1(g.StateLog))
	}
	if d := g.Dot; d != nil {
		words := []string{"DOT", word1(d.File)}
		if d.Update {
			words = append(words, "UPDATE")
		}
		if d.Keep {
			words = append(words, "DONT-OVERWRITE")
		}
		if d.Include != "" {
			words = append(words, "INCLUDE", word1(d.Include))
		}
		w.line(words...)
	}
}

// descriptions writes the submit descriptions that do not belong to one node alone, and
// gives the others by node.
func (w *writer) descriptions() map[string]string {
	inline := map[string]string{}
	used := map[string]int{}
	for i := range w.g.Nodes {
		n := &w.g.Nodes[i]
		if n.Submit != "" {
			used[n.Submit]++
		}
		if n.Submit != "" && n.Submit == n.Name {
			inline[n.Name] = ""
		}
	}
	for _, d := range w.g.Descriptions {
		if _, ok := inline[d.Name]; ok && used[d.Name] == 1 {
			inline[d.Name] = d.Text
			continue
		}
		delete(inline, d.Name)
		w.text([]string{"SUBMIT-DESCRIPTION", word1(d.Name)}, d.Text, nil)
	}
	return inline
}

// text writes a line that begins a submit description, the description, and what follows
// its end.
func (w *writer) text(words []string, text string, behind []string) {
	open, end := "{", "}"
	for n := 0; ends(text, end); n++ {
		end = fmt.Sprint("@end", n)
		open = "@=" + end[1:]
	}
	w.line(append(words, open)...)
	if text != "" {
		w.out.WriteString(text)
		w.out.WriteByte('\n')
	}
	w.line(append([]string{end}, behind...)...)
}

// ends reports whether a line of text would end it.
func ends(text, end string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == end || strings.HasPrefix(line, end+" ") || strings.HasPrefix(line, end+"\t") {
			return true
		}
	}
	return false
}

func (w *writer) node(n *dag.Node, inline map[string]string) {
	if n.Past != "" {
		w.refuse("%s is waited for of the run before, which only a workflow in HCL says", grid.Printable(n.Past))
		return
	}
	if n.Job != "" || n.File == "" && n.Submit == "" {
		w.refuse("the job of node %s is a block of an HCL file", grid.Printable(n.Name))
		return
	}
	if !said(n) {
		w.refuse("node %s has what only a workflow in HCL says", grid.Printable(n.Name))
		return
	}
	words, behind := []string{kindNames[n.Kind], n.Name}, []string(nil)
	if n.Subdag {
		words = []string{"SUBDAG EXTERNAL", n.Name}
	}
	if n.Dir != "" {
		behind = append(behind, "DIR", word1(n.Dir))
	}
	if n.Noop {
		behind = append(behind, "NOOP")
	}
	if n.Done {
		behind = append(behind, "DONE")
	}
	if n.File != "" && w.g.Description(n.File) != nil {
		w.refuse("the file of node %s has the name of a submit description", grid.Printable(n.Name))
	}
	text, within := inline[n.Submit]
	switch {
	case n.Submit == "":
		w.line(append(append(words, word1(n.File)), behind...)...)
	case within:
		w.text(words, text, behind)
	default:
		w.line(append(append(words, word1(n.Submit)), behind...)...)
	}
	for kind, name := range scriptKinds {
		if s := *scriptOf(n, kind); s != nil {
			w.script(name, n.Name, s)
		}
	}
	if n.PreSkip != 0 {
		w.line("PRE_SKIP", n.Name, fmt.Sprint(n.PreSkip))
	}
	if n.Unless != nil {
		w.line("RETRY", n.Name, fmt.Sprint(n.Retries), "UNLESS-EXIT", fmt.Sprint(*n.Unless))
	} else if n.Retries != 0 {
		w.line("RETRY", n.Name, fmt.Sprint(n.Retries))
	}
	if a := n.Abort; a != nil {
		w.line("ABORT-DAG-ON", n.Name, fmt.Sprint(a.Exit), "RETURN", fmt.Sprint(a.Return))
	}
	if t := n.Tolerance; t != nil {
		words := []string{"TOLERANCE", n.Name, fmt.Sprint(t.Procs)}
		if t.Percent {
			words[2] += "%"
		}
		if t.Wait {
			words = append(words, "WAIT")
		}
		w.line(words...)
	}
	if n.Priority != 0 {
		w.line("PRIORITY", n.Name, fmt.Sprint(n.Priority))
	}
	if n.Category != "" {
		w.line("CATEGORY", n.Name, word1(n.Category))
	}
	if n.SaveFile != "" {
		w.line("SAVE_POINT_FILE", n.Name, word1(n.SaveFile))
	}
	for _, v := range n.Vars {
		where := "PREPEND"
		if v.Append {
			where = "APPEND"
		}
		w.line("VARS", n.Name, where, v.Name+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v.Value)+`"`)
	}
}

// said reports whether n has nothing but what DAGMan's language says of a node.
func said(n *dag.Node) bool {
	rest := *n
	if n.Kind == dag.ServiceNode && len(n.Parents)+len(n.Children) > 0 {
		return false
	}
	for _, known := range []any{
		&rest.Name, &rest.Kind, &rest.File, &rest.Submit, &rest.Subdag, &rest.Dir, &rest.Noop, &rest.Done, &rest.Pre, &rest.Post, &rest.Hold, &rest.PreSkip, &rest.Retries, &rest.Unless,
		&rest.Abort, &rest.Tolerance, &rest.Priority, &rest.Category, &rest.SaveFile, &rest.Vars, &rest.Parents, &rest.Children, &rest.Weak,
	} {
		reflect.ValueOf(known).Elem().SetZero()
	}
	return reflect.ValueOf(rest).IsZero()
}

func (w *writer) script(kind, node string, s *dag.Script) {
	words := []string{"SCRIPT"}
	if s.Defer != nil {
		words = append(words, "DEFER", fmt.Sprint(*s.Defer), fmt.Sprint(s.DeferSeconds))
	}
	if s.Debug != "" {
		words = append(words, "DEBUG", word1(s.Debug), s.Capture)
	}
	for _, x := range append([]string{s.Program}, s.Args...) {
		if x == "" || strings.ContainsAny(x, blanks) {
			w.refuse("an argument of the %s script of node %s holds a blank", kind, grid.Printable(node))
		}
	}
	w.line(append(append(words, kind, node, s.Program), s.Args...)...)
}

// order writes the edges, those of a node together, and a statement for each join.
func (w *writer) order() {
	g := w.g
	join := func(i int32) bool { return g.Nodes[i].Join }
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Join {
			keyword := "PARENT"
			if len(n.Weak) > 0 {
				keyword = "WEAK PARENT"
			}
			w.line(keyword + w.names(n.Parents) + " CHILD" + w.names(n.Children))
			continue
		}
		var strong, weak []int32
		for _, c := range n.Children {
			switch {
			case join(c):
			case g.Nodes[c].WeakOn(int32(i)):
				weak = append(weak, c)
			default:
				strong = append(strong, c)
			}
		}
		if len(strong) > 0 {
			w.line("PARENT " + n.Name + " CHILD" + w.names(strong))
		}
		if len(weak) > 0 {
			w.line("WEAK PARENT " + n.Name + " CHILD" + w.names(weak))
		}
	}
}

func (w *writer) names(nodes []int32) string {
	var b strings.Builder
	for _, i := range nodes {
		b.WriteByte(' ')
		b.WriteString(w.g.Nodes[i].Name)
	}
	return b.String()
}
