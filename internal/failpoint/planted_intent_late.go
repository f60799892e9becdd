//go:build !planted_intent_late

package failpoint

// IntentLate, planted, lets a machine be made before the ledger knows that it was wished for.
const IntentLate = false
