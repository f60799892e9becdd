# A job that checkpoints itself: whatever becomes of the machine, no step before the newest
# checkpoint is done again. Try: gvacate, or kill the worker.
job "count" {
  executable                = "count"
  arguments                 = ["5"]
  checkpoint_exit_code      = 85
  transfer_checkpoint_files = ["reached"]
  transfer_output_files     = ["reached"]
  should_transfer_files     = "YES"
  output                    = "count.out"
  error                     = "count.err"
  log                       = "count.log"
}
