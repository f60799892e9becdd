# A job for each line of a table: gsubmit sweep.hcl, then gwait sweep.log.
job "sweep" {
  executable = "/bin/echo"
  arguments  = ["alpha", item.alpha, "beta", item.beta]
  output     = "sweep.${process}.out"
  log        = "sweep.log"
  request { memory = "16MiB" }
  queue {
    from = "table.csv"
    vars = ["alpha", "beta"]
  }
}
