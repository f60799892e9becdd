package condor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// Spool is a schedd whose pool shares no directory with us: condor_submit -spool sends the
// files of a job, and condor_transfer_data brings back what it left.
//
// HTCondor holds a job until its files are there (SpoolingInput). It may have a job twice then,
// when an answer was lost; so a job waits on, by its requirements, until condor_qedit has set
// [target.Go] for the one that the ledger knows. Its requirements are also why it is given to a
// machine once only: HTCondor counts that in NumShadowStarts before it does it.
type Spool struct{ *Condor }

// NewSpool is such a schedd whose commands run runs.
func NewSpool(run target.Commands, o Options) Spool {
	c := New(run, o)
	c.Begins = true
	return Spool{c}
}

var _ target.Spool = Spool{}

// moves is how long files may travel.
const moves = time.Hour

// Submit implements [target.Target].
func (s Spool) Submit(ctx context.Context, j target.Job) (string, error) {
	text, err := target.SubmitFile(&j)
	if err != nil {
		return "", err
	}
	// The last word on the requirements is ours, over those of -append and of the site.
	own := []string{"-append", "requirements = ($(requirements:True)) && " + target.Go + " =?= True && " + target.Once}
	return s.submit(ctx, &j, text, moves, append([]string{"-terse", "-spool"}, append(j.Extra, own...)...))
}

// Begin implements [target.Spool].
func (s Spool) Begin(ctx context.Context, r target.Ref) error {
	id, err := target.AdID(r.ID)
	if err != nil {
		return err
	}
	out, err := s.command(ctx, r.Owner, nil, "condor_qedit", "-constraint", target.Matching(id, r.Name), target.Go, "True")
	if err == nil && (out.Code != 0 || !strings.Contains(string(out.Stdout), fmt.Sprintf("Set attribute %q", target.Go))) {
		err = failure("condor_qedit", out)
	}
	return err
}

// Fetch implements [target.Spool].
func (s Spool) Fetch(ctx context.Context, r target.Ref, _ string) error {
	id, err := target.AdID(r.ID)
	if err != nil {
		return err
	}
	// Of no job at all condor_transfer_data says that it has fetched it.
	all, err := s.query(ctx, target.Matching(id, r.Name))
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return grid.Errorf(grid.NotFound, "HTCondor does not have job %s any more", r.ID)
	}
	out, err := s.moving(ctx, r.Owner, nil, moves, "condor_transfer_data", "-constraint", target.Matching(id, r.Name))
	if err == nil && out.Code != 0 {
		err = failure("condor_transfer_data", out)
	}
	return err
}
