package ec2_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/ec2"
	"gridburst/gahp/ovirtsim/guest"
)

// given is the machine that a start of these words makes.
func given(t *testing.T, mod func(map[string]string)) conform.Machine {
	t.Helper()
	e := newEngine()
	cl := connect(t, newService(e))
	wantResult(t, "the start", cl.ask("EC2_VM_START", wanted(mod)...), "0")
	return ours(t, e)[0]
}

func TestInstanceTypes(t *testing.T) {
	for kind, want := range map[string]struct {
		cores    int
		memoryMB int64
	}{
		"":          {2, 1024}, // the template's
		"template":  {2, 1024},
		"1x512":     {1, 512},
		"3x700M":    {3, 700},
		"4x2G":      {4, 2048},
		"Small":     {1, 2048},
		"xlarge":    {4, 16384},
		"t2.micro":  {},
		"0x512":     {},
		"2x0G":      {},
		"2x":        {},
		"99999x1":   {},
		"2x4096 ":   {},
		"2 x 4096":  {},
		"-1x512":    {},
		"m1.small":  {},
		"2x4096GiB": {},
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mod := func(w map[string]string) { w["type"] = kind }
				if want.cores == 0 {
					cl := connect(t, newService(newEngine()))
					wantResult(t, "the start", cl.ask("EC2_VM_START", wanted(mod)...), "1", "InvalidParameterValue")
					return
				}
				if m := given(t, mod); m.Cores != want.cores || m.MemoryMB != want.memoryMB {
					t.Errorf("it has %d cores and %d MiB, want %+v", m.Cores, m.MemoryMB, want)
				}
			})
		})
	}
}

func TestUserData(t *testing.T) {
	const script = "#!/bin/sh\necho it\\'s \"me\"\n"
	file := write(t, t.TempDir(), "data", "runcmd: [[poweroff]]\n")
	long := write(t, t.TempDir(), "long", strings.Repeat("# long\n", 1<<16))
	for _, c := range []struct {
		name, data, file string
		want             string // in what the guest gets
		refused          string
	}{
		{name: "none"},
		{name: "a cloud-config", data: "#cloud-config\nruncmd:\n- [ls, a b]\n", want: "- [ls, a b]"},
		{name: "and a file behind it", data: "#cloud-config\n", file: file, want: "[[poweroff]]"},
		{name: "a file that must not be", data: "#cloud-config\n", file: "/nonexistent", refused: "no such file"},
		{name: "a file that is a directory", file: t.TempDir(), refused: "no regular file"},
		{name: "a file that is too long", data: "#cloud-config\n", file: long, refused: "longer than"},
		{name: "a script", data: script, want: base64.StdEncoding.EncodeToString([]byte(script))},
		{name: "neither", data: "Content-Type: multipart/mixed", refused: "#cloud-config"},
		{name: "a file of neither", file: file, refused: "begin with"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mod := func(w map[string]string) { w["data"], w["file"] = c.data, c.file }
				if c.refused != "" {
					cl := connect(t, newService(newEngine()))
					if got := cl.ask("EC2_VM_START", wanted(mod)...); got[0] != "1" || !strings.Contains(got[2], c.refused) {
						t.Errorf("it is answered with %q", got)
					}
					return
				}
				m := given(t, mod)
				if !strings.Contains(m.UserData, c.want) || (c.want == "") != (m.UserData == "") {
					t.Errorf("the guest gets %q", m.UserData)
				}
				if m.UserData != "" {
					if err := guest.CheckUserData(m.UserData); err != nil {
						t.Errorf("a guest makes nothing of %q: %v", m.UserData, err)
					}
				}
			})
		})
	}
}

// A pair's private half is in its file, and its public half goes with the machine, also
// when the pair is made again by another process.
func TestKeyPairs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	const name = "SSH_127 0 0 1_host#1 0#1"
	var public string
	for _, data := range []string{"", "#cloud-config\nruncmd: [[ls]]", "#!/bin/sh\n"} {
		synctest.Test(t, func(t *testing.T) {
			e := newEngine()
			cl := connect(t, newService(e))
			wantResult(t, "the pair", cl.ask("EC2_VM_CREATE_KEYPAIR", name, file), "0")
			pair := func(w map[string]string) { w["pair"], w["data"] = name, data }
			wantResult(t, "the start", cl.ask("EC2_VM_START", wanted(pair)...), "0")
			if words := cl.ask("EC2_VM_STATUS_ALL"); len(words) != 9 || words[4] != name {
				t.Errorf("the listing is %q", words)
			}
			user := ours(t, e)[0].UserData
			_, key, found := strings.Cut(user, "\nssh_authorized_keys:\n- ")
			if err := guest.CheckUserData(user); err != nil || !found || public != "" && public != key {
				t.Errorf("the guest gets %q (%v), want the key %q", user, err, public)
			}
			public = key
			wantResult(t, "its end", cl.ask("EC2_VM_DESTROY_KEYPAIR", name), "0")
			wantResult(t, "a start with it", cl.ask("EC2_VM_START", wanted(pair)...), "1", "InvalidKeyPair.NotFound")
		})
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v)", info.Mode(), err)
	}
	if keygen, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Log("no ssh-keygen to judge the key")
	} else if out, err := exec.Command(keygen, "-y", "-f", file).CombinedOutput(); err != nil || string(out) != public {
		t.Errorf("SSH makes %q (%v) of a key whose public half is %q", out, err, public)
	}
}

func TestKeyPairsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	theirs := write(t, dir, "theirs", "something else\n")
	synctest.Test(t, func(t *testing.T) {
		cl := connect(t, newService(newEngine()))
		wantResult(t, "a file of somebody", cl.ask("EC2_VM_CREATE_KEYPAIR", "a", theirs), "1", "E_FILE_IO")
		wantResult(t, "no directory", cl.ask("EC2_VM_CREATE_KEYPAIR", "a", filepath.Join(dir, "no", "key")), "1", "E_FILE_IO")
		wantResult(t, "no file", cl.ask("EC2_VM_CREATE_KEYPAIR", "b", "/dev/null"), "0")
		for data, says := range map[string]string{
			"#cloud-config\nssh_authorized_keys: [x]\n": "use either",
			"#cloud-config\n{runcmd: [[ls]]}\n":         "block style",
			"#cloud-config\n---\nruncmd: [[ls]]\n":      "block style",
		} {
			file := filepath.Join(dir, "key")
			wantResult(t, "a pair", cl.ask("EC2_VM_CREATE_KEYPAIR", "c", file), "0")
			got := cl.ask("EC2_VM_START", wanted(func(w map[string]string) { w["pair"], w["data"] = "c", data })...)
			if got[0] != "1" || !strings.Contains(got[2], says) {
				t.Errorf("%q is answered with %q", data, got)
			}
		}
	})
	if b, err := os.ReadFile(theirs); err != nil || string(b) != "something else\n" {
		t.Errorf("the file of somebody holds %q now (%v)", b, err)
	}
}

// Every state of an engine is one of EC2's, and only a machine that is down, and has run,
// is over.
func TestStates(t *testing.T) {
	for _, s := range []gahp.State{
		gahp.ImageLocked, gahp.Down, gahp.WaitForLaunch, gahp.PoweringUp, gahp.Up, gahp.PoweringDown, gahp.Rebooting, gahp.Paused,
		gahp.Migrating, gahp.Suspended, gahp.SavingState, gahp.RestoringState, gahp.NotResponding, gahp.UnknownState, gahp.Unassigned, gahp.NoState, "what comes later",
	} {
		for _, has := range []bool{false, true} {
			state, reason := ec2.StateOf(s, has)
			switch state {
			case "pending", "running", "shutting-down":
				if reason != "" {
					t.Errorf("%s: it is %s because of %s", s, state, reason)
				}
			case "stopped":
				if s != gahp.Down || !has || reason == "" {
					t.Errorf("%s: it is stopped because of %q, and has run: %v", s, reason, has)
				}
			default:
				t.Errorf("%s: there is no state %q", s, state)
			}
		}
	}
}

// Every failure of an engine has a code and EC2's name for it.
func TestFailuresHaveNames(t *testing.T) {
	for _, k := range gahp.Kinds {
		got := ec2.Failed(&gahp.Error{Kind: k, Text: strings.Repeat("why ", 1000)})
		name, text, _ := strings.Cut(got[2], ": ")
		if len(got) != 3 || got[0] != "1" || got[1] == "" || name == "" || !strings.HasPrefix(text, "why") || len(got[2]) > 1023 {
			t.Errorf("%s is %q", k, got)
		}
	}
}

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		name, mark string
		ours       bool
	}{
		{"ec2-a", "gridburst-ec2 a made", true},
		{"ec2-a", "gridburst-ec2 a started SSH_127+0%23x", true},
		{"ec2-b", "gridburst-ec2 a made", false},
		{"ec2-a", "gridburst-ec2 a", false},
		{"ec2-a", "gridburst-ec2 a gone", false},
		{"ec2-a", "gridburst-ec2 a made x y", false},
		{"ec2-a", "gridburst-ec2 a made %zz", false},
		{"ec2-a", "", false},
		{"gb-a", "gridburst-ec2 a made", false},
	} {
		again, ours := ec2.Remarked(&gahp.VM{Name: c.name, Mark: c.mark})
		if ours != c.ours || ours && again != c.mark {
			t.Errorf("%s of %s: ours: %v, and written again %q", c.mark, c.name, ours, again)
		}
	}
}
