// Package userlog is the job event log that users and their tools read, in
// HTCondor's text format.
//
// [Event.Text] makes the bytes of one event. [Append] puts events at the end of a
// file so that a crash at any moment neither repeats nor tears one: the caller
// remembers where its writing ended, and after a crash says so; what lies beyond is
// compared with what should be there, a cut event is completed, and what is there
// already is not written again. [Read] is the other direction.
//
// The format: a header "NNN (CCC.PPP.SSS) YYYY-MM-DD HH:MM:SS text", lines that are
// indented by a tab or four blanks, and "..." on a line of its own.
package userlog
