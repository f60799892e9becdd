package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gridburst/schedd/api"
)

// Shells are those that commands can be completed in.
var Shells = []string{"bash", "zsh", "fish"}

// Completion writes what completes a command in a shell.
func Completion(c *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return c.GenBashCompletionV2(w, true)
	case "zsh":
		return c.GenZshCompletion(w)
	case "fish":
		return c.GenFishCompletion(w, true)
	}
	return usage(fmt.Sprintf("--completion %s: it is one of %s", shell, strings.Join(Shells, ", ")))
}

// completePatience bounds how long a shell waits for a schedd while a word is completed.
const completePatience = time.Second

// completeJobs offers the clusters in the queue, the newest first.
func (a *Asks) completeJobs(d *Deps) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := a.Client(d)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), completePatience)
		defer cancel()
		out, err := client.Batches(ctx, api.BatchesQuery{})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp // without a schedd there is nothing to offer
		}
		var ids []cobra.Completion
		for i := range slices.Backward(out.Batches) {
			b := &out.Batches[i]
			cluster, _, _ := strings.Cut(b.First, ".")
			if strings.HasPrefix(cluster, begun) {
				r := batchOf(b)
				ids = append(ids, cobra.CompletionWithDesc(cluster, fmt.Sprintf("%s %s: %d idle, %d running, %d held", r.owner, r.name, r.idle, r.run, r.held)))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
