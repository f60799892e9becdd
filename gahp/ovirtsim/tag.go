package ovirtsim

import (
	"encoding/xml"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// tag is a word that machines can carry. Tags form a tree, whose root is there from the
// beginning.
type tag struct{ ID, Name, Description, Parent string }

func (t *tag) key() (id, name string) { return t.ID, t.Name }

type tagIn struct {
	XMLName     xml.Name `xml:"tag"`
	ID          string   `xml:"id,attr"`
	Name        *string  `xml:"name"`
	Description *string  `xml:"description"`
	Parent      *refIn   `xml:"parent"`
}

var tagName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,50}$`)

func (c *call) listTags() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return show(c, "tag", s.tags.sorted(), []string{"name", "id"},
		func(t *tag) fields { return fields{"name": t.Name, "id": t.ID} },
		func(t *tag) *node { return t.node(at("tags", t.ID)) })
}

func (t *tag) node(href string) *node {
	n := object("tag", href, t.ID, nil, []*node{tx("name", t.Name), tx("description", t.Description)}, nil)
	return n.addIf(t.Parent != "", ref("parent", "tags", t.Parent))
}

// describe sets what a caller says of a tag. s.mu is held.
func (c *call) describeTag(t *tag, in tagIn) *reply {
	set(&t.Name, in.Name)
	set(&t.Description, in.Description)
	if in.Parent != nil {
		p := c.s.tagBy(*in.Parent)
		if p == nil || p.ID == t.ID {
			return c.faultReply(http.StatusNotFound, failed, "Entity not found: Tag")
		}
		t.Parent = p.ID
	}
	switch {
	case !tagName.MatchString(t.Name):
		return c.fault("TAG_NAME", "")
	case c.s.tags.named(t.Name, func(o *tag) bool { return o.ID != t.ID }) != nil:
		return c.fault("TAG_NAME_IN_USE", "")
	}
	return nil
}

func (s *Sim) tagBy(r refIn) *tag {
	if r.ID != "" {
		return s.tags.all[strings.ToLower(r.ID)]
	}
	return s.tags.named(r.Name, func(*tag) bool { return true })
}

func (c *call) addTag() *reply {
	c.doing = "add Tag"
	var in tagIn
	if out := c.read(&in); out != nil {
		return out
	}
	if in.Name == nil {
		return c.faultReply(http.StatusBadRequest, incomplete, "Tag [name] required for add")
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tag{ID: newID(), Parent: blankID}
	if out := c.describeTag(t, in); out != nil {
		return out
	}
	s.tags.put(s, t)
	return c.made(at("tags", t.ID), t.node(at("tags", t.ID)), false)
}

func (c *call) updateTag() *reply {
	c.doing = "edit Tag"
	var in tagIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tags.all[c.id]
	if t == nil || t.ID == blankID {
		return &reply{status: http.StatusNotFound}
	}
	next := *t
	if out := c.describeTag(&next, in); out != nil {
		return out
	}
	s.tags.put(s, &next)
	return xmlReply(http.StatusOK, next.node(at("tags", t.ID)))
}

// removeTag takes a tag away, from all that carry it as well.
func (c *call) removeTag() *reply {
	c.doing = "remove Tag"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tags.all[c.id]
	if t == nil || t.ID == blankID {
		return &reply{status: http.StatusNotFound}
	}
	s.tags.drop(s, t) // a machine that carries a tag that is not there does not carry it
	for _, v := range s.vms {
		if slices.Contains(v.Tags, t.ID) {
			v.Tags = without(v.Tags, t.ID)
			s.save(v)
		}
	}
	return c.complete()
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(o string) bool { return o == s })
}

// tagsOf are the tags that a machine carries. s.mu is held.
func (s *Sim) tagsOf(v *vm) (out []*tag) {
	for _, id := range v.Tags {
		if t := s.tags.all[id]; t != nil {
			out = append(out, t)
		}
	}
	return out
}

func (s *Sim) tagsNode(v *vm) *node {
	n := el("tags")
	for _, t := range s.tagsOf(v) {
		n.add(t.node(at("vms", v.ID) + "/tags/" + t.ID).add(ref("vm", "vms", v.ID)))
	}
	return n
}

// assignTag has a machine carry a tag, by its id or name.
func (c *call) assignTag() *reply {
	c.doing = "attach Tag to VM"
	var in tagIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	r := refIn{ID: in.ID}
	set(&r.Name, in.Name)
	t := s.tagBy(r)
	if t == nil {
		return c.faultReply(http.StatusNotFound, failed, "Entity not found: Tag: name="+r.Name)
	}
	if !slices.Contains(v.Tags, t.ID) {
		v.Tags = append(slices.Clone(v.Tags), t.ID)
		c.updated(v)
	}
	href := at("vms", v.ID) + "/tags/" + t.ID
	return c.made(href, t.node(href).add(ref("vm", "vms", v.ID)), false)
}

func (c *call) unassignTag() *reply {
	c.doing = "detach Tag from VM"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	id := c.r.PathValue("part")
	if !slices.Contains(v.Tags, id) {
		return &reply{status: http.StatusNotFound}
	}
	v.Tags = without(v.Tags, id)
	c.updated(v)
	return c.complete()
}
