# Machines that come only for runs that ask for them (scale.hcl). Take the block over into the
# schedd's configuration and change the names.

schedd {
  listen = ":9618"
  names  = ["grid.example.com"]
}

resource "ovirt" "main" {
  url           = "https://engine.example.com/ovirt-engine/api"
  username      = "gridburst@internal"
  password_file = "engine.pwd"
  ca_file       = "engine.pem"
  max_vms       = 5

  budget { per_owner = "5 EUR" } # of what runs ask for too
  price_per_hour = "0.12 EUR"

  burst {
    template   = "worker"
    cores      = 1
    memory     = "512MiB"
    wait       = "24h" # jobs alone bring none up
    idle_time  = "5s"
    attributes = ["OnMachine = true"]
  }
}
