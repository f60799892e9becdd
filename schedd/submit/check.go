package submit

import "slices"

// protected are the attributes that only the queue writes: who and what a job is,
// and what has happened to it. By folded name, sorted.
var protected = [...]string{
	"autoclusterattrs", "autoclusterid", "clusterid", "committedslottime", "committedsuspensiontime", "committedtime", "completiondate",
	"cumulativeremotesyscpu", "cumulativeremoteusercpu", "cumulativeslottime", "cumulativesuspensiontime", "currenthosts", "enteredcurrentstatus",
	"exitbysignal", "exitcode", "exitreason", "exitsignal", "exitstatus", "globaljobid", "gridjobid", "holdreason", "holdreasoncode", "holdreasonsubcode",
	"jobcurrentstartdate", "joblaststartdate", "jobstartdate", "jobstatus", "lastholdreason", "lastholdreasoncode", "lastjobstatus", "mytype", "numckpts",
	"numholds", "numjobcompletions", "numjobmatches", "numjobreconnects", "numjobstarts", "numrestarts", "numshadowexceptions", "numshadowstarts",
	"numsystemholds", "numvacates", "osuser", "owner", "procid", "qdate", "releasereason", "remotehost", "remotesyscpu", "remoteusercpu",
	"remotewallclocktime", "removereason", "shadowbday", "targettype", "totalsuspensions", "user", "vacatereason", "vacatereasoncode",
}

// Protected reports whether only the queue may set the attribute.
func Protected(name string) bool {
	_, ok := slices.BinarySearch(protected[:], fold(name))
	return ok
}
