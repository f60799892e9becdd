# Forty jobs each night at two, on the machines that the burst of schedd.hcl has up by then:
#
#   gcron submit night.hcl
#   gcron next night --explain
#   gcron history night

workflow "night" {
  cron {
    schedule       = "0 2 * * *"
    time_zone      = "Europe/Berlin"
    overlap        = "forbid" # a night that takes longer than a day has no second beside it
    missed         = "last"   # one that was missed is made up for
    start_deadline = "30m"    # but not when the machines are about to go
  }
  node "count" {
    for_each = range(40)
    vars     = { part = each.value }
  }
}

variable "part" { default = 0 }
variable "cron_due" { default = "no night" } # the occurrence that a run is of

job "count" {
  executable            = "/bin/sh"
  transfer_executable   = false
  should_transfer_files = "yes"
  arguments             = ["-c", "i=0; while test $i -lt 100000; do i=$((i+1)); done; echo part ${var.part} of ${var.cron_due}"]
  log                   = "night.log"
  notification          = "never"
  request {
    cpus   = 1
    memory = "64MiB"
  }
}
