// Package guest is a machine that carries out cloud-init in namespaces of its own.
//
// [Start] makes one: this program again ([Main]) as the first process of new PID,
// mount, UTS and IPC namespaces, with a root directory that holds the host's programs
// and nothing else of the host's:
//
//	/                 memory
//	/usr /bin /lib*   the host's, read-only (/usr/local is the guest's)
//	/etc              the guest's: root and nobody, no more; certificates, the linker's
//	                  cache and alternatives are the host's
//	/var /root /home /opt /srv /usr/local    the guest's disk, kept from boot to boot
//	/tmp /run /dev/shm                       memory
//	/proc             of the guest's own processes; boot_id and meminfo are the guest's
//	/sys              empty
//
// Image files lie in it, read-only, where the image says. Nothing of the environment
// comes in. The network is the host's: a guest reaches what listens on its loopback.
//
// The guest may use as many processors as it has cores (by affinity, so at most all of
// the host's), and /proc/meminfo says how much memory it has; no limit enforces that.
//
// # Its life
//
// The first process is in two stages. The first builds the root, gives up what a guest
// has no use for, and executes the second, which carries out cloud-init (see
// [Config].UserData), then the image's boot script, and then waits: for a signal of
// poweroff, halt, shutdown or reboot, which stand in /usr/local/sbin and send what
// systemd's would; for the host to ask ([Guest.Shutdown], as by ACPI); or for the end
// of its line to the host. In the first two cases all processes are told to end, and
// killed a little later. The last is how a guest ends when its host process is killed,
// whatever killed it; the kernel ends the rest with the first process.
//
// # Without root
//
// A plain user has guests in a user namespace: root inside is that user outside, and
// there are no other users, so chown and jobs of other users fail in there. A machine
// without user namespaces has no guests: Start says so. No weaker body is made.
//
// Processes inside may make PID and mount namespaces of their own, and mount /proc in
// them where the guest is root's. In a user namespace the kernel refuses that, because
// boot_id and meminfo are covered: such a process sees the guest's /proc.
package guest
