package ec2

import (
	"regexp"
	"strconv"
	"strings"
)

// sizes are the instance types that an engine has when it is new.
var sizes = map[string]struct {
	cores    int
	memoryMB int64
}{
	"tiny":   {1, 512},
	"small":  {1, 2048},
	"medium": {2, 4096},
	"large":  {2, 8192},
	"xlarge": {4, 16384},
}

var sized = regexp.MustCompile(`^([0-9]{1,4})x([0-9]{1,7})([MG]?)$`)

// size is what an instance type means; zeros are the template's own.
func size(kind string) (cores int, memoryMB int64, err error) {
	if kind == "" || kind == "template" {
		return 0, 0, nil
	}
	if s, ok := sizes[strings.ToLower(kind)]; ok {
		return s.cores, s.memoryMB, nil
	}
	m := sized.FindStringSubmatch(kind)
	if m == nil {
		return 0, 0, invalid("the instance type %.40q: give CORESxMEMORY as 2x4096 (MiB) or 2x4G, or tiny, small, medium, large, xlarge, or template", kind)
	}
	cores, _ = strconv.Atoi(m[1])
	memoryMB, _ = strconv.ParseInt(m[2], 10, 64)
	if m[3] == "G" {
		memoryMB *= 1024
	}
	if cores == 0 || memoryMB == 0 {
		return 0, 0, invalid("the instance type %.40q has no cores or no memory", kind)
	}
	return cores, memoryMB, nil
}
