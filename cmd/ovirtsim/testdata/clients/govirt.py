"""libgovirt, the C library below remote-viewer, against an engine: what a desktop does to
reach a machine, through GObject introspection. Each check is a line; the first that fails
ends it. The machine govirt-1 has to be there, and down."""

import os
import sys
import time

import gi

gi.require_version("GoVirt", "1.0")
from gi.repository import GLib, GoVirt  # noqa: E402

checks = 0


def check(name, ok=True):
    global checks
    if not ok:
        print(f"failed: {name}")
        print(f"passed {checks} skipped 0 failed 1")
        sys.exit(1)
    print(f"ok: {name}")
    checks += 1


def names(collection):
    collection.fetch(proxy)
    return sorted(collection.get_resources())


def until(name, want, patience=60):
    end = time.monotonic() + patience
    while True:
        vm.refresh(proxy)
        if vm.props.state == want:
            break
        if time.monotonic() > end:
            check(f"{name} within {patience} s", False)
        time.sleep(0.05)
    check(name)


def connect(password):
    # The library takes HOST:PORT and adds the rest.
    p = GoVirt.Proxy.new(os.environ["OVIRT_URL"].removesuffix("/ovirt-engine/api").removeprefix("https://"))
    p.props.username, p.props.password = os.environ["OVIRT_USERNAME"], password
    p.props.admin = True
    p.props.ssl_ca_file = os.environ["OVIRT_CAFILE"]
    return p


proxy = connect("wrong")
try:
    proxy.fetch_api()
except GLib.Error as e:
    check(f"a wrong password is refused ({e.message})", "Unauthorized" in e.message)
else:
    check("a wrong password is refused", False)

proxy = connect(os.environ["OVIRT_PASSWORD"])
api = proxy.fetch_api()
check("the api's root", api is not None)
check("clusters", names(api.get_clusters()) == ["Default"])
check("data centers", names(api.get_data_centers()) == ["Default"])
check("hosts", len(names(api.get_hosts())) == 2)
check("storage domains", set(names(api.get_storage_domains())) >= {"first", "second"})
check("machines", "govirt-1" in names(api.get_vms()))
found = api.search_vms("name=govirt-*")
check("a search", names(found) == ["govirt-1"])
vm = found.lookup_resource("govirt-1")
check("a machine", vm.props.name == "govirt-1" and vm.props.state == GoVirt.VmState.DOWN and vm.props.guid)
cluster = vm.get_cluster()
cluster.refresh(proxy)
check("its cluster", cluster.props.name == "Default")
check("its drive", len(names(vm.get_cdroms())) == 1)
vm.start(proxy)
until("it is started", GoVirt.VmState.UP)
host = vm.get_host()
host.refresh(proxy)
check("its host", host.props.name.startswith("host-"))
display = vm.props.display
check("its screen", display.props.type == GoVirt.VmDisplayType.SPICE and display.props.address and display.props.secure_port)
vm.get_ticket(proxy)
check("a ticket for it", vm.props.display.props.ticket)
vm.stop(proxy)
until("it is stopped", GoVirt.VmState.DOWN)
vm.delete(proxy)
check("it is removed", names(api.search_vms("name=govirt-*")) == [])
print(f"passed {checks} skipped 0 failed 0")
