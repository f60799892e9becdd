package configs

import (
	"reflect"
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
