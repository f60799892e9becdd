// Package configs reads the files that people write in HCL and gives the plain
// values that the rest of the house works with.
//
// # Job files
//
// [Jobs] reads job blocks. It converts nothing itself: a key's value becomes text in
// the submit language, macros and all, and package submit makes attributes of it by
// the same table that serves submit files. So everything that a submit command means
// holds for the key of the same name, and the queue never sees HCL.
//
//	job "wordcount" {
//	  executable   = "wc"
//	  arguments    = ["-w", item]
//	  requirements = target.Memory >= 2048 && target.OpSys == "LINUX"
//	  output       = "out.${process}"
//	  request { memory = "512MiB" }
//	  queue { matching = "texts/*.txt" }
//	}
//
// The names process, cluster, step, row and item are known only when a job is made.
// They become macros: "out.${process}" is out.$(Process), and an operation on one is
// computed with each job. my.X and target.X are ClassAd attributes, in keys whose
// values are expressions. Any other name is local.X or var.X, and known now.
//
// # Expressions
//
// Operators and functions mean what they mean in ClassAds, everywhere in a job
// block: == ignores the case of strings, 5/2 is 2, null is undefined. is(a, b) and
// isnt(a, b) are =?= and =!=. In a key whose value is an expression, a string is
// ClassAd source as in a submit file. The functions are those of package ad; for,
// splats and template directives have no meaning in ClassAds and are refused.
//
// # Lists and maps
//
// arguments = [...] and environment = {...} reach the program as they are, whatever
// characters they or the items hold. A text in an HCL string is never a macro: only
// ${...} is. $$(Name) is filled in when the job is matched, as in submit files.
package configs
