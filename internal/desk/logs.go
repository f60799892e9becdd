package desk

import (
	"context"
	"net"
	"path/filepath"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/userlog"
)

const opAppend = "append"

// LogAppend is events for one log file.
type LogAppend struct {
	Path    string            `json:"path"` // absolute
	Entries []userlog.Entry   `json:"entries"`
	After   *userlog.Position `json:"after,omitempty"` // set when they may be there already
}

// LogAppended is what became of one [LogAppend].
type LogAppended struct {
	Position userlog.Position `json:"position"`
	Error    string           `json:"error,omitempty"`
}

// AppendLogs puts events at the end of logs. Each log stands alone: one that cannot
// be written has its Error set.
func (d *Desks) AppendLogs(ctx context.Context, owner Owner, logs []LogAppend) (done []LogAppended, err error) {
	err = d.call(ctx, owner, opAppend, logs, nil, &done)
	if err == nil && len(done) != len(logs) {
		err = grid.Errorf(grid.Internal, "the desk of %s answered for %d of %d logs", owner.Name, len(done), len(logs))
	}
	return done, err
}

func appendLogs(c *net.UnixConn, logs []LogAppend) ([]LogAppended, error) {
	done := make([]LogAppended, len(logs))
	for i, l := range logs {
		if !filepath.IsAbs(l.Path) {
			done[i].Error = "the path of a log must be absolute: " + l.Path
			continue
		}
		failpoint.Hit("desk.append.before")
		var at userlog.Position
		var err error
		hung := alone(c, l.Path, func() { at, err = userlog.Append(l.Path, l.Entries, l.After) })
		failpoint.Hit("desk.append.after")
		if hung != nil {
			return nil, hung
		}
		done[i].Position = at
		if err != nil {
			done[i].Error = err.Error()
		}
	}
	return done, nil
}

const opSync = "sync"

// SyncLogs is [userlog.Sync] of an owner's logs.
func (d *Desks) SyncLogs(ctx context.Context, owner Owner, paths []string) error {
	var none struct{}
	return d.call(ctx, owner, opSync, paths, nil, &none)
}

func syncLogs(paths []string) (struct{}, error) { return struct{}{}, userlog.Sync(paths) }
