package ec2

import (
	"context"
	"fmt"

	"gridburst/gahp"
)

// wish is a machine that is to be started.
type wish struct {
	mark   mark
	create gahp.Create
}

// readStart reads what follows the credential in EC2_VM_START.
func readStart(a *args) deed {
	image, pair := a.named("image"), a.text("key pair")
	data, dataFile := a.text("user data"), a.text("user data file")
	kind, zone := a.text("instance type"), a.text("availability zone")
	none := []asked{{"ec2_vpc_subnet", a.text("subnet")}, {"ec2_vpc_ip", a.text("address")}}
	token := a.text("client token")
	none = append(none, asked{"ec2_block_device_mapping", a.text("block devices")},
		asked{"ec2_iam_profile_arn", a.text("role arn")}, asked{"ec2_iam_profile_name", a.text("role name")})
	count := a.text("count")
	none = append(none, asked{"ec2_security_groups", first(a.list("groups"))},
		asked{"ec2_security_ids", first(a.list("group ids"))}, asked{"ec2_parameter_names", first(a.list("parameters"))})
	return func(ctx context.Context, s *Service, c *cloud) ([]string, error) {
		w := wish{mark: mark{token: token, pair: pair}}
		cores, memory, err := size(kind)
		switch {
		case err != nil:
			return nil, err
		case token == "":
			return nil, &failure{"MissingParameter", "MissingParameter", "no client token: without one a start cannot be repeated without a second machine"}
		case len(token) > maxToken || !plainToken.MatchString(token):
			return nil, invalid("the client token %.80q is not of up to %d letters, digits, dots, dashes and underscores", token, maxToken)
		case count != "" && count != "1":
			return nil, &failure{"UnsupportedOperation", "UnsupportedOperation", "one machine is started at a time, and not " + count}
		}
		for _, n := range none {
			if n.value != "" {
				return nil, &failure{"UnsupportedOperation", "UnsupportedOperation", n.what + ": an engine's machines have nothing of the kind; leave it out"}
			}
		}
		key, err := s.publicKey(pair)
		if err != nil {
			return nil, err
		}
		w.create = gahp.Create{
			Name: prefix + token, Template: image, Cluster: zone, MemoryMB: memory, Cores: cores,
			Mark: w.mark.String(), Description: "of a grid job of HTCondor",
		}
		// A host's name has 63 characters.
		w.create.HostName = w.create.Name[:min(len(w.create.Name), 63)]
		if w.create.UserData, err = userData(data, dataFile, key); err != nil {
			return nil, err
		}
		id, err := c.start(ctx, w)
		return []string{id}, err
	}
}

// asked is something of which an engine knows nothing.
type asked struct{ what, value string }

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

func invalid(format string, args ...any) *failure {
	return &failure{"InvalidParameterValue", "InvalidParameterValue", fmt.Sprintf(format, args...)}
}

// starting is a start on its way.
type starting struct {
	wish
	c      *cloud
	vm     gahp.VM // ID: empty until the machine is known
	maybe  bool    // it may have been made
	taken  bool    // the engine has taken the order to boot it
	downs  int     // how often it was seen down since
	gone   int     // how often the engine has taken it back
	latest error   // why it is not further
}

// Bounds on how often the same happens before it is believed.
const (
	maxDowns = 3
	maxGone  = 3
)

// start makes a machine and boots it, or finds the one that an earlier start has made.
// It ends when a host has the machine.
func (c *cloud) start(ctx context.Context, w wish) (id string, err error) {
	c.begin(w.mark.token)
	defer func() { c.end(w.mark, id) }()
	s := &starting{wish: w, c: c}
	for p := (pause{}); ; {
		taken, state := s.taken, s.vm.State
		done, err := s.step(ctx)
		if s.taken != taken || s.vm.State != state {
			p = pause{} // what moves is looked at often
		}
		switch {
		case done:
			return s.vm.ID, nil
		case err != nil && !passing(err):
			return "", s.failed(ctx, err)
		case err != nil:
			s.latest = err
		}
		if over := p.wait(ctx); over != nil {
			return "", s.over(over)
		}
	}
}

