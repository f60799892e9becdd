package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gridburst/gahp/ovirtsim"
	"gridburst/internal/pause"
)

// wrecker makes engines go wrong, in one way after another, some at a time.
type wrecker struct {
	house        *house
	admin        *admin
	door         *door
	journal      string // the engine's
	passwordFile string
	deployed     string
	seed         uint64
	kinds        []trouble
	pause        time.Duration // of each lane between two faults, on the average
	Log          io.Writer

	password sync.Mutex // held while the file has another

	mu     sync.Mutex
	rand   *rand.Rand
	deck   []trouble      // what comes next
	n      uint32         // faults that were begun, and other things with a number
	had    map[string]int // faults that were some, by kind
	missed map[string]int // that befell nobody
}

// lanes is how many things may be wrong at one time. metWithin is how long something has
// to meet a fault.
const (
	lanes     = 3
	metWithin = 8 * time.Second
)

// run goes on until there were so many faults, of so many kinds.
func (w *wrecker) run(ctx context.Context, faults, kinds int) {
	w.begins()
	var wg sync.WaitGroup
	for range lanes {
		wg.Go(func() {
			for ctx.Err() == nil && !w.enough(faults, kinds) {
				t, rnd := w.draw()
				w.make(ctx, t, rnd)
				_ = pause.For(ctx, time.Duration((0.5+rnd.Float64())*float64(w.pause)))
			}
		})
	}
	wg.Wait()
}

func (w *wrecker) begins() {
	w.rand = rand.New(rand.NewPCG(w.seed, 11))
	w.had, w.missed = map[string]int{}, map[string]int{}
}

func (w *wrecker) enough(faults, kinds int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, k := range w.had {
		n += k
	}
	return n >= faults && len(w.had) >= min(kinds, len(w.kinds))
}

// draw takes the next kind: each comes once before one comes again. What it does by
// chance hangs on the seed and on its place alone.
func (w *wrecker) draw() (*trouble, *rand.Rand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.deck) == 0 {
		w.deck = slices.Clone(w.kinds)
		w.rand.Shuffle(len(w.deck), func(i, j int) { w.deck[i], w.deck[j] = w.deck[j], w.deck[i] })
	}
	t := w.deck[0]
	w.deck = w.deck[1:]
	w.n++
	return &t, rand.New(rand.NewPCG(w.seed, 1000+uint64(w.n)))
}

// count is a number that was not given before.
func (w *wrecker) count() uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	return w.n
}

// make makes one fault, lets it be for a while, and mends it.
func (w *wrecker) make(ctx context.Context, t *trouble, rnd *rand.Rand) {
	fmt.Fprintf(w.Log, "fault: %s\n", t.name)
	undo, err := w.begin(ctx, t, rnd)
	if err == nil && undo != nil {
		_ = pause.For(ctx, t.lasts+time.Duration(rnd.ExpFloat64()*float64(time.Second)))
	}
	if undo != nil {
		undo()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.missed[t.name]++
		fmt.Fprintf(w.Log, "no fault: %s: %v\n", t.name, err)
		return
	}
	w.had[t.name]++
}

func (w *wrecker) begin(ctx context.Context, t *trouble, rnd *rand.Rand) (undo func(), err error) {
	if t.does != nil {
		return t.does(ctx, w, rnd)
	}
	var ids []int
	undo = func() {
		for _, id := range ids {
			w.takeBack(id)
		}
	}
	standing := false
	for _, r := range t.rules(rnd) {
		standing = standing || r.Refuse || r.Restart
		if !r.Refuse && !r.Restart {
			r.User = engineUser // others are let alone
		}
		id, err := w.admin.add(ctx, &r)
		if err != nil {
			return undo, err
		}
		ids = append(ids, id)
	}
	if !standing && !w.met(ctx, ids) {
		return undo, errNobody
	}
	return undo, nil
}

// met waits until a call has met one of the rules.
func (w *wrecker) met(ctx context.Context, ids []int) bool {
	for until := time.Now().Add(metWithin); time.Now().Before(until); {
		hits, err := w.admin.hits(ctx)
		if err == nil && slices.ContainsFunc(ids, func(id int) bool { return hits[id] > 0 }) {
			return true
		}
		if pause.For(ctx, 50*time.Millisecond) != nil {
			return false
		}
	}
	return false
}

// takeBack ends a rule. One of a simulator that was killed is gone with it, and another
// may have its number: then that ends early, which is a fault the less.
func (w *wrecker) takeBack(id int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.admin.takeBack(ctx, id); err != nil {
		fmt.Fprintf(w.Log, "rule %d: %v\n", id, err)
	}
}

// openClaims are the claims that are open now.
func (w *wrecker) openClaims(ctx context.Context) (map[uint32]bool, error) {
	list, err := w.house.schedd.Claims(ctx, false)
	out := map[uint32]bool{}
	for _, c := range list.Claims {
		out[c.ID] = true
	}
	return out, err
}

// clearStrangers has an administrator remove the machines that others have made: of that
// name, or all.
func (w *wrecker) clearStrangers(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all, err := w.admin.machines(ctx)
	if err != nil {
		fmt.Fprintf(w.Log, "strangers are not cleared away: %v\n", err)
	}
	for i := range all {
		m := &all[i]
		if m.Foreign || name != "" && m.Name != name || !isStranger(w.deployed, m) {
			continue
		}
		if err := w.admin.ask(ctx, http.MethodDelete, "/machines/"+m.ID, nil, nil); err != nil {
			fmt.Fprintf(w.Log, "%s is not cleared away: %v\n", m.Name, err)
		}
	}
}

// isStranger: it has no mark of ours, or has it under another name.
func isStranger(deployed string, m *ovirtsim.Machine) bool {
	claim, ok := claimOf(deployed, m.Comment)
	return !ok || m.Name != nameOf(deployed, claim)
}

// calm mends whatever is still wrong.
func (w *wrecker) calm(ctx context.Context) error {
	for {
		err := w.admin.ask(ctx, http.MethodDelete, "/rules", nil, nil)
		if err == nil {
			break
		}
		if pause.For(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("the simulator's rules are not taken back: %w", err)
		}
	}
	w.clearStrangers("")
	return errors.Join(w.house.disarm())
}

// told is how many faults there were of each kind, in the order of their list.
func (w *wrecker) told() (out []Befell) {
	for _, t := range w.kinds {
		if n := w.had[t.name]; n > 0 || w.missed[t.name] > 0 {
			out = append(out, Befell{Kind: t.name, Times: n, Missed: w.missed[t.name]})
		}
	}
	return out
}

// chosen are the kinds of those names; none: all.
func chosen(names []string) (out []trouble, err error) {
	if len(names) == 0 {
		return troubles, nil
	}
	for _, n := range names {
		i := slices.IndexFunc(troubles, func(t trouble) bool { return t.name == n })
		if i < 0 {
			return nil, fmt.Errorf("there is no fault %q; there are: %s", n, strings.Join(Kinds(), "; "))
		}
		out = append(out, troubles[i])
	}
	return out, nil
}
