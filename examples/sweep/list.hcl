# A job for each item of a list: gsubmit list.hcl, then gwait list.log.
job "list" {
  executable = "/bin/echo"
  arguments  = ["the colour is", item]
  output     = "list.${item}.out"
  log        = "list.log"
  request { memory = "16MiB" }
  queue { in = ["red", "green", "blue"] }
}
