# Vigie: `make demo` shows the main job on real hosts, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export TIMEFORMAT := ── done in %0lR

# Runs one step in its own shell, says what it does and how long it took.
define step
@echo; echo "── $(1)"; time { $(2); }
endef

include tests/lab/lab.mk

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 16

# ── installing ───────────────────────────────────────────────────────────────────────────────────
.PHONY: packages-lab packages-test
packages-lab packages-test: packages-%: ## Install the Debian packages the lab (or the tests) need
	$(call step,Debian packages ($*),tests/packages $*)

$(VENV)/.installed: pyproject.toml galaxy.yml hatch_build.py
	@echo; echo "── Python environment in $(VENV)"
	time {
	  test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=24'
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	  touch $@
	}

.PHONY: venv
venv: $(VENV)/.installed ## Install Vigie, editable, with everything its tests need

# ── the demo ─────────────────────────────────────────────────────────────────────────────────────
.PHONY: demo demo-down
demo: packages-lab venv ## Bring up the demo provider's fleet and run the whole main job on it
	@$(BIN)/python -m tests.lab.demo up

demo-down: ## Remove what the demo made, and nothing else
	@if test -x $(BIN)/python; then $(BIN)/python -m tests.lab.demo down; else echo "nothing to remove: no $(VENV)"; fi

# ── the tests ────────────────────────────────────────────────────────────────────────────────────
export VIGIE_REQUIRE_LAB ?= 1

.PHONY: test
test: packages-test venv ## Everything: lint, types, unit, packaging, molecule and integration tests
	@echo "Testing everything. Hosts are real containers; none is left behind."
	trap '$(BIN)/python -m tests.lab down --all-tests >/dev/null 2>&1 || true' EXIT
	time {
	  $(MAKE) lint types docs-check unit sanity molecule integration coverage
	}

.PHONY: lint
lint: venv ## ruff, yamllint, ansible-lint (production), import-linter, changelog fragments
	$(call step,ruff,ruff check . && ruff format --check .)
	$(call step,yamllint,yamllint --strict .)
	$(call step,import-linter,lint-imports)
	$(call step,ansible-lint (production),ansible-lint --strict)
	$(call step,changelog fragments,antsibull-changelog lint)

.PHONY: types
types: venv ## mypy --strict on src/vigie
	$(call step,mypy --strict,mypy)

.PHONY: unit
unit: venv ## Fast tests: no root, no containers (PostgreSQL is started for the ledger's)
	@rm -f .coverage .coverage.*
	$(call step,unit and packaging tests,coverage run -m pytest -q tests/unit tests/packaging)

.PHONY: sanity
sanity: venv ## ansible-test sanity on the built and installed collection
	$(call step,ansible-test sanity,$(BIN)/python -m tests.packaging.sanity)

.PHONY: molecule
molecule: packages-test venv ## Every role on Debian 11, 12 and 13: converge, idempotence, verify
	$(call step,molecule,molecule test --all)

.PHONY: integration
integration: packages-test venv ## The main job and the fault injections, on real hosts
	$(call step,integration tests and faults,coverage run -m pytest -q tests/integration tests/faults)

.PHONY: coverage
coverage: ## Report what unit and integration tests covered; fails below the floor
	$(call step,coverage,coverage combine --quiet && coverage report)

.PHONY: bench
bench: packages-lab venv ## Measure audit and no-op baseline next to bare ansible-playbook and raw SSH
	$(call step,benchmarks,$(BIN)/python -m tests.bench)

# ── references ───────────────────────────────────────────────────────────────────────────────────
.PHONY: docs docs-check
docs: venv ## Generate role READMEs, the CLI reference and the JSON Schemas
	$(call step,references,$(BIN)/python docs/generate.py)

docs-check: venv ## Fail when a generated reference is not up to date
	$(call step,references are up to date,$(BIN)/python docs/generate.py --check)

.PHONY: clean
clean: ## Delete caches and the Python environment (not the lab: see lab-down, demo-down)
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist .coverage .coverage.*
