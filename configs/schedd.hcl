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

  # Metrics for Prometheus and health are on the socket, and for anybody, over plain HTTP,
  # at this address if it is set.
  # metrics = "127.0.0.1:9619"

  worker_lease = "20m"    # a worker that hears nothing for so long ends its jobs
  lease_margin = "1m"     # and so much later they are given up here
  log_wait     = "5s"     # how long a submit waits for the user's event log
  log_format   = ["ISO_DATE"] # of users' event logs: LEGACY, UTC, SUB_SECOND; with ! the opposite
  keep_keys    = "720h"   # how long an idempotency key is known
  # keep_history = "8760h" # how long jobs that have left the queue are remembered; for ever
  verify_every = "24h"    # how often the queue is proven to be the fold of its log, in the background
  # max_running   = 5000   # jobs that run at one time; no bound
  # max_running_per_owner = 1000 # of one user; no bound
  # max_dag_jobs = 500           # nodes of one workflow with a job at a time; no bound
  # max_dag_idle = 1000          # jobs of one workflow that wait
  # max_dag_pre  = 20            # PRE scripts of one workflow
  # max_dag_post = 20            # POST scripts
  # max_dag_hold = 20            # HOLD scripts
  policy_interval = "20s"  # the least time between two looks at the periodic policies of all jobs
  # time_zone     = "Europe/Paris" # of jobs' timetables (cron_minute ...); the machine's
  # max_releases  = 10     # a policy releases no job that was held so often; no bound
  sweep        = "1m"     # how often machines at engines are compared with what was wished for
  reserve      = "64MiB"  # of the disk, kept for what is in the queue

  # What jobs' notification asks for is sent by this command, with the owner's rights; none.
  # sendmail = ["/usr/sbin/sendmail", "-i"]

  # The command that serves the local universe; the gworker beside gschedd.
  # local_worker = ["/usr/bin/gworker", "--local"]

  # One event log of all jobs, which is rotated: EventLog, EventLog.1, EventLog.2, ...;
  # with one rotation EventLog.old.
  # event_log {
  #   path          = "EventLog"   # in dir, if it does not begin with a slash
  #   max_size      = "1MiB"       # a larger file is rotated; "0B": never
  #   max_rotations = 1            # files beside the newest
  #   format        = ["ISO_DATE"] # also XML, JSON
  # }
}

# What one user may ask for; root may ask for more, but for no larger submission. What is
# over a limit is refused whole, and the refusal names the key.
limits {
  max_procs      = 1000000 # jobs of one submission
  max_submission = "16MiB" # as it is sent: more is refused before it is read
  max_attributes = 1000    # that all jobs of a cluster share; the most
  # max_per_owner      = 100000 # jobs of one user in the queue; no bound
  # submits_per_minute = 600    # of jobs and workflows, on average; no bound
  # submit_burst       = 100    # and so many at once; ten seconds' worth
}

# What the machines of all resources together may cost; no bound. Keys as in the budget of a
# resource, but for per_burst.
#
# budget {
#   per_day = "50 EUR"
# }

# What runs at one time of the jobs that name a limit (concurrency_limits): licences, a
# database. "small.*" is of each limit of the group small that has none of its own, "*" of
# any other; without these they have no bound.
#
# concurrency_limit "licence" {
#   max = 5
# }

# An engine whose virtual machines run jobs, and are jobs.
#
# resource "ovirt" "main" {
#   url           = "https://engine.example.com/ovirt-engine/api"
#   username      = "gridburst@internal"
#   password_file = "/etc/gridburst/engine.pwd" # mode 0600
#   ca_file       = "/etc/gridburst/engine.pem"
#   gahp          = ["/usr/bin/ovirt_gahp"]     # the one beside gschedd
#   price_per_hour = "0.12 EUR"                 # of a machine; not said
#   billing_period = "1m"                       # what is begun of it is paid for, in advance
#   min_bill      = "10m"                       # and so long at least; one period
#   budget {                                    # what machines may cost; no bound. See docs/budgets.md
#     per_hour    = "2 EUR"                     # billed within an hour
#     per_day     = "20 EUR"                    # billed within 24 hours
#     per_owner   = "10 EUR"                    # within 24 hours, for the jobs of one user
#     per_burst   = "15 EUR"                    # from the first machine until all are gone
#   }
#   max_vms       = 10                          # of ours at one time
#   max_vms_per_user = 5                        # of jobs of one user; no bound
#   max_vms_per_hour = 60                       # asked for, whatever became of them; no bound
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
#     min_vms      = 0                      # started ahead of any need, and kept
#     idle_time    = "60s"                  # a machine goes after this without a job; as is worth while
#     join_timeout = "10m"
#     boot_time    = "60s"                  # from the wish to the worker, until five have shown it
#     wait         = "0s"
#     disk         = "10GiB"                # that jobs find there
#     attributes   = ["HasGcc = true"]      # what its workers offer beside their own
#     schedd       = "https://192.0.2.1:9618" # where guests find this schedd; the first of names
#     user_data    = "packages: [gcc]\n"     # a cloud-config that guests carry out too
#     keep_failed  = "0s"                   # a machine whose worker did not come stays, to be looked at
#     instance_type   = "Medium"            # the engine's; cores and memory count before it
#     quota           = "grid"              # that they count in
#     affinity_groups = ["apart"]           # of the cluster
#     tags            = ["gridburst"]       # made where the user may
#   }
# }

