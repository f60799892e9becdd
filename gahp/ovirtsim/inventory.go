package ovirtsim

import (
	"fmt"
	"strconv"
)

// identified is a thing of the model with its id.
type identified[T any] struct {
	ID string
	T  T
}

func (t Template) id() string {
	if t.Name == blankName {
		return blankID
	}
	return idOf("template", t.Name+"\x00"+strconv.Itoa(t.Version))
}

// template is the one of that name. Of several versions an engine takes the base, so
// who wants the newest has to look for it.
func (s *Sim) template(name string) (t Template) {
	found := false
	for _, c := range s.model.Templates {
		if c.Name == name && (!found || c.Version < t.Version) {
			t, found = c, true
		}
	}
	return t
}

func (s *Sim) templateByID(id string) Template {
	for _, t := range s.model.Templates {
		if t.id() == id {
			return t
		}
	}
	return Template{}
}

func (s *Sim) clusterNamed(name string) (c identified[Cluster]) {
	for _, d := range s.model.Clusters {
		if d.Name == name {
			return identified[Cluster]{idOf("cluster", name), d}
		}
	}
	return c
}

func (s *Sim) clusterByID(id string) (c identified[Cluster]) {
	for _, d := range s.model.Clusters {
		if idOf("cluster", d.Name) == id {
			return identified[Cluster]{id, d}
		}
	}
	return c
}

// dataCenterOf is the data center's name.
func (s *Sim) dataCenterOf(cluster string) string { return s.clusterByID(cluster).T.DataCenter }

// hosts of a cluster.
func (s *Sim) hosts(cluster string) []identified[Host] {
	var out []identified[Host]
	for _, h := range s.model.Hosts {
		if idOf("cluster", h.Cluster) == cluster {
			out = append(out, identified[Host]{idOf("host", h.Name), h})
		}
	}
	return out
}

// used is what machines that run on a host have of it. s.mu is held.
func (s *Sim) used(host string) (memory int64, active int) {
	for _, v := range s.vms {
		if v.Host == host && v.Status.running() {
			memory += v.Memory
			active++
		}
	}
	return memory, active
}

// schedule finds the host with the most memory left on which v fits, or a fault. s.mu
// is held.
func (s *Sim) schedule(v *vm) (host, fault, what string) {
	all := s.hosts(v.Cluster)
	percent := int64(s.clusterByID(v.Cluster).T.OverCommit)
	best, up, why := int64(-1), 0, ""
	for _, h := range all {
		if h.T.Status != "up" {
			continue
		}
		up++
		used, _ := s.used(h.ID)
		left := h.T.MemoryMB<<20*percent/100 - used
		switch {
		case v.vcpus() > h.T.Cores:
			why += fmt.Sprintf("The host %s did not satisfy internal filter CPU because it does not have enough cores to run the VM.\n", h.T.Name)
		case v.Memory > left:
			why += fmt.Sprintf("The host %s did not satisfy internal filter Memory because its available memory is too low (%d MB) to run the VM.\n", h.T.Name, left>>20)
		case left > best:
			best, host = left, h.ID
		}
	}
	switch {
	case host != "":
		return host, "", ""
	case up == 0:
		return "", "NO_HOSTS", ""
	}
	return "", "ALL_HOSTS_FILTERED_OUT", why[:len(why)-1]
}

// overQuota names the quota that v would pass, by being made or by being started. s.mu
// is held.
func (s *Sim) overQuota(v *vm, op Op) (name string) {
	dc := s.dataCenterOf(v.Cluster)
	for _, d := range s.model.DataCenters {
		if d.Name == dc && d.QuotaMode != "enabled" {
			return ""
		}
	}
	memory, cores, storage := v.Memory>>20, v.vcpus(), v.DiskMB
	for _, o := range s.vms {
		if s.dataCenterOf(o.Cluster) != dc || o == v {
			continue
		}
		storage += o.DiskMB
		if o.Status.running() {
			memory, cores = memory+o.Memory>>20, cores+o.vcpus()
		}
	}
	for _, q := range s.model.Quotas {
		switch {
		case q.DataCenter != dc:
		case op == OpCreate && q.StorageMB > 0 && storage > q.StorageMB,
			op == OpStart && q.MemoryMB > 0 && memory > q.MemoryMB,
			op == OpStart && q.Cores > 0 && cores > q.Cores:
			return q.Name
		}
	}
	return ""
}

// macOf is an address for a network card, out of what oVirt uses.
func macOf(id string) string {
	return fmt.Sprintf("56:6f:%s:%s:%s:%s", id[0:2], id[2:4], id[4:6], id[6:8])
}

// addressOf is what a guest would report as its own, in a network for documentation.
func addressOf(v *vm) string {
	n, _ := strconv.ParseUint(v.ID[:2], 16, 8) // an id is hexadecimal
	return fmt.Sprintf("192.0.2.%d", 1+n%254)
}
