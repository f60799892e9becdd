// Package serve puts a schedd on its socket: routes, who may use them, and the
// contract's wire form.
//
// What a schedd can do is the [Backend]; this package turns requests into its calls.
// Who asks is taken from the connection ([Identify]) and from nothing else. Every
// route is in one table with the role it needs; a route that is not there does not
// exist, and a test asks for each of them as nobody.
package serve
