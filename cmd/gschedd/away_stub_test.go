package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gridburst/internal/failpoint"
)

// Commands of Slurm and HTCondor, as much of them as a schedd uses, over a directory of files: a
// job is a file that is named by its id and holds name|state|node|reason. A job is there or it
// is not, whoever is killed over it: its own process, which nobody kills, makes it, and who
// lists the jobs waits for those that are being made.

// stub is a target of such commands.
type stub struct {
	*death
	resource string
}

// newStub writes the commands, each of which begins with what all know.
func newStub(d *death, resource, all string, commands map[string]string) *stub {
	s := &stub{d, resource}
	for _, sub := range []string{"fake", "bin"} {
		d.must(os.MkdirAll(filepath.Join(d.dir, sub), 0o755))
	}
	for name, text := range commands {
		d.write("bin/"+name, "#!/bin/sh\nFAKE="+filepath.Join(d.dir, "fake")+"\n"+all+text, 0o755)
	}
	return s
}

func (s *stub) block() (resource, keys string) {
	return s.resource, fmt.Sprintf("  bin = %q\n", filepath.Join(s.dir, "bin"))
}

func (s *stub) arm(failpoint.Point)  { s.Fatal("nothing of a stub dies") }
func (s *stub) died(failpoint.Point) {}
func (s *stub) shake()               {}
func (s *stub) letGo()               { s.write("fake/go", "", 0o644) }
func (s *stub) end()                 {}

func (s *stub) taken() (names []string) {
	all, _ := filepath.Glob(filepath.Join(s.dir, "fake", "[0-9]*"))
	for _, file := range all {
		if filepath.Ext(file) == "" {
			text, err := os.ReadFile(file)
			s.must(err)
			name, _, _ := strings.Cut(string(text), "|")
			names = append(names, name)
		}
	}
	return names
}

func newSlurm(d *death) far { return newStub(d, "batch slurm", "", slurmCommands) }

var slurmCommands = map[string]string{
	"sbatch": `
for a; do case $a in --job-name=*) name=${a#*=} ;; esac; script=$a; done
exec 9>"$FAKE/lock"; flock 9 # it goes with whoever is killed
id=$(($(cat "$FAKE/last" 2>/dev/null) + 1)); echo $id >"$FAKE/last"
setsid "$(dirname "$0")/run" "$id" "$script" "$name" </dev/null >/dev/null 2>&1 &
until [ -e "$FAKE/$id" ]; do sleep 0.01; done
echo $id
`,
	// Jobs whose turn has come run; all wait until there is a file go.
	"run": `
name=$3
echo "$name|PENDING||None" >"$FAKE/$1.new"; mv "$FAKE/$1.new" "$FAKE/$1"
exec 9>&-
until [ -e "$FAKE/go" ]; do
	case $(cat "$FAKE/$1") in *CANCELLED*) exit ;; esac
	sleep 0.05
done
while :; do
	case $(cat "$FAKE/$1") in *CANCELLED*) exit ;; *Held*) sleep 0.05 ;; *) break ;; esac
done
echo "$name|RUNNING|n0|None" >"$FAKE/$1.new"; mv "$FAKE/$1.new" "$FAKE/$1"
sh "$2" # as Slurm reads it: who executes a file finds it busy while a fork of its writer lives
case $(cat "$FAKE/$1") in *CANCELLED*) exit ;; esac
echo "$name|COMPLETED|n0|None" >"$FAKE/$1.new"; mv "$FAKE/$1.new" "$FAKE/$1"
`,
	"squeue":  "exec 9>\"$FAKE/lock\"; flock 9\ncd \"$FAKE\"\nfor f in [0-9]*; do case $f in *.* | '[0-9]*') ;; *) echo \"$f|$(cat $f)\" ;; esac; done\n",
	"scancel": "set_state() { echo \"$(cut -d'|' -f1 \"$FAKE/$1\")|CANCELLED||None\" >\"$FAKE/$1.c\"; mv \"$FAKE/$1.c\" \"$FAKE/$1\"; }\n[ -e \"$FAKE/$1\" ] || { echo 'Invalid job id specified' >&2; exit 1; }\nset_state \"$1\"\n",
	"scontrol": "state=PENDING; reason=None; [ $1 != hold ] || reason=JobHeldUser\n[ -e \"$FAKE/$2\" ] || { echo 'Invalid job id specified' >&2; exit 1; }\n" +
		"echo \"$(cut -d'|' -f1 \"$FAKE/$2\")|$state||$reason\" >\"$FAKE/$2.h\"; mv \"$FAKE/$2.h\" \"$FAKE/$2\"\n",
	"sacct": "exit 1\n",
}

func newCondor(d *death) far {
	return newStub(d, "condor sched@here", condorWords, condorCommands)
}

