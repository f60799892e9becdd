package ovirt

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

// rules sort an engine's refusal, first match first. An engine sends the English
// sentence of a message, or its key where it has no sentence for it; that text is
// all there is to go by, since many meanings share a status.
var rules = []struct {
	kind  gahp.Kind
	verbs []verb // nil: all
	text  *regexp.Regexp
}{
	{gahp.EngineDown, nil, words(`engine is running in (maintenance|prepare)`, `ENGINE_IS_RUNNING_IN_`)},
	{gahp.NameInUse, nil, words(`name is already in use`, `NAME_ALREADY_USED`)},
	// While a machine is being made the engine holds a lock on its name.
	{gahp.NameInUse, []verb{create}, words(`related operation is currently in progress`, `OBJECT_LOCKED`)},
	{gahp.NoTemplate, []verb{create}, words(
		`entity not found`, `template[^.]*(not exist|n't exist|not found|disabled|locked|illegal|not valid)`,
		`cluster[^.]*(not valid|not exist|n't exist|not found|be empty)`,
		`TEMPLATE_DOES_NOT_EXIST`, `TEMPLATE_IS_DISABLED`, `TEMPLATE_IMAGE_IS_LOCKED`, `CLUSTER_CAN_NOT_BE_EMPTY`, `CLUSTER_IS_NOT_VALID`)},
	{gahp.Locked, nil, words(
		`related operation is currently in progress`, `(vm|disks?) (is|are) locked`, `disks are locked`, `in image.locked status`,
		`OBJECT_LOCKED`, `VM_IS_LOCKED`, `DISKS_LOCKED`)},
	// Somebody has to change the machine first.
	{gahp.Refused, nil, words(`at least one bootable disk`, `delete protection`, `attached to (a )?(vm )?pool`,
		`WITHOUT_DISK`, `DELETE_PROTECTION_ENABLED`, `ATTACHED_TO_POOL`)},
	{gahp.Refused, nil, words(`QUOTA_NOT_EXIST`, `QUOTA_IS_NOT_VALID`, `quota[^.]*(not exist|n't exist|not valid)`)},
	{gahp.Quota, nil, words(`quota`)},
	{gahp.NoCapacity, nil, words(
		`\bno hosts?\b`, `\bno available (running )?hosts?`, `did not satisfy`, `low disk space`, `not enough (mac|disk|space|storage)`,
		`no (available|free) mac address`, `storage domain[^.]*(status|not active|inaccessible)`,
		`SCHEDULING_`, `NO_VDS_AVAILABLE`, `FAILED_VDS_VM_`, `DISK_SPACE_LOW`, `STORAGE_DOMAIN_STATUS_ILLEGAL`, `NOT_ENOUGH_MAC`)},
	{gahp.NotFound, []verb{get, start, shutdown, stop, remove, remark}, words(`vm (is )?not found`, `vm (does not|doesn't) exist`, `entity not found`, `VM_NOT_FOUND`, `VM_NOT_EXIST`)},
	{gahp.WrongState, []verb{start, shutdown, stop, remove}, words(
		`vm is (not )?running`, `because the vm is in`, `saving|restoring`, `is not down`,
		`VM_STATUS_ILLEGAL`, `VM_IS_(NOT_)?RUNNING`, `SAVING_RESTORING`, `STATUS_IS_NOT_DOWN`)},
}

func words(any ...string) *regexp.Regexp {
	return regexp.MustCompile(`(?is)` + strings.Join(any, "|"))
}

// said is what an answer's body says of itself.
type said struct {
	engine bool   // it is a fault or an action: an engine wrote it, and no proxy
	fault  bool   // it is a fault, or an action that holds one
	detail string // of the fault
	status string // of the action
}

