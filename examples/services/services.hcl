# Ten jobs count in a store that they reach over the web. The three daemons are of Debian's
# packages redis-server, webdis and haproxy (and curl), which a machine of the pool has:
#
#   store  redis     keeps the count
#   web    webdis    speaks HTTP for the store: it needs its address
#   front  haproxy   stands before the web: the one address that the jobs know
#
# They begin in this order, each when its worker has found the one before ready, and are
# stopped in the reverse order when the last job has ended.
#
# All of them are on one machine here. On several, host in a ready block is the machine that
# the service was given: address = "${host}:7379".

variable "host" { default = "127.0.0.1" }
variable "store_port" { default = 7379 }
variable "web_port" { default = 7380 }
variable "front_port" { default = 7381 }

workflow "services" {
  service "store" {
    ready_within = "2m"
    ready {
      command = ["sh", "-c", "redis-cli -h ${var.host} -p ${var.store_port} ping | grep PONG"]
      address = "${var.host}:${var.store_port}"
    }
    retry { times = 3 }
  }
  service "web" {
    ready_within = "2m"
    ready {
      http    = "http://${var.host}:${var.web_port}/PING"
      address = "${var.host}:${var.web_port}"
    }
    vars = { store = service.store.address }
    retry { times = 3 }
  }
  service "front" {
    ready_within = "2m"
    ready {
      http    = "http://${var.host}:${var.front_port}/PING"
      address = "${var.host}:${var.front_port}"
    }
    vars = { web = service.web.address }
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
  executable            = "/bin/sh"
  arguments             = ["-c", "exec redis-server --bind ${var.host} --port ${var.store_port} --save '' --appendonly no"]
  transfer_executable   = false
  environment           = { PATH = var.path }
  should_transfer_files = "yes"
  output                = "store.out"
  error                 = "store.err"
  log                   = "services.log"
  notification          = "never"
  request { memory = "64MiB" }
}

job "web" {
  executable            = "/bin/sh"
  arguments             = ["-c", "sed -e s/@HOST@/${var.host}/ -e s/@PORT@/${var.web_port}/ -e s/@STORE@/$${STORE%:*}/ -e s/@STORE_PORT@/$${STORE#*:}/ web.json >here.json && exec webdis here.json"]
  transfer_executable   = false
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
  executable            = "/bin/sh"
  arguments             = ["-c", "exec haproxy -db -f front.cfg"]
  transfer_executable   = false
  environment           = { PATH = var.path, HOST = var.host, PORT = var.front_port, WEB = var.web }
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
