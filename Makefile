# Verbs of the project. Bare `make` prints them; CI calls nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON ?= python3
ASK ?= Why is the sky blue?
PYTEST := $(BIN)/pytest --quiet
FAST := -m "not live and not interop" --ignore=tests/bench --ignore=tests/scenarios --ignore=tests/invariants --ignore=tests/egress
export ASK

# One line that says why PYTHON will not do; empty where it does. Asked only when it is needed.
python_problem = $(shell sh .ci/python-problem.sh "$(PYTHON)")

.venv/.installed: .ci/locks/dev.txt pyproject.toml
	$(if $(python_problem),$(error $(python_problem)))
	@bash .ci/setup.sh "$(PYTHON)"
	@touch $@

.PHONY: help
help: ## Show this help
	@awk -f .ci/help.awk $(MAKEFILE_LIST)

##@ Everyday

.PHONY: setup run chat test clean
setup: .venv/.installed ## Create .venv from the lock, or bring it up to date

run: setup ## Serve on localhost:50051 with deploy/config/dev.yaml; Ctrl-C stops
	@exec $(BIN)/llmsvc-server serve --config deploy/config/dev.yaml

chat: setup ## Ask the running server: make chat ASK="Why is the sky blue?"
	@$(BIN)/llmsvc chat "$$ASK"

test: setup ## Run the tests that need no other program, in about three minutes
	@$(PYTEST) $(FAST)

clean: ## Remove .venv, caches and everything else that was made here, but not .tools
	@rm -rf .venv dist .coverage .coverage.* .hypothesis .*_cache
	@find . -name __pycache__ -not -path './.tools/*' -prune -exec rm -rf {} +

##@ Checks

.PHONY: check fmt lint types layers protos-check docs-check deploy-check cov scorecard-check test-invariants test-egress test-interop test-live
check: lint types layers protos-check docs-check deploy-check cov scorecard-check test-invariants test-egress test-interop test-live ## Run what CI runs; needs no network after `make setup tools`

fmt: setup ## Format sources and contract
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/buf format --write

lint: setup ## Check style and scripts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/shellcheck .ci/run .ci/*.sh

types: setup ## Check types
	@$(BIN)/mypy

layers: setup ## Check who may import whom
	@$(BIN)/lint-imports --no-logo --no-cache

protos-check: setup ## Check the contract: lint, format, compatibility, generated files
	@bash .ci/protos-check.sh

docs-check: setup ## Check that the documentation says what the code does
	@$(PYTEST) tests/architecture -k docs

deploy-check: setup ## Check deploy/: Dockerfile, manifests, configuration
	@bash .ci/deploy-check.sh
	@$(PYTEST) tests/deploy

cov: setup ## Run the tests of `make test` and hold the coverage floors
	@$(PYTEST) $(FAST) --cov --cov-report=json:.coverage.json --cov-report=
	@$(BIN)/python .ci/coverage_floors.py .coverage.json

scorecard-check: setup ## Run the fault scenarios and hold docs/scorecard.md against them
	@$(BIN)/python -m tests.scenarios.scorecard --check

test-invariants: setup ## Run the tests of docs/invariants.md that need the whole service
	@$(PYTEST) tests/invariants

test-egress: setup ## Run them under local_only where there is no network but loopback
	@$(PYTEST) tests/egress

test-interop: setup ## Call the server with the programs of `make tools`
	@$(PYTEST) -m interop

test-live: setup ## Run against a real Ollama; LLMSVC_LIVE_BASE_URL names your own
	@$(PYTEST) -m live -rs

##@ Upkeep

.PHONY: tools protos docs scorecard lock bench
tools: setup ## Fetch the Go and npm programs that interop and live tests run
	@bash .ci/tools.sh

protos: setup ## Regenerate the stubs and the descriptor set from llm.proto
	@bash .ci/protos.sh protos

docs: setup ## Regenerate docs/api.md and docs/configuration.md
	@$(BIN)/python .ci/api_docs.py
	@$(BIN)/python .ci/configuration_docs.py

scorecard: setup ## Run the fault scenarios, print what each came to, write docs/scorecard.md
	@$(BIN)/python -m tests.scenarios.scorecard

lock: setup ## Resolve the dependencies anew into .ci/locks
	@bash .ci/lock.sh

bench: setup ## Measure CPU, latency and memory against their floors
	@$(BIN)/python -m tests.bench
