# Every target sets up what it needs by itself; `make` alone lists them.
PYTHON ?= python3
# Where this is set every process compiles everything anew: a third of the time that a command needs to begin.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
# bench and chaos take minutes and have targets of their own.
# The longest files come first, so that no worker is left alone with one of them at the end. The tests of the running hub
# come after them: beside three workers, calls with the tests' short time-outs would fail for want of a processor.
TESTED := $(wildcard tools tests libs services)
UNTESTED := --ignore=tests/chaos

# Every package of every distribution, for the type checker: names, and the folders they lie in.
_packages := $(patsubst %/__init__.py,%,$(filter-out %/tests/__init__.py,$(wildcard \
	libs/*/*/__init__.py libs/connectors/*/*/__init__.py services/*/*/__init__.py tools/*/__init__.py)))
_empty :=
_search := $(subst $(_empty) $(_empty),:,$(patsubst %/,%,$(sort $(dir $(_packages)))))

.DEFAULT_GOAL := help
.PHONY: help compose-env setup demo up down status test replay lint format bench chaos clean ci
.PHONY: lint-style lint-format lint-types lint-layers lint-rules

help:  ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Install everything into .venv (idempotent; needs Python 3.11, uses Java 17 and Maven when there)
	@$(PYTHON) tools/bootstrap.py

demo: setup  ## Start everything, let orders flow, show what happened
	@$(BIN)/hub demo

up: setup  ## Start PostgreSQL, a broker and all services; they stay
	@$(BIN)/hub up

down: setup  ## Stop them; data stays
	@$(BIN)/hub stack down

status: setup  ## What runs
	@$(BIN)/hub stack status

test: setup  ## Unit, contract, integration and stack tests
	$(BIN)/pytest -rfEs -n 4 --dist loadfile $(UNTESTED) --ignore=tests/integration $(PYTEST_ARGS) $(TESTED)
	$(BIN)/pytest -rfEs $(PYTEST_ARGS) tests/integration

replay: setup  ## Let orders flow through a hub of its own, rebuild every service from its topics, compare
	$(BIN)/pytest -rfEs tests/integration/test_replay.py $(PYTEST_ARGS)

lint: lint-style lint-format lint-types lint-layers lint-rules  ## Style, types, layers, own rules (all: make -k lint)

lint-style: setup
	$(BIN)/ruff check .

lint-format: setup
	$(BIN)/ruff format --check .

lint-types: setup
	MYPYPATH=$(_search) $(BIN)/mypy --strict $(addprefix -p ,$(notdir $(_packages)))

lint-layers: setup
	$(BIN)/lint-imports

lint-rules: setup
	$(BIN)/hub lint

format: setup  ## Rewrite the sources in the repository's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

compose-env: setup  ## Write .env with fresh secrets for docker compose
	@$(BIN)/hub compose-env

bench: setup  ## Throughput and latency, as ratios against a floor measured in the same run
	@$(BIN)/hub bench

chaos: setup  ## Fault injection: minutes long
	$(BIN)/pytest -rfEs -m chaos tests/chaos $(PYTEST_ARGS)

clean:  ## Stop everything and delete .hub (data, logs); .venv stays
	@if [ -x $(BIN)/hub ]; then $(BIN)/hub stack clean; fi

ci:  ## What the pipeline runs
	@.ci/run
