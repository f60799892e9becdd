package submit

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/macro"
)

// dontTransfer are the words for a job whose files do not travel.
var dontTransfer = []string{"NO", "NEVER", "FALSE"}

// setFileTransfer decides whether files travel with the job.
func (l *lowering) setFileTransfer() {
	should, v, hasShould := l.word("should_transfer_files")
	when, wv, _ := l.word("when_to_transfer_output")
	when = strings.ToUpper(when)
	switch when {
	case "":
		when = "ON_EXIT"
	case "ON_EXIT", "ON_EXIT_OR_EVICT", "ON_SUCCESS":
	case "NEVER", "NO", "FALSE":
		when = "ON_EXIT"
	case "ALWAYS", "YES", "TRUE":
		when = "ON_EXIT_OR_EVICT"
	default:
		l.fail(wv.Pos, "when_to_transfer_output is ON_EXIT, ON_EXIT_OR_EVICT or ON_SUCCESS, not "+quote(when), "")
	}
	l.transfer = "IF_NEEDED"
	switch strings.ToUpper(should) {
	case "":
		if !hasShould && when == "ON_EXIT_OR_EVICT" {
			l.transfer = "YES"
		}
	case "IF_NEEDED", "AUTOMATIC", "AUTO":
		if when == "ON_EXIT_OR_EVICT" {
			l.fail(wv.Pos, "when_to_transfer_output = ON_EXIT_OR_EVICT needs should_transfer_files = YES", "With IF_NEEDED the job may run in place, where nothing is transferred.")
		}
	case "YES", "ALWAYS", "TRUE":
		l.transfer = "YES"
	case "NO", "NEVER", "FALSE":
		l.transfer = "NO"
	default:
		l.fail(v.Pos, "should_transfer_files is YES, NO or IF_NEEDED, not "+quote(should), "")
	}
	l.setString("ShouldTransferFiles", l.transfer)
	if l.transfer != "YES" && l.universe.number != gridUniverse {
		l.setString("FileSystemDomain", l.site.FileSystemDomain)
	}
	if l.transfer != "NO" {
		l.setString("WhenToTransferOutput", when)
		return
	}
	for _, name := range []string{"transfer_input_files", "transfer_output_files", "transfer_checkpoint_files", "checkpoint_exit_code", "when_to_transfer_output"} {
		v, ok := l.command(name)
		if ok && l.universe.transfers() {
			l.fail(v.Pos, name+" is set, but should_transfer_files is NO", "Take one of the two away.")
		}
	}
}

// setTransfer sets what is transferred, and how large that is.
func (l *lowering) setTransfer() {
	v, ok := l.command("transfer_input_files")
	switch {
	case ok && v.IsList:
		l.put("TransferInput", KindFileList, v)
	case ok:
		l.put("TransferInput", KindFiles, v)
	}
	names := v.List
	if !v.IsList {
		names = fileNames(v.Text)
	}
	names = l.addInputs(v, names)
	remaps := l.remaps()
	var inputs int64
	for i, name := range names {
		if l.plugin(v.Pos, name) {
			continue
		}
		if i < maxSized && !v.Live && !l.iwd[len(l.iwd)-1].live {
			inputs += l.inputSize(v.Pos, fullPath(l.iwd[0].s, name))
		}
	}
	for _, r := range remaps {
		_, to, _ := strings.Cut(r, "=")
		l.plugin(v.Pos, strings.TrimSpace(to))
	}
	if destination, dv, ok := l.word("output_destination"); ok {
		l.plugin(dv.Pos, destination)
	}
	own, _ := l.command("transfer_plugins")
	l.plugins = slices.DeleteFunc(l.plugins, func(m string) bool { return slices.Contains(pluginMethods(own.Text), m) })
	slices.Sort(l.plugins)
	if len(l.plugins) > 0 {
		l.setString("WantTransferPluginMethods", strings.Join(l.plugins, ","))
	}
	if !l.has("ImageSize") {
		l.set("ExecutableSize", "0")
		l.set("ImageSize", "0")
	}
	l.set("DiskUsage", strconv.FormatInt(l.inputKiB+kibibytes(inputs), 10))
	l.set("TransferInputSizeMB", strconv.FormatInt(inputs>>20, 10))
	l.setCheckpoint()
	c, _ := CommandNamed("transfer_output_files")
	if v, ok := l.command(c.Name); ok && v.IsList {
		l.put(c.Attr, KindFileList, v)
	} else if ok {
		if strings.TrimSpace(v.Text) == `""` {
			v.Text = "" // nothing shall come back, which is not the same as not saying
		}
		l.put(c.Attr, KindFiles, v)
	}
}

