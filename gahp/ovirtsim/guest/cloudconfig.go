package guest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// cloudConfig is what this guest carries out of a cloud-config.
type cloudConfig struct {
	hostname   string
	files      []file
	bootcmd    string // a shell script
	runcmd     string // a shell script
	powerState *powerState
	notes      []string // what it does not carry out
}

// file is one of write_files.
type file struct {
	path    string
	content []byte
	mode    uint32
	owner   string // user:group
	more    bool   // behind what is there
	late    bool   // just before runcmd
}

type powerState struct {
	mode      string // poweroff, halt, reboot
	delay     int    // minutes
	condition string // a shell script; empty: always
}

// silent are keys that change nothing here and are no surprise: the engine writes them.
var silent = []string{"output", "user", "disable_root", "chpasswd", "ssh_pwauth", "password", "ssh_deletekeys", "timezone", "merge_how", "final_message"}

// maxContent bounds a file that is unpacked.
const maxContent = 256 << 20

// parseCloudConfig reads what cloud-init would. Of a key that comes twice the last
// counts, as in PyYAML: an engine's own runcmd comes before that of a custom script.
func parseCloudConfig(text string) (c cloudConfig, err error) {
	if first, _, _ := strings.Cut(text, "\n"); strings.TrimSpace(first) != "#cloud-config" {
		return c, errors.New("the first line of the user data is not #cloud-config, and this guest knows no other form")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return c, fmt.Errorf("the user data are no YAML: %w", err)
	}
	if len(doc.Content) == 0 {
		return c, nil
	}
	top, err := mapping(doc.Content[0])
	if err != nil {
		return c, fmt.Errorf("the user data are no cloud-config: %w", err)
	}
	var errs []error
	for _, k := range top.keys {
		v := top.values[k]
		var err error
		switch k {
		case "hostname":
			err = v.Decode(&c.hostname)
		case "fqdn":
			if c.hostname == "" {
				err = v.Decode(&c.hostname)
				c.hostname, _, _ = strings.Cut(c.hostname, ".")
			}
		case "write_files":
			c.files, err = files(v)
		case "bootcmd":
			c.bootcmd, err = shellScript(v)
		case "runcmd":
			c.runcmd, err = shellScript(v)
		case "power_state":
			c.powerState, err = power(v)
		default:
			if !slices.Contains(silent, k) {
				c.notes = append(c.notes, "there is no module here for "+k)
			}
		}
		if err != nil {
			// As in cloud-init, a module that fails does not stop the others.
			errs = append(errs, fmt.Errorf("%s: %w", k, err))
		}
	}
	return c, errors.Join(errs...)
}

// keyed is a mapping, of whose keys the last counts.
type keyed struct {
	keys   []string
	values map[string]*yaml.Node
}

func mapping(n *yaml.Node) (k keyed, err error) {
	if n.Kind != yaml.MappingNode {
		return k, fmt.Errorf("line %d is no mapping", n.Line)
	}
	k.values = map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		if k.values[name] == nil {
			k.keys = append(k.keys, name)
		}
		k.values[name] = n.Content[i+1]
	}
	return k, nil
}

func (k keyed) text(name string) string {
	if n := k.values[name]; n != nil && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return n.Value
	}
	return ""
}

func (k keyed) yes(name string) bool {
	b, err := strconv.ParseBool(k.text(name))
	return err == nil && b
}

