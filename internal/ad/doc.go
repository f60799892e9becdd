// Package ad is ClassAds: expressions, the ads that hold them, and matching.
//
// An [Expr] is a parsed expression and never changes: any number of goroutines may
// evaluate one at the same time. An [Ad] is a bag of named expressions; it may be
// evaluated from many goroutines as long as none changes it. What an evaluation
// needs to remember lives in the evaluation alone.
//
// The language (lexer, grammar, most built-in functions) is the classad library's.
// The walk over the tree is our own, for three reasons: the library writes into
// ads, and into shared trees, while it reads them; it has no bound on work, and a
// dozen attributes that each name the next one twice keep it busy for hours; and a
// few of its answers differ from HTCondor's where matching or names depend on them
// (numbers as Requirements, regexps, the precedence of ?:). What is left of the
// differences is listed in docs/classad.md, which a test compares with
// 430 values that HTCondor 23.9.6 printed.
//
// # Truth
//
// Values are three-valued: what is not known is [Undefined], what makes no sense is
// [Error], and neither is [Truth]. A match needs the Requirements of both sides to
// be true, or a number other than zero.
//
// # Limits
//
// Text of an expression is at most [MaxSource] bytes, its tree at most [MaxDepth]
// deep, and one evaluation may take [Budget] steps; what is over the first two is
// refused when it is parsed, what is over the last evaluates to [Error]. So a
// hostile ad costs a few milliseconds, whoever evaluates it.
//
// # Time
//
// Nothing here reads a clock: time() and CurrentTime are the [Instant] that the
// evaluation was asked for.
package ad

// Limits of what outsiders may send.
const (
	MaxSource = 64 << 10 // bytes of one expression's text; a single literal may be longer
	MaxDepth  = 500      // levels of one expression's tree
	MaxNested = 100      // attributes that an evaluation may be inside of at one time
	Budget    = 1 << 19  // steps of one evaluation: a node, an attribute, 16 bytes of made text
)
