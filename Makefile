# The two commands of the first screen are `make demo` and `make test`; the others are for people who change vedette.

GO        ?= go
CORPORA   ?= ../shared/data
TOOLS_GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
TOOLS_STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
TOOLS_GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
TOOLS_BENCHSTAT   := golang.org/x/perf/cmd/benchstat@latest

export CGO_ENABLED ?= 0

.PHONY: demo build check test lint generate bench bench-quick evaluation reaction clean help

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: build ## play a small made-up platform, then leave a server open to try (Go alone)
	@./bin/vedette demo

build: ## make bin/vedette
	@mkdir -p bin
	$(GO) build -trimpath -o bin/vedette ./cmd/vedette

check: ## the quick part: format, vet, rooms, short tests (no installs)
	@test -z "$$($(GO) run $(TOOLS_GOFUMPT) -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GO) test -short ./...

test: ## install what the tests need, and run everything
	@CORPORA="$(CORPORA)" GO="$(GO)" GOFUMPT="$(TOOLS_GOFUMPT)" STATICCHECK="$(TOOLS_STATICCHECK)" GOVULNCHECK="$(TOOLS_GOVULNCHECK)" bash scripts/test.sh

generate: ## make generated files anew
	$(GO) generate ./...
	$(GO) test -run TestThePageOfRoomsIsTrue . -update

bench: build ## measure, and write docs/benchmarks.md
	@CORPORA="$(CORPORA)" GO="$(GO)" bash scripts/bench.sh docs/benchmarks.md

evaluation: build ## judge overlays of real timing, real links and real spyware hosts, and write docs/evaluation.md
	@CORPORA="$(CORPORA)" GO="$(GO)" bash scripts/evaluation.sh docs/evaluation.md

reaction: build ## lay campaigns over real conversations, react to one report of each, and write docs/reaction.md
	@CORPORA="$(CORPORA)" GO="$(GO)" bash scripts/reaction.sh docs/reaction.md

clean: ## remove what was built (not your data folders)
	rm -rf bin .data .venv
