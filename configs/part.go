package configs

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// workflowKeys and workflowBlocks are what a workflow block may hold.
var (
	workflowKeys   = []string{"max_jobs", "attributes", "state_log"}
	workflowBlocks = []string{"node", "final", "provisioner", "service", "category", "module", "cron", "provision", "env", "status_file", "dot"}
)

// whole takes what is said of the workflow as a whole. Of a module it has no effect.
func (w *workflow) whole(b *hclsyntax.Block) {
	g := w.builder.Draft()
	for _, a := range sorted(b.Body.Attributes) {
		switch {
		case !slices.Contains(workflowKeys, a.Name):
			w.unknown(a.NameRange, "key", a.Name, append(slices.Clone(workflowBlocks), workflowKeys...))
		case w.within != nil:
			w.warn(a.NameRange, a.Name+" of a module has no effect", "It belongs to the workflow that the module is part of.")
		case a.Name == "max_jobs":
			if n, ok := w.number(a.Expr, instance{}, 1, math.MaxInt32); ok {
				w.builder.Limit("", n)
			}
		case a.Name == "state_log":
			g.StateLog, _ = w.text(a.Expr, instance{})
		case a.Name == "attributes":
			g.Attrs = w.pairs(a.Expr, instance{})
		}
	}
	seen := map[string]bool{}
	for _, in := range b.Body.Blocks {
		switch {
		case !slices.Contains(workflowBlocks, in.Type):
			w.unknown(in.TypeRange, "block", in.Type, workflowBlocks)
		case in.Type != "env" && in.Type != "status_file" && in.Type != "dot" && in.Type != "provision":
		case w.within != nil:
			w.warn(in.TypeRange, in.Type+" of a module has no effect", "It belongs to the workflow that the module is part of.")
		case in.Type == "provision":
			w.provision(in)
		case !w.labels(in, in.Type) || !w.single(seen, in, in.Type):
		case in.Type == "env":
			g.Env = w.env(in)
		case in.Type == "status_file":
			s := dag.StatusFile{Seconds: 60}
			var every time.Duration
			w.keys(in, []key{{"file", required(text(&s.File))}, {"every", span(&every)}, {"always", boolean(&s.Always)}})
			if in.Body.Attributes["every"] != nil {
				s.Seconds = int(every / time.Second)
			}
			g.Status = &s
		case in.Type == "dot":
			var d dag.DotFile
			w.keys(in, []key{{"file", required(text(&d.File))}, {"update", boolean(&d.Update)}, {"keep", boolean(&d.Keep)}, {"include", text(&d.Include)}})
			g.Dot = &d
		}
	}
}

// provision reads provision "POOL" { count = 1  max = 4 }.
func (w *workflow) provision(b *hclsyntax.Block) {
	g, p := w.builder.Draft(), dag.Provision{Pool: label(b)}
	w.keys(b, []key{{"count", count(&p.Count)}, {"max", count(&p.Max)}})
	if b.Body.Attributes["max"] == nil {
		p.Max = p.Count
	}
	switch {
	case p.Pool == "":
		w.fail(b.TypeRange, "a provision block names a pool", `As in: provision "main" { max = 4 }; a pool is a resource of the schedd's that has a burst block.`)
	case slices.ContainsFunc(g.Provision, func(q dag.Provision) bool { return q.Pool == p.Pool }):
		w.fail(b.LabelRanges[0], "there are two provision blocks of "+quote(p.Pool), "")
	case w.diags.HasErrors():
	case p.Max == 0 || p.Max > dag.MaxProvision:
		w.fail(b.TypeRange, "a provision block says how many machines there may be", `As in: max = 4`)
	case p.Max < p.Count:
		w.fail(b.Body.Attributes["max"].Expr.Range(), "there are to be more machines than may be", "max is at least count.")
	default:
		g.Provision = append(g.Provision, p)
	}
}

