// Package account tells of a run in the formats that DAGMan's users and their tools read:
// node status files, jobstate logs, metrics and drawings.
package account
