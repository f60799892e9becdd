package grid

import (
	"math"
	"strconv"
	"strings"
)

// ParseSize reads a size with an optional unit and rounds up to whole units of
// base bytes. A bare number counts in base. Units are K, M, G, T, P with an
// optional B or iB, of 1024, in any case, with blanks allowed before them; a bare
// B means bytes. This is HTCondor's reading of request_memory (base 1 MiB) and
// request_disk (base 1 KiB). ok is false when s is anything else, such as an
// expression.
func ParseSize(s string, base int64) (n int64, ok bool) {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(s)
	}
	v, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return 0, false
	}
	unit := strings.ToUpper(strings.TrimSpace(s[end:]))
	scale := float64(base)
	if unit != "" {
		unit = strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")
		switch unit {
		case "":
			scale = 1
		case "K":
			scale = 1 << 10
		case "M":
			scale = 1 << 20
		case "G":
			scale = 1 << 30
		case "T":
			scale = 1 << 40
		case "P":
			scale = 1 << 50
		default:
			return 0, false
		}
	}
	v = math.Ceil(v * scale / float64(base))
	if v < 0 || v > 1<<62 {
		return 0, false
	}
	return int64(v), true
}

// FormatSize writes n bytes with the largest unit that keeps it short: "512 MiB".
func FormatSize(n int64) string {
	v, unit := float64(n), 0
	for v >= 1024 && unit < len(sizeUnits)-1 {
		v /= 1024
		unit++
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " " + sizeUnits[unit]
}

var sizeUnits = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}

// SnakeCase is the name of a Go field as configuration files write it: MinMemory is
// min_memory. Each letter of an abbreviation counts as a word: MaxVMs is max_v_ms.
func SnakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
