# Verbs of the project. Bare `make` prints them; CI calls nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
ASK ?= Why is the sky blue?
# In CI a test that fails is run once more, and named (ADR-054).
# gRPC in a child that has yet to become another program crashes it, two of a hundred under load.
PYTEST := GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/pytest --quiet $(if $(CI),--reruns=1 --rerun-show-tracebacks -rR)
# How many tests run at once, except where time or memory is measured; 0 for a debugger. What a file
# sets up for its tests is shared where whole files are handed out.
WORKERS ?= 2
BY_FILE := --numprocesses=$(WORKERS) --dist=loadfile
BY_TEST := --numprocesses=$(WORKERS) --dist=worksteal
# What both doors must pass (ADR-048): served in the process of the test, and by the real program.
SERVED_HERE := tests/contract tests/crash tests/scenarios tests/integration/test_drain.py
PROGRAM := $(foreach what,process health_listener many_callers,tests/integration/test_$(what).py)
# The doors that interop, live and hostile tests pass one after the other; DOORS=aio for one alone.
DOORS ?= in_loop aio
each_door = for door in $(DOORS); do TESTED_DOOR=$$door $(PYTEST) $(1) || exit; done
# What speaks HTTP to upstreams, in this process.
HTTP := tests/conformance $(wildcard $(foreach what,ollama openai anthropic answer stray tls own post upstream,tests/integration/test_$(what)_*.py))
FAST := -m "not live and not interop" --ignore=tests/bench --ignore=tests/scenarios --ignore=tests/invariants --ignore=tests/egress --ignore=tests/hostile --ignore=tests/architecture/test_setup.py
# With it set, as .ci/run does, `make test` measures coverage too, and no check runs its tests again.
MEASURE_ONCE ?=
MEASURED := --cov --cov-report=json:.coverage.json --cov-report=
export ASK

# The Python that is named; else the environment's own, else python3.
python = $(or $(PYTHON),$(shell $(BIN)/python -c 'print("$(BIN)/python")' 2>/dev/null),python3)
# One line that says why that will not do; empty where it does.
python_problem = $(shell sh .ci/python-problem.sh "$(chosen)")

# $(call prepare,LOCK) makes the environment hold a lock, and says nothing where it does.
define prepare
$(eval chosen := $(python))$(if $(python_problem),$(error $(python_problem)))
@"$(chosen)" .ci/setup.py $(1) $(VENV)
endef

.PHONY: help
help: ## Show this help
	@awk -f .ci/help.awk $(MAKEFILE_LIST)

##@ Everyday

.PHONY: setup setup-run run chat test test-unit clean
setup: ## Create .venv with all that tests and checks need, or bring it up to date
	$(call prepare,dev.txt)

setup-run: ## The same with what `make run` and `make chat` need, no more
	$(call prepare,server.txt)

run: setup-run ## Serve on localhost:50051 with deploy/config/dev.yaml; Ctrl-C stops
	@exec $(BIN)/llmsvc-server serve --config deploy/config/dev.yaml

chat: setup-run ## Ask the running server: make chat ASK="Why is the sky blue?"
	@$(BIN)/llmsvc chat "$$ASK"

test: setup ## Run the tests that need no other program, in about five minutes
	@$(PYTEST) $(BY_FILE) $(FAST) $(if $(MEASURE_ONCE),$(MEASURED))

test-unit: setup ## Run the part of them that needs nothing but Python
	@$(PYTEST) $(BY_FILE) tests/unit

clean: ## Remove .venv, caches and everything else that was made here, but not .tools
	@rm -rf $(VENV) .venv-newest dist .coverage .coverage.* .hypothesis .*_cache
	@find . -name __pycache__ -not -path './.tools/*' -prune -exec rm -rf {} +

##@ Checks

.PHONY: check check-source check-service check-together check-alone fmt lint types layers protos-check docs-check deploy-check locks-check cov scorecard-check test-invariants test-egress test-hostile test-sessions test-interop test-live test-doors
check: check-source check-service ## Run what CI runs

check-source: lint types layers protos-check docs-check deploy-check locks-check ## Run its part that reads files, two at a time with -j2

