package ovirtsim

import (
	"cmp"
	"net/http"
	"strings"
)

// route is what is asked of a path below the engine's.
type route struct {
	pattern string
	op      Op
	f       func(*call) *reply
}

var loginRoutes = []route{
	{"GET ", OpOther, (*call).welcome},
	{"GET /sso/oauth/authorize", OpOther, (*call).authorize},
	{"POST /sso/oauth/token", OpLogin, (*call).logIn},
	{"POST /sso/oauth/token-http-auth", OpLogin, (*call).noKerberos},
	{"POST /sso/oauth/revoke", OpOther, (*call).revoke},
	{"/services/sso-logout", OpOther, (*call).revoke},
	{"GET /services/pki-resource", OpOther, (*call).authority},
}

var machineRoutes = []route{
	{"GET /api/vms", OpList, (*call).list},
	{"POST /api/vms", OpCreate, (*call).create},
	{"GET /api/vms/{id}", OpGet, (*call).get},
	{"PUT /api/vms/{id}", OpUpdate, (*call).update},
	{"DELETE /api/vms/{id}", OpRemove, (*call).remove},
	{"POST /api/vms/{id}/start", OpStart, (*call).start},
	{"POST /api/vms/{id}/stop", OpStop, (*call).stop},
	{"POST /api/vms/{id}/shutdown", OpShutdown, (*call).shutdown},
	{"POST /api/vms/{id}/ticket", OpChange, (*call).ticket},
	{"POST /api/vms/{id}/detach", OpChange, (*call).detachVM},
	{"GET /api/vms/{id}/{part}", OpRead, (*call).part},
	{"POST /api/vms/{id}/diskattachments", OpChange, (*call).addAttachment},
	{"GET /api/vms/{id}/diskattachments/{part}", OpRead, (*call).getAttachment},
	{"PUT /api/vms/{id}/diskattachments/{part}", OpChange, (*call).updateAttachment},
	{"DELETE /api/vms/{id}/diskattachments/{part}", OpChange, (*call).removeAttachment},
	{"POST /api/vms/{id}/nics", OpChange, (*call).addNIC},
	{"GET /api/vms/{id}/nics/{part}", OpRead, (*call).getNIC},
	{"PUT /api/vms/{id}/nics/{part}", OpChange, (*call).updateNIC},
	{"DELETE /api/vms/{id}/nics/{part}", OpChange, (*call).removeNIC},
	{"POST /api/vms/{id}/nics/{part}/activate", OpChange, (*call).activateNIC},
	{"POST /api/vms/{id}/nics/{part}/deactivate", OpChange, (*call).deactivateNIC},
	{"GET /api/vms/{id}/nics/{part}/{more}", OpRead, (*call).nicPart},
	{"POST /api/vms/{id}/graphicsconsoles", OpChange, (*call).addConsole},
	{"DELETE /api/vms/{id}/graphicsconsoles/{part}", OpChange, (*call).removeConsole},
	{"GET /api/vms/{id}/cdroms/{part}", OpRead, (*call).getCD},
	{"PUT /api/vms/{id}/cdroms/{part}", OpChange, (*call).changeCD},
	{"POST /api/vms/{id}/tags", OpChange, (*call).assignTag},
	{"DELETE /api/vms/{id}/tags/{part}", OpChange, (*call).unassignTag},
	{"POST /api/vms/{id}/snapshots", OpChange, (*call).addSnapshot},
	{"GET /api/vms/{id}/snapshots/{part}", OpRead, (*call).getSnapshot},
	{"DELETE /api/vms/{id}/snapshots/{part}", OpChange, (*call).removeSnapshot},
	{"POST /api/vms/{id}/snapshots/{part}/restore", OpChange, (*call).restoreSnapshot},
	{"GET /api/vms/{id}/snapshots/{part}/disks", OpRead, (*call).snapshotDisks},
}

