package submit

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

const gridUniverse = int(grid.Grid)

// universe is how a job runs, and what that means for its ad.
type universe struct {
	number    int
	java      bool
	docker    bool
	container string // what a slot must have for the image: HasDockerURL, HasSIF, HasSandboxImage
	vm        bool   // a grid job that is a virtual machine
}

// transfers reports whether jobs of the universe run where their files may not be.
func (u universe) transfers() bool {
	return u.number == int(grid.Vanilla) || u.number == int(grid.Java) || u.number == int(grid.Parallel)
}

var universeNames = [...]string{"vanilla", "grid", "local", "scheduler", "java", "docker", "container", "parallel"}

func (l *lowering) setUniverse() {
	u := universe{number: int(grid.Vanilla)}
	name, v, _ := l.word("universe")
	switch fold(name) {
	case "", "vanilla", "5":
	case "docker":
		u.docker = true
	case "container":
		u.container = "HasContainer"
	case "grid", "9":
		u.number = gridUniverse
	case "local", "12":
		u.number = int(grid.Local)
	case "scheduler", "7":
		u.number = int(grid.Scheduler)
	case "java", "10":
		u.number, u.java = int(grid.Java), true
	case "parallel", "11":
		u.number = int(grid.Parallel)
	default:
		detail := "Those that are: " + strings.Join(universeNames[:], ", ") + "."
		if near := grid.Nearest(name, universeNames[:]); near != "" {
			detail = "Did you mean " + quote(near) + "? " + detail
		}
		l.fail(v.Pos, quote(name)+" is not a supported universe", detail)
	}
	docker, dv, hasDocker := l.word("docker_image")
	image, iv, hasImage := l.word("container_image")
	switch {
	case hasDocker && hasImage:
		u.docker = true
		l.fail(dv.Pos, "docker_image and container_image are both set", "A job runs in one image.")
	case u.container != "" && !hasDocker && !hasImage:
		l.fail(v.Pos, "a container job needs container_image or docker_image", "")
	case u.docker && !hasDocker:
		l.fail(v.Pos, "a docker job needs docker_image", "For container_image write universe = container.")
	case u.number != int(grid.Vanilla):
	case hasImage:
		u.container = l.setImage(image)
		l.setImageSource(image, iv.Pos)
	case u.docker:
		l.put("DockerImage", KindString, dv)
	case hasDocker:
		u.container = l.setImage("docker://" + docker)
		l.put("DockerImage", KindString, dv)
	}
	if u.docker {
		l.set("WantDocker", "true")
	}
	l.universe = u
	l.set("JobUniverse", strconv.Itoa(u.number))
	if u.number == gridUniverse {
		l.setGridType()
	}
}

// setImage notes the form of a container's image, and gives what a slot must have
// for it.
func (l *lowering) setImage(image string) (needs string) {
	l.set("WantContainer", "true")
	switch {
	case strings.HasPrefix(image, "docker://"):
		l.set("WantDockerImage", "true")
		return "HasDockerURL"
	case strings.HasSuffix(image, ".sif"):
		l.set("WantSIF", "true")
		return "HasSIF"
	}
	l.set("WantSandboxImage", "true")
	return "HasSandboxImage"
}

// setImageSource decides where the image comes from: the slot has it (local), it is
// transferred as an input, from here (cedar) or by a URL's plugin, or the container
// runtime fetches it.
func (l *lowering) setImageSource(image string, at Pos) {
	transfer, set := l.flag("transfer_container")
	if set {
		l.set("TransferContainer", strconv.FormatBool(transfer))
	}
	scheme, _, isURL := strings.Cut(image, "://")
	source := "cedar"
	switch {
	case set && !transfer, strings.HasPrefix(image, "/cvmfs"):
		source = "local"
	case isURL:
		source = fold(scheme)
	}
	name := image
	if source != "local" && source != "docker" && source != "oras" {
		name = path.Base(image)
		l.image = image
		if should, _, _ := l.word("should_transfer_files"); slices.Contains(dontTransfer, strings.ToUpper(should)) {
			l.fail(at, "the image "+image+" is transferred to the slot, but should_transfer_files is NO", "If the slots have it, write transfer_container = false.")
		}
	}
	l.setString("ContainerImageSource", source)
	l.setString("ContainerImage", name)
}

