package schedd

import (
	"context"
	"strconv"
	"strings"

	"gridburst/schedd/ledger"
)

// makeEarly is the planted bug [failpoint.IntentLate]: the engine makes the machine of
// the claim that will be, before the ledger has it.
func (b *bursts) makeEarly(ctx context.Context, r *Resource) {
	d := b.p.d
	v := d.ledger.View()
	id := uint32(1)
	for known := true; known; {
		if _, known = d.claimOf(v, id); known {
			id++
		}
	}
	s := &claimStep{d: d, v: v, id: id, res: r, claim: ledger.Claim{Kind: ledger.Overflow, Resource: r.Name, Name: ledger.ClaimName(v.Deployment, id)}}
	engine, err := s.provider()
	if err != nil {
		return
	}
	s.engine = engine
	// What came of it is told of a claim that is not there, and so is lost.
	_, _ = s.create(ctx)
}

// claimOfName is the planted bug [failpoint.PrefixOwns]: a name is taken for a mark.
func claimOfName(deployment, name string) (uint32, bool) {
	rest, ok := strings.CutPrefix(name, ledger.ClaimPrefix(deployment))
	n, err := strconv.ParseUint(rest, 10, 32)
	return uint32(n), ok && err == nil
}
