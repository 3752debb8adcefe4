# Needs git, make and Python 3.11 or newer; brings everything else into this folder.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
SPEED ?= 1
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
VENV := .venv
RUN := $(VENV)/bin
# An installed uv, else one of our own in .tools; the system stays as it is.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)

.PHONY: help setup demo up test check lint types unit e2e soak bench format clean

help: ## List the targets
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /\1\t/' | expand -t 10
	@echo "demo and up take PORT=8100 VAR_DIR=…, demo also FRESH=1 SPEED=10, up also REGIONS=… ENVIRONMENT=…"

.tools/bin/uv:
	@echo "Bringing uv into .tools …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…"; exit 1; }
	@{ $(PYTHON) -m venv .tools >/dev/null 2>&1 && .tools/bin/python -m pip install --quiet uv; } \
	  || { rm -rf .tools && $(PYTHON) -m pip install --quiet --target .tools/lib uv && mkdir -p .tools/bin && ln -sf ../lib/bin/uv .tools/bin/uv; } \
	  || { echo "uv could not be installed: $(PYTHON) has neither venv nor pip. Install one of them, or uv."; exit 1; }

# What runs the demo; --inexact leaves the test tools in place when they are there.
$(VENV)/.demo: pyproject.toml uv.lock | $(filter .tools/bin/uv,$(UV))
	@$(UV) sync --quiet --locked --inexact --no-dev --extra demo --python $(PYTHON)
	@touch $@

$(VENV)/.dev: pyproject.toml uv.lock | $(filter .tools/bin/uv,$(UV))
	@$(UV) sync --quiet --locked --python $(PYTHON)
	@touch $@ $(VENV)/.demo

setup: $(VENV)/.dev ## Prepare the environment for development and tests
	@$(RUN)/python -m tests.chromium

demo: $(VENV)/.demo ## Run the console on a lifelike sandbox AWS, with people to sign in as
	@exec $(RUN)/ecsconsole demo --port $(PORT) --speed $(SPEED) $(if $(VAR_DIR),--var-dir '$(VAR_DIR)') $(if $(filter 1,$(FRESH)),--fresh)

up: $(VENV)/.demo ## Run the console on your own AWS account
	@exec $(RUN)/ecsconsole up --port $(PORT) $(if $(VAR_DIR),--var-dir '$(VAR_DIR)') $(if $(REGIONS),--regions '$(REGIONS)') $(if $(ENVIRONMENT),--environment $(ENVIRONMENT))

test: setup ## Run all checks and tests
	@$(RUN)/python -m tests.run

check: $(VENV)/.dev ## Run the checks only: lint, format, types, templates, layers, migrations, deployment settings
	@$(RUN)/python -m tests.run --checks

unit: $(VENV)/.dev ## Run the tests without browser and PostgreSQL
	@$(RUN)/pytest -q -m "not browser and not postgres" -n 2

e2e: setup ## Run the browser tests on the demo stack
	@$(RUN)/pytest -q -n 2 --dist loadfile -m browser tests/e2e

soak: $(VENV)/.dev ## Look for faults of the change engine with other seeds each round, for SOAK_MINUTES=20
	@$(RUN)/python -m tests.soak

bench: $(VENV)/.dev ## Measure the console against floors and peers of the same run; prints JSON
	@$(RUN)/ecsconsole bench

format: $(VENV)/.dev ## Format code and templates
	@$(RUN)/ruff check --fix --quiet . ; $(RUN)/ruff format --quiet .
	@$(RUN)/djlint --quiet --reformat templates || true

clean: ## Remove what can be made again; data in var/ stays
	@rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