// setServicePorts sets the port of each service that a container offers:
// NAME_container_port.
func (l *lowering) setServicePorts() {
	names, _, _ := l.word("container_service_names")
	for _, name := range macro.ListItems(names) {
		v, ok := l.job.Get(fold(name) + "_container_port")
		if !ok {
			l.fail(l.job.Queue.Pos, "the service "+quote(name)+" has no port", "Write "+name+"_container_port = 8080")
			continue
		}
		l.put(name+"_ContainerPort", KindInt, v)
	}
}

// setDirectory works out Iwd, which other paths rest on.
func (l *lowering) setDirectory() {
	l.iwd = []text{{s: l.site.Dir}}
	v, ok := l.command("initialdir")
	if !ok {
		l.setString("Iwd", l.site.Dir)
		return
	}
	l.put("Iwd", KindPath, v, l.iwd...)
	if v.Live {
		l.iwd = append(l.iwd, text{v.Text, true})
		return
	}
	dir := l.site.path(strings.TrimSpace(v.Text))
	l.iwd = []text{{s: dir}}
	if l.files == nil {
		return
	}
	if info, err := l.stat(dir); err != nil || !info.Mode.IsDir() {
		l.fail(v.Pos, "no such directory: "+dir, "The initialdir must exist when the job is submitted.")
	}
}

func (l *lowering) setExecutable() {
	v, ok := l.command("executable")
	u := l.universe
	transfer, set := l.flag("transfer_executable")
	l.runsInPlace = set && !transfer
	switch {
	case !ok && (u.vm || u.docker || u.container != ""):
		l.setString("Cmd", "")
		if !u.vm {
			l.set("TransferExecutable", "false")
		}
	case !ok:
		l.fail(l.job.Queue.Pos, "there is no executable", "Every job needs one: executable = ...")
	case u.vm: // only a label
		l.put("Cmd", KindString, v)
	case v.Live && l.runsInPlace:
		l.put("Cmd", KindString, v)
	case v.Live:
		l.put("Cmd", KindPath, v, text{s: l.site.Dir})
	default:
		l.setProgram(v)
	}
	if u.java {
		l.setString("Cmd", "java")
	}
	if l.runsInPlace || u.vm || u.java {
		l.set("TransferExecutable", "false")
	}
	if v, ok := l.command("arguments"); !ok {
		if u.java {
			l.fail(l.job.Queue.Pos, "a java job needs the name of its class", "As in: arguments = MyClass")
		}
		l.setString("Arguments", "")
	} else if v.IsList {
		l.put("Arguments", KindArgv, v)
	} else {
		l.put("Args", KindArguments, v)
	}
}

// setProgram sets Cmd to an executable that must be there, or, when it is not
// transferred, must be where the job runs.
func (l *lowering) setProgram(v Value) {
	name := strings.TrimSpace(v.Text)
	file := l.site.path(name)
	if l.runsInPlace {
		l.setString("Cmd", name)
		l.setSizes(file)
		return
	}
	if l.job.HCL && !strings.Contains(name, "/") {
		if _, err := l.stat(file); err != nil {
			if found := l.search(name); found != "" {
				file, l.runsInPlace = found, true
			}
		}
	}
	l.setString("Cmd", file)
	if strings.Contains(file, "$$(") { // which file it is, the slot says
		l.setSizes(file)
		return
	}
	if info, ok := l.needFile(v.Pos, "the executable", file); ok && info.Size == 0 && l.files != nil {
		l.warn(v.Pos, "the executable "+file+" is empty", "HTCondor refuses it.")
	}
	l.setSizes(file)
}

// search looks for a command in the submitter's PATH.
func (l *lowering) search(name string) string {
	dirs, _, _ := l.site.getenv("PATH")
	for dir := range strings.SplitSeq(dirs, ":") {
		if !strings.HasPrefix(dir, "/") {
			continue
		}
		file := path.Join(dir, name)
		if info, err := l.stat(file); err == nil && info.Mode.IsRegular() && info.Mode&0o111 != 0 {
			return file
		}
	}
	return ""
}

