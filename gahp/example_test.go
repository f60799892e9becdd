package gahp_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

// A machine is made by name, and looked for by name when the answer was lost. With
// Options.Command in place of Dial the same goes through a process.
func ExampleClient() {
	engine := fake.New(fake.Config{Inventory: conform.Stock()})
	heal := engine.Inject(conform.LoseAnswer)
	c := gahp.NewClient(gahp.Options{Dial: fake.Dial(engine)})
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := gahp.Order{Term: 1, Claim: 7, Epoch: 1}
	_, err := c.Create(ctx, o, gahp.Create{Name: "gb-7", Template: conform.Worker, Mark: "claim 7"})
	var e *gahp.Error
	if errors.As(err, &e) && e.Kind == gahp.Unknown {
		fmt.Println("nobody knows whether there is a gb-7")
	}
	heal()
	vm, err := c.Find(ctx, "gb-7")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("there is, of", vm.Mark)
	// Output:
	// nobody knows whether there is a gb-7
	// there is, of claim 7
}
