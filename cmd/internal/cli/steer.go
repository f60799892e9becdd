package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// steering is the commands that change how a pool or a route goes on.
type steering struct {
	what  string // Pool
	of    string // what a cap counts: machines
	shows string // the command that shows it
	uses  []struct{ use, short, long string }
	post  func(*api.Client) func(ctx context.Context, name, verb string, s api.Steer) error

	reason string
}

// commands are to be added to one that asks as o does; own: each has its flags, too.
func (s *steering) commands(d *Deps, o *Asks, own bool) (list []*cobra.Command) {
	for _, u := range s.uses {
		verb, _, _ := strings.Cut(u.use, " ")
		n := 1
		if verb == "cap" {
			n = 2
		}
		c := &cobra.Command{
			Use: u.use, Short: u.short, Args: cobra.ExactArgs(n),
			Long: u.long + "\n\nIt is kept over restarts, with who has said so and why; " + s.shows + " shows it. Only an\nadministrator may.\n" + ExitHelp,
			RunE: func(c *cobra.Command, args []string) error { return s.steer(c.Context(), d, o, verb, args) },
		}
		if own {
			o.Flags(c)
		}
		c.Flags().StringVar(&s.reason, "reason", "", "`why`, for whoever asks later")
		list = append(list, c)
	}
	return list
}

func (s *steering) steer(ctx context.Context, d *Deps, o *Asks, verb string, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	to := api.Steer{Reason: s.reason}
	done := map[string]string{"pause": "is paused", "drain": "is drained", "resume": "goes on"}[verb]
	if verb == "cap" {
		if done = "has no cap any more"; args[1] != "none" {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 {
				return usage(fmt.Sprintf("%q is no cap: write a number of %s, or none", args[1], s.of))
			}
			to.Cap, done = &n, fmt.Sprintf("is capped at %d", n)
		}
	}
	if err := s.post(client)(ctx, args[0], verb, to); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "%s %s %s.\n", s.what, grid.Printable(args[0]), done)
	return nil
}

// steeredTo is how it goes on.
func steeredTo(s *api.Steered) string {
	if s.Cap == nil {
		return s.Mode
	}
	return fmt.Sprintf("%s, capped at %d", s.Mode, *s.Cap)
}

// steeredBy is who has said so, when and why; empty: nobody.
func steeredBy(s *api.Steered) string {
	if s.By == "" {
		return ""
	}
	text := fmt.Sprintf("so said %s at %s", grid.Printable(s.By), time.Unix(s.Since, 0).Format(time.DateTime))
	if s.Why != "" {
		text += ": " + grid.Printable(s.Why)
	}
	return text
}
