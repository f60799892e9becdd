// Package guest is a machine that carries out cloud-init, in namespaces or on a kernel of
// its own.
//
// [Start] makes one in namespaces: this program again ([Main]) as the first process of
// new PID, mount, UTS and IPC namespaces, with a root directory that holds the host's
// programs and nothing else of the host's:
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
//
// # With a kernel of its own
//
// [Boot] makes one in a virtual machine (package qemu), from an initramfs that [Pack] has
// made: this program is its first process, too, finds the config drive and the disk by
// what is on them, and builds the same root, with the initramfs in the host's place. So
// /usr is a choice of the host's programs. Devices, /sys with cgroups, memory, processors
// and the network are the machine's own:
//
//	host                                          machine
//	config.iso, labelled config-2    virtio       openstack/latest/{meta_data.json,user_data}
//	disk.img, ext4                   virtio       /etc /var /root /home /opt /srv /usr/local
//	console.log                      serial port  what the kernel and the first process say
//	QEMU's monitor                   ACPI         the power button ([Machine.Shutdown])
//	ADDRESS:PORT of Hardware.Reach   TCP          by a process of this program a connection
//
// The machine is off when QEMU has ended. The kernel ends that with its host process; the
// config drive, which may hold secrets, goes with the machine's end or, after a kill of
// the host, at its next start or with its directory.
package guest
