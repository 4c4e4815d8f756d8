# What there is to do.  Each target does all of its own set-up.

VENV    := .venv
PYTHON  := $(VENV)/bin/python
HOST_PYTHON ?= python3

.DEFAULT_GOAL := help

.PHONY: help
help:              ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# --- set-up ----------------------------------------------------------------------------------------

$(VENV)/run: requirements.lock pyproject.toml
	@$(HOST_PYTHON) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Fanfare needs Python 3.11 or newer with venv (Debian: python3-venv); HOST_PYTHON= names another"; exit 1; }
	@test -x $(PYTHON) || $(HOST_PYTHON) -m venv $(VENV)
	@echo "installing what Fanfare needs"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	@echo "installing what developers need"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

tests/clients/node_modules/.installed: tests/clients/package-lock.json
	@cd tests/clients && npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: lock
lock: $(VENV)/dev  ## Lock the newest dependencies that pyproject.toml allows
	@$(VENV)/bin/uv pip compile --quiet pyproject.toml --group build --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --upgrade -o requirements.lock
	@$(VENV)/bin/uv pip compile --quiet pyproject.toml --group build --group dev --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
		--constraint requirements.lock -o requirements-dev.lock

# --- use -------------------------------------------------------------------------------------------

.PHONY: run
run: $(VENV)/run   ## Run all four services in one process on memory, at 127.0.0.1:6001
	@$(VENV)/bin/fanfare run --config deploy/dev.toml

.PHONY: up
up: .env           ## Run everything in containers, with Redis, Kafka, PostgreSQL and HAProxy
	docker compose up --build --detach --wait

.PHONY: down
down:              ## End what `make up` started
	docker compose down

.env:
	@umask 077; deploy/secrets.sh > $@ || { rm -f $@; exit 1; }

.PHONY: image
image:             ## Build the container image
	docker build --tag fanfare .

# --- check -----------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV)/dev ## Check format, lint, types and import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy services libs tests bench
	$(VENV)/bin/lint-imports --no-cache

.PHONY: test
test: $(VENV)/dev services-install tests/clients/node_modules/.installed ## Run all tests, on real servers
	$(PYTHON) -m pytest

.PHONY: bench
bench: $(VENV)/dev services-install ## Measure; with CHECK=1 fail beyond the bounds
	$(PYTHON) -m bench $(if $(CHECK),--check)

.PHONY: docs
docs: $(VENV)/dev  ## Write the pages that are made from the source
	$(PYTHON) -m tests.support.documents.tree > docs/tree.md

.PHONY: audit
audit: $(VENV)/dev ## Look for known weaknesses in dependencies, and write sbom.json
	$(VENV)/bin/pip-audit --require-hashes --disable-pip -r requirements.lock
	$(VENV)/bin/cyclonedx-py requirements requirements.lock --output-file sbom.json

# --- real servers without containers ---------------------------------------------------------------

SERVERS = $(PYTHON) -m tests.support.servers

.PHONY: services services-install services-status services-stop
services: $(VENV)/dev          ## Install and start Redis, Kafka and PostgreSQL on loopback
	@$(SERVERS) start

services-install: $(VENV)/dev
	@$(SERVERS) install

services-status: $(VENV)/dev   ## Show which of them run
	@$(SERVERS) status

services-stop: $(VENV)/dev     ## End them and remove their data
	@$(SERVERS) stop
