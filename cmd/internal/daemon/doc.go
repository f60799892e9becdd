// Package daemon is the command line of gschedd: its flags, its configuration file,
// and how one becomes what package schedd is told.
package daemon
