# Everything is made in build/; nothing is installed, and nothing is left running.
#
#   make run          the whole road on this machine: build, run the main job, a receipt
#   make up, down     a grid of your own that stays, in build/up; and its end
#   make test         every test that needs only Linux and Go
#   make man          manual pages and completions, in build/share
#   make check        what a change has to pass: .ci/run

GO    ?= go
BIN   := build/bin
TOOLS := $(GO) tool -modfile=go.tools.mod

.PHONY: run up down build man test test-real soak workflows chaos chaos-kills chaos-proof bench replay corpus ovirt-coverage lint fmt check clean

run: build
	$(BIN)/grun demo

up: build
	$(BIN)/grun up

down:
	@test ! -x $(BIN)/grun || $(BIN)/grun down

build:
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/ ./cmd/...

# MANPATH=build/share/man man gq; completions for bash, zsh and fish are beside.
man: build
	$(BIN)/grun man build/share

# Within five minutes after the build, without root, network or virtual machines. What
# needs more says so and is skipped. (A program with the race detector in it sleeps for a
# second at its end, unless told otherwise; the scripts run hundreds. What waits the most
# begins first.)
test:
	GORACE="atexit_sleep_ms=0 $$GORACE" $(GO) test -race -p 4 ./cmd ./schedd ./...

# The tests that want a real kernel's namespaces, other users and another network: run it
# as root. Programs of the oVirt project besides, from their registries. The rest has passed
# in make test.
test-real: build
	.ci/real

# Longer than anybody waits: many faults, and the readers of files from outside on random
# input.
soak: build
	$(BIN)/gchaos --jobs 20000 --kills 2000 --limit 4h $(if $(SEED),--seed $(SEED))
	$(BIN)/gchaos engines --faults 300 --vms 200 --foreign 100 $(if $(SEED),--seed $(SEED))
	$(BIN)/gchaos kills $(if $(SEED),--seed $(SEED))
	$(BIN)/gchaos dags $(if $(SEED),--seed $(SEED))
	$(BIN)/gchaos traces --bin $(BIN) internal/replay/testdata/workflows/*.json
	$(GO) test -count=1 -timeout 1h ./schedd -run 'TestOccurrencesUnder|TestWindowsUnder|TestARestoredQueueBegins' -cron-instants 1000000
	$(GO) test -count=1 -timeout 1h ./dag/trigger -run TestDaysOfChangeOfFortyZones -zone-rounds 100
	.ci/cuts 30
	.ci/fuzz $(or $(FUZZTIME),5m)

# Kills everywhere while jobs run, and then an engine that goes wrong in every way, judged
# from outside. SEED=n makes it again, SHORT=1 is for a minute or two.
chaos: build
	$(BIN)/gchaos $(if $(SEED),--seed $(SEED)) $(if $(SHORT),--short)
	$(BIN)/gchaos engines --bin build/chaos/bin --faults 100 --vms 60 $(if $(SEED),--seed $(SEED)) $(if $(SHORT),--short)

# One schedd, killed twenty times at each instant of each thing that is done to a queue.
chaos-kills: build
	$(BIN)/gchaos kills $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

# The judge finds bugs that are planted for it.
chaos-proof: build
	$(BIN)/gchaos proof

bench: build
	$(BIN)/gbench

# The workflows of the traces as DAGs, over machines of a simulated engine.
workflows: build
	$(BIN)/gchaos traces --bin $(BIN) internal/replay/testdata/workflows/*.json

# Every policy over every trace: docs/bursts.md has the table. SEEDS=n is the mean of so many.
replay: build
	.ci/replay

# What becomes of submit and DAG files of other people: ours, or make corpus DIR=...
corpus: build
	$(BIN)/gcorpus $(if $(DIR),"$(DIR)",schedd/submit/testdata dag/dagfile/testdata)

# What real oVirt engines always say, and how much of it the simulator says too, by
# resource. DIR is other recordings, in the form of those in gahp/ovirtsim/testdata.
ovirt-coverage:
	@out=$$(OVIRT_RECORDINGS="$(abspath $(DIR))" $(GO) test -count=1 -run 'TestRealEnginesAnswersAreCovered' -v ./gahp/ovirtsim); s=$$?; \
	printf '%s\n' "$$out" | sed -n 's/^ *recorded_test.go:[0-9]*: //p'; exit $$s

lint:
	@unformatted=$$($(TOOLS) gofumpt -l .); test -z "$$unformatted" || { echo "not as gofumpt has it (make fmt):" $$unformatted >&2; exit 1; }
	$(GO) vet ./...
	$(TOOLS) staticcheck ./...
	.ci/vulnerabilities

fmt:
	$(TOOLS) gofumpt -w .

check:
	.ci/run

clean: down
	rm -rf build
