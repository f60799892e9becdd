package ad

import (
	"strings"
	"sync"
)

// Cache remembers parsed expressions by their text, for texts that come again: the
// Requirements of ten thousand jobs are a few hundred. It has two generations; when
// the young one is full the old one goes. Safe for many goroutines. The zero Cache is
// ready.
type Cache struct {
	mu         sync.Mutex
	young, old map[string]cached
	bytes      int // of the young one's texts
}

// A generation is full with so many texts, or so many bytes of them: a tree takes
// about ten times its text.
const (
	generationTexts = 4096
	generationBytes = 1 << 20
)

type cached struct {
	expr    *Expr
	err     error
	checked error // what Check says
}

// Parse is [Parse], or what it was the last time. Texts that are wrong are
// remembered too.
func (c *Cache) Parse(src string) (*Expr, error) {
	if v, ok := literalOf(src); ok {
		return Literal(v), nil
	}
	e := c.get(src)
	return e.expr, e.err
}

// Check parses src and checks its functions ([Expr.Check]).
func (c *Cache) Check(src string) error {
	if _, ok := literalOf(src); ok {
		return nil
	}
	e := c.get(src)
	if e.err != nil {
		return e.err
	}
	return e.checked
}

func (c *Cache) get(src string) cached {
	c.mu.Lock()
	e, ok := c.young[src]
	if !ok {
		if e, ok = c.old[src]; ok {
			c.keep(src, e)
		}
	}
	c.mu.Unlock()
	if ok {
		return e
	}
	src = strings.Clone(src) // it may be a part of something large
	e.expr, e.err = Parse(src)
	if e.err == nil {
		e.checked = e.expr.Check()
	}
	c.mu.Lock()
	c.keep(src, e)
	c.mu.Unlock()
	return e
}

// keep is called with the lock held.
func (c *Cache) keep(src string, e cached) {
	if c.young == nil || len(c.young) >= generationTexts || c.bytes >= generationBytes {
		c.old, c.young, c.bytes = c.young, make(map[string]cached), 0
	}
	c.young[src] = e
	c.bytes += len(src)
}
