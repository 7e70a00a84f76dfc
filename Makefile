# `make demo` and `make test` do all the set-up themselves; `make help` lists the rest.
SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/imagebuild-operator
LOCKS := requirements.lock requirements-dev.lock
VENV := $(CACHE)/venv-$(shell cat $(LOCKS) 2>/dev/null | sha256sum | cut -c1-12)
PY := $(VENV)/bin/python
export PATH := $(VENV)/bin:$(PATH)
export PYTHONPATH := operator:.

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "%-16s %s\n", $$1, $$2}'

# The folder's name says which locks it was made from, so it never has to be made again; the lock is for two makes at once.
$(VENV)/.complete:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found: $$(python3 --version)" >&2; exit 1; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "installing python3-venv ..."; apt-get -qq update && apt-get -qq install -y python3-venv >/dev/null; }
	@mkdir -p $(CACHE) && exec 9>$(VENV).lock && flock 9 && if [ ! -e $@ ]; then \
		echo "setting up the Python environment (once, about a minute) ..." && rm -rf $(VENV) && python3 -m venv $(VENV) && \
		$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock && touch $@; fi

.PHONY: venv
venv: $(VENV)/.complete

.PHONY: demo
demo: venv ## a real cluster, the operator installed by Helm, one image built and proved (first time about 15 minutes)
	@$(PY) -m tests.demo up

.PHONY: demo-down
demo-down: venv ## remove everything that `make demo` started
	@$(PY) -m tests.demo down

# Before the tests, whose timeouts are not made for builds of many minutes.
.PHONY: programs
programs: venv ## install and build what the tests run: packages, programs, base images
	@$(PY) -m tests.cluster images

# Those on the cluster wait most of the time, the others compute: side by side, see tests/conftest.py.
.PHONY: test
test: venv lint programs ## everything: lint, types, layers, unit, integration, e2e on a real cluster
	@$(PY) -m pytest tests -m "not soak" --numprocesses 2

.PHONY: soak
soak: venv programs ## what takes longer than a minute of its own
	@$(PY) -m pytest tests -m soak

.PHONY: benchmark
benchmark: venv programs ## measure builds with a layer cache on the real cluster (about ten minutes)
	@$(PY) -m tests.benchmark cache

.PHONY: check
check: venv lint ## the fast part: lint, types, layers, unit tests
	@$(PY) -m pytest tests/unit tests/chart -m "not soak" -q

.PHONY: lint
lint: venv
	@ruff check . && ruff format --check . && mypy && PYTHONPATH=operator lint-imports && yamllint -s .

.PHONY: format
format: venv ## format the code
	@ruff check --fix . ; ruff format .

.PHONY: generate
generate: venv ## write crds/ and the chart's copy from the models, and the reference pages of values and failures
	@$(PY) -m imagebuild_operator.api.crd && $(PY) -m tests.chart.values && $(PY) -m tests.causes

.PHONY: cluster-up
cluster-up: venv ## start a cluster for development; its kubeconfig is .cluster/kubeconfig
	@$(PY) -m tests.cluster up

.PHONY: cluster-down
cluster-down: venv ## remove the cluster
	@$(PY) -m tests.cluster down

.PHONY: lock
lock: ## update the lock files
	uv pip compile --upgrade --quiet --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile --upgrade --quiet --generate-hashes --no-header --python-version 3.11 --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
