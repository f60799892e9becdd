//go:build planted_ack_early

package failpoint

// AckEarly, planted, says that a command is durable before it is: answers are given before the commit.
const AckEarly = true
