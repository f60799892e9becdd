# Twelve jobs on virtual machines that a service of the run brings up and gives back, by what
# is free on those that there are:
#
#   gdag submit scale.hcl
#   gvm
#
# The machines come for the run alone (provision), and as it asks: no demand of jobs brings any
# up (wait, in schedd.hcl). They are gone when the run has ended, however that was.

workflow "scale" {
  provision "main" { max = 3 }

  service "watch" {}

  node "part" {
    for_each = range(12)
    vars     = { part = each.value }
  }
}

variable "part" { default = 0 }
variable "path" { default = "/usr/local/bin:/usr/bin:/bin" }

# It runs beside the schedd, where the commands are. They find the token of the run in the file
# that $GRIDBURST_TOKEN_FILE names.
job "watch" {
  universe     = "local"
  executable   = "watch"
  arguments    = ["main", "3"]
  environment  = { PATH = var.path }
  output       = "watch.out"
  error        = "watch.err"
  log          = "scale.log"
  notification = "never"
}

job "part" {
  executable            = "/bin/sh"
  transfer_executable   = false
  should_transfer_files = "yes"
  arguments             = ["-c", "sleep 2; echo part ${var.part} is done"]
  output                = "part.${var.part}"
  log                   = "scale.log"
  notification          = "never"
  requirements          = target.OnMachine
  request {
    cpus   = 1
    memory = "64MiB"
  }
}
