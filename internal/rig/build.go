package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Fresh is the rig of the sandbox dir/run, of which what an earlier run left goes. Its
// programs are those of the directory bin; where that is empty, commands are built into
// dir/bin.
func Fresh(ctx context.Context, dir, bin string, tags []string, commands ...string) (*Rig, error) {
	sandbox := filepath.Join(dir, "run")
	if err := os.RemoveAll(sandbox); err != nil {
		return nil, err
	}
	if bin == "" {
		bin = filepath.Join(dir, "bin")
		if err := Build(ctx, bin, tags, commands...); err != nil {
			return nil, err
		}
	}
	return New(sandbox, bin)
}

// Build compiles commands of this module, named by their directories below cmd, into
// dir. tags are build tags.
func Build(ctx context.Context, dir string, tags []string, commands ...string) error {
	if len(commands) == 0 {
		return nil
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := []string{"build", "-tags", strings.Join(tags, ","), "-o", dir + "/"}
	for _, c := range commands {
		args = append(args, "./cmd/"+c)
	}
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(commands, ", "), err, out)
	}
	return nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "gridburst").Output()
	if err != nil {
		return "", fmt.Errorf("find the module gridburst: %w; run this inside of it", err)
	}
	return strings.TrimSpace(string(out)), nil
}