var otherRoutes = []route{
	{"GET /api", OpRoot, (*call).root},
	{"GET /api/templates", OpRead, (*call).listTemplates},
	{"POST /api/templates", OpChange, (*call).addTemplate},
	{"GET /api/templates/{id}", OpRead, (*call).listTemplates},
	{"PUT /api/templates/{id}", OpChange, (*call).updateTemplate},
	{"DELETE /api/templates/{id}", OpChange, (*call).removeTemplate},
	{"GET /api/templates/{id}/diskattachments", OpRead, (*call).templateDisks},
	{"GET /api/templates/{id}/{part}", OpRead, (*call).templatePart},
	{"GET /api/instancetypes", OpRead, (*call).listInstanceTypes},
	{"GET /api/instancetypes/{id}", OpRead, (*call).listInstanceTypes},
	{"GET /api/clusters", OpRead, (*call).clusters},
	{"GET /api/clusters/{id}", OpRead, (*call).clusters},
	{"GET /api/clusters/{id}/networks", OpRead, (*call).networks},
	{"GET /api/clusters/{id}/affinitygroups", OpRead, (*call).listAffinities},
	{"POST /api/clusters/{id}/affinitygroups", OpChange, (*call).addAffinity},
	{"GET /api/clusters/{id}/affinitygroups/{group}", OpRead, (*call).listAffinities},
	{"PUT /api/clusters/{id}/affinitygroups/{group}", OpChange, (*call).updateAffinity},
	{"DELETE /api/clusters/{id}/affinitygroups/{group}", OpChange, (*call).removeAffinity},
	{"GET /api/clusters/{id}/affinitygroups/{group}/{kind}", OpRead, (*call).affinityMembers},
	{"POST /api/clusters/{id}/affinitygroups/{group}/{kind}", OpChange, (*call).joinAffinity},
	{"DELETE /api/clusters/{id}/affinitygroups/{group}/{kind}/{member}", OpChange, (*call).leaveAffinity},
	{"GET /api/datacenters", OpRead, (*call).dataCenters},
	{"GET /api/datacenters/{id}", OpRead, (*call).dataCenters},
	{"GET /api/datacenters/{id}/clusters", OpRead, (*call).clusters},
	{"GET /api/datacenters/{id}/networks", OpRead, (*call).networks},
	{"GET /api/datacenters/{id}/quotas", OpRead, (*call).quotas},
	{"GET /api/datacenters/{id}/quotas/{part}", OpRead, (*call).quotas},
	{"GET /api/datacenters/{id}/quotas/{part}/{limits}", OpRead, (*call).quotaLimits},
	{"GET /api/datacenters/{id}/storagedomains", OpRead, (*call).attachedDomains},
	{"GET /api/datacenters/{id}/storagedomains/{part}", OpRead, (*call).attachedDomains},
	{"POST /api/datacenters/{id}/storagedomains/{part}/activate", OpChange, (*call).activateDomain},
	{"POST /api/datacenters/{id}/storagedomains/{part}/deactivate", OpChange, (*call).deactivateDomain},
	{"GET /api/disks", OpRead, (*call).listDisks},
	{"POST /api/disks", OpChange, (*call).addDisk},
	{"GET /api/disks/{id}", OpRead, (*call).listDisks},
	{"PUT /api/disks/{id}", OpChange, (*call).updateDisk},
	{"DELETE /api/disks/{id}", OpChange, (*call).removeDisk},
	{"POST /api/disks/{id}/copy", OpChange, (*call).copyDisk},
	{"POST /api/disks/{id}/move", OpChange, (*call).moveDisk},
	{"GET /api/imagetransfers", OpRead, (*call).listTransfers},
	{"POST /api/imagetransfers", OpChange, (*call).addTransfer},
	{"GET /api/imagetransfers/{id}", OpRead, (*call).listTransfers},
	{"POST /api/imagetransfers/{id}/finalize", OpChange, (*call).finalizeTransfer},
	{"POST /api/imagetransfers/{id}/cancel", OpChange, (*call).cancelTransfer},
	{"GET /api/networks", OpRead, (*call).networks},
	{"GET /api/networks/{id}", OpRead, (*call).networks},
	{"GET /api/networks/{id}/vnicprofiles", OpRead, (*call).listProfiles},
	{"GET /api/vnicprofiles", OpRead, (*call).listProfiles},
	{"POST /api/vnicprofiles", OpChange, (*call).addProfile},
	{"GET /api/vnicprofiles/{id}", OpRead, (*call).listProfiles},
	{"DELETE /api/vnicprofiles/{id}", OpChange, (*call).removeProfile},
	{"GET /api/tags", OpRead, (*call).listTags},
	{"POST /api/tags", OpChange, (*call).addTag},
	{"GET /api/tags/{id}", OpRead, (*call).listTags},
	{"PUT /api/tags/{id}", OpChange, (*call).updateTag},
	{"DELETE /api/tags/{id}", OpChange, (*call).removeTag},
	{"GET /api/vmpools", OpRead, (*call).listPools},
	{"POST /api/vmpools", OpChange, (*call).addPool},
	{"GET /api/vmpools/{id}", OpRead, (*call).listPools},
	{"PUT /api/vmpools/{id}", OpChange, (*call).updatePool},
	{"DELETE /api/vmpools/{id}", OpChange, (*call).removePool},
	{"POST /api/vmpools/{id}/allocatevm", OpChange, (*call).allocate},
	{"GET /api/hosts", OpRead, (*call).hosts},
	{"GET /api/hosts/{id}", OpRead, (*call).hosts},
	{"GET /api/hosts/{id}/{part}", OpRead, (*call).hostPart},
	{"GET /api/storagedomains", OpRead, (*call).storageDomains},
	{"GET /api/storagedomains/{id}", OpRead, (*call).storageDomains},
	{"GET /api/storagedomains/{id}/files", OpRead, (*call).files},
	{"GET /api/storagedomains/{domain}/disks", OpRead, (*call).listDisks},
	{"GET /api/storagedomains/{domain}/disks/{id}", OpRead, (*call).listDisks},
	{"DELETE /api/storagedomains/{domain}/disks/{id}", OpChange, (*call).removeDisk},
	{"GET /api/events", OpRead, (*call).events},
	{"GET /api/jobs", OpRead, (*call).listJobs},
	{"GET /api/jobs/{id}", OpRead, (*call).listJobs},
	{"GET /api/jobs/{id}/steps", OpRead, (*call).listSteps},
}