# A policy for all jobs: hold, release, remove or vacate. when, reason and subcode are
# ClassAd expressions of the job's ad; without a reason it names the policy.
#
# policy "hold" "memory" {
#   when    = "JobStatus == 2 && MemoryUsage > 2 * RequestMemory"
#   reason  = "strcat(\"it used \", string(MemoryUsage), \" MB\")"
#   subcode = "102"
# }

# What every submitted job must fulfil; one that does not refuses the whole submission,
# or with warning = true is taken, and the submitter told.
#
# submit_requirement "project" {
#   when    = "Project isnt undefined"
#   reason  = "\"a job says its project: +Project\""
#   warning = false
# }

# A submit command of your own, in both tongues: it becomes the attribute of its name.
# type is string, strings (a list), file (a path), int, unsigned, bool, expression, or
# refused: then the command, also one of every schedd's, must not be used. What jobs must
# not get past in another way is a submit_requirement.
#
# submit_command "LongJob" {
#   type = "bool"
# }

# Where jobs may go that leave the pool: a route's grid_resource, or a job's own. Slurm needs
# no block where its commands are in /usr/bin; an HTCondor and another Gridburst do. Jobs run as
# their owners, in directories that the machines there share with this one; or their files travel.
# See docs/submit.md.
#
# target "batch slurm" {
#   bin         = "/opt/slurm/bin"  # its commands; those of the PATH
#   environment = ["SLURM_CONF=/etc/slurm/slurm.conf"] # that they need
# }
#
# target "condor schedd@example.com cm.example.com" { # a schedd's name; its pool may be left out
#   environment = ["CONDOR_CONFIG=/etc/condor/condor_config"]
#   files       = "spool"           # they travel there and back; "shared": in one directory
# }
#
# target "gridburst other" {
#   schedd = "/srv/other"           # its directory or socket; the name
#   files  = "shared"               # or "spool", as above
# }

# Jobs that leave the pool: which, where to, and as what. See docs/routes.md.
#
# job_router {
#   condor_config           = "/etc/condor/router.config" # HTCondor's own; its routes come first
#   name                    = "jobrouter"           # in the copies' RoutedBy
#   constraint              = "WantRoute =?= true"  # which jobs are looked at at all; all
#   max_jobs                = 1000                  # on all routes together; no bound
#   max_jobs_per_route      = 100                   # on a route that does not say
#   max_idle_jobs_per_route = 50
#   round_robin             = false                 # matching routes take turns
#   release_on_hold         = true                  # of a job that comes back held as its copy was
# }
#
# transform "base" {                # edits for the jobs of all routes
#   stage        = "before"         # the route's own; or "after" them
#   requirements = "Owner != \"root\"" # for which jobs; all
#   delete       = ["WantRoute"]
# }
#
# route "slurm" {                   # routes are asked in their order
#   requirements  = "RequestMemory < 4096" # which jobs, as they are in the queue
#   grid_resource = "batch slurm"
#   universe      = "grid"
#   max_jobs      = 100             # at one time
#   max_idle_jobs = 50              # of these, not started yet
#   failure_rate_threshold  = 0.03  # failures per second that are borne
#   job_failure_test        = "ExitCode =!= 0" # what is a failure; nothing
#   job_should_be_sandboxed = false # its files are copied there and back
#   edit_job_in_place       = false # the job itself is edited: there is no copy
#
#   # Edits, in this order whatever the order here. A string is ClassAd source.
#   macros   = { site = "here" }
#   copy     = { Owner = "OldOwner" }
#   rename   = { Foo = "Bar" }
#   delete   = ["/^Want/"]
#   default  = { BatchQueue = "\"short\"" }
#   set      = { Requirements = true }
#   eval_set = { Twice = "RequestCpus * 2" }
#   # steps = lines of HTCondor's transform language
# }

# A timetable that starts a workflow.
#
# cron "nightly" {
#   schedule       = "30 2 * * *" # or a list of expressions
#   time_zone      = "Europe/Paris"
#   owner          = "ada"
#   dag            = "/home/ada/nightly.dag"
#   missed         = "none"   # none, last, all
#   missed_limit   = 0        # of all: the newest so many; 0: 100
#   overlap        = "forbid" # forbid, allow, queue, replace
#   after_previous = "done"   # begun only behind a run that is done; without it, behind any
#   start_deadline = "0s"     # 0s: none
#   jitter         = "0s"     # begun later by up to this
#   except         = ["2026-12-24", "2026-12-31..2027-01-01"]
#   begin          = "2026-01-01T00:00:00+01:00"
#   end            = "2027-01-01T00:00:00+01:00"
#   dst {
#     gap     = "run"    # a time that the clock skips: run, skip
#     overlap = "first"  # one that it shows twice: first, last, both
#   }
# }

# A burst by the clock: machines that are there at an hour, and gone when it is over.
#
# burst "night" {
#   schedule  = "0 2 * * *"
#   time_zone = "Europe/Paris"
#   resource  = "main"       # its burst block says what the machines are
#   count     = 10
#   lead      = "learned"    # how long before the hour they are asked for, or a duration
#   hold      = "4h"         # from the hour on
#   drain     = "10m"        # and then, for the jobs that run
#   budget    = "50h"        # of all machines together; or "12 EUR"
# }
