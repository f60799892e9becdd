package kills

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/qemu"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// CutOptions say how power is cut.
type CutOptions struct {
	Dir     string // the sandbox; what an earlier run left in it goes
	Kernel  string // the image of a Debian "cloud" kernel
	Modules string // its directory below /lib/modules
	Seed    uint64
	Cuts    int
	Deaf    bool // the disk says that it has flushed and has not: something must be found
	Log     io.Writer
}

// CutReport is what came of it.
type CutReport struct {
	Seed    uint64        `json:"seed"`
	Cuts    int           `json:"cuts"`
	Acked   int           `json:"acked"`   // submits, holds, releases and removes
	Flushes int           `json:"flushes"` // of the disk
	Dropped int           `json:"dropped"` // sectors that were written, and not flushed, and lost
	Boot    time.Duration `json:"boot_ns"` // of the machine up to the schedd's answer, on the average
	Verdict
}

// cutter is a machine whose power is cut.
type cutter struct {
	CutOptions
	rig     *rig.Rig
	rand    *rand.Rand
	disk    *disk
	initrd  string
	clients []*client
	api     *api.Client
	socket  string // the schedd's, on this side
	rep     CutReport

	machine *rig.Process
	ends    []io.Closer // of this boot's connections
	logs    string      // the address of the machine's logs
}

const (
	diskSize     = 1 << 30
	bootPatience = 2 * time.Minute
)

