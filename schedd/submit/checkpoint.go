package submit

import (
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// setCheckpoint sets what makes a job one that checkpoints itself.
func (l *lowering) setCheckpoint() {
	code, hasCode := l.command("checkpoint_exit_code")
	if hasCode {
		l.set("WantFTOnCheckpoint", "true")
		l.universeOfCheckpoints("checkpoint_exit_code", code)
		if n, err := strconv.Atoi(strings.TrimSpace(code.Text)); err == nil && !code.Live && (n < 1 || n > 255) {
			l.fail(code.Pos, "checkpoint_exit_code is 1 to 255, not "+code.Text, "Take a code that means nothing else, as 85 does; 0 is how a job ends that is done.")
		}
	}
	files, hasFiles := l.command("transfer_checkpoint_files")
	if !hasFiles {
		return
	}
	l.universeOfCheckpoints("transfer_checkpoint_files", files)
	names := files.List
	if !files.IsList {
		names = fileNames(files.Text)
	}
	for _, name := range names {
		if !files.Live && (!filepath.IsLocal(name) || path.Clean(name) == "." || strings.Contains(name, "://")) {
			l.fail(files.Pos, "transfer_checkpoint_files names "+quote(name)+", which is not in the job's sandbox", "The job writes its checkpoint into the directory that it begins in: name it from there.")
		}
	}
	if own := func(c Custom) bool { return fold(c.Name) == "wantftoncheckpoint" }; !hasCode && !slices.ContainsFunc(l.job.Custom, own) {
		l.warn(files.Pos, "nothing says when the job has taken a checkpoint", "Set checkpoint_exit_code to what it exits with then.")
	}
}

// universeOfCheckpoints refuses a command of a job whose files stay where they are, or go
// elsewhere.
func (l *lowering) universeOfCheckpoints(name string, v Value) {
	if !l.universe.transfers() {
		l.fail(v.Pos, name+" is for jobs that workers run: checkpoints of others are not kept", "Those are of the universes vanilla, java, docker and container.")
	}
}