// step does the next thing that can be done. What it asks for is looked at in the next.
func (s *starting) step(ctx context.Context) (done bool, err error) {
	if s.vm.ID == "" {
		return false, s.make(ctx)
	}
	vm, err := s.c.engine.Get(ctx, s.vm.ID)
	switch {
	case gahp.KindOf(err) == gahp.NotFound:
		s.vm, s.taken, s.downs = gahp.VM{}, false, 0
		if s.gone++; s.gone == maxGone {
			return false, &failure{"InternalError", "InternalError", "the engine took the order for " + s.create.Name + " and then took it back, several times; its events say why"}
		}
		return false, nil
	case err != nil:
		return false, err
	}
	s.vm = vm
	m, ours := markOf(&vm)
	switch {
	case !ours:
		return false, notOurs(&vm)
	case m.started:
		return true, nil
	case onHost(vm.State):
		return s.remark(ctx)
	case vm.State != gahp.Down:
		return false, nil
	case s.taken:
		if s.downs++; s.downs == maxDowns {
			return false, &gahp.Error{Kind: gahp.NoCapacity, Text: "the engine took the order to boot " + vm.Name + ", and no host could run it"}
		}
		return false, nil
	}
	if err := s.c.engine.Start(ctx, gahp.Order{}, vm.ID, gahp.Start{}); err != nil {
		return false, err
	}
	s.taken = true
	return false, nil
}

// make makes the machine, or finds it.
func (s *starting) make(ctx context.Context) error {
	vm, err := s.c.engine.Create(ctx, gahp.Order{}, s.create)
	switch gahp.KindOf(err) {
	case "":
		s.vm, s.maybe = vm, true
		return nil
	case gahp.Unknown:
		s.maybe = true
		return err
	case gahp.NameInUse:
	default:
		return err
	}
	vm, err = s.c.engine.Find(ctx, s.create.Name)
	switch {
	case gahp.KindOf(err) == gahp.NotFound:
		return nil // its name is taken, and it is on its way
	case err != nil:
		return err
	}
	if m, ours := markOf(&vm); !ours || m.token != s.mark.token {
		return notOurs(&vm)
	}
	s.vm, s.maybe = vm, true
	return nil
}

// remark says on the machine that it has run.
func (s *starting) remark(ctx context.Context) (done bool, err error) {
	m := s.mark
	m.started = true
	err = s.c.engine.Remark(ctx, s.vm.ID, m.String())
	if err == nil || passing(err) {
		return err == nil, err
	}
	// It runs, and ending it would be worse than what may come of this.
	s.c.log.WithError(err).WithField("vm", s.vm.Name).Warn("a machine cannot be marked as started: when this process ends and its guest powers off, that is not known")
	return true, nil
}

func notOurs(vm *gahp.VM) error {
	return &failure{"UnauthorizedOperation", "UnauthorizedOperation", fmt.Sprintf("machine %s (%s) was not made for an EC2 client: it is left alone", vm.Name, vm.ID)}
}

// failed is the end of a start that cannot succeed. What it has made goes first.
func (s *starting) failed(ctx context.Context, why error) error {
	if !s.maybe {
		return why
	}
	if s.vm.ID == "" {
		vm, err := s.c.engine.Find(ctx, s.create.Name)
		switch {
		case gahp.KindOf(err) == gahp.NotFound:
			return why
		case err != nil:
			return s.undecided(why)
		}
		s.vm = vm
	}
	if err := s.c.stop(ctx, s.vm.ID); err != nil && gahp.KindOf(err) != gahp.NotFound {
		return s.undecided(why)
	}
	return why
}

// over is the end of a start whose time is over.
func (s *starting) over(why error) error {
	if s.latest != nil {
		why = fmt.Errorf("%w; %w", why, s.latest)
	}
	if !s.maybe {
		return &failure{noContact, "Unavailable", why.Error()}
	}
	return s.undecided(why)
}

// undecided makes the client start again, and find what there is.
func (s *starting) undecided(why error) error {
	return &failure{needCheck, failureOf(why).name, failureOf(why).text}
}

// begin says to listings that a start is on its way.
func (c *cloud) begin(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starting[token]++
}

// end says that it is over, and what it has started, if anything. Listings that are on
// their way may not have seen that.
func (c *cloud) end(m mark, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.starting[m.token]--; c.starting[m.token] == 0 {
		delete(c.starting, m.token)
	}
	if id == "" {
		return
	}
	c.ran[id] = true
	c.ended++
	if c.listings > 0 {
		c.fresh[id] = fresh{mark: m, at: c.ended}
	}
}
