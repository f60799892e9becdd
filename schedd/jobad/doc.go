// Package jobad puts the ad of a job together from what the ledger keeps of it.
//
// A submitted spec is kept in parts: a template, shared among submits that say the
// same; what is the cluster's own; item rows in chunks. [Encode] makes them. [Ads]
// goes the other way: template, own attributes, the columns of the proc, attributes
// that were set later, and the job's record, each on top of the one before.
package jobad
