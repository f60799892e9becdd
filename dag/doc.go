// Package dag is workflows: graphs of jobs, and the life of a run of one.
package dag