// env reads env { get = ["PATH"]  set = { A = "b" } }.
func (w *workflow) env(b *hclsyntax.Block) (rules []dag.EnvRule) {
	for _, a := range sorted(b.Body.Attributes) {
		switch a.Name {
		case "get":
			names, _ := w.list(a.Expr, instance{})
			for _, n := range names {
				rules = append(rules, dag.EnvRule{Get: n})
			}
		case "set":
			for _, v := range w.pairs(a.Expr, instance{}) {
				rules = append(rules, dag.EnvRule{Set: v.Name, Value: v.Value})
			}
		default:
			w.unknown(a.NameRange, "key", a.Name, []string{"get", "set"})
		}
	}
	for _, in := range b.Body.Blocks {
		w.fail(in.TypeRange, "an env block holds no blocks", "")
	}
	return rules
}

// pairs is a map of texts.
func (w *workflow) pairs(e hclsyntax.Expression, i instance) (out []dag.Var) {
	v, ok := w.vars.computedIn(e, w.scope(i))
	if !ok {
		return nil
	}
	if v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		w.fail(e.Range(), "this is no map", `As in: { NAME = "value" }`)
		return nil
	}
	for it := v.ElementIterator(); it.Next(); {
		key, x := it.Element()
		value, ok := textOf(x)
		if !ok {
			w.fail(e.Range(), "the value of "+quote(key.AsString())+" is no text", "It is a text, a number or a bool.")
			return nil
		}
		out = append(out, dag.Var{Name: key.AsString(), Value: value})
	}
	return out
}

// list is a list of texts, in which outputs of other nodes may occur: those are before
// this one.
func (w *workflow) list(e hclsyntax.Expression, i instance) (out []string, before []int32) {
	v, before, ok := w.fed(e, i, nil)
	if !ok {
		return nil, nil
	}
	if v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsTupleType() && !v.Type().IsListType() {
		w.fail(e.Range(), "this is no list", `As in: ["one", "two"]`)
		return nil, nil
	}
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		text, ok := textOf(x)
		if !ok {
			w.fail(e.Range(), "what is in this list is a text, a number or a bool", "")
			return nil, nil
		}
		out = append(out, text)
	}
	return out, before
}

// scriptBlocks are the scripts of a node.
var scriptBlocks = map[string]func(*dag.Node) **dag.Script{
	"pre":     func(n *dag.Node) **dag.Script { return &n.Pre },
	"post":    func(n *dag.Node) **dag.Script { return &n.Post },
	"on_hold": func(n *dag.Node) **dag.Script { return &n.Hold },
}

var scriptKeys = []string{"run", "defer_exit", "defer", "output", "capture"}

// script reads pre { run = ["prepare.sh", "$NODE"] } and its like.
func (w *workflow) script(n *dag.Node, b *hclsyntax.Block, i instance) {
	to := scriptBlocks[b.Type](n)
	if *to != nil {
		w.fail(b.TypeRange, "there are two "+b.Type+" blocks", "")
		return
	}
	s := &dag.Script{}
	*to = s
	for _, a := range sorted(b.Body.Attributes) {
		switch a.Name {
		case "run":
			words, before := w.list(a.Expr, i)
			w.follows(before, i)
			for k, word := range words {
				if k == 0 {
					s.Program = word
				} else {
					s.Args = append(s.Args, word)
				}
			}
			if k := slices.IndexFunc(words, func(x string) bool { return x == "" || strings.ContainsAny(x, " \t\n") }); k >= 0 {
				w.fail(a.Expr.Range(), quote(words[k])+" cannot be a word of a script's command", "DAGMan parts them at blanks.")
			}
		case "defer_exit":
			if code, ok := w.number(a.Expr, i, 0, 255); ok {
				s.Defer = &code
			}
		case "defer":
			var d time.Duration
			span(&d).set(w.file, a.Expr)
			s.DeferSeconds = int(d / time.Second)
		case "output":
			s.Debug, _ = w.text(a.Expr, i)
		case "capture":
			s.Capture, _ = w.text(a.Expr, i)
			if s.Capture = strings.ToUpper(s.Capture); s.Capture != "ALL" && s.Capture != "STDOUT" && s.Capture != "STDERR" {
				w.fail(a.Expr.Range(), "capture is all, stdout or stderr", "")
			}
		default:
			w.unknown(a.NameRange, "key", a.Name, scriptKeys)
		}
	}
	has := func(key string) bool { return b.Body.Attributes[key] != nil }
	switch {
	case !has("run"):
		w.fail(b.TypeRange, "the "+b.Type+" block lacks run", `As in: run = ["prepare.sh", "$NODE"]`)
	case has("defer") != has("defer_exit"):
		w.fail(b.TypeRange, "defer and defer_exit belong together", `As in: defer_exit = 4  defer = "60s"`)
	case has("output") && s.Capture == "":
		s.Capture = "ALL"
	case has("capture") && !has("output"):
		w.fail(b.TypeRange, "capture says what goes to output, and there is none", "")
	}
	for _, in := range b.Body.Blocks {
		w.fail(in.TypeRange, "a "+b.Type+" block holds no blocks", "")
	}
}