func (l *lowering) setSizes(executable string) {
	info, err := l.stat(executable)
	if err != nil {
		info = FileInfo{}
	}
	kib := strconv.FormatInt(kibibytes(info.Size), 10)
	l.set("ExecutableSize", kib)
	l.set("ImageSize", kib)
	l.inputKiB = kibibytes(info.Size)
}

func kibibytes(bytes int64) int64 { return (bytes + 1023) / 1024 }

// setStreams sets standard input, output and error, and the event log.
func (l *lowering) setStreams() {
	for _, s := range []struct{ command, attr, transfers, transfer, stream, streams string }{
		{"input", "In", "transfer_input", "TransferIn", "StreamIn", "stream_input"},
		{"output", "Out", "transfer_output", "TransferOut", "StreamOut", "stream_output"},
		{"error", "Err", "transfer_error", "TransferErr", "StreamErr", "stream_error"},
	} {
		l.asked = nil
		v, ok := l.command(s.command)
		if !ok || strings.TrimSpace(v.Text) == "/dev/null" {
			l.setString(s.attr, "/dev/null")
			l.set(s.transfer, "false")
			continue
		}
		l.put(s.attr, KindString, v)
		if transfer, set := l.flag(s.transfers); set && !transfer {
			l.set(s.transfer, "false")
			continue
		}
		b, _ := l.flag(s.streams)
		l.set(s.stream, strconv.FormatBool(b))
		if s.command == "input" && l.site.Check && !v.Live && !l.iwd[len(l.iwd)-1].live {
			l.needFile(v.Pos, "the input", fullPath(l.iwd[0].s, strings.TrimSpace(v.Text)))
		}
	}
	l.asked = nil
	if v, ok := l.command("log"); ok {
		l.put("UserLog", KindPath, v, l.iwd...)
	}
	if v, ok := l.command("dagman_log"); ok {
		l.put("DAGManNodesLog", KindPath, v, l.iwd...)
	}
}

// setEnvironment merges what getenv takes from the submitter's environment with what
// the file says, which wins.
func (l *lowering) setEnvironment() {
	base := text{s: ad.Variables(l.inherited())}
	v, ok := l.command("environment")
	switch {
	case !ok:
		l.setString("Environment", base.s)
	case v.IsList:
		l.put("Environment", KindEnv, v, base)
	default:
		l.put("Environment", KindEnvironment, v, base)
	}
	// A file that says env, in the old way, gets the old attributes.
	if old, ok := l.job.Get("env"); ok && !l.job.HCL && !old.Live && !strings.HasPrefix(old.Text, `"`) {
		l.setOldEnvironment()
	}
}

func (l *lowering) setOldEnvironment() {
	a, ok := l.attrs["environment"]
	if !ok {
		return // it differs from job to job
	}
	e, err := ad.Parse(a.Expr)
	if err != nil {
		return
	}
	value, _ := e.Constant()
	text, _ := value.Text()
	words, err := ad.SplitWords(text)
	if err != nil || strings.Contains(text, oldDelimiter) {
		return // the old way cannot express it
	}
	l.drop("Environment")
	l.setString("Env", strings.Join(words, oldDelimiter))
	l.setString("EnvDelim", oldDelimiter)
}

// inherited is the variables that getenv names: all, none, or those that match one
// of its patterns and none that begins with an exclamation mark.
func (l *lowering) inherited() []string {
	s, v, ok := l.word("getenv")
	patterns := v.List
	if !v.IsList {
		if b, known := boolean(s); !ok || known && !b {
			return nil
		} else if known {
			patterns = []string{"*"}
		} else {
			patterns = macro.ListItems(s)
		}
	}
	var out []string
	for _, e := range l.site.Env {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" || strings.ContainsAny(e, "\x00") {
			continue
		}
		in := false
		for _, p := range patterns {
			pattern, exclude := strings.CutPrefix(p, "!")
			if matched, err := path.Match(fold(pattern), fold(name)); err == nil && matched {
				in = !exclude
			}
		}
		if in && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}
