package ovirtsim

import "net/http"

// quotas of a data center: its own, which limits nothing, and the model's.
func (c *call) quotas() *reply {
	s := c.s
	dc := s.dataCenterByID(c.id)
	if dc.Name == "" {
		return &reply{status: http.StatusNotFound}
	}
	here := at("datacenters", c.id)
	all := []Quota{{Name: dc.Name, DataCenter: dc.Name}}
	for _, q := range s.model.Quotas {
		if q.DataCenter == dc.Name {
			all = append(all, q)
		}
	}
	c.id = c.r.PathValue("part")
	return show(c, "quota", all, []string{"name", "id"},
		func(q Quota) fields { return fields{"name": q.Name, "id": q.id()} },
		func(q Quota) *node {
			return object("quota", here+"/quotas/"+q.id(), q.id(), nil, []*node{tx("name", q.Name), tx("description", "")}, []string{"permissions", "quotaclusterlimits", "quotastoragelimits"},
				num("cluster_hard_limit_pct", 0), num("cluster_soft_limit_pct", 100), num("storage_hard_limit_pct", 0), num("storage_soft_limit_pct", 100),
				el("data_center").with("href", here, "id", idOf("data center", dc.Name)))
		})
}

func (q Quota) id() string { return idOf("quota", q.Name) }

// quotaLimits are what a quota allows, and what is used of it.
func (c *call) quotaLimits() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	dc := s.dataCenterByID(c.id).Name
	for _, q := range append([]Quota{{Name: dc, DataCenter: dc}}, s.model.Quotas...) {
		if q.id() != c.r.PathValue("part") || idOf("data center", q.DataCenter) != c.id {
			continue
		}
		href := at("datacenters", c.id) + "/quotas/" + q.id() + "/" + c.r.PathValue("limits") + "/" + q.id()
		limit := func(n int64) int64 {
			if n == 0 {
				return -1
			}
			return n
		}
		memory, cores, storage := s.quotaUse(q.DataCenter, nil)
		switch c.r.PathValue("limits") {
		case "quotaclusterlimits":
			return xmlReply(http.StatusOK, el("quota_cluster_limits", object("quota_cluster_limit", href, q.id(), nil, nil, nil,
				num("memory_limit", gibibytes(limit(q.MemoryMB))), num("memory_usage", gibibytes(memory)), num("vcpu_limit", limit(int64(q.Cores))), num("vcpu_usage", cores))))
		case "quotastoragelimits":
			return xmlReply(http.StatusOK, el("quota_storage_limits", object("quota_storage_limit", href, q.id(), nil, nil, nil,
				num("limit", gibibytes(limit(q.StorageMB))), num("usage", gibibytes(storage)))))
		}
	}
	return page(http.StatusNotFound, "Not Found")
}

func gibibytes(mb int64) int64 {
	if mb < 0 {
		return mb
	}
	return (mb + 1023) / 1024
}
