# `make` alone lists the targets. Wanted: make and Python 3.12 or newer; PYTHON=... names one, else PATH is searched.
# Everything is installed from the locks, into .venv and for test-deploy into .venv-deploy; nothing outside this folder is
# changed.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test coverage test-all test-backends test-deploy docs-check conformance faults fuzz soak bench bench-full bench-guard lint format lock clean find-python

# What a shell may have set for other projects must not reach ours.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE PYTHONASYNCIODEBUG PIP_PREFIX PIP_TARGET
export PIP_USER := 0

VENV := .venv
PY = $(VENV)/bin/python
PYTHON_NAMES := python3.14 python3.13 python3.12 python3 python
IS_NEW := import sys; sys.exit(sys.version_info < (3, 12))
IS_WHOLE := import ensurepip, ssl, venv
VERSION := import platform; print(platform.python_version())

# An environment is whole when it has the stamp of its lock, whose name changes with the lock. Stamps in an environment
# that does not run, or that was made with another Python than the one now asked for, are removed.
checksum = $(shell cksum < $(1) | cut -d ' ' -f 1)
RUN_STAMP := .venv/.run-$(call checksum,requirements.txt)
DEV_STAMP := .venv/.dev-$(call checksum,requirements-dev.txt)
$(shell have=$$($(PY) -c '$(VERSION)' 2>/dev/null) && \
	{ [ -z '$(PYTHON)' ] || [ "$$('$(PYTHON)' -c '$(VERSION)' 2>/dev/null)" = "$$have" ]; } \
	|| rm -f .venv/.run-* .venv/.dev-*)

