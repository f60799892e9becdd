package submit

import (
	"slices"
	"strings"

	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// defaultMemory is what a job is taken to need before it has run: what it was seen
// to use, or the size of its image.
const defaultMemory = "ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)"

// setResources sets what the job asks of a slot.
func (l *lowering) setResources() {
	l.setRequest("request_cpus", "1")
	l.setRequest("request_memory", defaultMemory)
	l.setRequest("request_disk", "DiskUsage")
	l.setRequest("request_gpus", "")
	if v, ok := l.command("image_size"); ok {
		l.put("ImageSize", KindKiB, v)
	}
	l.setCustomResources()
	l.setGPUs()
	l.setNodes()
}

func (l *lowering) setRequest(name, otherwise string) {
	l.asked = nil
	c, _ := CommandNamed(name)
	v, ok := l.command(name)
	if ok && strings.EqualFold(strings.TrimSpace(v.Text), "undefined") {
		return
	}
	switch {
	case ok:
		l.put(c.Attr, c.Kind, v)
	case otherwise != "":
		l.set(c.Attr, otherwise)
	}
}

// setCustomResources sets Request<Name> for every request_<name> that is no command.
func (l *lowering) setCustomResources() {
	for _, written := range l.job.Names {
		name := fold(written)
		tag, ok := strings.CutPrefix(name, "request_")
		if !ok || tag == "" || !macro.ValidName(tag) {
			continue
		}
		if _, known := CommandNamed(name); known {
			continue
		}
		v, ok := l.job.Get(name)
		if !ok || v.Text == "" {
			continue
		}
		tag = written[len("request_"):]
		if near := grid.Nearest(fold(tag), []string{"cpus", "memory", "disk", "gpus"}); near != "" {
			l.warn(v.Pos, name+" asks for a custom resource "+quote(tag), "Did you mean "+quote("request_"+near)+"?")
		}
		l.asked = []asked{{written, v.Pos}}
		l.put("Request"+tag, KindOldExpr, v)
		l.resources = append(l.resources, tag)
	}
	slices.Sort(l.resources)
}

// setGPUs composes RequireGPUs, which is asked of each of a slot's GPUs.
func (l *lowering) setGPUs() {
	var parts []string
	for _, g := range []struct{ command, attr, clause string }{
		{"gpus_minimum_capability", "GPUsMinCapability", "Capability >= GPUsMinCapability"},
		{"gpus_maximum_capability", "GPUsMaxCapability", "Capability <= GPUsMaxCapability"},
		{"gpus_minimum_memory", "GPUsMinMemory", "GlobalMemoryMb >= GPUsMinMemory"},
		{"gpus_minimum_runtime", "GPUsMinRuntime", "MaxSupportedVersion >= GPUsMinRuntime"},
	} {
		if v, ok := l.command(g.command); ok && l.has("RequestGPUs") {
			c, _ := CommandNamed(g.command)
			l.put(g.attr, c.Kind, v)
			parts = append(parts, g.clause)
		}
	}
	user, ok := l.command("require_gpus")
	switch {
	case !l.has("RequestGPUs"):
	case !ok && len(parts) > 0:
		l.set("RequireGPUs", strings.Join(parts, " && "))
	case ok && len(parts) > 0:
		list := []text{{s: oldSyntax}}
		if user.New {
			list[0].s = newSyntax
		}
		for _, p := range parts {
			list = append(list, text{}, text{s: p})
		}
		l.put("RequireGPUs", KindRequirements, user, list...)
	case ok:
		l.put("RequireGPUs", KindOldExpr, user)
	}
}
