# A job of four nodes, which begin together or not at all, and whose end is that of node 0:
# gsubmit ring.hcl, then gwait ring.log, then cat ring.0.out. Too few slots? gq --why 1 says
# how many fit.
job "ring" {
  universe              = "parallel"
  machine_count         = 4
  executable            = "ring"
  should_transfer_files = "NO"
  output                = "ring.${node}.out"
  error                 = "ring.err"
  log                   = "ring.log"
  request {
    memory = "16MB"
  }
}
