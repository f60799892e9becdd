package ovirtsim

import (
	"slices"
	"strings"
)

// Belonging is what a machine belongs to, by names.
type Belonging struct {
	InstanceType string   // empty: none
	Quota        string   // that was asked for; empty: none was
	Affinity     []string // groups
	Tags         []string
}

// Belonging says that of the machine with that id.
func (s *Sim) Belonging(id string) (b Belonging) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vms[id]
	if v == nil {
		return b
	}
	for _, t := range instanceTypes {
		if v.InstanceType == t.id() {
			b.InstanceType = t.name
		}
	}
	for _, q := range s.model.Quotas {
		if v.Quota == q.id() {
			b.Quota = q.Name
		}
	}
	for _, g := range s.affinities.sorted() {
		if slices.Contains(g.VMs, v.ID) {
			b.Affinity = append(b.Affinity, g.Name)
		}
	}
	for _, t := range s.tags.sorted() {
		if slices.Contains(v.Tags, t.ID) {
			b.Tags = append(b.Tags, t.Name)
		}
	}
	return b
}

// describeQuota notes the quota that a caller wants a machine to count in.
func (c *call) describeQuota(v *vm, in *vmIn) *reply {
	if in.Quota == nil {
		return nil
	}
	id, dc := strings.ToLower(in.Quota.ID), c.s.dataCenterOf(v.Cluster)
	known := id == idOf("quota", dc) || slices.ContainsFunc(c.s.model.Quotas, func(q Quota) bool { return q.id() == id && q.DataCenter == dc })
	if !known {
		return c.fault("QUOTA_NOT_EXIST", "")
	}
	v.Quota = id
	return nil
}