// condorWords are what HTCondor's commands know: the constraint, the one job that it is about,
// if that is there, and its status. A job that has left the queue has a file ID.left beside it;
// one that has run, ID.ran; one that was let go, ID.go; and one whose files travel, ID.files, and
// a directory spool/ID when all of them are there.
const condorWords = `
constraint() { while [ $# -gt 0 ]; do [ "$1" != -constraint ] || { echo "$2"; return; }; shift; done; }
want=$(constraint "$@")
job=
case $want in *'ClusterId == '*) job=${want#*ClusterId == }; job=${job%% *} ;; esac
status() {
	[ -e "$FAKE/$1" ] && [ ! -e "$FAKE/$1.left" ] || return
	case $(cat "$FAKE/$1") in
	*'|PENDING|'*Held*) echo 5 ;;
	*'|PENDING|'*) [ ! -e "$FAKE/$1.files" ] || [ -d "$FAKE/spool/$1" ] && echo 1 || echo 5 ;;
	*'|RUNNING|'*) echo 2 ;;
	*'|COMPLETED|'*) echo 4 ;;
	esac
}
is() { # STATUS ...: the job is in one of these
	now=$(status "$job")
	for one; do [ "$now" != "$one" ] || return 0; done
	echo "Couldn't find/act on all jobs matching constraint $want" >&2
	exit 1
}
set_state() { # STATE REASON
	echo "$(cut -d'|' -f1 "$FAKE/$job")|$1||$2" >"$FAKE/$job.c"; mv "$FAKE/$job.c" "$FAKE/$job"
	echo "All jobs matching constraint ($want) have been seen to"
}
show() { # ID STATUS
	code=0; [ $2 != 5 ] || case $(cat "$FAKE/$1") in *Held*) code=1 ;; *) code=16 ;; esac
	go=false; [ ! -e "$FAKE/$1.go" ] || go=true
	ran=0; [ ! -e "$FAKE/$1.ran" ] || ran=1
	echo "$comma{\"ClusterId\": $1, \"ProcId\": 0, \"GridburstJob\": \"$(cut -d'|' -f1 "$FAKE/$1")\", \"JobStatus\": $2, \"HoldReasonCode\": $code, \"GridburstGo\": $go, \"NumJobStarts\": $ran, \"NumShadowStarts\": $ran}"
	comma=,
}
`

var condorCommands = map[string]string{
	"condor_submit": `
text=$(cat)
value() { echo "$text" | sed -n "s/^$1 = //p"; }
exec 9>"$FAKE/lock"; flock 9 # it goes with whoever is killed
id=$(($(cat "$FAKE/last" 2>/dev/null) + 1)); echo $id >"$FAKE/last"
files=; case " $* " in *' -spool '*) files=files; : >"$FAKE/$id.files" ;; esac
setsid "$(dirname "$0")/run" "$id" "$(value executable)" "$(value My.GridburstJob | tr -d '"')" "$files" </dev/null >/dev/null 2>&1 &
until [ -e "$FAKE/$id" ]; do sleep 0.01; done
exec 9>&-
if [ -n "$files" ]; then # he who is killed now leaves a job without its files
	dir=$(value initialdir)
	mkdir -p "$FAKE/spool/$id.new" && cp "$dir/job.sh" "$dir/inputs.tar" "$FAKE/spool/$id.new" && echo "$dir" >"$FAKE/$id.dir" && mv "$FAKE/spool/$id.new" "$FAKE/spool/$id" || exit 1
fi
echo "$id.0 - $id.0"
`,
	"run": `
job=$1; want=; name=$3
say() { echo "$name|$1|$2|None" >"$FAKE/$job.new"; mv "$FAKE/$job.new" "$FAKE/$job"; }
say PENDING
exec 9>&-
until [ -e "$FAKE/go" ] && { [ -z "$4" ] || [ -e "$FAKE/$job.go" ]; }; do
	case $(cat "$FAKE/$job") in *CANCELLED*) exit ;; esac
	sleep 0.05
done
while :; do
	case $(cat "$FAKE/$job") in *CANCELLED*) exit ;; *Held*) sleep 0.05 ;; *) break ;; esac
done
: >"$FAKE/$job.ran"
say RUNNING n0
if [ -z "$4" ]; then sh "$2"; else (cd "$FAKE/spool/$job" && sh ./job.sh); fi
case $(cat "$FAKE/$job") in *CANCELLED*) exit ;; esac
say COMPLETED n0
`,
	"condor_q": `
exec 9>"$FAKE/lock"; flock 9
comma=
echo "["
cd "$FAKE"
for f in [0-9]*; do
	case $f in *.* | '[0-9]*') continue ;; esac
	[ -z "$job" ] || [ "$job" = "$f" ] || continue
	now=$(status "$f")
	[ -z "$now" ] || show "$f" "$now"
done
echo "]"
`,
	"condor_history": `
for a; do case $a in [0-9]*.0) job=${a%.0} ;; esac; done
comma=
echo "["
if [ -e "$FAKE/$job" ]; then
	case $(cat "$FAKE/$job") in
	*CANCELLED*) show "$job" 3 ;;
	*) [ ! -e "$FAKE/$job.left" ] || show "$job" 4 ;;
	esac
fi
echo "]"
`,
	"condor_hold":    "is 1; set_state PENDING JobHeldUser\n",
	"condor_release": "is 5; set_state PENDING None\n",
	"condor_rm": `
case $want in *'!= 4'*) is 1 2 5 ;; *) is 1 2 4 5 ;; esac
if [ "$now" = 4 ]; then
	: >"$FAKE/$job.left"
	rm -rf "$FAKE/spool/$job"
	echo "All jobs matching constraint ($want) have been marked for removal"
else
	set_state CANCELLED None
fi
`,
	"condor_qedit": `
is 1 5
: >"$FAKE/$job.go"
echo 'Set attribute "GridburstGo" for 1 matching jobs.'
`,
	"condor_transfer_data": `
echo "Fetching data files..."
is 4
cp "$FAKE/spool/$job/outputs" "$(cat "$FAKE/$job.dir")/outputs"
`,
}
