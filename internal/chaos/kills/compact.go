package kills

import (
	"context"

	"gridburst/internal/rig"
)

// killCompact kills while the queue file of a schedd that has ended, or was killed, is
// made small. The schedd's next start finds the file of before or the small one, also when
// that is made again first.
func (b *bench) killCompact(ctx context.Context) error {
	asking, stop := b.busy(ctx)
	err := b.clients[0].any(asking)
	if b.rand.IntN(2) == 0 {
		b.schedd.Kill()
		<-b.schedd.Done()
	} else {
		b.schedd.Stop(rigPatience)
	}
	stop()
	if err != nil && ctx.Err() != nil {
		return err
	}
	if err := b.arm(); err != nil {
		return err
	}
	if out, err := b.gadm(ctx, "compact", b.dir); err != nil && !rig.Killed(err) {
		if err := b.tellf("gadm compact: %v: %s", err, out); err != nil {
			return err
		}
	}
	if b.disarm() {
		b.row.Killed++
	}
	if b.rand.IntN(2) == 0 {
		if out, err := b.gadm(ctx, "compact", b.dir); err != nil {
			if err := b.tellf("gadm compact after a death: %v: %s", err, out); err != nil {
				return err
			}
		}
	}
	return b.start(ctx)
}
