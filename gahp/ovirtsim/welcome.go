package ovirtsim

import (
	"bytes"
	_ "embed"
	html "html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed welcome.html
var welcomeText string

var welcomePage = html.Must(html.New("welcome").Parse(welcomeText))

const (
	welcomeCookie = "locale"
	welcomeLogin  = engine + "/sso/oauth/authorize"
)

// welcome is the page at the engine's root: what there is, and what happened lately. An
// engine sends a caller round by its login service, and so does this one: who keeps no
// cookies goes round for ever.
func (c *call) welcome() *reply {
	if _, err := c.r.Cookie(welcomeCookie); err != nil {
		out := page(http.StatusFound, "Found")
		out.header["Location"] = welcomeLogin
		return out
	}
	var b bytes.Buffer
	if err := welcomePage.Execute(&b, c.s.inventory()); err != nil {
		return page(http.StatusInternalServerError, err.Error())
	}
	return &reply{http.StatusOK, map[string]string{
		"Content-Type": "text/html;charset=UTF-8", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Refresh": "5",
	}, b.Bytes()}
}

// authorize sends a caller back to where it came from.
func (c *call) authorize() *reply {
	out := page(http.StatusFound, "Found")
	out.header["Location"] = engine + "/"
	out.header["Set-Cookie"] = welcomeCookie + "=en_US; Path=" + engine + "; Secure; HttpOnly; SameSite=Lax"
	return out
}

// inventoryPage is what the page shows.
type inventoryPage struct {
	URL, Now string
	Tables   []inventoryTable
}

type inventoryTable struct {
	Title string
	Heads []string
	Rows  [][]string
}

// lately is how many entries of the journal the page shows.
const lately = 30

func (s *Sim) inventory() inventoryPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := inventoryPage{URL: s.URL, Now: s.clock.Now().Format(time.DateTime)}
	put := func(title string, heads []string, n int, row func(i int) []string) {
		t := inventoryTable{Title: title, Heads: heads}
		for i := range n {
			t.Rows = append(t.Rows, row(i))
		}
		p.Tables = append(p.Tables, t)
	}
	vms, disks, templates, domains := s.sorted(), s.disks.sorted(), s.templates.sorted(), s.domainsOf("")
	put("Virtual machines", []string{"name", "status", "since", "host", "template", "cores", "memory", "tags", "comment"}, len(vms), func(i int) []string {
		v := vms[i]
		return []string{
			v.Name, string(s.shown(v)), v.Since.Format(time.DateTime), s.hostName(v.Host), s.templateName(v.Original), count(v.vcpus()), size(v.Memory),
			strings.ReplaceAll(s.tagNames(v), several, " "), v.Comment,
		}
	})
	put("Hosts", []string{"name", "cluster", "status", "machines", "memory used", "memory"}, len(s.model.Hosts), func(i int) []string {
		h := s.model.Hosts[i]
		used, active := s.used(idOf("host", h.Name))
		return []string{h.Name, h.Cluster, h.Status, count(active), size(used), size(h.MemoryMB << 20)}
	})
	put("Storage domains", []string{"name", "data center", "type", "status", "used", "size"}, len(domains), func(i int) []string {
		d := domains[i]
		used, _ := s.usedOf(d)
		return []string{d.Name, d.DataCenter, d.Kind, d.Status, size(used), size(d.Size)}
	})
	put("Disks", []string{"alias", "status", "machine", "format", "size", "used"}, len(disks), func(i int) []string {
		d, name := disks[i], ""
		if v := s.vms[d.Machine]; v != nil {
			name = v.Name
		}
		return []string{d.Alias, s.diskStatus(d), name, d.Format, size(d.Size), size(d.used())}
	})
	put("Templates", []string{"name", "version", "status", "cores", "memory"}, len(templates), func(i int) []string {
		t := templates[i]
		return []string{t.Name, count(t.Version), s.templateStatus(t), count(t.vcpus()), size(t.Memory)}
	})
	put("Rules in force", []string{"rule", "met", "says"}, len(s.rules), func(i int) []string {
		r := s.rules[i]
		return []string{count(r.id), count(r.hits), r.String()}
	})
	last := s.journal.entries[max(0, len(s.journal.entries)-lately):]
	put("What happened, the latest first", []string{"when", "what", "machine", "status", "by", "why"}, len(last), func(i int) []string {
		e := last[len(last)-1-i]
		return []string{e.At.Format(time.DateTime), string(e.What), e.Name, string(e.Status), e.By, e.Why}
	})
	return p
}

func count(n int) string { return strconv.Itoa(n) }

func size(bytes int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB"} {
		if one := int64(1) << (40 - 10*i); bytes >= one {
			return strconv.FormatFloat(float64(bytes)/float64(one), 'g', 3, 64) + " " + unit
		}
	}
	return strconv.FormatInt(bytes, 10) + " B"
}
