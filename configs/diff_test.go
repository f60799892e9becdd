package configs

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestDifferencesAreToldInWords(t *testing.T) {
	old := read(t, whole)
	if d := Diff(&old, &old); len(d) > 0 {
		t.Errorf("it differs from itself: %v", d)
	}
	text := strings.NewReplacer(
		"max_vms = 3", "max_vms = 4", `per_day = "2 EUR"`, "", `per_hour = "1 EUR"`, `per_hour = "1.5 EUR"`, `idle_time = "1s"`, `idle_time = "3m"`,
		`listen = "[::1]:9618"`, `listen = ":1"`, `cron "nightly"`, `cron "daily"`, `max = 4`, `max = 5`, `memory = "2GiB"`, `memory = "4GiB"`,
		`price_per_hour = "0.5 EUR"`, `price_per_hour = "0.75 EUR"`,
	).Replace(whole)
	fresh := read(t, text)
	var got []string
	for _, c := range Diff(&old, &fresh) {
		got = append(got, c.String())
	}
	want := `schedd: listen was "[::1]:9618" and is ":1"
concurrency_limit "small.*": max was 4 and is 5
resource "main": price_per_hour was 0.5 EUR and is 0.75 EUR
budget of resource "main": per_hour was 1 EUR and is 1.5 EUR
budget of resource "main": per_day was 2 EUR, and is not said any more
resource "main": max_vms was 3 and is 4
burst of resource "main": memory was 2048 MiB and is 4096 MiB
burst of resource "main": idle_time was 1s and is 3m0s
cron "nightly" is gone
cron "daily" is new`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("it says\n%s\nand not\n%s", text, want)
	}
	bare := fresh
	bare.Resources = nil
	if d := Diff(&bare, &fresh); len(d) != 1 || d[0].String() != `resource "main" is new` {
		t.Errorf("of a new resource it says %v", d)
	}
}

// Routes and transforms are compared by what they set, and by their order; targets and bursts by
// the clock by their keys.
func TestDifferencesOfRoutesAreToldLineByLine(t *testing.T) {
	old := read(t, whole)
	text := strings.NewReplacer(
		"max_jobs = 500", "max_jobs = 600", "round_robin = true", "", `constraint = "WantRoute =?= true"`, "",
		"max_idle_jobs = 5\n", "max_idle_jobs = 9\n", `set = { Requirements = true }`, `set = { Requirements = false, More = 1 }`, `delete = ["/^Want/"]`, "",
		`transform "base"`, `transform "ground"`, `bin = "/opt/slurm/bin"`, `bin = "/opt/slurm2/bin"`, `target "gridburst far"`, `target "gridburst near"`, "budget = \"5 EUR\"", "budget = \"6 EUR\"", `except = ["2026-12-24"]`, "",
	).Replace(whole) + `
route "last" {
  requirements  = true
  grid_resource = "batch slurm"
}
`
	fresh := read(t, text)
	var got []string
	for _, c := range Diff(&old, &fresh) {
		got = append(got, c.String())
	}
	want := `target "batch slurm": bin was "/opt/slurm/bin" and is "/opt/slurm2/bin"
target "gridburst far" is gone
target "gridburst near" is new
cron "nightly": except was [2026-12-24], and is not said any more
burst "night": except was [2026-12-24], and is not said any more
burst "paid": budget was 5 EUR and is 6 EUR
job_router: constraint was WantRoute =?= true, and is not said any more
job_router: max_jobs was 500 and is 600
job_router: round_robin was true and is false
route "slurm": MaxIdleJobs was 5 and is 9
route "slurm": DELETE /^Want/ was there, and is not said any more
route "slurm": SET Requirements was true and is false
route "slurm": SET More is 1, and was not said
route "last" is new
transform "base" is gone
transform "ground" is new`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("it says\n%s\nand not\n%s", text, want)
	}
	turned := fresh
	r := *fresh.Router
	r.source.Routes = slices.Clone(r.source.Routes)
	slices.Reverse(r.source.Routes)
	turned.Router = &r
	if d := Diff(&fresh, &turned); len(d) != 1 || d[0].String() != "routes: their order was slurm, last and is last, slurm" {
		t.Errorf("of another order it says %v", d)
	}
	turned.Router = nil
	if d := Diff(&turned, &turned); len(d) > 0 {
		t.Errorf("without routes it differs from itself: %v", d)
	}
	if d := Diff(&turned, &fresh); len(d) < 3 {
		t.Errorf("of the first routes it says %v", d)
	}
}

// No key is passed over: whatever field is another is told of.
func TestEachKeyThatIsAnotherIsToldOf(t *testing.T) {
	old := read(t, whole)
	var change func(path string, v reflect.Value)
	change = func(path string, v reflect.Value) {
		within := v.Type()
		if v.Kind() == reflect.Pointer {
			within = v.Type().Elem()
		}
		switch {
		case path == "Schedd.Router": // its text is one
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				if f := within.Field(i); f.IsExported() && f.Name != "Kind" && f.Name != "Currency" {
					change(path+"."+f.Name, v.Field(i))
				}
			}
			return
		case v.Kind() == reflect.Pointer && within.PkgPath() == "gridburst/configs":
			change(path, v.Elem())
			return
		case v.Kind() == reflect.Slice && within.Elem().Kind() == reflect.Struct:
			for i := range v.Len() {
				change(path, v.Index(i))
			}
			return
		}
		if v.IsZero() {
			return // no example has it
		}
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		v.SetZero()
		fresh := read(t, whole)
		if len(Diff(&fresh, &old)) == 0 {
			t.Errorf("nobody tells that %s is another", path)
		}
		v.Set(before)
	}
	change("Schedd", reflect.ValueOf(&old).Elem())
}
