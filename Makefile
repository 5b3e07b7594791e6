# Fathom: every target works on a clean checkout with Go and the module proxy.
.DEFAULT_GOAL := help
BIN := bin/fathom
LINT := go tool -modfile=.ci/tools/go.mod golangci-lint

.PHONY: help build test lint gen verify eval check demo new-analyzer fuzz fuzz-long bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/fathom
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $(BIN) ./cmd/fathom

demo: build ## scan the embedded capture of a broken shop (no cluster, no key)
	@$(BIN) demo

test: ## run all tests, with the race detector
	go test -race ./...
	go -C evals/lab test ./...

lint: ## check format and style
	$(LINT) run ./...

gen: ## write the generated parts: README, tables
	go test ./cmd/internal/cli ./evals -run 'TestGenerated' -update

verify: ## fail when a generated part is stale
	go mod tidy -diff
	go test ./cmd/internal/cli ./evals -count=1 -run 'TestGenerated'

eval: ## replay the recorded clusters and score the diagnoses
	go test ./evals -count=1 -run 'TestScenarios' -v

check: lint verify test eval ## all that must pass before a commit

new-analyzer: ## begin a check: NAME=area/fault [CODE=code-id]
	@go run ./cmd/internal/newanalyzer $(NAME) $(CODE)

fuzz: ## fuzz what parses, 30 s each (FUZZTIME=10m for more)
	.ci/fuzz $(or $(FUZZTIME),30s)

fuzz-long: ## run all checks over 1,000,000 random objects
	go test ./analyzers/all -run TestRandomObjects -count=1 -v -timeout 2h -objects 1000000

bench: ## benchmarks of the analysis
	go test ./analyzers/... -run '^$$' -bench . -benchmem

clean: ## remove what was built
	rm -rf bin
