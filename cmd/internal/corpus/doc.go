// Package corpus judges what gsubmit and gdag make of files that other people wrote.
//
// A directory that holds a directory "expected" is a collection of submit files with
// what HTCondor made of them: expected/NAME.ads are the jobs' ads of the file NAME, and
// a file without ads is one that HTCondor refused. INDEX.tsv, beside the files or one
// directory up, says in its last column which files the submit file needs ("stub files:
// ...;") and what HTCondor said; files with something in them lie in the directory
// NAME.d. Each file is submitted with gsubmit --dry-run, in a directory of its own that
// holds nothing but those, and the ads that it prints are compared.
//
// A directory with a file expected/VERDICTS.tsv is a collection of DAG files with what
// DAGMan made of them: whether it took each, and in expected/NAME.runN.json how runs of it
// ended. They are judged in this process, without a schedd: a file is read, written and
// read again, and package dag plays the recorded runs, with jobs and scripts that end as
// the recording says.
//
// Every other submit or DAG file is read where it lies, and what is refused is listed.
package corpus
