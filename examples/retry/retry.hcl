# A job that fails now and then, and is tried again: up to three times more, but not when
# it says with status 2 that its input makes no sense. The owner hears of what remains.
job "retry" {
  executable   = "flaky"
  output       = "retry.out"
  error        = "retry.err"
  log          = "retry.log"
  should_transfer_files = "no" # it counts its tries in its own directory

  max_retries  = 3
  retry_until  = 2
  notification = "error"
  request { memory = "16MiB" }
}
