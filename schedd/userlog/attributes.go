package userlog

import (
	"strings"

	"gridburst/internal/ad"
)

// attributes carries the fields of an event into an ad, or out of one.
type attributes struct {
	ad      *ad.Ad
	reading bool
}

// text is left out where it is empty.
func (a *attributes) text(name string, p *string) {
	if a.reading {
		*p = a.ad.Text(name)
	} else if *p != "" {
		a.ad.SetString(name, *p)
	}
}

func (a *attributes) constant(name, value string) {
	if !a.reading {
		a.ad.SetString(name, value)
	}
}

func (a *attributes) int(name string, p *int64) {
	if a.reading {
		*p = a.ad.Int(name, *p)
	} else {
		a.ad.SetInt(name, *p)
	}
}

func (a *attributes) code(name string, p *int32) {
	n := int64(*p)
	a.int(name, &n)
	*p = int32(n)
}

// size is left out where it is negative, and so not known.
func (a *attributes) size(name string, p *int64) {
	if a.reading {
		*p = a.ad.Int(name, -1)
	} else if *p >= 0 {
		a.ad.SetInt(name, *p)
	}
}

// real is a whole number that HTCondor keeps as a real.
func (a *attributes) real(name string, p *int64) {
	if !a.reading {
		a.ad.SetReal(name, float64(*p))
		return
	}
	v, _ := a.ad.Literal(name)
	f, _ := v.Number()
	*p = int64(f)
}

func (a *attributes) bool(name string, p *bool) {
	if !a.reading {
		a.ad.SetBool(name, *p)
		return
	}
	v, _ := a.ad.Literal(name)
	*p, _ = v.Bool()
}

func (a *attributes) record(name string, p **ad.Ad) {
	if !a.reading {
		if *p != nil {
			a.ad.SetExpr(name, (*p).Record())
		}
		return
	}
	if e, ok := a.ad.Expr(name); ok {
		*p = e.Record()
	}
}

func (a *attributes) usage(name string, u *Usage) {
	if a.reading {
		u.parse(a.ad.Text(name))
	} else {
		a.ad.SetString(name, u.String())
	}
}

func (a *attributes) moved(which string, m *Moved) {
	a.real(which+"SentBytes", &m.Sent)
	a.real(which+"ReceivedBytes", &m.Received)
}

func (a *attributes) exit(x *Exit) {
	normal := !x.Signal
	a.bool("TerminatedNormally", &normal)
	x.Signal = !normal
	if normal {
		a.code("ReturnValue", &x.Code)
	} else {
		a.code("TerminatedBySignal", &x.Code)
		a.text("CoreFile", &x.Core)
	}
}

// resources are attributes of the ad itself: Cpus, RequestCpus, CpusUsage, AssignedCpus.
func (a *attributes) resources(rows *[]Resource) {
	if !a.reading {
		for i := range *rows {
			r := &(*rows)[i]
			for name, source := range map[string]string{r.Name + "Usage": r.Usage, "Request" + r.Name: r.Request, r.Name: r.Allocation, "Assigned" + r.Name: r.Assigned} {
				if e, err := ad.ParseOld(source); source != "" && err == nil {
					a.ad.SetExpr(name, e)
				}
			}
		}
		return
	}
	// As HTCondor, those that were asked for and given.
	for _, name := range a.ad.Names() {
		request, found := cutFold(name, "Request")
		if _, given := a.ad.Expr(request); !found || !given {
			continue
		}
		source := func(name string) string {
			s, _ := a.ad.Source(name)
			return s
		}
		*rows = append(*rows, Resource{request, source(request + "Usage"), source(name), source(request), source("Assigned" + request)})
	}
}

// cutFold takes a beginning off, whatever its case.
func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
