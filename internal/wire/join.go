package wire

import (
	"fmt"

	"gridburst/internal/grid"
)

// Paths of the contract.
const (
	StreamPath = "/worker/v1/stream"
	JoinPath   = "/worker/v1/join"
	RenewPath  = "/worker/v1/renew"
)

// SessionHeader carries Hello.Session on requests for files.
const SessionHeader = "Gridburst-Session"

// InputsPath is where the inputs of an attempt are fetched.
func InputsPath(job grid.JobID, epoch uint32) string { return attemptPath(job, epoch, "inputs") }

// TokenPath is where the token of an attempt's run is fetched.
func TokenPath(job grid.JobID, epoch uint32) string { return attemptPath(job, epoch, "token") }

// OutputsPath is where the outputs of an attempt are put.
func OutputsPath(job grid.JobID, epoch uint32) string { return attemptPath(job, epoch, "outputs") }

// CheckpointPath is where an attempt's checkpoint is fetched.
func CheckpointPath(job grid.JobID, epoch uint32) string {
	return attemptPath(job, epoch, "checkpoint")
}

// KeepPath is where an attempt's checkpoint is sent: its number within the attempt, from
// 1, and how long the job ran to it.
func KeepPath(job grid.JobID, epoch, number uint32, wallMS int64) string {
	return fmt.Sprintf("%s?number=%d&wall_ms=%d", CheckpointPath(job, epoch), number, wallMS)
}

func attemptPath(job grid.JobID, epoch uint32, what string) string {
	return fmt.Sprintf("/worker/v1/attempts/%s/%d/%s", job, epoch, what)
}

// JoinRequest exchanges a one-time token for a certificate.
type JoinRequest struct {
	Token  string `json:"token"`
	Worker string `json:"worker"` // the name that the token was made for
	CSR    string `json:"csr"`    // PEM; its key never leaves the worker
}

// RenewRequest asks for a new certificate for the name of the present one.
type RenewRequest struct {
	CSR string `json:"csr"` // PEM
}

// JoinAnswer is a worker's new identity.
type JoinAnswer struct {
	Certificate string `json:"certificate"` // PEM
	CA          string `json:"ca"`          // PEM; more than one while a CA is being replaced
	ValidMS     int64  `json:"valid_ms"`    // the certificate's remaining life, for clocks that are wrong
}
