# What there is to do.  Each target does all of its own set-up.

VENV    := .venv
PYTHON  := $(VENV)/bin/python
HOST_PYTHON ?= python3

# In any locale: files are UTF-8.
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help

.PHONY: help
help:              ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-19s %s\n", $$1, $$2 }' Makefile

# --- set-up ----------------------------------------------------------------------------------------

# Looked at each time; what depends on it is done again only after it was made.
$(VENV)/place: FORCE
	@setup/environment $(VENV) "$(HOST_PYTHON)"

$(VENV)/run: $(VENV)/place requirements.lock pyproject.toml
	@echo "installing what Fanfare needs"
	@setup/install $(VENV) requirements.lock .
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	@echo "installing what developers need"
	@setup/install $(VENV) requirements-dev.lock
	@$(PYTHON) -m tests.support.locks
	@touch $@

tests/clients/node_modules/.installed: tests/clients/package.json tests/clients/package-lock.json
	@setup/clients tests/clients
	@touch $@

.PHONY: FORCE
FORCE:

# One step needs what the one before has installed.
.NOTPARALLEL:

# By itself: a lock that is not complete cannot be installed, and is mended with uv.
$(VENV)/uv: $(VENV)/place requirements-dev.lock
	@sed -n '/^uv==/,/[^\]$$/p' requirements-dev.lock >$@.lock
	@$(PYTHON) -m pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement $@.lock
	@touch $@

.PHONY: lock
lock: $(VENV)/uv   ## Lock the newest dependencies that pyproject.toml allows
	@$(VENV)/bin/uv pip compile --quiet pyproject.toml --group build --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --upgrade -o requirements.lock
	@$(VENV)/bin/uv pip compile --quiet pyproject.toml --group build --group dev --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
		--constraint requirements.lock -o requirements-dev.lock

# --- use -------------------------------------------------------------------------------------------

.PHONY: run
run: $(VENV)/run   ## Run all four services in one process on memory, at 127.0.0.1:6001
	@echo "http://$${FANFARE_SERVER_LISTEN:-127.0.0.1:6001}, key app-key; once it runs, try in another terminal:" \
		"$${FANFARE_SERVER_LISTEN:+FANFARE_SERVER_LISTEN=$$FANFARE_SERVER_LISTEN }$(VENV)/bin/fanfare test --config deploy/dev.toml"
	@$(VENV)/bin/fanfare run --config deploy/dev.toml

.PHONY: up
up:                ## Run everything in containers, with Redis, Kafka, PostgreSQL and HAProxy
	@command -v docker >/dev/null || { echo "docker is missing: \`make up\` needs Docker with Compose"; exit 1; }
	@test -z "$$(find deploy ! -perm -004 -o -type d ! -perm -005)" || \
		{ echo "containers, which are other accounts, cannot read deploy/: chmod -R go+rX deploy"; exit 1; }
	@deploy/secrets.sh .env
	docker compose up --build --detach --wait

.PHONY: roll
roll:              ## Replace the services in containers by a new version, one by one
	@deploy/secrets.sh .env
	docker compose build gateway
	docker compose run --rm migrate
	deploy/roll.sh

.PHONY: down
down:              ## End what `make up` started
	docker compose down

# Looked at each time: a new release may need more than is there.
.env: FORCE
	@deploy/secrets.sh $@

.PHONY: image
image:             ## Build the container image
	docker build --tag fanfare $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) .

# --- check -----------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV)/dev ## Check format, lint, types, import contracts and locks
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy services libs tests bench examples
	$(VENV)/bin/lint-imports --no-cache
	$(PYTHON) -m tests.support.locks

.PHONY: test
test: needs-test $(VENV)/dev install-test tests/clients/node_modules/.installed ## Run all tests, on real servers
	$(PYTHON) -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder \
		--cov --cov-report= --cov-fail-under=98

.PHONY: bench
bench: needs-bench $(VENV)/dev install-bench ## Measure; CHECK=1: fail beyond the bounds; BASE=COMMIT: beside an earlier release
	$(PYTHON) -m bench $(if $(CHECK),--check) $(if $(BASE),--base $(BASE)) $(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS))

.PHONY: soak
soak: $(VENV)/dev  ## Hold 15,000 connections for ten minutes, and see that memory comes back; FOR=SECONDS
	$(PYTHON) -m bench.soak $(if $(FOR),--seconds $(FOR))

.PHONY: docs
docs: $(VENV)/dev  ## Write the pages that are made from the source
	$(PYTHON) -m tests.support.documents.tree > docs/tree.md
	$(PYTHON) -m tests.support.documents.log_events > docs/log-events.md
	$(PYTHON) -m tests.support.documents.metrics > docs/metrics.md
	$(PYTHON) -m tests.support.documents.scale
	$(PYTHON) -m tests.support.monitoring.dashboard > deploy/grafana/fanfare.json
	$(PYTHON) -m tests.support.monitoring.operator_rules > deploy/k8s/components/monitoring/rules.yaml

.PHONY: audit
audit: $(VENV)/dev ## Look for known weaknesses in dependencies, and write sbom.json; OPTIONS: pip-audit's own
	$(PYTHON) -m tests.support.audit requirements.lock $(OPTIONS)
	$(VENV)/bin/cyclonedx-py requirements requirements.lock --output-file sbom.json

# --- real servers without containers ---------------------------------------------------------------

SERVERS = $(PYTHON) -m tests.support.servers

.PHONY: services services-install services-status services-stop
services: needs-services $(VENV)/dev ## Install and start Redis, Kafka and PostgreSQL on loopback
	@$(SERVERS) start

services-install: needs-all install-all

# What cannot be installed from here is said before anything is fetched.
needs-%: $(VENV)/place FORCE
	@$(PYTHON) -m tests.support.programs $*

install-%: $(VENV)/dev FORCE
	@$(SERVERS) install $*

services-status: $(VENV)/dev   ## Show which of them run
	@$(SERVERS) status

services-stop: $(VENV)/dev     ## End them and remove their data
	@$(SERVERS) stop
