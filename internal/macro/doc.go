// Package macro replaces the macros in text that people write: $(NAME), $(NAME:default),
// and functions such as $INT(NAME,%03d).
//
// Submit files, job files and the transforms of routes are written with them; each gives
// an [Expander] what its names mean. The same code works twice for jobs: at submit it
// replaces everything but the live macros, whose values only a proc has; for a proc it
// replaces those.
//
// Text on its way is escaped: $(DOLLAR) stands for a dollar sign, and within a
// function's argument $(,) $(<) $(>) for a comma and parentheses, so that nothing
// that came out of a macro is taken for part of one. [Finish] ends that.
//
// [Conditions] are the if, elif, else and endif of such texts.
package macro