// growing are the keys of a retry block that say what each attempt asks for, the first
// one included, and the unit of their sizes.
var growing = map[string]struct {
	attr string
	unit int64 // 0: a number
}{"cpus": {"RequestCpus", 0}, "memory": {"RequestMemory", 1 << 20}, "disk": {"RequestDisk", 1 << 10}}

// retryKeys are the others.
var retryKeys = []string{"times", "unless_exit", "wait", "always", "elsewhere"}

// seconds is a duration in whole seconds, rounded up.
func (w *workflow) seconds(e hclsyntax.Expression) int {
	var d time.Duration
	span(&d).set(w.file, e)
	return int((d + time.Second - 1) / time.Second)
}

// retry reads retry { times = 2  memory = ["1GiB", "2GiB", "4GiB"] }.
func (w *workflow) retry(n *dag.Node, b *hclsyntax.Block, i instance) {
	if n.Retries > 0 || n.Unless != nil {
		w.fail(b.TypeRange, "the retries are said twice", "A retry block is instead of retries and unless_exit.")
		return
	}
	for _, a := range sorted(b.Body.Attributes) {
		switch grows, ok := growing[a.Name]; {
		case a.Name == "times":
			n.Retries, _ = w.number(a.Expr, i, 0, math.MaxInt32)
		case a.Name == "unless_exit":
			if code, ok := w.number(a.Expr, i, math.MinInt32, math.MaxInt32); ok {
				n.Unless = &code
			}
		case a.Name == "wait":
			n.RetryWait = w.seconds(a.Expr)
		case a.Name == "elsewhere":
			if n.Elsewhere = w.bool(a.Expr, i); n.Subdag || n.Noop {
				w.fail(a.NameRange, "this node has no job that could be elsewhere", "")
			}
		case a.Name == "always":
			if n.Always = w.bool(a.Expr, i); n.Kind != dag.ServiceNode {
				w.fail(a.NameRange, "always is for services", "Any other node that has succeeded is done.")
			}
		case ok:
			texts, _ := w.list(a.Expr, i)
			if value, ok := w.grown(texts, grows.unit, a.Expr); ok {
				n.Vars = append(n.Vars, dag.Var{Name: "+" + grows.attr, Value: value})
			}
		default:
			w.unknown(a.NameRange, "key", a.Name, append(slices.Clone(retryKeys), slices.Sorted(maps.Keys(growing))...))
		}
	}
	if b.Body.Attributes["times"] == nil {
		w.fail(b.TypeRange, "the retry block lacks times", "It is how many further attempts there may be.")
	}
	for _, in := range b.Body.Blocks {
		w.fail(in.TypeRange, "a retry block holds no blocks", "")
	}
}

// grown is the expression of what an attempt asks for, by its number.
func (w *workflow) grown(texts []string, unit int64, e hclsyntax.Expression) (string, bool) {
	if len(texts) == 0 {
		return "", false
	}
	value := ""
	for k := len(texts) - 1; k >= 0; k-- {
		n, err := strconv.ParseInt(texts[k], 10, 64)
		ok := err == nil
		if !ok && unit > 0 {
			n, ok = grid.ParseSize(texts[k], unit)
		}
		if !ok || n <= 0 {
			w.fail(e.Range(), quote(texts[k])+" is no amount", `As in: memory = ["1GiB", "2GiB"], cpus = [1, 4]`)
			return "", false
		}
		if value == "" {
			value = strconv.FormatInt(n, 10)
		} else {
			value = "ifThenElse($(RETRY) > " + strconv.Itoa(k) + ", " + value + ", " + strconv.FormatInt(n, 10) + ")"
		}
	}
	return value, true
}

