# The configuration of a schedd. Every key is here with its default; a line that is
# commented out has none. gschedd reads the file that --config names, else schedd.hcl
# in its directory (/etc/gridburst/schedd.hcl for root).
#
# Durations and sizes have units: "90s", "20m", "168h"; "64MiB", "2GiB".

schedd {
  # dir    = "/var/lib/gridburst"   # everything lies here; for a user ~/.gridburst
  # socket = "schedd.sock"          # in dir, if it does not begin with a slash
  # name   = "grid"                 # of the schedd, in ids; the host's name
  # host   = "grid.example.com"     # as event logs name it; the host's name
  # domain = "example.com"          # users and machines that share files; the host's name

  # No TCP port is open unless this is set. Workers of other hosts and VMs come by it,
  # over TLS; names are what they call this host.
  # listen = ":9618"
  # names  = ["grid.example.com", "192.0.2.1"]

  worker_lease = "20m"    # a worker that hears nothing for so long ends its jobs
  lease_margin = "1m"     # and so much later they are given up here
  log_wait     = "5s"     # how long a submit waits for the user's event log
  keep_keys    = "720h"   # how long an idempotency key is known
  # keep_history = "8760h" # how long jobs that have left the queue are remembered; for ever
  verify_every = "24h"    # how often the queue is proven to be the fold of its log, in the background
  max_procs    = 1000000  # jobs of one submission
  # max_per_owner = 100000 # jobs of one user in the queue; no bound
  sweep        = "1m"     # how often machines at engines are compared with what was wished for
  reserve      = "64MiB"  # of the disk, kept for what is in the queue

  # The command that serves the local universe; the gworker beside gschedd.
  # local_worker = ["/usr/bin/gworker", "--local"]
}

# An engine whose virtual machines run jobs, and are jobs.
#
# resource "ovirt" "main" {
#   url           = "https://engine.example.com/ovirt-engine/api"
#   username      = "gridburst@internal"
#   password_file = "/etc/gridburst/engine.pwd" # mode 0600
#   ca_file       = "/etc/gridburst/engine.pem"
#   gahp          = ["/usr/bin/ovirt_gahp"]     # the one beside gschedd
#   max_vms       = 10                          # of ours at one time
#   max_vm_time   = "168h"                      # of one
#   borrow        = ["kvm_test_*"]              # machines that jobs may start and stop
#   create        = false                       # jobs may make some, with their own credential
#
#   burst {                # workers, when the pool is not enough
#     template     = "worker"
#     cluster      = "Default"
#     memory       = "4GiB"
#     cores        = 2
#     max_vms      = 10
#     min_vms      = 0
#     idle_time    = "60s"
#     join_timeout = "10m"
#     wait         = "0s"
#     disk         = "10GiB"                # that jobs find there
#     attributes   = ["HasGcc = true"]      # what its workers offer beside their own
#     schedd       = "https://192.0.2.1:9618" # where guests find this schedd; the first of names
#     user_data    = "packages: [gcc]\n"     # further keys of the cloud-config
#   }
# }

# A timetable that starts a DAG.
#
# cron "nightly" {
#   schedule       = "30 2 * * *"
#   time_zone      = "Europe/Paris"
#   owner          = "ada"
#   dag            = "/home/ada/nightly.dag"
#   missed         = "skip"   # skip, once, all
#   overlap        = "skip"   # skip, allow
#   start_deadline = "0s"     # 0s: none
# }
