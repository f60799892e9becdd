// Package ovirt drives one oVirt engine (also OLVM, RHV and other descendants) as a
// gahp.Provider.
//
// [Open] makes an [Engine] from a [Config]. In order of reading: call.go is one
// request to the engine from login to sorted error; token.go and password.go are
// how it proves who we are; fault.go turns what an engine says into a gahp.Kind;
// machine.go, create.go and template.go are the Provider's methods; encode.go and
// decode.go are the borders to the SDK's types.
//
// # What go-ovirt does here
//
// The engine's model is go-ovirt's: its types, builders, XML readers and writers.
// Its Connection and the Send methods that need one are not used, because what they
// do cannot be mended from outside (sdk_test.go shows it on the pinned version, but
// for the race; when one of its tests fails, look here again):
//
//   - They take no context and follow every redirect with the bearer token, to
//     plain HTTP too.
//   - An HTML page with status 200 is an empty list: every machine would look gone.
//   - An action whose answer is cut off counts as done, whatever its status was; one
//     answered by a proxy's error page has an error without a status.
//   - Two first calls at once race for the token, and no call ever gets a new one.
//   - The request log, where the bearer token would show, breaks each POST.
//
// What is left of the SDK has traps of its own, each met in one place:
//
//   - Its writer does not escape text: [escape] does, and refuses what XML cannot
//     carry instead of replacing it.
//   - Its reader prints on standard output when it finds no element: [document]
//     finds the first element itself, so there always is one.
//   - Its readers panic on a text that ends inside an enumeration: [document]
//     recovers.
//   - Its Must methods panic on a missing field: none is called.
//
// # What is certain
//
// A call fails with gahp.Unknown when its connection stood and no answer came that
// tells the effect. Anything before that (name lookup, dialling, TLS, login, the
// look-ups that a Create begins with) had no effect and says so by its kind. Every
// call has a connection of its own: an idle one that the engine has just closed
// would make a certain "not reached" an Unknown.
//
// # Concurrency, crashes
//
// Every method may be called from any goroutine; the package starts none. It keeps
// nothing but a token: after a crash there is nothing to recover here, and an
// engine forgets an idle token after half an hour. There is no logout, because the
// engine's ends browser sessions only and its revocation wants a client's secret.
package ovirt
