# A job for each file: gsubmit array.hcl, then gwait array.log, then cat *.count.
job "array" {
  executable = "/usr/bin/wc"
  arguments  = ["-w", item]
  output     = "${item}.count"
  error      = "array.err"
  log        = "array.log"
  request { memory = "16MiB" }
  queue { matching = "*.txt" }
}
