# Which words do two novels use most? One split, 40 counts side by side, one merge.
# wordcount.dag is the same graph.

workflow "wordcount" {
  node "split" {}
  node "count" {
    for_each = range(40)
    after    = [node.split]
    vars     = { part = each.value }
  }
  node "merge" {
    after = [node.count]
    vars  = { counts = join(",", [for part in range(40) : "count.${part}"]) }
  }
}

variable "part" { default = 0 }
variable "counts" { default = "" }

# Cut the texts into 40 parts. What split makes in its sandbox comes home.
job "split" {
  executable              = "split"
  arguments               = [40, "emma.txt", "pride-and-prejudice.txt"]
  transfer_input_files    = ["texts/emma.txt", "texts/pride-and-prejudice.txt"]
  should_transfer_files   = "yes"
  when_to_transfer_output = "on_exit"
  error                   = "split.err"
  log                     = "wordcount.log"
  notification            = "never"
  request {
    memory = "64MiB"
    disk   = "32MiB"
  }
}

# Count the words of one part. It is read until 24 MB have gone through: a second or two
# of counting.
job "count" {
  executable              = "count"
  arguments               = ["part.${var.part}", 24000000]
  transfer_input_files    = ["part.${var.part}"]
  should_transfer_files   = "yes"
  when_to_transfer_output = "on_exit"
  output                  = "count.${var.part}"
  error                   = "count.${var.part}.err"
  log                     = "wordcount.log"
  notification            = "never"
  request {
    memory = "64MiB"
    disk   = "8MiB"
  }
}

# Add up the counts; the commonest word comes first.
job "merge" {
  executable              = "merge"
  transfer_input_files    = var.counts
  should_transfer_files   = "yes"
  when_to_transfer_output = "on_exit"
  output                  = "words"
  error                   = "merge.err"
  log                     = "wordcount.log"
  notification            = "never"
  request {
    memory = "64MiB"
    disk   = "8MiB"
  }
}
