# A first job: gsubmit hello.hcl, then gwait hello.log, then look at hello.out.
job "hello" {
  executable = "/bin/echo"
  arguments  = ["hello from job ${cluster}.${process}"]
  output     = "hello.out"
  error      = "hello.err"
  log        = "hello.log"
  request {
    cpus   = 1
    memory = "32MiB"
  }
}
