package configs

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Change is a difference between two configurations, in words.
type Change struct {
	Where string // resource "main", burst of resource "main", schedd
	What  string // max_vms
	Was   string // empty: it was not said
	Now   string // empty: it is not said any more
}

// String is a line: resource "main": max_vms was 10 and is 8.
func (c Change) String() string {
	at := c.Where
	if c.What != "" {
		at += ": " + c.What
	}
	switch {
	case c.What == "" && c.Was == "":
		return at + " is new"
	case c.What == "":
		return at + " is gone"
	case c.Was == "":
		return at + " is " + c.Now + ", and was not said"
	case c.Now == "":
		return at + " was " + c.Was + ", and is not said any more"
	}
	return at + " was " + c.Was + " and is " + c.Now
}

// keyNames are the keys of fields that are not named as the field is.
var keyNames = map[string]string{
	"Price": "price_per_hour", "Period": "billing_period", "MaxPerUser": "max_vms_per_user", "MaxPerHour": "max_vms_per_hour", "MaxVMs": "max_vms",
	"MaxVMTime": "max_vm_time", "DagJobs": "max_dag_jobs", "DagIdle": "max_dag_idle", "DagPre": "max_dag_pre", "DagPost": "max_dag_post", "DagHold": "max_dag_hold", "MinVMs": "min_vms", "MemoryMB": "memory", "DiskKB": "disk", "URL": "url", "CAFile": "ca_file", "GAHP": "gahp",
}

// blockKinds are the lists of blocks, by their fields; the names of theirs are in Name.
var blockKinds = map[string]string{
	"Resources": "resource", "Targets": "target", "Crons": "cron", "Windows": "burst", "Policies": "policy", "Requirements": "submit_requirement", "Commands": "submit_command", "Concurrency": "concurrency_limit", "Budget": "budget",
}

// Diff tells what the second of two configurations says otherwise.
func Diff(was, now *Schedd) []Change {
	return differ{}.fields("schedd", reflect.ValueOf(*was), reflect.ValueOf(*now))
}

type differ struct{}

func (d differ) fields(where string, a, b reflect.Value) (out []Change) {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		x, y := a.Field(i), b.Field(i)
		key := keyNames[f.Name]
		if key == "" {
			key = grid.SnakeCase(f.Name)
		}
		switch {
		case f.Name == "Name" && where != "schedd" || f.Name == "Kind" || f.Name == "Currency" || f.Name == "Per":
		case blockKinds[f.Name] != "" && f.Type.Kind() == reflect.Slice:
			out = append(out, d.list(where, blockKinds[f.Name], x, y)...)
		case f.Name == "Router":
			out = append(out, routing(x.Interface().(*Router), y.Interface().(*Router))...)
		case f.Name == "Burst":
			out = append(out, d.burst(where, x, y)...)
		case f.Anonymous:
			out = append(out, d.fields(where, x, y)...)
		case f.Type.Kind() == reflect.Struct && f.Name == "Limits":
			out = append(out, d.fields("limits", x, y)...)
		case f.Type.Kind() == reflect.Struct:
			out = append(out, d.fields(key, x, y)...)
		case f.Name == "Price" && a.Type() == reflect.TypeFor[Window]():
			out = append(out, change(where, "budget", money(a, "Price"), money(b, "Price"))...)
		case f.Name == "Price":
			out = append(out, change(where, key, money(a, "Price"), money(b, "Price"))...)
		default:
			out = append(out, change(where, key, shown(f.Name, x), shown(f.Name, y))...)
		}
	}
	return out
}

func change(where, key, was, now string) []Change {
	if was == now {
		return nil
	}
	return []Change{{where, key, was, now}}
}

func money(v reflect.Value, amount string) string {
	unit := v.FieldByName("Currency").String()
	if unit == "" {
		return ""
	}
	return fmt.Sprintf("%v %s", v.FieldByName(amount).Interface(), unit)
}

// burst compares the machines for the pool of a resource.
func (d differ) burst(where string, a, b reflect.Value) []Change {
	name := "burst of " + where
	switch {
	case a.IsNil() && b.IsNil():
		return nil
	case a.IsNil():
		return []Change{{Where: name, Now: "new"}}
	case b.IsNil():
		return []Change{{Where: name, Was: "there"}}
	}
	return d.fields(name, a.Elem(), b.Elem())
}

// list compares blocks by their names.
func (d differ) list(where, kind string, a, b reflect.Value) (out []Change) {
	name := func(v reflect.Value) string {
		if kind == "budget" {
			return "per_" + v.FieldByName("Per").String()
		}
		if kind == "target" {
			return kind + " " + quote(v.FieldByName("Resource").String())
		}
		return kind + " " + quote(v.FieldByName("Name").String())
	}
	find := func(in reflect.Value, n string) (reflect.Value, bool) {
		for i := range in.Len() {
			if name(in.Index(i)) == n {
				return in.Index(i), true
			}
		}
		return reflect.Value{}, false
	}
	budget := "budget of " + where
	if where == "schedd" {
		budget = "budget of all resources"
	}
	for i := range a.Len() {
		x := a.Index(i)
		n := name(x)
		y, ok := find(b, n)
		switch {
		case kind == "budget" && ok:
			out = append(out, change(budget, n, money(x, "Amount"), money(y, "Amount"))...)
		case kind == "budget":
			out = append(out, Change{Where: budget, What: n, Was: money(x, "Amount")})
		case ok:
			out = append(out, d.fields(n, x, y)...)
		default:
			out = append(out, Change{Where: n, Was: "there"})
		}
	}
	for i := range b.Len() {
		y := b.Index(i)
		if n := name(y); !found(find(a, n)) {
			if kind == "budget" {
				out = append(out, Change{Where: budget, What: n, Now: money(y, "Amount")})
			} else {
				out = append(out, Change{Where: n, Now: "new"})
			}
		}
	}
	return out
}

func found(_ reflect.Value, ok bool) bool { return ok }

// shown is a value as the file would say it; empty: it is not said.
func shown(field string, v reflect.Value) string {
	if v.IsZero() {
		return ""
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case string:
		return quote(grid.Printable(x))
	case *ad.Expr:
		return x.String()
	case int64:
		switch field {
		case "MemoryMB":
			return fmt.Sprintf("%d MiB", x)
		case "DiskKB":
			return fmt.Sprintf("%d KiB", x)
		}
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return ""
	}
	return strings.ReplaceAll(fmt.Sprintf("%v", v.Interface()), "\n", " ")
}
