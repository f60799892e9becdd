// Package userlog is the job event log that users and their tools read, in HTCondor's
// forms: text, XML and JSON.
//
// An [Event] has a [Body] of one of HTCondor's kinds. [Form.Encode] makes its bytes,
// [Read] is the other direction, and [Follower] reads a log as it grows and is rotated.
//
// [Append] puts events at the end of a file so that a crash at any moment neither repeats
// nor tears one: the caller remembers where its writing ended, and after a crash says so.
// What lies beyond is counted by [Identity] (kind, job, second), also where a rotation has
// put it; a cut event is completed, and what is there already is not written again.
// [Global] is the same for a log of all jobs, which it rotates itself.
//
// The text: a header "NNN (CCC.PPP.SSS) YYYY-MM-DD HH:MM:SS text", lines that are indented
// by a tab or four blanks, and "..." on a line of its own. In XML an event is a <c>, in
// JSON an object; both are the event's ClassAd.
package userlog
