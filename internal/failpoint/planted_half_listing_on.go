//go:build planted_half_listing

package failpoint

// HalfListing, planted, takes what came of a listing that broke off for all of it, and believes listings alone.
const HalfListing = true
