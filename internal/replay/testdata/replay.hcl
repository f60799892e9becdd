# Machines for the replays of this directory: 16 cores, 32 at most, two minutes until half of
# them serve.
resource "ovirt" "burst" {
  url            = "https://engine.example.com/ovirt-engine/api"
  username       = "gridburst@internal"
  password_file  = "engine.pwd"
  price_per_hour = "0.40 EUR"
  max_vms        = 32

  burst {
    template  = "worker"
    cores     = 16
    memory    = "64GiB"
    boot_time = "2m"
  }
}
