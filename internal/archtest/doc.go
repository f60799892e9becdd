// Package archtest tests the shape of the house: floors, owners of third-party
// libraries, package sentences, file lengths. It holds no code of its own.
package archtest
