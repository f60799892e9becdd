// Package submit turns what people write about jobs into specs: job ads of a whole
// cluster, with what differs between its procs left to be computed.
//
// # From text to ad
//
//	submit file --Parse--> File --Specs--> Spec --Proc--> the ad of one job
//	HCL job file (package configs) --LowerSection--^
//
// [Parse] cuts a submit file into statements; [File.Specs] executes them at a
// [Site], opening nothing itself: items, includes and file checks go through
// [Files], which the caller hands in, because only the owner's hand may open the
// owner's paths. [Lower] does both.
//
// A [Spec] is a cluster. Everything that does not differ between its procs is worked
// out; an attribute that depends on $(Process), $(Cluster), $(Step), $(Row),
// $(JobId) or an item variable, through however many macros, is a [Column]: its text,
// in which all other macros are expanded, and a [Kind] that says how the text of one
// proc becomes a value. [Section.Expand] computes the columns of one proc from the
// item row and the job's id alone, so a cluster of a million procs is one small spec,
// and asking twice gives the same. A spec whose columns would fail for some item is
// refused when it is made.
//
// # One conversion of everything
//
// The table in command.go has a line for each command: its attribute and its kind.
// kind.go is the only place where text becomes a value, for static values, for
// columns and for job files in HCL alike. What follows HTCondor is compared with it:
// testdata/corpus holds submit files of other people, testdata/recorded our own, with
// the ads that condor_submit made of them or its refusal. gcorpus judges them.
//
// Where we differ from HTCondor, on purpose, stands in docs/submit.md.
//
// # Storage and trust
//
// [AppendAttrs], [AppendSection] and [AppendItems] are the binary form in which the
// queue stores specs; [Split] parts what many submits share from what is one's own;
// [Load] brings stored attributes into an ad. [Spec.Check] is for specs from outside.
//
// [Argv] and [Environ] undo the quoting of arguments and environment. [MachineOf] is
// the virtual machine that a grid job is; its attributes are listed there.
package submit
