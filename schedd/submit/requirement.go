package submit

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// clause is a condition that is added to a job's Requirements, unless the user's own
// speak of one of the attributes.
type clause struct {
	// unless are attributes of the slot, folded, separated by blanks; of one with a plus
	// the user's must speak, or the clause is left out as well.
	unless string
	text   string
}

// requirements composes the user's requirements with clauses. The list begins with
// the syntax of the user's (oldSyntax or newSyntax); pairs of unless and text follow.
func requirements(user string, list []string) (string, error) {
	var named []string
	var parts []string
	read, clauses := oldExpr, list[1:]
	if list[0] == newSyntax {
		read = newExpr
	}
	if user != "" {
		expr, err := read(user)
		if err != nil {
			return "", err
		}
		e, err := ad.Parse(expr)
		if err != nil {
			return "", err
		}
		refs := e.Refs()
		named = slices.Concat(refs.Target, refs.Bare)
		if len(clauses) > 0 {
			expr = "(" + expr + ")"
		}
		parts = append(parts, expr)
	}
	for i := 0; i+1 < len(clauses); i += 2 {
		covered := slices.ContainsFunc(strings.Fields(clauses[i]), func(a string) bool {
			a, needed := strings.CutPrefix(a, "+")
			return slices.Contains(named, a) != needed
		})
		if !covered {
			parts = append(parts, clauses[i+1])
		}
	}
	if len(parts) == 0 {
		return "true", nil
	}
	return strings.Join(parts, " && "), nil
}

// The ways to write an expression: as in submit files, as in ads.
const (
	oldSyntax = "old"
	newSyntax = "new"
)

// setRequirements is the last step of lowering: by now it is known what the job asks
// for.
func (l *lowering) setRequirements() {
	user, _ := l.command("requirements")
	list := []text{{s: oldSyntax}}
	if user.New {
		list[0].s = newSyntax
	}
	if l.universe.number != gridUniverse {
		for _, c := range l.clauses() {
			list = append(list, text{s: c.unless}, text{s: c.text})
		}
	}
	l.put("Requirements", KindRequirements, user, list...)
}

func (l *lowering) clauses() []clause {
	u := l.universe
	var cs []clause
	add := func(unless, text string) { cs = append(cs, clause{unless, text}) }
	switch {
	case u.java:
		add("hasjava", "TARGET.HasJava")
	default:
		add("arch", `(TARGET.Arch == `+ad.Quote(l.site.Arch)+`)`)
	}
	switch {
	case u.java:
	case u.docker:
		add("hasdocker", "TARGET.HasDocker")
	case u.container != "":
		add("hascontainer", "TARGET.HasContainer")
		add(fold(u.container), "TARGET."+u.container)
	default:
		add("opsys opsysandver opsyslongname opsysshortname opsysname opsyslegacy", `(TARGET.OpSys == `+ad.Quote(l.site.OpSys)+`)`)
	}
	if l.has("RequestDisk") {
		add("", "(TARGET.Disk >= RequestDisk)")
	} else {
		add("", "(TARGET.Disk >= DiskUsage)")
	}
	if l.asksFor("RequestMemory", 0) {
		add("", "(TARGET.Memory >= RequestMemory)")
	}
	if a, ok := l.attrs["encryptexecutedirectory"]; ok && a.Expr == "true" {
		add("", "TARGET.HasEncryptExecuteDirectory")
	}
	if l.asksFor("RequestCpus", 0) && l.asksFor("RequestCpus", 1) {
		add("cpus", "(TARGET.Cpus >= RequestCpus)")
	}
	if l.asksFor("RequestGPUs", 0) {
		if l.has("RequireGPUs") {
			add("availablegpus", "(countMatches(MY.RequireGPUs,TARGET.AvailableGPUs) >= RequestGPUs)")
		} else {
			add("gpus", "(TARGET.GPUs >= RequestGPUs)")
		}
	}
	for _, tag := range l.resources {
		if !l.asksFor("Request"+tag, 0) {
			continue
		}
		add(fold(tag), "(TARGET."+tag+" >= Request"+tag+")")
	}
	if u.transfers() {
		cs = append(cs, l.transferClauses()...)
	}
	if l.deferred {
		if u.number != int(grid.Local) {
			add("", "TARGET.HasJobDeferral")
		}
		add("", "(((time() + ScheddInterval) >= (DeferralTime - DeferralPrepTime)) && (time() < (DeferralTime + DeferralWindow)))")
	}
	if l.has("SuccessCheckpointExitCode") {
		add("hasselfcheckpointtransfers", "TARGET.HasSelfCheckpointTransfers")
	}
	for _, r := range ready {
		if l.has(r.attr) {
			add("hasreadycheck", "TARGET.HasReadyCheck") // others would never find it ready
			break
		}
	}
	return cs
}

// asksFor reports whether a request is there and is not the literal n, or less than
// nothing.
func (l *lowering) asksFor(request string, n int64) bool {
	a, ok := l.attrs[fold(request)]
	if !ok {
		return l.has(request)
	}
	number, err := strconv.ParseInt(a.Expr, 10, 64)
	return err != nil || number != n && number >= 0
}

// transferClauses ask that the slot gets the job's files: by transfer, or because it
// shares them.
func (l *lowering) transferClauses() []clause {
	const shared = "(TARGET.FileSystemDomain == MY.FileSystemDomain)"
	transfer := "(TARGET.HasFileTransfer"
	if l.has("TransferPlugins") {
		transfer = "(TARGET.HasJobTransferPlugins"
	}
	when := l.attrs["whentotransferoutput"]
	if when.Expr == `"ON_SUCCESS"` || l.attrs["preserverelativepaths"].Expr == "true" || l.has("TransferCheckpoint") {
		transfer += ` && versioncmp(split(TARGET.CondorVersion)[1],"8.9.7") >= 0`
	}
	if l.has("EncryptInputFiles") || l.has("EncryptOutputFiles") || l.has("DontEncryptInputFiles") || l.has("DontEncryptOutputFiles") {
		transfer += " && TARGET.HasPerFileEncryption"
	}
	for _, m := range l.plugins {
		transfer += " && stringListIMember(" + ad.Quote(m) + ",TARGET.HasFileTransferPluginMethods)"
	}
	transfer += ")"
	switch l.transfer {
	case "YES":
		return []clause{{"hasfiletransfer", transfer}}
	case "NO":
		return []clause{{"filesystemdomain", shared}}
	}
	return []clause{{"filesystemdomain hasfiletransfer", "(" + shared + " || " + transfer + ")"}, {"+filesystemdomain hasfiletransfer", transfer}}
}
