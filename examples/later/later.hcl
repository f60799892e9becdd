# It is placed, its files travel, and it starts at its time: three seconds after it was handed
# in here. `date -d 22:00 +%s` prints a time of the evening.
job "later" {
  executable      = "/bin/date"
  arguments       = ["+%s"]
  deferral_time   = "QDate + 3"
  deferral_window = "1m"
  output          = "later.out"
  log             = "later.log"
  queue {}
}
