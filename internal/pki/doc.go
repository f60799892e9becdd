// Package pki is the schedd's own certificate authority.
//
// A schedd that listens beyond its host trusts nobody's certificates but those
// that it has signed, and its workers trust nobody's but its own: no pool of the
// system's is ever consulted. [Open] makes or loads the [CA]; [CA.ServerConfig]
// and [ClientConfig] are the two ends of TLS 1.3 under it; [CA.Sign] turns a
// worker's request ([NewKey], [Request]) into a certificate; [Secrets] make the
// tokens with which a worker proves itself before it has one.
//
// # Names
//
// A worker dials the schedd by an address that may not be the one that the schedd
// knows itself by: a guest comes through NAT, a head moves. The authority signs no
// server but the schedd, so the address proves nothing, and every server
// certificate carries [ServerName], which is what workers check. The names and
// addresses beside it are for browsers and commands.
//
// # Clocks
//
// A guest's clock may be hours behind until it has found the time (a hardware
// clock in local time is enough). The authority's and the server's certificates
// therefore begin a week early. A worker's certificate is checked by the schedd's
// clock alone.
//
// # Files
//
// The key and the certificate of the authority are one file, written under
// another name, synced, and renamed: there is no moment at which one is there
// without the other. Server keys live in memory only.
package pki
