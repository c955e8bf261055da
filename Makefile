# Everything a clone needs; `make` alone explains itself. Nothing has to be activated: programs of the environment are
# called by their path. What is installed comes from the lock files in requirements/, each file checked by its hash.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test faults soak check bench lock clean services

VENV := .venv
BIN := $(VENV)/bin
# Wheels only: building one would fetch build tools whose hashes no lock file knows.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary=:all:
# The project itself: what it needs is installed by then, its build backend included.
INSTALL_PROJECT := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .

PACKAGES := gateway edge_models geofences simulators
PYTEST_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## A car pulls into a fuel station: see what is offered, and why nothing else (no hardware, < 1 min)
	$(BIN)/wayside demo fuel-stop

# Absolute, so that programs the tests start elsewhere report here.
test: export COVERAGE_FILE := $(CURDIR)/.coverage
test: services $(VENV)/.dev  ## Run all tests against a real broker, then hold the coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='gateway/core/*' --precision=2 --fail-under=100
	$(BIN)/coverage report --omit='gateway/core/*' --precision=2 --fail-under=90

faults: export WAYSIDE_FAULTS := full
faults: services $(VENV)/.dev  ## Try the faults in full counts: kills, power cuts, broken files, full disks
	$(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)

soak: $(VENV)/.dev  ## A million random decisions under a referee's eyes (SOAK_ARGS=--decisions=50000: fewer)
	$(BIN)/python tests/soak --kept .soak.jsonl $(SOAK_ARGS) | tee soak.json

check: $(VENV)/.dev  ## Lint, format, types, the direction of imports, and the demo's campaigns
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES) tests
	$(BIN)/lint-imports
	$(BIN)/wayside check deploy/demo/campaigns

bench: services $(VENV)/.dev  ## Measure on this machine; JSON to bench.json and here (BENCH_ARGS=--soak: 10 min more)
	$(BIN)/python tests/bench $(BENCH_ARGS) | tee bench.json

lock: $(VENV)/.dev  ## Renew the lock files to the newest versions pyproject.toml allows (for maintainers)
	deploy/lock-requirements.sh $(BIN)/pip-compile

clean:  ## Remove the environment and everything that was built or cached
	rm -rf $(VENV) build dist bench.json soak.json .soak.jsonl .coverage .coverage.* htmlcov
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	find $(PACKAGES) tests -type d -name __pycache__ -prune -exec rm -rf {} +

services:
	@deploy/install-test-services.sh

$(BIN)/python:
	deploy/make-venv.sh $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r $<
	$(INSTALL_PROJECT)
	touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r $<
	$(INSTALL_PROJECT)
	touch $(VENV)/.demo $@  # what the demo needs is among it, at the same versions
