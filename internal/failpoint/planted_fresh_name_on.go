//go:build planted_fresh_name

package failpoint

// FreshName, planted, answers a name that is in use at the engine with another name, not with a look at whose it is.
const FreshName = true
