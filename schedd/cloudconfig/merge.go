// Package cloudconfig puts what a schedd tells a guest behind what an administrator does.
//
// Both are cloud-configs. What an administrator writes is left as it is, to the letter.
// Only of the lists write_files and runcmd a guest carries out one each: theirs go on with
// the schedd's, so that what their commands prepare is there when the worker begins. (None
// of their commands may end the shell, as exit does: all of runcmd is one script.)
//
// An engine may put a cloud-config of its own before the result, text before text, and of
// a key that is there twice a guest takes the last. So the result is the rest of a
// mapping, each key at the beginning of a line, and the whole lists come last, in JSON,
// which YAML is made to read.
package cloudconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"gridburst/internal/grid"
)

// File is one that the guest is to have.
type File struct {
	Path        string `json:"path"`
	Content     string `json:"content"`
	Permissions string `json:"permissions"`
}

// Merge gives a cloud-config that has all of theirs, which may be empty, and then files
// and commands. What cannot be put together is [grid.Invalid], with its line.
func Merge(theirs string, files []File, run [][]string) (string, error) {
	top, err := mapping(theirs)
	if err != nil {
		return "", err
	}
	written, err := list(top, "write_files")
	if err != nil {
		return "", err
	}
	mine := map[string]bool{}
	for _, f := range files {
		mine[f.Path] = true
	}
	for _, n := range written {
		var f struct {
			Path string `yaml:"path"`
		}
		if err := n.Decode(&f); err != nil || f.Path == "" {
			return "", wrong(n, "write_files has an entry without a path")
		}
		if mine[path.Clean(f.Path)] {
			return "", wrong(n, "write_files has %s, which is the schedd's own", f.Path)
		}
	}
	commands, err := list(top, "runcmd")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("#cloud-config\n")
	if theirs = strings.TrimRight(theirs, "\n"); theirs != "" {
		out.WriteString(theirs + "\n")
	}
	if err := whole(&out, "write_files", written, files); err != nil {
		return "", err
	}
	if err := whole(&out, "runcmd", commands, run); err != nil {
		return "", err
	}
	return out.String(), nil
}

// whole writes a list: theirs, and ours.
func whole[T any](out *strings.Builder, key string, theirs []*yaml.Node, ours []T) error {
	all := make([]any, 0, len(theirs)+len(ours))
	for _, n := range theirs {
		if b := binary(n); b != nil {
			return wrong(b, "%s has a !!binary value, which cannot be carried on: write it with encoding: b64", key)
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return wrong(n, "%s: %s", key, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if _, err := json.Marshal(v); err != nil {
			return wrong(n, "%s has an entry with keys that are no words", key)
		}
		all = append(all, v)
	}
	for _, v := range ours {
		all = append(all, v)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s\n", key, text)
	return nil
}

// binary is a node below n that is no text; nil: there is none.
func binary(n *yaml.Node) *yaml.Node {
	if n.ShortTag() == "!!binary" {
		return n
	}
	if n.Kind == yaml.AliasNode {
		return binary(n.Alias)
	}
	for _, below := range n.Content {
		if b := binary(below); b != nil {
			return b
		}
	}
	return nil
}

// marker begins or ends a document; what follows a second one no guest reads.
var marker = regexp.MustCompile(`(?m)^(---|\.\.\.)(\s|$)`)

// mapping reads a cloud-config.
func mapping(text string) (*yaml.Node, error) {
	if at := marker.FindStringIndex(text); at != nil {
		return nil, grid.Errorf(grid.Invalid, "line %d: leave out the mark %s: the text goes on", 1+strings.Count(text[:at[0]], "\n"), strings.TrimSpace(text[at[0]:at[1]]))
	}
	var doc yaml.Node
	err := yaml.NewDecoder(strings.NewReader(text)).Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	case err != nil:
		return nil, grid.Errorf(grid.Invalid, "it is no YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	top := doc.Content[0]
	switch {
	case top.ShortTag() == "!!null": // comments alone
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	case top.Kind != yaml.MappingNode:
		return nil, wrong(top, "it is no mapping: a cloud-config is KEY: VALUE")
	case top.Style&yaml.FlowStyle != 0 || top.Column != 1:
		return nil, wrong(top, "write each key at the beginning of a line: the text goes on with keys")
	}
	var seen []string
	for i := 0; i+1 < len(top.Content); i += 2 {
		k := top.Content[i]
		switch {
		case slices.Contains(seen, k.Value):
			return nil, wrong(k, "%s is there twice: of two the last counts, and the first is lost", k.Value)
		case k.Value == "hostname" || k.Value == "fqdn":
			return nil, wrong(k, "%s is not to be set: a guest has its machine's name, by which its worker is known", k.Value)
		}
		seen = append(seen, k.Value)
	}
	return top, nil
}

// list is what is under a key.
func list(top *yaml.Node, key string) ([]*yaml.Node, error) {
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value != key {
			continue
		}
		v := top.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		switch {
		case v.Kind == yaml.SequenceNode:
			return v.Content, nil
		case v.ShortTag() == "!!null":
			return nil, nil
		}
		return nil, wrong(v, "%s is no list", key)
	}
	return nil, nil
}

func wrong(at *yaml.Node, format string, args ...any) error {
	return grid.Errorf(grid.Invalid, "line %d: %s", at.Line, fmt.Sprintf(format, args...))
}
