# A job that is a virtual machine: it is made from a template, works a few seconds, powers
# itself off, and is removed. The configuration must let jobs make machines (create = true).
#
#   gsubmit vm.hcl engine=https://engine.example.com/ovirt-engine/api
#
# user_pwd holds the engine's password for the user; nobody else may read it (chmod 600).

variable "engine" { default = "https://engine.example.com/ovirt-engine/api" }

job "vm" {
  universe      = "grid"
  grid_resource = "ovirt ${var.engine}"
  log           = "job_ovirt_${cluster}_${process}.log"
  notification  = "never"
  ovirt {
    username      = "admin@internal"
    password_file = "user_pwd"
    template      = "worker"
    cluster       = "Default"
    memory        = "512MiB"
    machine_log   = "vm_${cluster}_${process}.log" # what the engine tells of it
    user_data     = <<-EOT
      #cloud-config
      write_files:
        - path: /root/primes
          permissions: "0755"
          content: |
            #!/bin/sh
            # How many primes there are below 800,000, by the sieve.
            exec awk 'BEGIN {
              n = 800000
              for (i = 2; i < n; i++) {
                if (sieve[i]) continue
                primes++
                for (j = i * i; j < n; j += i) sieve[j] = 1
              }
              print primes
            }'
      runcmd:
        - [sh, -c, "/root/primes >/root/primes.out"]
        - [poweroff]
    EOT
  }
}
