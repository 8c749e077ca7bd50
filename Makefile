# make demo    base install only (no PyTorch), example clips, one human recording, a scan of all of them
# make test    everything the tests need, then the tests
# make check   lint, format, types, docs that are generated, then the tests
#
# Both environments are the same folder: `demo` installs the run half, `test` adds the lab half to it.

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXTRAS ?= train,classical,batch,serve,dev
PYTEST_ARGS ?=
CACHE ?= .cache

# The first interpreter that is new enough and can make an environment. 3.11 first: constraints-ci.txt is tested with it.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	if $$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	echo $$p; break; fi; done)

.PHONY: help demo test check lint types generated docs wheel base-install browser bench clean

help:
	@sed -n '1,3s/^# //p' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "earwitness needs Python 3.11 or newer with venv and pip" \
		"(Debian: apt-get install python3 python3-venv); or say which: make PYTHON=/path/to/python demo"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml
	$(PIP) install --quiet -e .
	@touch $@

$(VENV)/.lab: $(BIN)/python pyproject.toml constraints-ci.txt
	$(PIP) install --quiet -e '.[$(EXTRAS)]' -c constraints-ci.txt
	@touch $@ $(VENV)/.base

demo: $(VENV)/.base
	$(BIN)/python examples/demo.py --cache $(CACHE)

test: $(VENV)/.lab
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint types generated test

lint: $(VENV)/.lab
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lab
	$(BIN)/mypy

generated: $(VENV)/.lab
	$(BIN)/python scripts/cli_docs.py --check
	$(BIN)/python scripts/readme.py --check
	$(BIN)/python scripts/performance.py --check

docs: $(VENV)/.lab
	$(BIN)/python scripts/cli_docs.py
	$(BIN)/python scripts/readme.py
	$(BIN)/python scripts/performance.py

wheel: $(VENV)/.lab
	rm -rf dist && $(BIN)/python -m build --wheel --outdir dist .

# The wheel alone in an environment of its own: no PyTorch, one scan.
base-install: $(VENV)/.lab
	$(BIN)/python -m pytest -m 'slow and network' tests/end_to_end/test_base_install.py

# The page in Debian's chromium; skipped, with the reason, where there is none.
browser: $(VENV)/.lab
	$(BIN)/python -m pytest -m browser tests/end_to_end/test_page_browser.py

bench: $(VENV)/.lab
	$(BIN)/python bench/performance.py --out results/performance.csv \
		$(if $(CORPUS),--corpus $(CORPUS)) $(if $(ROOT),--root $(ROOT))

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