# Sets $python. A pyenv shim may exist and yet not run, so every candidate is tried, in every folder of PATH; at last
# those that pyenv and uv keep outside of it.
KEPT := $${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin:$$HOME/.local/share/uv/python/*/bin
FIND_PYTHON = python=; bare=; \
	try() { \
		"$$1" -c '$(IS_NEW)' >/dev/null 2>&1 || return 1; \
		if "$$1" -c '$(IS_WHOLE)' >/dev/null 2>&1; then python=$$1; else bare=$$1; return 1; fi; }; \
	search() { \
		for name in $(PYTHON_NAMES); do \
			IFS=:; \
			for folder in $$1; do \
				if [ -x "$$folder/$$name" ] && try "$$folder/$$name"; then return; fi; \
			done; \
			unset IFS; \
		done; false; }; \
	if [ -n '$(PYTHON)' ]; then try '$(PYTHON)'; else search "$$PATH" || search "$(KEPT)"; fi; unset IFS; \
	if [ -z "$$python" ]; then \
		if [ -n "$$bare" ]; then echo "$$bare is new enough, but cannot make environments (venv, ensurepip or ssl is missing)."; \
		elif [ -n '$(PYTHON)' ]; then echo 'PYTHON=$(PYTHON) is not a Python 3.12 or newer that runs.'; \
		else echo "No Python 3.12 or newer runs here (tried: $(PYTHON_NAMES))."; fi; \
		echo "Install one, then run make again:"; \
		echo "  Debian 13, Ubuntu 24.04 or newer   sudo apt install python3 python3-venv"; \
		echo "  macOS                              brew install python@3.13"; \
		echo "  anywhere                           pyenv install 3.13    or    uv python install 3.13"; \
		echo "or name one: make PYTHON=/path/to/python3.13 ..."; \
		exit 1; \
	fi >&2

NEW_VENV = $(FIND_PYTHON); \
	echo "Making $(VENV) with Python $$("$$python" -c '$(VERSION)')"; \
	"$$python" -m venv --clear $(VENV)

INSTALL = echo "Installing $(1) into $(VENV)"; \
	$(PY) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r $(1) >$(VENV)/pip.log 2>&1 \
	|| { cat $(VENV)/pip.log >&2; exit 1; }

$(RUN_STAMP):
	@$(NEW_VENV)
	@$(call INSTALL,requirements.txt)
	@touch $@

# The tools go on top of an environment that `make run` made, which may be serving; after anything else it is made anew.
$(DEV_STAMP):
	@if [ ! -e $(RUN_STAMP) ] || [ -n "$$(ls -d .venv/.dev-* 2>/dev/null)" ]; then $(NEW_VENV); fi
	@touch .venv/.dev-begun
	@$(call INSTALL,requirements-dev.txt)
	@rm .venv/.dev-begun
	@touch $(RUN_STAMP) $@

find-python:
	@$(FIND_PYTHON); echo "$$python"

help: ## list the targets
	@echo "make run              with no backend configured: the demo backend; ARGS=... adds arguments"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 22

HAS_BACKEND := import os, sys; from gateway.setting_sources import read_settings; given = read_settings(os.environ); \
	sys.exit(not any(given.get(name, "").strip() for name in ("OPENAI_API_BASE_URL", "BACKENDS_FILE")))

run: $(RUN_STAMP)
	@if $(PY) -c '$(HAS_BACKEND)' 2>/dev/null; then exec $(PY) -m gateway $(ARGS); \
	else exec $(PY) -m gateway --demo $(ARGS); fi

# The settings of whoever runs the tests, and those of the SDKs, are not the tests' own; nor is a proxy on the way to them.
FOREIGN := import os; from gateway.config import settings; names = {row.name for row in settings()}; \
	print(*(name for name in os.environ if name in names \
	or name.startswith(("OPENAI_", "OLLAMA_", "OTEL_", "PROXY_", "PYTEST_", "COVERAGE_"))))
CLEAN_ENVIRONMENT = unset ALL_PROXY all_proxy $$($(PY) -c '$(FOREIGN)'); \
	NO_PROXY="127.0.0.1,localhost,::1$${NO_PROXY:+,$$NO_PROXY}"; no_proxy=$$NO_PROXY; export NO_PROXY no_proxy

GATE = $(PY) -m coverage report --format=total --fail-under=$(1) --include='$(2)' >/dev/null \
	|| { $(PY) -m coverage report --fail-under=$(1) --include='$(2)'; exit 1; }

LINT_IMPORTS := from importlinter.cli import lint_imports_command; lint_imports_command()

lint: $(DEV_STAMP) ## check style, types and imports, and look for unsafe code and secrets
	@echo "ruff check" && $(PY) -m ruff check --quiet --output-format concise .
	@echo "ruff format" && $(PY) -m ruff format --quiet --check .
	@echo "mypy" && $(PY) -m mypy --no-error-summary
	@echo "import contracts" && log=$$($(PY) -c '$(LINT_IMPORTS)' --no-logo 2>&1) || { echo "$$log"; exit 1; }
	@echo "bandit" && log=$$($(PY) -m bandit --quiet --recursive gateway docker setup.py 2>&1) || { echo "$$log"; exit 1; }
	@echo "detect-secrets" && $(PY) -m tests.security.secret_scan

# Three parts side by side, each with a file of its own for its coverage: they take about as long, most of it waiting.
PART_1 = tests/backends tests/catalog tests/handlers tests/middlewares tests/web
PART_2 = tests/codecs tests/conformance tests/golden tests/demo tests/e2e tests/security tests/doctor tests/keys tests/openapi tests/telemetry
PART_3 = tests $(PART_1:%=--ignore=%) $(PART_2:%=--ignore=%)
PART = COVERAGE_FILE=.coverage.part$(1) $(CORE) $(PY) -m pytest -q -rs -m "not slow and not deploy" $(COVER) --cov-report= $(PART_$(1))

COVER = --cov

test: lint ## lint, then all tests but the slow ones, with coverage (at most 5 minutes)
	@echo "pytest"
	@$(CLEAN_ENVIRONMENT); rm -f .coverage .coverage.*; \
	{ $(call PART,1) >.pytest.1.log 2>&1; } & first=$$!; { $(call PART,2) >.pytest.2.log 2>&1; } & second=$$!; \
	$(call PART,3); third=$$?; wait $$first; first=$$?; wait $$second; second=$$?; \
	cat .pytest.1.log .pytest.2.log; [ $$first = 0 ] && [ $$second = 0 ] && [ $$third = 0 ]
	@$(PY) -m coverage combine --quiet .coverage.part1 .coverage.part2 .coverage.part3
	@echo "coverage: codecs 98 %, all 96 %"
	@$(call GATE,98,gateway/codecs/*)
	@$(call GATE,96,gateway/*)

# The interpreter's own monitoring, which setup.cfg asks for, cannot follow branches before Python 3.14.
coverage: COVER = --cov --cov-branch
coverage: CORE = COVERAGE_CORE=ctrace
coverage: test ## the same with branches followed, slower, and what is left out of each file
	@$(PY) -m coverage report

test-all: $(DEV_STAMP) ## the slow tests, which `make test` leaves out; names the programs it misses (at most 15 minutes)
	@$(CLEAN_ENVIRONMENT); $(PY) -m pytest -q -rs -m "slow and not deploy and not backends"
	@$(CLEAN_ENVIRONMENT); $(PY) -m pytest -q --no-summary tests/conformance --set WORKERS=2
	@$(CLEAN_ENVIRONMENT); $(PY) -m tests.faults

test-backends: $(DEV_STAMP) ## the gateway before real servers, large ones too, and n8n before it; names those that cannot be had
	@$(CLEAN_ENVIRONMENT); $(PY) -m pytest -q -rs tests/backends/real tests/e2e/test_n8n.py

# An environment of its own: many tools, which nobody needs who changes the program. Made anew when a lock changes.
test-deploy docs-check: VENV := .venv-deploy
DEPLOY_STAMP = $(VENV)/.deploy-$(call checksum,requirements-dev.txt)-$(call checksum,requirements-deploy.txt)

DEPLOY_TOOLS = if [ ! -e $(DEPLOY_STAMP) ] || ! $(PY) -c '' 2>/dev/null; then \
		{ $(NEW_VENV); } && { $(call INSTALL,requirements-dev.txt); } && { $(call INSTALL,requirements-deploy.txt); } \
		&& touch $(DEPLOY_STAMP); \
	fi

test-deploy: ## what is shipped: package, image, chart, unit, workflows; names the programs it misses
	@$(DEPLOY_TOOLS)
	@$(CLEAN_ENVIRONMENT); $(PY) -m pytest -q -rs -m deploy tests/deploy tests/test_docker.py

DOCS = tests/documents tests/test_docs.py tests/openapi/test_document.py tests/security/test_document.py \
	tests/doctor/test_document.py tests/telemetry/test_monitoring_page.py tests/telemetry/test_log_schema.py \
	tests/conformance/test_compatibility_document.py tests/catalog/test_worked_example.py tests/backends/test_profiles.py \
	tests/e2e/test_reference.py tests/e2e/test_guides.py tests/e2e/test_testing_page.py tests/e2e/test_quickstart.py

docs-check: ## documents and docstrings: complete, true, spelled right; ARGS=--external asks for foreign links too
	@$(DEPLOY_TOOLS)
	@$(CLEAN_ENVIRONMENT); $(PY) -m pytest -q -rs $(DOCS) tests/deploy/test_documents.py
	@$(PY) -m tests.documents $(ARGS)

conformance: $(DEV_STAMP) ## hold the gateway to Ollama's contract, row by row, counted; ARGS="--set WORKERS=2" for two
	@$(CLEAN_ENVIRONMENT); $(PY) -m pytest -q tests/conformance $(ARGS)

faults: $(DEV_STAMP) ## break backends and clients in 27 ways; with a scorecard; ARGS="--profile full" takes real times
	@$(CLEAN_ENVIRONMENT); $(PY) -m tests.faults $(ARGS)

fuzz: $(DEV_STAMP) ## generated requests for two minutes: only the listed answers may be a 5xx
	@$(CLEAN_ENVIRONMENT); $(PY) -m tests.fuzz

soak: $(DEV_STAMP) ## an hour of mixed load, in which nothing may go wrong or grow; ARGS="--hours 24" takes a day
	@$(CLEAN_ENVIRONMENT); $(PY) -m tests.soak $(ARGS)

# What they measure is told in docs/performance.md; BENCH=... adds arguments, such as --markdown docs/performance.md.
bench: $(DEV_STAMP) ## the main ratios to a direct connection and to a bare hop (two minutes, on a quiet machine)
	@$(PY) -m benchmarks bench $(BENCH)

bench-full: $(DEV_STAMP) ## every performance goal, growth, the six load scenarios, then the codecs alone (half an hour)
	@$(PY) -m benchmarks full $(BENCH)
	@$(CLEAN_ENVIRONMENT); $(PY) -m pytest -q --timeout=0 benchmarks/micro

bench-guard: $(DEV_STAMP) ## with BASE=<revision>: fail where that commit was faster, beyond the noise
	@if [ -z '$(BASE)' ]; then echo 'bench-guard wants the commit to compare with: make bench-guard BASE=main' >&2; exit 2; fi
	@$(PY) -m benchmarks guard $(BENCH) '$(BASE)'

format: $(DEV_STAMP) ## repair style where a tool can
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .

# Extras stay in the locks: without them older pips take the newest `coverage[toml]` for another package than `coverage==...`.
LOCK = $(PY) -m uv pip compile --quiet --universal --python-version 3.12 --python $(PY) --no-python-downloads --no-build \
	--generate-hashes --no-strip-extras --custom-compile-command "make lock"

# What the tests' servers are made of: their own versions are in requirements/*.in.
SERVERS := tests/backends/real/requirements
SERVER_LOCK = $(PY) -m uv pip compile --quiet --upgrade --universal --no-python-downloads --no-annotate \
	--custom-compile-command "make lock"

lock: $(DEV_STAMP) ## renew the locks, requirements*.txt, from pyproject.toml
	@$(LOCK) --upgrade pyproject.toml --extra dev -o requirements-dev.txt
	@$(LOCK) --upgrade pyproject.toml --extra redis -c requirements-dev.txt -o requirements.txt
	@$(LOCK) --upgrade --group deploy -c requirements-dev.txt -o requirements-deploy.txt
	@$(SERVER_LOCK) --python-version 3.12 $(SERVERS)/litellm.in -o $(SERVERS)/litellm.txt
	@$(SERVER_LOCK) --python-version 3.11 --override $(SERVERS)/without-torch.txt $(SERVERS)/transformers.in \
		-o $(SERVERS)/transformers.txt

clean: ## remove .venv and everything else that make and the tools made
	@rm -rf .venv .venv-deploy .coverage .coverage.* htmlcov build dist *.egg-info
	@rm -rf .e2e_cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find benchmarks examples gateway tests -name __pycache__ -type d -prune -exec rm -rf {} +
