// Package api is the contract between a schedd and everybody who asks it something:
// the types that travel as JSON, and a client.
//
// The schedd listens on a Unix socket; who asks is known from the socket itself. It
// serves its own description at /openapi.json. A request that failed is answered
// with a [Problem], whose code is one of [grid.Code].
package api
