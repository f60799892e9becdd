package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

var (
	editing = act{
		use: "gqedit", short: "Change attributes of jobs in the queue",
		done: "edited", allDone: "have been edited", refused: "cannot be edited",
	}
	priority = act{
		use: "gprio", short: "Change the priority of jobs",
		done: "given its priority", allDone: "have been given their priority", refused: "cannot be given a priority",
	}
)

// QueueEdit is gqedit.
func QueueEdit(d *Deps) *cobra.Command {
	o := selecting{act: editing}
	c := &cobra.Command{
		Use:   "gqedit {JOB ... | USER ... | --all | --constraint EXPRESSION | --jobset NAME} {NAME VALUE | NAME=VALUE} ...",
		Short: editing.short,
		Long: editing.short + `.

A VALUE is a ClassAd expression, so that a text stands in quotes: Department '"physics"'.
An empty value deletes the attribute. A job that waits is matched by its new attributes;
policies hold from now on, also for a job that runs, and what its execution was begun with
(arguments, environment, requests) is as it was until it is started again. What the queue
itself keeps (JobStatus, Owner, NumJobStarts, ...) cannot be changed.

` + selectionHelp + ExitHelp,
		RunE: func(c *cobra.Command, args []string) error {
			targets, attrs, err := edits(args, o.all || len(o.constraints) > 0 || o.jobSet != "")
			if err != nil {
				return err
			}
			o.do = func(ctx context.Context, client *api.Client, s api.Selection) (api.Acted, error) {
				return client.Edit(ctx, api.Edit{Selection: s, Attrs: attrs})
			}
			return o.run(c.Context(), d, targets)
		},
	}
	o.flags(d, c)
	return c
}

// edits parts arguments into jobs and attributes. Without selected, the first argument
// names jobs; those after it that look like job ids do, too.
func edits(args []string, selected bool) (targets []string, attrs []submit.Attr, err error) {
	for len(args) > 0 && (!selected && len(targets) == 0 || args[0] != "" && '0' <= args[0][0] && args[0][0] <= '9') {
		targets, args = append(targets, args[0]), args[1:]
	}
	for len(args) > 0 {
		name, value, joined := strings.Cut(args[0], "=")
		args = args[1:]
		if !joined {
			if len(args) == 0 {
				return nil, nil, usage("the attribute " + name + " has no value")
			}
			value, args = args[0], args[1:]
		}
		name = strings.TrimSpace(name)
		if !ad.ValidName(name) {
			return nil, nil, usage(strconv.Quote(name) + " is no name for an attribute")
		}
		attrs = append(attrs, submit.Attr{Name: name, Expr: strings.TrimSpace(value)})
	}
	if len(attrs) == 0 {
		return nil, nil, usage("say what to change: NAME VALUE")
	}
	return targets, attrs, nil
}

// Prio is gprio.
func Prio(d *Deps) *cobra.Command {
	o := selecting{act: priority}
	var set string
	var add int32
	c := &cobra.Command{
		Use:   "gprio {-p N | +N | -N} " + selection,
		Short: priority.short,
		Long: priority.short + `.

Of one user's jobs those with the larger number are started first, and of equal ones the
one that was submitted first. -p sets the number; +N and -N change the one that a job has.

` + selectionHelp + ExitHelp,
		RunE: func(c *cobra.Command, args []string) error {
			e, err := priorityOf(set, add)
			if err != nil {
				return err
			}
			o.do = func(ctx context.Context, client *api.Client, s api.Selection) (api.Acted, error) {
				e := e
				e.Selection = s
				return client.Edit(ctx, e)
			}
			return o.run(c.Context(), d, args)
		},
	}
	f := o.flags(d, c)
	f.StringVarP(&set, "prio", "p", "", "the `number`")
	f.Int32Var(&add, "add", 0, "this `number` more; +N and -N are short for it")
	return c
}

func priorityOf(set string, add int32) (e api.Edit, err error) {
	if (set == "") == (add == 0) {
		return e, usage("say the priority: -p 5, +1 or -1")
	}
	e.AddPriority = add
	if set != "" {
		n, err := strconv.ParseInt(set, 10, 32)
		if err != nil {
			return e, usage(strconv.Quote(set) + " is not a priority: -p 5, +1 or -1")
		}
		e.Attrs = []submit.Attr{{Name: "JobPrio", Expr: strconv.FormatInt(n, 10)}}
	}
	return e, nil
}