// addInputs adds the inputs that nobody lists: beside other inputs a Java job's class
// file and its jars, as the executable is java itself, and a container's image.
func (l *lowering) addInputs(v Value, names []string) []string {
	var more []string
	if program, ok := l.command("executable"); ok && l.universe.java && l.transfer != "NO" && !program.Live && (v.Text != "" || v.IsList) {
		jars, _, _ := l.word("jar_files")
		more = append(append(more, l.site.path(strings.TrimSpace(program.Text))), fileNames(jars)...)
	}
	if l.image != "" {
		more = append(more, l.image)
	}
	switch {
	case len(more) == 0:
		return names
	case v.Live && v.IsList:
		for _, m := range more {
			v.List = append(slices.Clone(v.List), macro.Escape(m))
		}
		l.put("TransferInput", KindFileList, v)
	case v.Live:
		v.Text += "," + macro.Escape(strings.Join(more, ","))
		l.put("TransferInput", KindFiles, v)
	default:
		names = append(slices.Clone(names), more...)
		l.setString("TransferInput", strings.Join(names, ","))
		return names
	}
	return append(slices.Clone(names), more...)
}

// remaps are the name=name of transfer_output_remaps.
func (l *lowering) remaps() []string {
	c, _ := CommandNamed("transfer_output_remaps")
	if v, ok := l.job.Get(c.Name); ok && !l.job.HCL && !v.Live && !strings.HasPrefix(v.Text, `"`) {
		l.fail(v.Pos, "transfer_output_remaps stands in double quotes", `As in: transfer_output_remaps = "a=b; c=d"`)
	}
	v, _ := l.command(c.Name)
	return strings.Split(v.Text, ";")
}

// plugin notes the method that transfers a URL, and reports whether name is one.
func (l *lowering) plugin(at Pos, name string) bool {
	scheme, _, isURL := strings.Cut(name, "://")
	if !isURL || !macro.ValidName(scheme) {
		return false
	}
	method := fold(scheme)
	if method == "s3" || method == "gs" {
		for _, key := range []string{"_access_key_id_file", "_secret_access_key_file"} {
			_, aws := l.job.Get("aws" + key)
			_, own := l.job.Get(method + key)
			if !aws && !own {
				l.fail(at, method+":// needs "+method+key, "It names a file that holds the key.")
			}
		}
	}
	if !slices.Contains(l.plugins, method) {
		l.plugins = append(l.plugins, method)
	}
	return true
}

// pluginMethods are the methods that transfer_plugins brings along, as in
// "a,b=/x/plugin; c=/y".
func pluginMethods(text string) []string {
	var methods []string
	for p := range strings.SplitSeq(strings.Trim(text, `"`), ";") {
		names, _, _ := strings.Cut(p, "=")
		methods = append(methods, macro.ListItems(fold(names))...)
	}
	return methods
}

// maxSized bounds how many inputs are asked for their size.
const maxSized = 1000

func (l *lowering) inputSize(p Pos, name string) int64 {
	if l.files == nil {
		return 0
	}
	info, err := l.stat(strings.TrimSuffix(name, "/"))
	if err != nil {
		if l.site.Check {
			l.needFile(p, "the input file", strings.TrimSuffix(name, "/"))
		}
		return 0
	}
	if info.Mode.IsDir() {
		return 0
	}
	return info.Size
}
