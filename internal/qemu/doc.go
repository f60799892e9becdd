// Package qemu boots a Linux kernel in a virtual machine, with a program of ours as its
// first process.
//
// Outside, a [Kernel] is found where a distribution's package was unpacked or installed
// ([FindKernel]), an [Initramfs] packs what the machine boots from, and [Machine.Command]
// is the command line that boots it. Inside, the first process calls [Begin], which gives
// it the file systems of the kernel and loads the modules that were packed, and [Raise],
// which gives it a network.
//
// The machine is a PC of QEMU's type q35 with virtio devices and a serial port. The smaller
// type microvm has no clock beside the processor's own: where processors are emulated and
// the host is busy, a kernel that measures one by the other hangs (tried with QEMU 7.2 and
// Linux 6.1: one boot in two).
package qemu