// routes is what the engine serves.
func (s *Sim) routes() http.Handler {
	m := http.NewServeMux()
	for _, some := range [][]route{loginRoutes, machineRoutes, otherRoutes} {
		for _, r := range some {
			method, path, ok := strings.Cut(r.pattern, " ")
			if !ok {
				method, path = "", r.pattern
			}
			m.HandleFunc(strings.TrimSpace(method+" "+engine+path), s.answer(r.op, r.f))
		}
	}
	m.HandleFunc(imagesPath+"{ticket}", s.image)
	m.HandleFunc(imagesPath+"{ticket}/extents", s.image)
	m.HandleFunc("/", s.answer(OpOther, func(*call) *reply { return page(http.StatusNotFound, "Not Found") }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The version may stand in the path, and a slash at its end.
		p := strings.TrimSuffix(r.URL.Path, "/")
		if rest, ok := strings.CutPrefix(p, apiPath+"/v"); ok {
			if v, rest, _ := strings.Cut(rest+"/", "/"); v != "" && strings.Trim(v, "0123456789") == "" {
				p = strings.TrimSuffix(apiPath+"/"+rest, "/")
				r.Header.Set("Version", v)
			}
		}
		u := *r.URL
		u.Path, u.RawPath = cmp.Or(p, "/"), ""
		r2 := r.WithContext(r.Context())
		r2.URL = &u
		m.ServeHTTP(w, r2)
	})
}