func files(n *yaml.Node) (out []file, err error) {
	if n.Kind != yaml.SequenceNode {
		return nil, errors.New("it is no list")
	}
	for _, item := range n.Content {
		k, err := mapping(item)
		if err != nil {
			return out, err
		}
		f := file{path: k.text("path"), owner: k.text("owner"), more: k.yes("append"), late: k.yes("defer")}
		if !strings.HasPrefix(f.path, "/") {
			return out, fmt.Errorf("%q is no absolute path", f.path)
		}
		if k.values["source"] != nil {
			return out, fmt.Errorf("%s: this guest fetches nothing; give its content", f.path)
		}
		if f.content, err = content(k); err != nil {
			return out, fmt.Errorf("%s: %w", f.path, err)
		}
		if f.mode, err = permissions(k.values["permissions"]); err != nil {
			return out, fmt.Errorf("%s: %w", f.path, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// content is a file's, decoded.
func content(k keyed) ([]byte, error) {
	b := []byte(k.text("content"))
	encoding := strings.ToLower(k.text("encoding"))
	if n := k.values["content"]; n != nil && n.Tag == "!!binary" {
		encoding = strings.TrimPrefix("b64+"+encoding, "+")
	}
	var packed, based bool
	switch encoding {
	case "", "text/plain":
	case "b64", "base64", "b64+":
		based = true
	case "gz", "gzip":
		packed = true
	case "gz+b64", "gzip+b64", "gz+base64", "gzip+base64", "b64+gz", "b64+gzip":
		packed, based = true, true
	default:
		return nil, fmt.Errorf("there is no encoding %s", encoding)
	}
	if based {
		text := strings.Join(strings.Fields(string(b)), "")
		var err error
		if b, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, err
		}
	}
	if !packed {
		return b, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, maxContent+1))
	if err == nil && len(out) > maxContent {
		err = fmt.Errorf("it is larger than %d MiB", maxContent>>20)
	}
	return out, err
}

// permissions are octal in a string, and whatever YAML makes of it in a number: 0644
// is 0o644, and 644 is not.
func permissions(n *yaml.Node) (uint32, error) {
	if n == nil || n.Tag == "!!null" {
		return 0o644, nil
	}
	if n.Tag == "!!int" {
		text, base := n.Value, 10
		if strings.HasPrefix(text, "0") {
			text, base = strings.TrimPrefix(strings.TrimPrefix(text, "0o"), "0"), 8
		}
		mode, err := strconv.ParseUint("0"+text, base, 12)
		return uint32(mode), err
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(n.Value, "0o"), 8, 12)
	return uint32(mode), err
}

// shellScript is a list of commands as cloud-init makes a script of them: a list of
// words is one command, a text is as it is.
func shellScript(n *yaml.Node) (string, error) {
	if n.Kind != yaml.SequenceNode {
		return "", errors.New("it is no list")
	}
	lines := []string{"#!/bin/sh"}
	for _, item := range n.Content {
		switch {
		case item.Kind == yaml.SequenceNode:
			var words []string
			for _, w := range item.Content {
				if w.Kind != yaml.ScalarNode {
					return "", fmt.Errorf("line %d: a command is a list of words", w.Line)
				}
				words = append(words, "'"+strings.ReplaceAll(w.Value, "'", `'\''`)+"'")
			}
			lines = append(lines, strings.Join(words, " "))
		case item.Tag == "!!null":
		case item.Kind == yaml.ScalarNode:
			lines = append(lines, item.Value)
		default:
			return "", fmt.Errorf("line %d: a command is a text or a list", item.Line)
		}
	}
	return strings.Join(lines, "\n") + "\n", nil
}

func power(n *yaml.Node) (*powerState, error) {
	k, err := mapping(n)
	if err != nil {
		return nil, err
	}
	p := &powerState{mode: k.text("mode")}
	if !slices.Contains([]string{"poweroff", "halt", "reboot"}, p.mode) {
		return nil, fmt.Errorf("mode is poweroff, halt or reboot, not %q", p.mode)
	}
	if d := k.text("delay"); d != "" && d != "now" {
		if p.delay, err = strconv.Atoi(strings.TrimPrefix(d, "+")); err != nil {
			return nil, fmt.Errorf("delay is now or minutes, not %q", d)
		}
	}
	switch c := k.values["condition"]; {
	case c == nil || c.Tag == "!!bool" && k.yes("condition"):
	case c.Tag == "!!bool":
		return nil, nil
	case c.Kind == yaml.ScalarNode:
		p.condition = "#!/bin/sh\n" + c.Value + "\n"
	default:
		p.condition, err = shellScript(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{c}})
	}
	return p, err
}

// CheckUserData says what cloud-init would find wrong with user data.
func CheckUserData(text string) error {
	_, err := parseCloudConfig(text)
	return err
}
