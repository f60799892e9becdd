package schedd

import (
	"context"
	"strings"
	"time"

	"gridburst/gahp"
	"gridburst/internal/ad"
	"gridburst/schedd/ledger"
)

// Attributes of a job that is a machine, as its engine shows that.
const (
	attrGridJob     = "GridJobId"     // type, URL, the machine's name, the engine's id of it
	attrGridStatus  = "GridJobStatus" // the machine's state, in the engine's word
	attrGridDown    = "GridResourceUnavailableTime"
	attrGridUnseen  = "CurrentStatusUnknown"
	attrGridSeen    = "LastRemoteStatusUpdate"
	attrVMAddresses = "OvirtAddresses" // that the guest has told of, the last that were seen
)

// accepted says that the engine has made the job's machine, or was found to have.
func (s *claimStep) accepted(vm string, state gahp.State) ledger.AttemptReport {
	r := s.report(ledger.Accepted)
	if s.job == nil {
		return r
	}
	r.Where = strings.TrimSpace(s.job.Text("GridResource")) + " " + s.claim.Name + " " + vm
	r.Attrs = []ledger.Attr{
		text(attrGridJob, r.Where), text(attrGridStatus, string(state)), {Name: attrVMAddresses}, number(attrGridSeen, time.Now().Unix()),
	}
	return r
}

// mirror keeps the ad of a job that is a machine as the engine shows that, and tells when
// the engine does not answer, or cannot say what has become of the machine. failed is how
// the step went, tries how many in a row before it went wrong.
func (s *claimStep) mirror(ctx context.Context, failed error, tries int) error {
	j, ok := s.d.ledger.View().Job(s.claim.Job)
	if s.job == nil || !ok || j.Place != ledger.AsVM || j.At != s.id || j.Epoch != s.claim.Epoch {
		return nil
	}
	var list []ledger.AttemptReport
	add := func(kind ledger.ReportKind, attrs ...ledger.Attr) {
		r := s.report(kind)
		r.Attrs = attrs
		list = append(list, r)
	}
	now := number(attrGridSeen, time.Now().Unix())
	switch down, known := s.unreached(failed, tries); {
	case known && down && !s.job.Has(attrGridDown):
		add(ledger.Unreached, number(attrGridDown, time.Now().Unix()))
	case known && !down && s.job.Has(attrGridDown):
		add(ledger.Reached, ledger.Attr{Name: attrGridDown}, now)
	}
	if vm := s.seen; vm != nil {
		unseen := vm.State == gahp.UnknownState || vm.State == gahp.NotResponding
		switch {
		case unseen && !s.job.Has(attrGridUnseen):
			add(ledger.Unseen, ledger.Attr{Name: attrGridUnseen, Expr: "true"})
		case !unseen && s.job.Has(attrGridUnseen):
			add(ledger.Seen, ledger.Attr{Name: attrGridUnseen}, now)
		}
		var attrs []ledger.Attr
		if s.job.Text(attrGridStatus) != string(vm.State) {
			attrs = append(attrs, text(attrGridStatus, string(vm.State)))
		}
		if a := strings.Join(vm.Addresses, ", "); a != "" && s.job.Text(attrVMAddresses) != a {
			attrs = append(attrs, text(attrVMAddresses, a))
		}
		if len(attrs) > 0 {
			add(ledger.Mirrored, append(attrs, now)...)
		}
	}
	if len(list) == 0 {
		return nil
	}
	_, err := s.d.propose(ctx, &ledger.Report{List: list})
	return err
}

// unreached reports whether the engine does not answer; known is false when nothing was
// learnt of that. One call that goes wrong says nothing yet.
func (s *claimStep) unreached(failed error, tries int) (down, known bool) {
	switch {
	case s.engine == nil:
		return false, false
	case s.claim.VM != "" && s.claim.Kind != ledger.Borrowed:
		return s.engine.Down(), true // it is seen in the listing
	case failed == nil:
		return false, true
	}
	k := kindOf(failed)
	return true, tries > 0 && (k == gahp.EngineDown || k == gahp.Unknown)
}

func text(name, value string) ledger.Attr {
	return ledger.Attr{Name: name, Expr: ad.StringValue(value).String()}
}

func number(name string, n int64) ledger.Attr {
	return ledger.Attr{Name: name, Expr: ad.IntValue(n).String()}
}
