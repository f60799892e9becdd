// Package adm is gadm, the administrator's command: the ledger's log, its proof, its
// copies.
package adm
