# A job that looks after itself: no longer than an hour at a time, no more than 2 GiB, and
# three starts at the most. gq --held says why it was held.
job "policy" {
  executable               = "/bin/sleep"
  arguments                = ["1"]
  allowed_execute_duration = "1h"
  periodic_hold            = my.MemoryUsage > 2048
  periodic_hold_reason     = "strcat(\"it used \", string(MemoryUsage), \" MiB\")"
  periodic_release         = my.NumJobStarts < 3 && my.HoldReasonCode != 1
  periodic_remove          = time() - my.QDate > 7 * 86400
  on_exit_hold             = isnt(my.ExitCode, 0)
  log                      = "policy.log"
  queue {}
}
