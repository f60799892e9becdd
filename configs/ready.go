package configs

import (
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// readyKeys are what a ready block may say, the kinds of checks first.
var readyKeys = []string{"command", "tcp", "http", "every", "timeout", "address"}

// jobHost is what host stands for in a ready block: the machine that a job was given.
const jobHost = "$$(Machine)"

// ready reads ready { tcp = 7000 }: how the worker of a service's job finds out that it is
// ready. The job's ad says that, so the node gives it attributes.
func (w *workflow) ready(b *nodeBlock, n *dag.Node, i instance) {
	var block *hclsyntax.Block
	for _, in := range b.Body.Blocks {
		switch {
		case in.Type != "ready":
		case block != nil:
			w.fail(in.TypeRange, "there are two ready blocks", "A service is checked in one way.")
			return
		default:
			block = in
		}
	}
	if block == nil {
		return
	}
	for _, in := range block.Body.Blocks {
		w.fail(in.TypeRange, "a ready block holds no blocks", "")
	}
	switch {
	case n.Kind != dag.ServiceNode:
		w.fail(block.TypeRange, "only the job of a service is checked", "Nodes wait for services, and for each other's end.")
		return
	case b.Body.Attributes["ready_within"] == nil:
		w.fail(block.TypeRange, "the ready block is without ready_within", `It is the time that there is for being ready, as in: ready_within = "60s"`)
		return
	}
	before := len(w.diags)
	c, at := w.readyCheck(block, i)
	if w.diags[before:].HasErrors() {
		return
	}
	// What it is when other services have addresses is looked through here.
	known := c
	known.HTTP, known.Address = placed.ReplaceAllString(c.HTTP, "host:1"), placed.ReplaceAllString(c.Address, "host:1")
	if bad := known.Problem(time.Duration(n.ReadyWithin) * time.Second); bad != nil {
		w.fail(at[bad.Key], bad.Summary, bad.Detail)
		return
	}
	for _, a := range c.Attrs() {
		value := a.Expr
		if !strings.EqualFold(path.Ext(n.File), ".hcl") {
			// A submit file takes macros out of it, which these are not.
			value = submit.Escape(value)
		}
		value = placed.ReplaceAllStringFunc(value, func(s string) string {
			at, _ := strconv.ParseInt(strings.Trim(s, "\ue000\ue001"), 10, 32) // a number that was one before
			return dag.AddressOf(int32(at))
		})
		n.Vars = append(n.Vars, dag.Var{Name: "+" + a.Name, Value: value})
	}
}

// Until a check has the form of attributes, what stands for the address of a service (see
// [dag.AddressOf]) is written so that no quoting reaches into it.
var (
	toPlace = regexp.MustCompile(`\$\(SERVICE_ADDRESS ([0-9]+)\)`)
	placed  = regexp.MustCompile("\ue000[0-9]+\ue001")
)

// readyCheck is what a ready block says, and where it says it.
func (w *workflow) readyCheck(b *hclsyntax.Block, i instance) (c submit.ReadyCheck, at map[string]hcl.Range) {
	c = submit.ReadyCheck{Every: submit.ReadyEvery, Timeout: submit.ReadyTimeout}
	at = map[string]hcl.Range{}
	var kinds []*hclsyntax.Attribute
	for _, a := range sorted(b.Body.Attributes) {
		at[a.Name] = a.Expr.Range()
		switch a.Name {
		case "command":
			kinds = append(kinds, a)
			c.Command = w.readyWords(a.Expr, i)
		case "tcp":
			kinds = append(kinds, a)
			c.TCP, _ = w.number(a.Expr, i, 1, 65535)
		case "http":
			kinds = append(kinds, a)
			c.HTTP = w.readyText(a.Expr, i)
		case "every":
			c.Every = w.readyTime(a.Expr)
		case "timeout":
			c.Timeout = w.readyTime(a.Expr)
		case "address":
			c.Address = w.readyText(a.Expr, i)
		default:
			w.unknown(a.NameRange, "key", a.Name, readyKeys)
		}
	}
	switch {
	case len(kinds) == 0 && !w.diags.HasErrors():
		w.fail(b.TypeRange, "the ready block does not say what is checked", "Say one of command, tcp and http.")
	case len(kinds) > 1:
		w.fail(kinds[1].NameRange, kinds[0].Name+" and "+kinds[1].Name+" are both set", "A service is checked in one way: say one of command, tcp and http.")
	}
	return c, at
}

// readyTime is a time of a check, which is whole seconds.
func (w *workflow) readyTime(e hclsyntax.Expression) time.Duration {
	before := len(w.diags)
	d := time.Second
	span(&d).set(w.file, e)
	if len(w.diags) == before && d%time.Second != 0 {
		w.fail(e.Range(), "this is no whole number of seconds", `As in: "1s"`)
	}
	return d
}

// readyValue is a value that may use the addresses of other services and the job's host. A
// service that uses an address comes after.
func (w *workflow) readyValue(e hclsyntax.Expression, i instance) (cty.Value, bool) {
	names := maps.Clone(w.addresses())
	names["host"] = cty.StringVal(jobHost)
	v, before, ok := w.fed(e, i, names)
	if ok {
		w.follows(before, i)
	}
	return v, ok
}

func (w *workflow) readyText(e hclsyntax.Expression, i instance) string {
	v, ok := w.readyValue(e, i)
	if !ok {
		return ""
	}
	text, isText := wordOf(v)
	if !isText || text == "" {
		w.fail(e.Range(), "this is no text, or an empty one", "")
	}
	return text
}

func (w *workflow) readyWords(e hclsyntax.Expression, i instance) (words []string) {
	v, ok := w.readyValue(e, i)
	if !ok {
		return nil
	}
	if v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsTupleType() && !v.Type().IsListType() || v.LengthInt() == 0 {
		w.fail(e.Range(), "a command is a list of words", `As in: ["redis-cli", "-p", "7000", "ping"]`)
		return nil
	}
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		word, isText := wordOf(x)
		if !isText {
			w.fail(e.Range(), "what is in this list is a text, a number or a bool", "")
			return nil
		}
		words = append(words, word)
	}
	return words
}

func wordOf(v cty.Value) (string, bool) {
	text, ok := textOf(v)
	return toPlace.ReplaceAllString(text, "\ue000${1}\ue001"), ok
}
