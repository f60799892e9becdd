// Package conform is what every gahp.Provider must do, as tests that do not ask
// which provider they judge.
//
// A room with a provider gives [Run] a [Harness]: how to get an engine with the
// [Stock] on it and the provider in front, how to let a [Fault] happen, and how to
// see what is true at the engine, past the provider. The cases assert kinds of
// errors, sequences of states, and what the engine then holds; never durations.
//
//	func TestConformance(t *testing.T) {
//		conform.Run(t, conform.Harness{Start: func(t *testing.T) conform.World { ... }})
//	}
//
// Each case has a World of its own and may run beside others.
package conform
