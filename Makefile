PYTHON ?= python3
BUILDER ?= $(shell command -v buildah || command -v docker)
# Another Python base for the images: make images BASE=localhost/python-base:local
BASE ?=
# More options for the builder, for example (buildah) the certificates of a proxy:
# make images BUILD_ARGS='-v /etc/ssl/certs:/etc/ssl/certs:ro -v /etc/pip.conf:/etc/pip.conf:ro'
BUILD_ARGS ?=
TAG ?= dev
# What comes before webhook, agent and controller in the images' names.
REPOSITORY ?= localhost/lastgood-
PYTEST_ARGS ?=
# More options for a push by buildah, for example --tls-verify=false
PUSH_ARGS ?=
FUZZ_EXAMPLES ?= 1000
# Tests wait more than they compute, so there are half as many workers again as cores.
WORKERS ?= $(shell echo $$(( ($$(nproc) * 3 + 1) / 2 )))
BENCH_ARGS ?=
DEMO_ARGS ?=
VERSIONS ?=
# What writes the lock files, and how: make lock LOCK_ARGS= keeps each version that still fits.
UV := uv==0.13.9
LOCK_ARGS ?= --upgrade
# A version this young may yet be withdrawn.
LOCK_AGE ?= 7 days
BIN := .venv/bin
HELM = $(shell go env GOPATH)/bin/helm
EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup lock demo test on-a-cluster e2e e2e-bare e2e-external-secrets e2e-versions bench-cluster check bench faults fuzz images push chart pictures prometheus helm clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv with everything that the other targets need

# The steps are quiet when nothing changed: the stamp is younger than what they read.
$(STAMP): pyproject.toml locks/all.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is not. Try: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$$package"; \
	  else \
	    echo "$(PYTHON) cannot make a virtual environment. On Debian or Ubuntu: sudo apt-get install $$package" >&2; exit 1; \
	  fi; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r locks/all.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## update locks/*.txt, from which setup and images install: make lock LOCK_AGE='3 days'
	@$(PYTHON) -m venv .venv/lock
	@.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	@PATH="$(CURDIR)/.venv/lock/bin:$$PATH" locks/renew $(LOCK_ARGS) --exclude-newer '$(LOCK_AGE)'

demo: setup ## run the demo on this machine: pods start while the secret store is down: DEMO_ARGS=--keep
	@$(BIN)/python -m cli demo --pictures dist $(DEMO_ARGS)

pictures: setup ## renew the pictures in docs/pictures, and README's table: a run of the demo, and Debian's chromium
	@$(BIN)/python -m cli demo --pictures docs/pictures
	@$(BIN)/python docs/readme_table.py
	@$(BIN)/python -m docs.pictures.dashboard

test: setup ## run every test that needs no cluster
	@! command -v go >/dev/null || $(MAKE) --no-print-directory helm \
	  || echo "helm could not be built, so the chart's tests are skipped" >&2
	@command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
	  || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
	  || echo "chromium could not be installed, so the page's tests are skipped" >&2
	@$(MAKE) --no-print-directory prometheus || echo "so the alerts' own tests are skipped" >&2
	@$(BIN)/python -m pytest -n $(WORKERS) -m 'not e2e' $(PYTEST_ARGS)

# The images that tests/e2e/images has built, and where the nodes find them.
E2E_REPOSITORY = $(or $(LASTGOOD_E2E_REPOSITORY),localhost/lastgood-)
E2E_TAG = $(or $(LASTGOOD_E2E_TAG),e2e)

# A run that skips all for want of a cluster would look like one that passed.
on-a-cluster:
	@[ -n "$$KUBECONFIG" ] || { echo "KUBECONFIG is not set: it names the cluster, which is the tests' alone" >&2; exit 1; }
	@command -v kubectl >/dev/null || { echo "kubectl is needed" >&2; exit 1; }

e2e: on-a-cluster setup helm ## test the images and the chart on the cluster of KUBECONFIG
	@$(MAKE) --no-print-directory prometheus || echo "so the alerts are not tried on the cluster" >&2
	@tests/e2e/images
	@LASTGOOD_E2E_REPOSITORY=$(E2E_REPOSITORY) $(BIN)/python -m pytest -m e2e tests/e2e/install $(PYTEST_ARGS)

