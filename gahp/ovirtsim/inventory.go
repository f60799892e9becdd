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

func (s *Sim) dataCenterByID(id string) (d DataCenter) {
	for _, o := range s.model.DataCenters {
		if idOf("data center", o.Name) == id {
			return o
		}
	}
	return d
}

// hostBy is the id of a host that a caller names; empty: there is none.
func (s *Sim) hostBy(r refIn) string {
	for _, h := range s.model.Hosts {
		if id := idOf("host", h.Name); id == r.ID || r.ID == "" && h.Name == r.Name {
			return id
		}
	}
	return ""
}

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

// schedule finds the host with the most memory left on which v fits, or a fault. One that
// affinity is against is taken where there is no other, unless that is enforced. s.mu is
// held.
func (s *Sim) schedule(v *vm) (host, fault, what string) {
	all := s.hosts(v.Cluster)
	percent := int64(s.clusterByID(v.Cluster).T.OverCommit)
	best, up, why := int64(-1), 0, ""
	unwanted, second := "", int64(-1)
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
		default:
			reason, hard := s.against(v, h)
			switch {
			case hard:
				why += reason + "\n"
			case reason != "" && left > second:
				second, unwanted = left, h.ID
			case reason == "" && left > best:
				best, host = left, h.ID
			}
		}
	}
	if host == "" {
		host = unwanted
	}
	switch {
	case host != "":
		return host, "", ""
	case up == 0:
		return "", "NO_HOSTS", ""
	}
	return "", "ALL_HOSTS_FILTERED_OUT", why[:len(why)-1]
}

// overQuota names the quota that v would pass, by being made with its disks or by being
// started. s.mu is held.
func (s *Sim) overQuota(v *vm, op Op, making ...*disk) (name string) {
	dc := s.dataCenterOf(v.Cluster)
	for _, d := range s.model.DataCenters {
		if d.Name == dc && d.QuotaMode != "enabled" {
			return ""
		}
	}
	memory, cores, storage := s.quotaUse(dc, v)
	memory, cores = memory+v.Memory>>20, cores+v.vcpus()
	for _, d := range making {
		storage += d.Size >> 20
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

// quotaUse is what machines of a data center that run use, and what disks may come to: MB.
// One machine may be left out. s.mu is held.
func (s *Sim) quotaUse(dataCenter string, but *vm) (memory int64, cores int, storage int64) {
	for _, o := range s.vms {
		if o != but && o.Status.running() && s.dataCenterOf(o.Cluster) == dataCenter {
			memory, cores = memory+o.Memory>>20, cores+o.vcpus()
		}
	}
	for _, d := range s.disks.all {
		if d.Template == "" && s.domains.all[d.Domains[0]].DataCenter == dataCenter {
			storage += d.Size >> 20
		}
	}
	return memory, cores, storage
}

// macOf is an address for a network card, out of what oVirt uses.
func macOf(id string) string {
	return fmt.Sprintf("56:6f:%s:%s:%s:%s", id[0:2], id[2:4], id[4:6], id[6:8])
}

// addressOf is what a guest would report as its own, in a network for documentation.
func addressOf(v *vm, card int) string {
	at := 2 * (card % 4)
	n, _ := strconv.ParseUint(v.ID[at:at+2], 16, 8) // an id is hexadecimal
	return fmt.Sprintf("192.0.2.%d", 1+n%254)
}
