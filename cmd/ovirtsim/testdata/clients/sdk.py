"""The oVirt project's own Python SDK against an engine: a machine's whole life, and what
belongs to it. Each check is a line; the first that fails ends it."""

import os
import ssl
import sys
import time
import urllib.request

import ovirtsdk4 as sdk
from ovirtsdk4 import types

MiB = 2**20
GiB = 2**30

checks = 0


def check(name, ok=True):
    global checks
    if not ok:
        print(f"failed: {name}")
        print(f"passed {checks} skipped 0 failed 1")
        sys.exit(1)
    print(f"ok: {name}")
    checks += 1


def refused(name, call, code=409):
    try:
        call()
    except sdk.Error as e:
        check(f"{name} is refused ({e.fault.detail if e.fault else e})", e.code == code)
    else:
        check(f"{name} is refused", False)


def until(name, look, patience=60):
    end = time.monotonic() + patience
    while not look():
        if time.monotonic() > end:
            check(f"{name} within {patience} s", False)
        time.sleep(0.05)
    check(name)


def gone(service):
    try:
        service.get()
    except sdk.NotFoundError:
        return True
    return False


def connect(password=os.environ["OVIRT_PASSWORD"]):
    return sdk.Connection(
        url=os.environ["OVIRT_URL"], username=os.environ["OVIRT_USERNAME"], password=password, ca_file=os.environ["OVIRT_CAFILE"])


try:
    connect("wrong").test(raise_exception=True)
except sdk.AuthError:
    check("a wrong password")
else:
    check("a wrong password", False)

connection = connect()
system = connection.system_service()
api = system.get()
check("the api's root", api.product_info.version.major == 4 and api.summary.hosts.total > 0)
cluster = system.clusters_service().list(search="name=Default")[0]
check("a cluster by its name", cluster.name == "Default")
check("its data center", connection.follow_link(cluster.data_center).name == "Default")
check("hosts", all(h.status == types.HostStatus.UP for h in system.hosts_service().list()))
domains = [d for d in system.storage_domains_service().list() if d.type == types.StorageDomainType.DATA]
check("storage domains", len(domains) == 2 and all(d.available > 0 for d in domains))

# Tags and affinity.
tag = system.tags_service().add(types.Tag(name="sdk", description="made by a test"))
groups = system.clusters_service().cluster_service(cluster.id).affinity_groups_service()
group = groups.add(types.AffinityGroup(
    name="apart", vms_rule=types.AffinityRule(enabled=True, positive=False, enforcing=True), priority=1.5))
check("a tag and an affinity group", tag.id and group.priority == 1.5 and not group.vms_rule.positive)

# A machine from a template, with what cloud-init is to do.
vms = system.vms_service()
script = "write_files:\n- path: /etc/motd\n  content: <&> \"quoted\"\n"
vm = vms.add(types.Vm(
    name="sdk-1", cluster=types.Cluster(name="Default"), template=types.Template(name="worker"), comment="by the SDK <&>",
    memory=512 * MiB, memory_policy=types.MemoryPolicy(guaranteed=256 * MiB),
    cpu=types.Cpu(topology=types.CpuTopology(cores=2, sockets=1, threads=1)),
    initialization=types.Initialization(host_name="one", custom_script=script)))
service = vms.vm_service(vm.id)
check("a machine is made", vm.status in (types.VmStatus.IMAGE_LOCKED, types.VmStatus.DOWN) and vm.comment == "by the SDK <&>")
refused("a second of that name", lambda: vms.add(types.Vm(
    name="sdk-1", cluster=types.Cluster(name="Default"), template=types.Template(name="worker"))))
until("it is down", lambda: service.get().status == types.VmStatus.DOWN)
check("its script comes back as it was", service.get(all_content=True).initialization.custom_script == script)
service.update(types.Vm(description="changed"))
check("it is changed", service.get().description == "changed")
service.tags_service().add(types.Tag(name="sdk"))
check("a search by tag", [v.id for v in vms.list(search="tag=sdk")] == [vm.id])

# Network cards and disks.
profile = system.vnic_profiles_service().list()[0]
nic = service.nics_service().add(types.Nic(name="nic2", vnic_profile=types.VnicProfile(id=profile.id), mac=types.Mac(address="56:6F:00:00:00:01")))
check("a network card", nic.mac.address == "56:6f:00:00:00:01" and len(service.nics_service().list()) == 2)
refused("a second card of that name", lambda: service.nics_service().add(types.Nic(name="nic2")))
attachments = service.disk_attachments_service()
attachment = attachments.add(types.DiskAttachment(
    interface=types.DiskInterface.VIRTIO_SCSI, active=True, bootable=False,
    disk=types.Disk(name="sdk-data", provisioned_size=GiB, format=types.DiskFormat.COW, storage_domains=[types.StorageDomain(name=domains[0].name)])))
disk = system.disks_service().disk_service(attachment.disk.id)
until("its disk is made", lambda: disk.get().status == types.DiskStatus.OK)
check("a disk by its alias", [d.id for d in system.disks_service().list(search="alias=sdk-data")] == [attachment.disk.id])
refused("a disk that shrinks", lambda: disk.update(types.Disk(provisioned_size=MiB)))
attachments.attachment_service(attachment.id).update(types.DiskAttachment(disk=types.Disk(provisioned_size=2 * GiB)))
until("it has grown", lambda: disk.get().status == types.DiskStatus.OK)
check("a disk grows", disk.get().provisioned_size == 2 * GiB)

