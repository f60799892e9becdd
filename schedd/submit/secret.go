package submit

import (
	"slices"
	"strings"

	"gridburst/internal/ad"
)

// secrets are attributes whose values nobody is shown: what a guest is given may hold
// passwords, and whoever wrote it has it already. The queue file holds them, as does the
// machine.
var secrets = [...]string{"DeltacloudUserData", "OvirtUserData"}

// Hidden is what is shown in place of a secret attribute's value.
const Hidden = "***"

// Secret reports whether an attribute's value is shown to nobody.
func Secret(name string) bool {
	return slices.ContainsFunc(secrets[:], func(s string) bool { return strings.EqualFold(s, name) })
}

// Hide takes the secrets out of an ad that somebody is about to see.
func Hide(a *ad.Ad) {
	for _, name := range secrets {
		if a.Has(name) {
			a.SetString(name, Hidden)
		}
	}
}

// HideAttrs is attributes as they may be shown. What it is given stays as it is.
func HideAttrs(attrs []Attr) []Attr {
	if !slices.ContainsFunc(attrs, func(a Attr) bool { return Secret(a.Name) }) {
		return attrs
	}
	attrs = slices.Clone(attrs)
	for i := range attrs {
		if a := &attrs[i]; Secret(a.Name) && a.Expr != "" { // an empty one takes the attribute away
			a.Expr = ad.Quote(Hidden)
		}
	}
	return attrs
}

// HideSection is a section as it may be shown. Its items stay: a secret is no item.
func HideSection(s Section) Section {
	s.Attrs = HideAttrs(s.Attrs)
	if !slices.ContainsFunc(s.Columns, func(c Column) bool { return Secret(c.Attr) }) {
		return s
	}
	s.Columns = slices.Clone(s.Columns)
	for i := range s.Columns {
		if c := &s.Columns[i]; Secret(c.Attr) {
			c.Text, c.List = Hidden, nil
		}
	}
	return s
}