check-service: cov check-together check-alone ## Run its part that runs the service

check-together: test-interop test-doors scorecard-check test-invariants test-sessions test-egress ## Run what of it measures nothing, two at a time with -j2

check-alone: test-live test-hostile ## Run what of it has the machine for itself

fmt: setup ## Format sources and contract
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/buf format --write

lint: setup ## Check style and scripts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@bash .ci/shellcheck.sh

types: setup ## Check types
	@$(BIN)/mypy

layers: setup ## Check who may import whom
	@$(BIN)/lint-imports --no-logo --no-cache

protos-check: setup ## Check the contract: lint, format, compatibility, generated files
	@bash .ci/protos-check.sh

docs-check: setup ## Check that the documentation says what the code does
	$(if $(MEASURE_ONCE),,@$(PYTEST) tests/architecture -k docs)

deploy-check: setup ## Check deploy/: Dockerfile, manifests, configuration
	@bash .ci/deploy-check.sh
	$(if $(MEASURE_ONCE),,@$(PYTEST) tests/deploy)

locks-check: setup ## Check set-up, and ask the index whether the locks install where they are to
	@$(PYTEST) tests/architecture/test_setup.py
	@$(BIN)/python .ci/locks_check.py

cov: setup ## Run the tests of `make test` and hold the coverage floors
	$(if $(MEASURE_ONCE),,@$(PYTEST) $(BY_FILE) $(FAST) $(MEASURED))
	@$(BIN)/python .ci/coverage_floors.py .coverage.json

scorecard-check: setup ## Run the fault scenarios and hold docs/scorecard.md against them
	@$(BIN)/python -m tests.scenarios.scorecard --check $(BY_TEST)

test-invariants: setup ## Run the tests of docs/invariants.md that need the whole service
	@$(PYTEST) $(BY_TEST) tests/invariants

test-egress: setup ## Run them under local_only where there is no network but loopback
	@$(PYTEST) tests/egress

test-hostile: setup ## Measure what hostile callers and upstreams cost, and hold the bounds
	@$(call each_door,$(BY_TEST) -m "not alone" tests/hostile)
	@$(call each_door,-m alone tests/hostile)

test-sessions: setup ## Run the tests of requests to upstreams as with an aiohttp that nobody has tested
	@PYTHONPATH=tests/fakes/unknown_aiohttp $(PYTEST) $(BY_FILE) $(HTTP)

test-interop: setup ## Call the server with the programs of `make test-tools`
	@$(call each_door,$(BY_FILE) -m interop tests/interop)

test-live: setup ## Run against a real Ollama; LLMSVC_LIVE_BASE_URL names your own
	@$(call each_door,-m live -rs tests/live)

test-doors: setup ## Run tests of `make test` and scenarios through the door that they don't have there
	@TESTED_DOOR=in_loop $(PYTEST) $(BY_FILE) $(SERVED_HERE)
	@TESTED_DOOR=aio $(PYTEST) $(BY_FILE) $(PROGRAM)

##@ Upkeep

.PHONY: tools test-tools protos docs scorecard lock bench
tools: ## Build grpcurl and grpc-health-probe into .tools/bin; needs Go
	@bash .ci/tools.sh

test-tools: ## Fetch all that interop and live tests run, an ollama too; needs Go, npm and C++
	@bash .ci/tools.sh tests

protos: setup ## Regenerate the stubs and the descriptor set from llm.proto
	@bash .ci/protos.sh protos

docs: setup ## Regenerate docs/api.md, docs/configuration.md and docs/features.md
	@$(BIN)/python .ci/api_docs.py
	@$(BIN)/python .ci/configuration_docs.py
	@$(BIN)/python -m tests.conformance.outcomes

scorecard: setup ## Run the fault scenarios, print what each came to, write docs/scorecard.md
	@$(BIN)/python -m tests.scenarios.scorecard $(BY_TEST)

lock: setup ## Resolve the dependencies anew into .ci/locks
	@bash .ci/lock.sh

bench: setup ## Measure for half an hour; the first 18 minutes want a quiet machine
	@$(BIN)/python -m tests.bench