// readFault reads a fault, an action, or anything else.
func readFault(body []byte) said {
	d, err := open(bytes.NewReader(body))
	if err != nil {
		return said{}
	}
	switch d.root.Name.Local {
	case "fault":
		if f, err := one(d, &d.root, ovirtsdk.XMLFaultReadOne); err == nil {
			return said{engine: true, fault: true, detail: detail(f)}
		}
	case "action":
		a, err := one(d, &d.root, ovirtsdk.XMLActionReadOne)
		if err != nil || d.rest() != nil {
			return said{} // cut off: what it would have said is not known
		}
		s := said{engine: true}
		s.status, _ = a.Status()
		if f, ok := a.Fault(); ok {
			s.fault, s.detail = true, detail(f)
		}
		return s
	}
	return said{}
}

func detail(f *ovirtsdk.Fault) string {
	if d, ok := f.Detail(); ok && strings.Trim(d, "[] \r\n") != "" {
		return d
	}
	r, _ := f.Reason()
	return r
}

// refusal sorts an answer whose status is not a success.
func (e *Engine) refusal(c call, a *answer) *gahp.Error {
	body, err := a.small()
	s := readFault(body)
	if a.status/100 == 3 {
		return down("%s: %s sends us on to %q; is %s its URL?", c.name(), e.url.Host, a.location, e.url)
	}
	if a.status == http.StatusNotFound && !s.engine && (len(bytes.TrimSpace(body)) > 0 || err != nil || c.verb == list || c.verb == create) {
		// An engine's 404 for a machine is empty or a fault. A page is from the server
		// before it, while the engine starts: taking it for "no such machine" would
		// let go of one that runs.
		return down("%s: %s has no oVirt engine there (404); it may be starting, or %s is not its URL", c.name(), e.url.Host, e.url)
	}
	return e.sort(c, a.status, s)
}

// sort gives a failed call its kind.
func (e *Engine) sort(c call, status int, s said) *gahp.Error {
	kind := gahp.Refused
	switch {
	case status == http.StatusForbidden:
		kind = gahp.Forbidden
	case status == http.StatusTooManyRequests:
		kind = gahp.EngineDown
	case status == http.StatusServiceUnavailable && c.verb != remove:
		kind = gahp.EngineDown // the proxy before the engine did not reach it
	case status >= 500 && c.verb.writes():
		// A proxy also says 503 of a DELETE that it lost on the way back: it takes
		// the method for one that may be repeated.
		kind = gahp.Unknown
	case status >= 500:
		kind = gahp.EngineDown
	case status == http.StatusNotFound && c.verb == create:
		kind = gahp.NoTemplate
	case status == http.StatusNotFound:
		kind = gahp.NotFound
	default:
		if status == http.StatusConflict && c.verb != create {
			kind = gahp.WrongState
		}
		for _, r := range rules {
			if (r.verbs == nil || slices.Contains(r.verbs, c.verb)) && r.text.MatchString(s.detail) {
				kind = r.kind
				break
			}
		}
	}
	text := c.name() + ": " + oneLine(redact(s.detail, c.secrets...), fmt.Sprintf("the engine at %s answers %d and not why", e.url.Host, status))
	if kind == gahp.Unknown {
		text += "; it may or may not have been done: look"
	}
	return &gahp.Error{Kind: kind, Text: text}
}

// maxText bounds an engine's words in an error, runes.
const maxText = 500

// oneLine is an engine's text as a line of bounded length, without the brackets of
// the list it comes as; instead if there is none.
func oneLine(text, instead string) string {
	line := strings.Trim(strings.Join(strings.Fields(text), " "), "[] ")
	if line == "" {
		return instead
	}
	if r := []rune(line); len(r) > maxText {
		return string(r[:maxText]) + "..."
	}
	return line
}

// redact takes secrets out of a text that others wrote: an engine may quote what it
// does not like.
func redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// lines are the lines of user data that could be a secret, longest first.
func lines(userData string) []string {
	var out []string
	for line := range strings.Lines(userData) {
		if line = strings.TrimSpace(line); len(line) >= 8 {
			out = append(out, line)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}