e2e-bare: on-a-cluster setup helm ## run all other cluster tests, without the chart; CI: PYTEST_ARGS="-m 'e2e and not long'"
	@tests/e2e/images
	@LASTGOOD_E2E_AGENT_IMAGE=$(E2E_REPOSITORY)agent:$(E2E_TAG) \
	  $(BIN)/python -m pytest -m e2e --ignore tests/e2e/install $(PYTEST_ARGS)

e2e-external-secrets: on-a-cluster setup helm ## run the article's story with the real External Secrets Operator, which is built first
	@tests/e2e/images
	@LASTGOOD_E2E_REPOSITORY=$(E2E_REPOSITORY) LASTGOOD_E2E_EXTERNAL_SECRETS="$$(tests/e2e/external-secrets)" \
	  $(BIN)/python -m pytest -m e2e tests/e2e/install/test_external_secrets.py $(PYTEST_ARGS)

e2e-versions: setup helm ## run tests that depend on the API server, on the oldest and newest Kubernetes, as root: VERSIONS='v1.30.14'
	@tests/e2e/versions $(VERSIONS)

bench-cluster: on-a-cluster setup helm ## measure ratios on the cluster of KUBECONFIG, 40 minutes: BENCH_ARGS='start --rounds 5'
	@tests/e2e/images base
	@LASTGOOD_E2E_REPOSITORY=$(E2E_REPOSITORY) $(BIN)/python -m bench.cluster $(BENCH_ARGS)

check: setup ## check format, lint, types, layers and links
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/links.py

bench: setup ## measure ratios on this machine, one line each
	@$(BIN)/python -m bench

faults: setup ## simulate clusters under faults, and judge their histories: FAULTS='run --seeds 0-100'
	@$(BIN)/python -m faults $(or $(FAULTS),run --seeds 0-50)

fuzz: setup ## test properties with many more examples: FUZZ_EXAMPLES=1000
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -n $(WORKERS) \
	  -m 'hypothesis and not e2e' --timeout 3600 $(PYTEST_ARGS)

helm: ## build helm with go, unless it is on the PATH
	@command -v helm >/dev/null || [ -x "$(HELM)" ] || GOFLAGS=-mod=mod go install helm.sh/helm/v3/cmd/helm@v3.22.0

prometheus: ## unpack Debian's package into build/prometheus, for the tests of the alerts
	@tests/alerts/fetch-prometheus

images: ## build the three images with buildah or docker
	@[ -n "$(BUILDER)" ] || { echo "buildah or docker is needed to build images" >&2; exit 1; }
	$(call image,webhook,Dockerfile.webhook,)
	$(call image,agent,Dockerfile.agent,--target agent)
	$(call image,controller,Dockerfile.agent,--target controller)

# image NAME DOCKERFILE OPTIONS
define image
$(BUILDER) build $(BUILD_ARGS) --build-arg SOURCE_DATE_EPOCH=$(EPOCH) $(if $(BASE),--build-arg BASE=$(BASE)) \
	  $(if $(findstring buildah,$(BUILDER)),--timestamp $(EPOCH)) $(3) -t $(REPOSITORY)$(1):$(TAG) -f $(2) .
endef

# The digest of what was pushed, for `make chart`: podman's family writes it, docker tells it afterwards.
push: ## push the three images: make images push REPOSITORY=registry.example.com/lastgood- TAG=0.1.0
	@rm -rf dist/digests && mkdir -p dist/digests
	@set -e; for name in webhook agent controller; do image=$(REPOSITORY)$$name; \
	  if [ "$(notdir $(BUILDER))" = docker ]; then \
	    docker push $$image:$(TAG); \
	    docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' $$image:$(TAG) \
	      | sed -n "s|^$$image@||p" > dist/digests/$$name; \
	  else $(BUILDER) push $(PUSH_ARGS) --digestfile dist/digests/$$name $$image:$(TAG); fi; done

chart: setup helm ## package the chart with the digests of the pushed images: make chart REPOSITORY=registry.example.com/lastgood-
	@$(BIN)/python charts/pin_images.py --repository $(REPOSITORY) --digests dist/digests --to dist/lastgood
	@$$(command -v helm || echo $(HELM)) lint --quiet --strict dist/lastgood
	@$$(command -v helm || echo $(HELM)) package --destination dist dist/lastgood

clean: ## remove what the targets made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
