# The one task runner: a person and CI call the same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := src tests $(wildcard benchmarks)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint format docs constraints clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: $(STAMP)  ## create .venv here and install lexigraft with every version pinned

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
		echo "No $(PYTHON) found. Install Python 3.11 or newer, or name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "lexigraft needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
		echo "Name another one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)." >&2; exit 1; }
	$(PIP) install -c constraints.txt hatchling editables
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

# A finished runs/demo is kept: the next one goes to runs/demo-2. An unfinished one is resumed.
demo: setup  ## teach ten words to a real model and write a report (9 to 16 minutes on 2 cores)
	@run=runs/demo; number=2; resume=; \
	while [ -e "$$run/report.html" ]; do run="runs/demo-$$number"; number=$$((number + 1)); done; \
	if [ -e "$$run/run.json" ]; then resume=--resume; fi; \
	exec $(BIN)/lexigraft teach examples/demo.yaml --model smollm2-135m --output "$$run" $$resume

# Each process has a core to itself: small products gain nothing from a second thread.
test: lint  ## linter, types, walls and the quick tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

test-slow: setup  ## the tests on the real 135M model
	$(BIN)/python -m pytest -m slow

lint: setup  ## linter, formatting, strict types, walls between the rooms
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup  ## put the code into the house's format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: setup  ## write the generated pages of docs/ anew
	UPDATE_DOCS=1 $(BIN)/python -m pytest -q tests/test_readme.py

constraints: setup  ## write constraints.txt anew from .venv
	@{ sed -n '/^#/p' constraints.txt; $(PIP) freeze --all --exclude-editable --exclude pip | \
		sed 's/+.*//' | LC_ALL=C sort -f; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt

clean:  ## remove the virtual environment and every cache of the tools
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