// Cut runs a gschedd in a virtual machine, has clients ask for things, and cuts the
// machine's power, again and again.
func Cut(ctx context.Context, o CutOptions) (rep *CutReport, err error) {
	c := &cutter{CutOptions: o, rand: rand.New(rand.NewPCG(o.Seed, 3)), rep: CutReport{Seed: o.Seed}}
	if c.rig, err = rig.Fresh(ctx, o.Dir, "", []string{"netgo", "osusergo"}, "gschedd", "gadm", "gchaos"); err != nil {
		return nil, err
	}
	defer func() {
		c.off()
		err = errors.Join(err, c.rig.Close(rigPatience))
	}()
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	defer c.disk.platter.Close()
	for range c.Cuts {
		if err := c.boot(ctx); err != nil {
			return &c.rep, c.found(ctx, err)
		}
		if err := c.look(ctx); err != nil {
			return &c.rep, c.found(ctx, err)
		}
		if len(c.rep.Wrong) > 0 {
			return &c.rep, nil
		}
		if err := c.storm(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.boot(ctx); err != nil {
		return &c.rep, c.found(ctx, err)
	}
	return &c.rep, c.found(ctx, c.last(ctx))
}

// found turns what a machine does after a cut into something that is wrong: it does not
// boot, its schedd does not start or answer.
func (c *cutter) found(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	c.rep.wrong("after %d cuts: %v", c.rep.Cuts, err)
	return nil
}

// prepare makes the disk and what the machine boots from.
func (c *cutter) prepare(ctx context.Context) error {
	in := func(name string) string { return filepath.Join(c.rig.Dir, name) }
	f, err := os.OpenFile(in("disk"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Truncate(diskSize); err != nil {
		return err
	}
	if out, err := c.rig.Run(ctx, nil, "mkfs.ext4", "-q", "-F", in("disk")); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	c.disk = newDisk(f, diskSize, c.Deaf)
	c.initrd, c.socket = in("initrd"), in("schedd.sock")
	if err := c.initramfs().Write(c.initrd); err != nil {
		return err
	}
	c.api = api.NewClient(c.socket)
	for i := range 4 {
		name := fmt.Sprintf("client%d", i)
		c.clients = append(c.clients, &client{
			name: name, log: filepath.Join(guestLogs, name+".log"), copied: in(name + ".log"), schedd: c.api, rand: rand.New(rand.NewPCG(c.rand.Uint64(), 1)), works: common,
		})
	}
	return nil
}

// boot switches the machine on, and returns when its schedd answers.
func (c *cutter) boot(ctx context.Context) error {
	begun := time.Now()
	nbd, err := c.listen("unix", filepath.Join(c.rig.Dir, "nbd.sock"))
	if err != nil {
		return err
	}
	go func() {
		conn, err := nbd.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if err := c.disk.serve(conn); err != nil && !errors.Is(err, io.EOF) {
			fmt.Fprintf(c.Log, "the disk's connection ended: %v\n", err)
		}
	}()
	// The ports are ones that were free a moment ago.
	var ports [2]string
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		ports[i] = l.Addr().String()
		l.Close()
	}
	c.logs = ports[1]
	c.machine, err = c.rig.Start("machine.log", nil, qemu.Machine{
		Image: c.Kernel, Initramfs: c.initrd, First: []string{"guest"}, MemoryMB: 512,
		Disks:   []qemu.Disk{{Name: "disk", NBD: filepath.Join(c.rig.Dir, "nbd.sock")}},
		Network: fmt.Sprintf("hostfwd=tcp:%s-%s:%d,hostfwd=tcp:%s-%s:%d", ports[0], qemu.Address, schedPort, ports[1], qemu.Address, logsPort),
	}.Command()...)
	if err != nil {
		return err
	}
	door, err := c.listen("unix", c.socket)
	if err != nil {
		return err
	}
	go relay(door, "tcp", ports[0])
	ctx, cancel := context.WithTimeout(ctx, bootPatience)
	defer cancel()
	for {
		asking, end := context.WithTimeout(ctx, 5*time.Second)
		_, err := c.api.Status(asking)
		end()
		if err == nil {
			c.rep.Boot += (time.Since(begun) - c.rep.Boot) / time.Duration(c.rep.Cuts+1)
			return nil
		}
		select {
		case <-c.machine.Done():
			return fmt.Errorf("the machine ended; see %s", filepath.Join(c.rig.Dir, "machine.log"))
		default:
		}
		if pause.For(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("the machine's schedd does not answer: %w", err)
		}
	}
}

func (c *cutter) listen(network, address string) (net.Listener, error) {
	if err := os.Remove(address); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.Listen(network, address)
	if err == nil {
		c.ends = append(c.ends, l)
	}
	return l, err
}

// off cuts the power.
func (c *cutter) off() {
	if c.machine != nil {
		c.machine.Kill()
		<-c.machine.Done()
		c.machine = nil
	}
	for _, e := range c.ends {
		e.Close()
	}
	c.ends = nil
}

// storm has all clients ask for things, and cuts the power at some instant.
func (c *cutter) storm(ctx context.Context) error {
	asking, cut := context.WithCancel(ctx)
	defer cut()
	var wg sync.WaitGroup
	for _, k := range c.clients {
		wg.Go(func() {
			for k.any(asking) == nil {
			}
		})
	}
	err := pause.For(ctx, time.Second+time.Duration(c.rand.Int64N(int64(2*time.Second))))
	c.off()
	cut()
	wg.Wait()
	c.rep.Cuts++
	lost, cutErr := c.disk.cut(c.rand)
	c.rep.Dropped += lost
	c.rep.Flushes = c.disk.flushes
	fmt.Fprintf(c.Log, "cut %d: %d sectors were not flushed and are lost, %d flushes so far\n", c.rep.Cuts, lost, c.rep.Flushes)
	return errors.Join(err, cutErr)
}

// look judges, and asks again for what was not acknowledged.
func (c *cutter) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootPatience)
	defer cancel()
	there, err := list(ctx, c.api)
	if err != nil {
		return err
	}
	v := judge(c.clients, there)
	c.rep.add(v)
	for _, w := range v.Wrong {
		fmt.Fprintf(c.Log, "after %d cuts: %s\n", c.rep.Cuts, w)
	}
	if len(v.Wrong) > 0 {
		return nil
	}
	for _, k := range c.clients {
		if k.pending != nil {
			if err := k.ask(ctx, k.pending); err != nil {
				return fmt.Errorf("asking again: %w", err)
			}
		}
	}
	return nil
}

// last looks once more, also into the event logs, and has the queue proven.
func (c *cutter) last(ctx context.Context) error {
	if err := c.look(ctx); err != nil || len(c.rep.Wrong) > 0 {
		return err
	}
	for _, k := range c.clients {
		for _, s := range k.clusters {
			for _, n := range s.events {
				c.rep.Acked += n
			}
		}
		v, err := k.settled(ctx, func() error { return c.fetch(ctx, k) })
		if err != nil {
			return err
		}
		c.rep.add(v)
	}
	out, err := c.rig.Run(ctx, []string{"GRIDBURST_SCHEDD=" + c.socket}, filepath.Join(c.rig.Bin, "gadm"), "verify")
	if err != nil {
		c.rep.wrong("gadm verify: %v: %s", err, out)
	}
	return nil
}

// fetch copies a client's event log out of the machine.
func (c *cutter) fetch(ctx context.Context, k *client) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.logs+"/"+filepath.Base(k.log), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return grid.Errorf(grid.NotFound, "the machine answers %s for %s", resp.Status, k.log)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(k.copied, b, 0o600)
}
