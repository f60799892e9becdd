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
// # Other files of blocks
//
// [Tree] reads a file whose meaning belongs to another room, by a [Shape] that says which
// blocks and keys there are.
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
//
// # Workflows
//
// [Workflow] reads a workflow block into the same graph that a DAGMan file becomes.
//
//	workflow "wordcount" {
//	  node "split" {}
//	  node "count" {
//	    for_each = range(40)
//	    after    = [node.split]
//	    vars     = { part = each.value }
//	  }
//	  node "merge" { after = [node.count] }
//	}
//
// A node's job is the job block that job names, or the one with the node's name, or
// that of another file: file = "count.sub" (with job, a job block of it). for_each takes
// a list or a map and makes a node of each element, named count-0, count-1, ... or after
// the map's keys; each.key and each.value are its own. In after, node.count is all of
// them and node.count[each.key] is one.
//
// vars are values for the variable blocks of the node's file, or macros of its submit
// file; "+Name" is a job attribute, its value the source of a ClassAd expression. A node
// with nothing to do of its own has noop = true. The other keys are DAGMan's commands by another name:
//
//	retries = 2  unless_exit = 4       RETRY n 2 UNLESS-EXIT 4
//	priority = 10                      PRIORITY n 10
//	abort { exit = 5  return = 0 }     ABORT-DAG-ON n 5 RETURN 0
//	category = "io"                    CATEGORY n io
//	category "io" { max_jobs = 2 }     MAXJOBS io 2, beside the nodes
//	dir = "run1"  done = true          JOB n ... DIR run1 DONE
//	max_jobs = 100                     -maxjobs 100, beside the nodes
//	pre { run = ["p.sh", "$NODE"] }    SCRIPT PRE n p.sh $NODE; so post and on_hold
//	  defer_exit = 4  defer = "60s"    SCRIPT DEFER 4 60 ..., in one of them
//	  output = "f"  capture = "stderr" SCRIPT DEBUG f STDERR ...
//	pre_skip = 3  save_point = "s"     PRE_SKIP n 3, SAVE_POINT_FILE n s
//	tolerance = "10%"                  TOLERANCE n 10%; tolerance_wait = true: WAIT
//	after_any = [node.m]               WEAK PARENT m CHILD n
//	dag = "inner.dag"                  SUBDAG EXTERNAL n inner.dag, also of a workflow in HCL
//	final "n" {}  service "n" {}       FINAL n, SERVICE n; provisioner "n" {}
//	env { get = ["A"]  set = {} }      ENV GET A, beside the nodes; so attributes = {}
//	                                   (SET_JOB_ATTR), state_log, status_file, dot
//
// And what DAGMan has not:
//
//	retry {                            # instead of retries and unless_exit
//	  times  = 2
//	  wait   = "30s"                   # before the second attempt; twice as long before each further
//	  memory = ["1GiB", "2GiB"]        # of the first attempt, of all others; also cpus, disk
//	  elsewhere = true                 # on another machine than the attempts before
//	}
//	timeout = "2h"                     # an attempt's job that has not ended by then fails
//	done_exits = [3]                   # exit codes with which the node is done, besides 0
//	when = node.check.exit == 3        # else it is skipped, which counts as done; also .status,
//	                                   # "done", "failed" or "skipped". It waits for these nodes' ends
//	outputs = { table = "t.csv" }      # names for what the node makes
//	after_previous = [node.n]          # and these of the run before, by a timetable, are done;
//	                                   # after_any_previous: have ended
//	vars    = { in = output.a.table }  # comes after a; output.count[3].x, output.count[*].x
//	for_each = glob("texts/*.txt")     # files that are there when the workflow is handed in
//
// Services say when they are ready, begin behind each other, and tell where they are:
//
//	service "store" {
//	  ready_within = "30s"             # else it is there once it is in the queue
//	  retry {
//	    times  = 3
//	    always = true                  # also when it has ended with success
//	  }
//	}
//	service "front" {
//	  vars = { store = service.store.address }  # comes after store; so after = [node.store]
//	}
//
// A run has machines of a pool as long as it goes on, and its services ask for more or fewer:
//
//	provision "main" {
//	  count = 1
//	  max   = 4
//	}
//
// A module is another file's workflow as a part of this one. Its nodes are named
// module+node. Its variables have no values but those that vars gives; what its output
// blocks name is module.NAME.OUTPUT in vars. Paths in it rest on the outermost workflow's
// directory, or on dir:
//
//	module "left" {
//	  source = "align.hcl"             # beside this file
//	  vars   = { sample = output.fetch.raw }
//	  after  = [node.fetch]
//	}
//
// variable blocks have a type (string, number, bool, list(string), ...), or take that of
// their default; lists and maps are given from outside as expressions.
//
// Expressions of a workflow block have HCL's own meaning, for and splats included, and
// the functions concat, format, join, keys, length, lower, max, merge, min, range,
// split, upper, values: a workflow is known as a whole before anything runs.
package configs
