# A nightly burst: three machines of an engine are up before two o'clock, serve the night's
# jobs (night.hcl, which its user hands in with gcron submit), and are gone by three. Take
# the blocks over into the schedd's configuration and change the names.

schedd {
  listen = ":9618"
  names  = ["grid.example.com"]
}

resource "ovirt" "main" {
  url            = "https://engine.example.com/ovirt-engine/api"
  username       = "gridburst@internal"
  password_file  = "engine.pwd"
  ca_file        = "engine.pem"
  max_vms        = 5
  price_per_hour = "0.12 EUR"

  burst {
    template = "worker"
    cores    = 2
    memory   = "1GiB"
    wait     = "24h" # by day, jobs wait for the pool: machines come by the clock
  }
}

burst "night" {
  schedule  = "0 2 * * *"
  time_zone = "Europe/Berlin"
  resource  = "main"
  count     = 3
  lead      = "learned" # asked for as long before two as machines have taken
  hold      = "40m"
  drain     = "15m"     # what then still runs may end within it
  budget    = "4h"      # of all three together
}
