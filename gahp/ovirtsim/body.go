package ovirtsim

import (
	"os"
	"slices"

	"go.yaml.in/yaml/v3"
)

// guestBody is a guest that runs.
type guestBody interface {
	Shutdown() // asks it to power off
	Kill()     // ends it
	Done() <-chan struct{}
}

// userData is what an engine writes on the disk that cloud-init reads: a cloud-config
// of its own, in block style, with the custom script behind it as it is. So a script
// has to be the rest of a YAML mapping: keys at the beginning of lines. One in braces
// makes the whole no YAML, and a first line that names another format is a comment.
func userData(i *initialization) string {
	config := yaml.Node{Kind: yaml.MappingNode}
	put := func(key string, value any) {
		var k, v yaml.Node
		if k.Encode(key) == nil && v.Encode(value) == nil { // plain values
			config.Content = append(config.Content, &k, &v)
		}
	}
	put("output", map[string]string{"all": ">> /var/log/cloud-init-output.log"})
	put("user", or(i.UserName, "root"))
	put("disable_root", false)
	put("runcmd", []string{`sed -i '/^datasource_list: /d' /etc/cloud/cloud.cfg; echo 'datasource_list: ["NoCloud", "ConfigDrive"]' >> /etc/cloud/cloud.cfg`})
	put("chpasswd", map[string]bool{"expire": false})
	put("ssh_pwauth", true)
	if i.Timezone != "" {
		put("timezone", i.Timezone)
	}
	if i.RootPassword != "" {
		put("password", i.RootPassword)
	}
	if i.Regenerate != nil {
		put("ssh_deletekeys", *i.Regenerate)
	}
	b, err := yaml.Marshal(&config)
	if err != nil {
		return "#cloud-config\n" + i.CustomScript
	}
	return "#cloud-config\n" + string(b) + i.CustomScript
}

// canRun says whether this machine can have the bodies that the model wants, and makes
// room for them.
func (s *Sim) canRun() error {
	wants := func(t Template) bool { return t.Body == Process }
	if !slices.ContainsFunc(s.model.Templates, wants) {
		return nil
	}
	if s.o.State == "" {
		dir, err := os.MkdirTemp("", "ovirtsim")
		if err != nil {
			return err
		}
		s.scratch = dir
	}
	return nil
}
