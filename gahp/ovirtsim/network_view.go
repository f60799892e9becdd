package ovirtsim

// networks: each data center has one, and a profile of it for machines.
func (c *call) networks() *reply {
	return show(c, "network", c.s.model.DataCenters, []string{"name", "id", "datacenter"},
		func(d DataCenter) fields {
			return fields{"name": networkName, "id": idOf("network", d.Name), "datacenter": d.Name}
		},
		func(d DataCenter) *node {
			id := idOf("network", d.Name)
			return object("network", at("networks", id), id, nil, []*node{tx("name", networkName), tx("description", "Management Network"), tx("comment", "")},
				[]string{"networklabels", "permissions", "vnicprofiles"},
				num("mtu", 0), yes("stp", false), el("usages", tx("usage", "vm")), ref("data_center", "datacenters", idOf("data center", d.Name)))
		})
}

const networkName = "ovirtmgmt"

func (c *call) profiles() *reply {
	return show(c, "vnic_profile", c.s.model.Clusters, []string{"name", "id"},
		func(d Cluster) fields {
			return fields{"name": networkName, "id": idOf("vnicprofile", idOf("cluster", d.Name))}
		},
		func(d Cluster) *node {
			id := idOf("vnicprofile", idOf("cluster", d.Name))
			return object("vnic_profile", at("vnicprofiles", id), id, nil, []*node{tx("name", networkName)}, []string{"permissions"},
				el("pass_through", tx("mode", "disabled")), yes("port_mirroring", false),
				ref("network", "networks", idOf("network", d.DataCenter)), ref("network_filter", "networkfilters", idOf("network filter", "")))
		})
}
