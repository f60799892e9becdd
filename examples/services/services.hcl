# Ten jobs count in a store that they reach over the web. The three daemons are of Debian's
# packages redis-server, webdis and haproxy (and curl), which a machine of the pool has:
#
#   store  redis     keeps the count
#   web    webdis    speaks HTTP for the store: it needs its address
#   front  haproxy   stands before the web: the one address that the jobs know
#
# They begin in this order, each when the one before is ready, and are stopped in the reverse
# order when the last job has ended.

workflow "services" {
  service "store" {
    ready_within = "2m"
    retry { times = 3 }
  }
  service "web" {
    ready_within = "2m"
    vars         = { store = service.store.address }
    retry { times = 3 }
  }
  service "front" {
    ready_within = "2m"
    vars         = { web = service.web.address }
    retry { times = 3 }
  }
  node "count" {
    for_each = range(10)
    vars     = { front = service.front.address }
  }
  node "total" {
    after = [node.count]
    vars  = { front = service.front.address }
  }
}

variable "path" { default = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin" }
variable "store" { default = "" }
variable "web" { default = "" }
variable "front" { default = "" }

job "store" {
  executable            = "serve"
  arguments             = ["exec redis-server --bind $HOST --port $PORT --save '' --appendonly no", "redis-cli -h $HOST -p $PORT ping | grep PONG"]
  environment           = { PATH = var.path }
  should_transfer_files = "yes"
  output                = "store.out"
  error                 = "store.err"
  log                   = "services.log"
  notification          = "never"
  request { memory = "64MiB" }
}

job "web" {
  executable            = "serve"
  arguments             = ["sed -e s/@HOST@/$HOST/ -e s/@PORT@/$PORT/ -e s/@STORE@/$${STORE%:*}/ -e s/@STORE_PORT@/$${STORE#*:}/ web.json >here.json && exec webdis here.json", "curl -fsS http://$HOST:$PORT/PING | grep PONG"]
  environment           = { PATH = var.path, STORE = var.store }
  transfer_input_files  = ["web.json"]
  should_transfer_files = "yes"
  output                = "web.out"
  error                 = "web.err"
  log                   = "services.log"
  notification          = "never"
  request { memory = "64MiB" }
}

job "front" {
  executable            = "serve"
  arguments             = ["exec haproxy -db -f front.cfg", "curl -fsS http://$HOST:$PORT/PING | grep PONG"]
  environment           = { PATH = var.path, WEB = var.web }
  transfer_input_files  = ["front.cfg"]
  should_transfer_files = "yes"
  output                = "front.out"
  error                 = "front.err"
  log                   = "services.log"
  notification          = "never"
  request { memory = "128MiB" }
}

job "count" {
  executable            = "/usr/bin/curl"
  arguments             = ["-fsS", "http://${var.front}/INCR/count"]
  transfer_executable   = false
  environment           = { PATH = var.path }
  should_transfer_files = "yes"
  log                   = "services.log"
  notification          = "never"
  request { memory = "32MiB" }
}

job "total" {
  executable            = "/usr/bin/curl"
  arguments             = ["-fsS", "http://${var.front}/GET/count"]
  transfer_executable   = false
  environment           = { PATH = var.path }
  should_transfer_files = "yes"
  output                = "total"
  log                   = "services.log"
  notification          = "never"
  request { memory = "32MiB" }
}
