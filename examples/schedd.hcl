# The configuration of a head node with a pool, an oVirt engine behind it, and one nightly
# workflow: copy it to /etc/gridburst/schedd.hcl (or ~/.gridburst/schedd.hcl) and change the
# names. configs/schedd.hcl in the sources has every key with its default.

schedd {
  # Workers of other hosts and virtual machines come by this port, over TLS, and need a
  # one-time token (gtoken). Without listen no TCP port is open, and the pool is this host.
  listen = ":9618"
  names  = ["grid.example.com"]
}

resource "ovirt" "main" {
  url           = "https://engine.example.com/ovirt-engine/api"
  username      = "gridburst@internal"
  password_file = "engine.pwd" # beside this file; nobody else may read it: chmod 600
  ca_file       = "engine.pem" # curl -o engine.pem 'https://engine.example.com/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA' --insecure

  max_vms = 10
  create  = true            # jobs may be machines, with credentials of their own
  borrow  = ["kvm_test_*"]  # and may start these, and stop them

  # Workers for jobs that the pool cannot run soon. The template holds gworker and
  # cloud-init; gvm shows what becomes of its machines.
  burst {
    template  = "worker"
    cluster   = "Default"
    cores     = 2
    memory    = "4GiB"
    max_vms   = 8
    idle_time = "2m"
  }
}

# Every night at 2:30, as ada. A night that was missed is made up for once.
cron "nightly" {
  schedule  = "30 2 * * *"
  time_zone = "Europe/Paris"
  owner     = "ada"
  dag       = "/home/ada/nightly/nightly.dag"
  missed    = "once"
  overlap   = "skip"
}
