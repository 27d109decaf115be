# Set-up, checks and the demo. `make help` lists the targets.
# Needs Python 3.12 or newer, make and git. Another Python: make PYTHON=/path/to/python3.13 test

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 12))
FOUND := $(shell for p in $(PYTHON) python3 python3.13 python3.12; do \
	if "$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then echo "$$p"; break; fi; done)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
EXECUTED := build/notebooks/.executed

.PHONY: help demo test lint types fast notebooks slow docs wheel clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(STAMP): pyproject.toml constraints.txt
ifeq ($(strip $(FOUND)),)
	@echo "bayesmodels needs Python 3.12 or newer; found: $$(python3 --version 2>&1 || true)." >&2
	@echo "Install one, then type: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2
	@exit 1
else
	@test -x $(BIN)/python || "$(FOUND)" -m venv $(VENV)
	@$(BIN)/python -c '$(NEW_ENOUGH)' || { \
		echo "$(VENV) holds a Python older than 3.12; type: rm -r $(VENV) && make $(MAKECMDGOALS)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	@touch $@
endif

demo: $(STAMP)  ## fit VALOR's published means and one simulated trial; leaves runs/demo/report.html
	$(BIN)/bayesmodels demo --out runs

test: lint types  ## everything that CI runs, but the wheel; tests and notebooks side by side
	@$(MAKE) --no-print-directory -j2 fast notebooks

lint: $(STAMP)  ## ruff and the floors of the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=reports $(BIN)/lint-imports

types: $(STAMP)  ## mypy on the public modules
	$(BIN)/mypy

fast: $(STAMP)  ## the tests that are not marked slow, on every core; a file's tests share one process
	$(BIN)/pytest -q -n auto --dist loadfile

notebooks: $(STAMP)  ## execute the notebooks (they ask for few draws); leaves them with outputs in build/notebooks
	@rm -f $(EXECUTED)
	@$(MAKE) --no-print-directory $(EXECUTED)

$(EXECUTED): $(STAMP) $(wildcard notebooks/*.ipynb) $(shell find bayesmodels data/examples data/evidence -type f -not -path '*/__pycache__/*')
	@mkdir -p $(@D)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter-execute --timeout=600 \
		--output='../build/notebooks/{notebook_name}' notebooks/*.ipynb
	@touch $@

docs: $(DOCS_STAMP) $(EXECUTED)  ## build the site from docs, reports and notebooks; leaves build/docs/index.html
	@rm -rf build/docs
	$(BIN)/sphinx-build -q -E -W --keep-going -n -b html -c docs/site -d build/doctrees . build/docs
	@cp build/docs/README.html build/docs/index.html
	$(BIN)/python docs/site/check.py build/docs

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[docs]'
	@touch $@

slow: $(STAMP)  ## reference fits and long studies
	$(BIN)/pytest -q -m slow

wheel: $(STAMP)  ## build sdist and wheel, check what they hold, use the wheel without the repository
	.ci/check-wheel

clean:  ## delete caches and build products; keeps .venv and runs
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
