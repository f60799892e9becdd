// Package gahp is the line protocol between a schedd and the process that starts
// virtual machines for it.
package gahp