// tolerance is how many procs may fail: 2, or "10%".
func (w *workflow) tolerance(e hclsyntax.Expression, i instance) *dag.Tolerance {
	text, ok := w.text(e, i)
	if !ok {
		return nil
	}
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 || percent && n > 100 {
		w.fail(e.Range(), quote(text)+" is neither a number of jobs nor a share of them", `As in: tolerance = 2, tolerance = "10%"`)
		return nil
	}
	return &dag.Tolerance{Procs: n, Percent: percent}
}

// single-purpose keys that a node of another kind cannot have.
var ordinaryOnly = []string{"after", "after_any", "after_previous", "after_any_previous", "when", "priority", "category", "done", "retries", "unless_exit"}

// special refuses what a final, provisioner or service node cannot say.
func (w *workflow) special(n *nodeBlock) {
	if n.kind == dag.JobNode {
		return
	}
	for _, a := range sorted(n.Body.Attributes) {
		if slices.Contains(ordinaryOnly, a.Name) && (n.kind != dag.ServiceNode || !slices.Contains([]string{"retries", "unless_exit", "after"}, a.Name)) {
			w.fail(a.NameRange, "a "+n.Type+" node has no "+a.Name, map[dag.NodeKind]string{
				dag.FinalNode:       "It runs once, when all others have ended.",
				dag.ProvisionerNode: "It runs before all others.",
				dag.ServiceNode:     "It runs beside all others.",
			}[n.kind])
		}
	}
	for _, in := range n.Body.Blocks {
		if in.Type == "abort" {
			w.fail(in.TypeRange, "a "+n.Type+" node has no abort", "")
		}
	}
}

// setOutputs gives each node's outputs their names.
func (w *workflow) setOutputs() {
	all := map[string]cty.Value{}
	for name, n := range w.named {
		a := n.Body.Attributes["outputs"]
		all[name] = n.valued(func(i instance) cty.Value {
			of := map[string]cty.Value{}
			if a != nil {
				for _, p := range w.pairs(a.Expr, i) {
					of[p.Name] = cty.StringVal(p.Value).Mark(madeBy(i.at))
				}
			}
			return object(of)
		})
	}
	w.made = object(all)
}

// valued is a value of each instance of a block: one, or with for_each a tuple or an object
// of them.
func (n *nodeBlock) valued(of func(instance) cty.Value) cty.Value {
	keyed, list := map[string]cty.Value{}, []cty.Value{}
	for _, i := range n.instances {
		v := of(i)
		list = append(list, v)
		if text, ok := textOf(i.key); ok {
			keyed[text] = v
		}
	}
	switch {
	case n.Body.Attributes["for_each"] == nil && len(list) == 1:
		return list[0]
	case n.names != cty.NilVal && n.names.Type().IsObjectType():
		return object(keyed)
	}
	return cty.TupleVal(list)
}

// madeBy marks what a node makes: who uses it comes after.
type madeBy int32

// fed is the value of an expression that may use what other nodes and modules make, and
// more, and the nodes which make that.
func (w *workflow) fed(e hclsyntax.Expression, i instance, more map[string]cty.Value) (v cty.Value, before []int32, ok bool) {
	s := w.scope(i)
	s.names["output"], s.names["module"] = w.made, w.joined
	maps.Copy(s.names, more)
	if v, ok = w.vars.computedIn(e, s); !ok {
		return v, nil, false
	}
	v, marks := v.UnmarkDeep()
	for m := range marks {
		if n, is := m.(madeBy); is {
			before = append(before, int32(n))
		}
	}
	slices.Sort(before)
	return v, before, true
}

// follows puts the node of an instance behind others. A service is behind services alone,
// and any other node behind all of them as it is.
func (w *workflow) follows(before []int32, i instance) {
	service := func(at int32) bool { return (*w.owners)[at].kind == dag.ServiceNode }
	before = slices.DeleteFunc(before, func(at int32) bool { return service(at) != service(i.at) })
	w.builder.Order(before, []int32{i.at})
}
