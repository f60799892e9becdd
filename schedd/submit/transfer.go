package submit

import (
	"slices"
	"strconv"
	"strings"
)

// setFileTransfer decides whether files travel with the job.
func (l *lowering) setFileTransfer() {
	should, v, hasShould := l.word("should_transfer_files")
	when, wv, hasWhen := l.word("when_to_transfer_output")
	when = strings.ToUpper(when)
	switch when {
	case "":
		when = "ON_EXIT"
	case "ON_EXIT", "ON_EXIT_OR_EVICT", "ON_SUCCESS":
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
	for _, name := range []string{"transfer_input_files", "transfer_output_files", "when_to_transfer_output"} {
		v, ok := l.command(name)
		if ok && l.universe.transfers() && (name != "when_to_transfer_output" || hasWhen && when != "ON_EXIT") {
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
	if !v.Live {
		names = l.addClassFile(names)
	}
	var inputs int64
	for i, name := range names {
		if scheme, _, isURL := strings.Cut(name, "://"); isURL && validMacro(scheme) {
			if m := fold(scheme); !slices.Contains(l.plugins, m) {
				l.plugins = append(l.plugins, m)
			}
			continue
		}
		if i < maxSized && !v.Live && !l.iwd[len(l.iwd)-1].live {
			inputs += l.inputSize(v.Pos, fullPath(l.iwd[0].s, name))
		}
	}
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
	if _, ok := l.command("checkpoint_exit_code"); ok {
		l.set("WantFTOnCheckpoint", "true")
	}
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

// addClassFile makes a Java job's class file an input of its own: the executable is
// java itself.
func (l *lowering) addClassFile(names []string) []string {
	if !l.universe.java || l.transfer != "YES" {
		return names
	}
	v, ok := l.command("executable")
	if !ok || v.Live {
		return names
	}
	names = append(slices.Clone(names), l.site.path(strings.TrimSpace(v.Text)))
	l.setString("TransferInput", strings.Join(names, ","))
	return names
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
