package ovirt

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"strings"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

// escape makes text fit for the SDK's writer, which puts it into the document as it
// is. What XML has no way to say is refused: replacing it would start a machine with
// other user data than was meant.
func escape(field, text string) (string, error) {
	for i, r := range text {
		if !inXML(r) || r == 0xFFFD && !strings.HasPrefix(text[i:], "\uFFFD") {
			return "", &gahp.Error{Kind: gahp.Refused, Text: field + " holds a character that XML cannot carry; take it out, or encode the text in base64"}
		}
	}
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		return "", err
	}
	return b.String(), nil
}

// inXML: the production Char of XML 1.0.
func inXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// writer collects a body; its first error sticks.
type writer struct {
	err error
}

// text is s escaped for the SDK.
func (w *writer) text(field, s string) string {
	out, err := escape(field, s)
	if w.err == nil {
		w.err = err
	}
	return out
}

// initialization is what a guest finds at its start.
func (w *writer) initialization(userData, hostName string) *ovirtsdk.Initialization {
	b := ovirtsdk.NewInitializationBuilder()
	if userData != "" {
		b.CustomScript(w.text("the user data", userData))
	}
	if hostName != "" {
		b.HostName(w.text("the host name", hostName))
	}
	i, err := b.Build()
	if w.err == nil {
		w.err = err
	}
	return i
}

// newMachine is the body of a create.
func newMachine(c gahp.Create, from base, of belonging) ([]byte, error) {
	var w writer
	b := ovirtsdk.NewVmBuilder().
		Name(w.text("the name", c.Name)).
		Comment(w.text("the mark", c.Mark)).
		Description(w.text("the description", c.Description)).
		TemplateBuilder(ovirtsdk.NewTemplateBuilder().Id(from.ID)).
		ClusterBuilder(ovirtsdk.NewClusterBuilder().Id(from.cluster)).
		// The template may say otherwise of both, and then an engine would start
		// again what we have stopped, or keep what we want gone.
		HighAvailabilityBuilder(ovirtsdk.NewHighAvailabilityBuilder().Enabled(false)).
		DeleteProtected(false)
	if c.MemoryMB > 0 {
		// All three, for the template's guarantee may be above this memory and its
		// maximum below. A job is promised its memory, so the machine is too.
		bytes := c.MemoryMB << 20
		b.Memory(bytes).MemoryPolicyBuilder(ovirtsdk.NewMemoryPolicyBuilder().Guaranteed(bytes).Max(bytes))
	}
	if of.instanceType != "" {
		b.InstanceTypeBuilder(ovirtsdk.NewInstanceTypeBuilder().Id(of.instanceType))
	}
	if of.quota != "" {
		b.QuotaBuilder(ovirtsdk.NewQuotaBuilder().Id(of.quota))
	}
	if c.Cores > 0 {
		// All three, for they multiply, and the template's would count otherwise.
		b.CpuBuilder(ovirtsdk.NewCpuBuilder().TopologyBuilder(
			ovirtsdk.NewCpuTopologyBuilder().Sockets(1).Cores(int64(c.Cores)).Threads(1)))
	}
	if c.UserData != "" || c.HostName != "" || !from.initialized {
		// One of ours replaces all of the template's, its keys and passwords too, so
		// a name alone is not worth it.
		b.Initialization(w.initialization(c.UserData, cmp.Or(c.HostName, c.Name)))
	}
	vm, err := b.Build()
	if w.err == nil {
		w.err = err
	}
	return w.body(func(x *ovirtsdk.XMLWriter) error { return ovirtsdk.XMLVmWriteOne(x, vm, "") })
}

// newMark is the body of a change of the mark.
func newMark(mark string) ([]byte, error) {
	var w writer
	vm, err := ovirtsdk.NewVmBuilder().Comment(w.text("the mark", mark)).Build()
	if w.err == nil {
		w.err = err
	}
	return w.body(func(x *ovirtsdk.XMLWriter) error { return ovirtsdk.XMLVmWriteOne(x, vm, "") })
}

// startAction is the body of a start. User data makes it a start of its own kind
// that leaves the machine's configuration alone.
func startAction(s gahp.Start, cloudInit bool) ([]byte, error) {
	var w writer
	b := ovirtsdk.NewActionBuilder()
	if cloudInit {
		b.UseCloudInit(true)
	}
	if s.UserData != "" {
		b.VmBuilder(ovirtsdk.NewVmBuilder().Initialization(w.initialization(s.UserData, "")))
	}
	a, err := b.Build()
	if w.err == nil {
		w.err = err
	}
	return w.body(func(x *ovirtsdk.XMLWriter) error { return ovirtsdk.XMLActionWriteOne(x, a, "") })
}

func (w *writer) body(write func(*ovirtsdk.XMLWriter) error) ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	var b bytes.Buffer
	x := ovirtsdk.NewXMLWriter(&b)
	if err := write(x); err != nil {
		return nil, err
	}
	if err := x.Flush(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
