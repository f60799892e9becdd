// Package pool knows the workers of now: what they offer, what of it is given away,
// and since when they have not been heard.
//
// None of it is durable. What is given away follows from the placements in the
// ledger; what a worker offers it says itself each time it connects. Slots are
// sorted into classes by the attributes that jobs look at, so that a thousand equal
// machines are one class to the router.
package pool