# A snapshot, and back to it.
snapshots = service.snapshots_service()
snapshot = snapshots.add(types.Snapshot(description="before"))
until("the snapshot is made", lambda: snapshots.snapshot_service(snapshot.id).get().snapshot_status == types.SnapshotStatus.OK)
service.update(types.Vm(memory=1024 * MiB))
snapshots.snapshot_service(snapshot.id).restore()
check("a machine is as its snapshot was", service.get().memory == 512 * MiB)
snapshots.snapshot_service(snapshot.id).remove()
check("one snapshot is left, that it runs on", [s.snapshot_type for s in snapshots.list()] == [types.SnapshotType.ACTIVE])

# It runs, and two of a group are apart.
other = vms.add(types.Vm(name="sdk-2", cluster=types.Cluster(name="Default"), template=types.Template(name="worker")))
other_service = vms.vm_service(other.id)
until("the other is down", lambda: other_service.get().status == types.VmStatus.DOWN)
members = groups.group_service(group.id).vms_service()
for v in (vm, other):
    members.add(types.Vm(id=v.id))
for s in (service, other_service):
    s.start(use_cloud_init=True)
for s in (service, other_service):
    until("it is up", lambda: s.get().status == types.VmStatus.UP)
check("two of a group that wants them apart are apart", service.get().host.id != other_service.get().host.id)
refused("a start of one that runs", service.start)
refused("the removal of one that runs", service.remove)
until("its agent reports", lambda: len(service.reported_devices_service().list()) == 2)
followed = vms.list(search="name=sdk-1", follow="reported_devices,nics,disk_attachments.disk")[0]
check("links are followed", followed.reported_devices[0].ips[0].address and followed.nics[0].mac.address and followed.disk_attachments[0].disk.provisioned_size)
statistics = {s.name: s.values[0].datum for s in service.statistics_service().list()}
check("statistics", statistics["memory.installed"] == 512 * MiB)
console = service.graphics_consoles_service().list()[0]
check("a screen and a ticket for it", console.address and service.ticket(ticket=types.Ticket(expiry=60)).value)
service.shutdown()
other_service.stop()
for s in (service, other_service):
    until("it is down", lambda: s.get().status == types.VmStatus.DOWN)
check("machines are started and ended")

# A template of it, and a machine of that.
templates = system.templates_service()
template = templates.add(types.Template(name="sdk-template", vm=types.Vm(id=vm.id)))
template_service = templates.template_service(template.id)
until("the template is ready", lambda: template_service.get().status == types.TemplateStatus.OK)
check("it has the machine's disks", len(template_service.disk_attachments_service().list()) == 2)
thin = vms.add(types.Vm(name="sdk-thin", cluster=types.Cluster(name="Default"), template=types.Template(name="sdk-template")))
thin_service = vms.vm_service(thin.id)
until("the thin one is down", lambda: thin_service.get().status == types.VmStatus.DOWN)
refused("the removal of a template that is used", template_service.remove)
thin_service.remove()
until("it is gone", lambda: gone(thin_service))
template_service.remove()
check("a template is removed", gone(template_service))

# An image goes up and comes down.
image = os.urandom(3 * MiB)
raw = system.disks_service().add(types.Disk(
    name="sdk-image", format=types.DiskFormat.RAW, provisioned_size=len(image), storage_domains=[types.StorageDomain(id=domains[1].id)]))
raw_service = system.disks_service().disk_service(raw.id)
until("the image's disk is made", lambda: raw_service.get().status == types.DiskStatus.OK)
transfers = system.image_transfers_service()
trust = ssl.create_default_context(cafile=os.environ["OVIRT_CAFILE"])


def transfer(direction, body=None):
    t = transfers.add(types.ImageTransfer(disk=types.Disk(id=raw.id), direction=direction))
    s = transfers.image_transfer_service(t.id)
    until("the transfer begins", lambda: s.get().phase == types.ImageTransferPhase.TRANSFERRING)
    check("its disk is locked meanwhile", raw_service.get().status == types.DiskStatus.LOCKED)
    request = urllib.request.Request(t.transfer_url, data=body, method="PUT" if body else "GET")
    with urllib.request.urlopen(request, context=trust) as answer:
        got = answer.read()
    s.finalize()
    until("the transfer ends", lambda: s.get().phase == types.ImageTransferPhase.FINISHED_SUCCESS)
    until("its disk is as before", lambda: raw_service.get().status == types.DiskStatus.OK)
    return got


transfer(types.ImageTransferDirection.UPLOAD, image)
check("an image comes back as it went", transfer(types.ImageTransferDirection.DOWNLOAD) == image)
raw_service.remove()

# Jobs and events tell of it; then all goes.
job = system.jobs_service().list()[0]
check("jobs", job.description and system.jobs_service().job_service(job.id).steps_service().list())
events = system.events_service().list(max=5)
check("events, the newest first", len(events) == 5 and events[0].index is None and int(events[0].id) > int(events[-1].id))
for s in (service, other_service):
    s.remove()
for s in (service, other_service, disk):
    until("it is gone", lambda: gone(s))
groups.group_service(group.id).remove()
system.tags_service().tag_service(tag.id).remove()
check("all is removed, disks too", not vms.list(search="name=sdk*") and not system.disks_service().list(search="alias=sdk*"))

# An expired session: the SDK logs in again by itself.
if os.environ.get("END_SESSIONS"):
    os.system(os.environ["END_SESSIONS"])
    check("a call after the sessions' end", system.get().product_info.name)
connection.close()
print(f"passed {checks} skipped 0 failed 0")
