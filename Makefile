# 'make demo' and 'make test' set everything up themselves; they need Python 3.11+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN := runs/demo

.PHONY: demo test test-fast test-all test-clusters fuzz bench check format install clean

install: $(STAMP)

# TensorFlow is large: installed once, and again only when what is asked for has changed.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "textnets needs Python 3.11 or newer; make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/textnets train recipes/banking77_demo.yaml --output $(RUN) --overwrite
	@echo
	@echo 'Three sentences typed in:'
	@printf '%s\n' 'my card still has not arrived' 'How do I change my PIN?' 'why was I charged twice for one coffee' | $(BIN)/textnets predict $(RUN) -

# 'worksteal' leaves a file's tests together, so that what they share is made once.
test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not long'

# What can be known at each save: nothing is trained, no process is started.
test-fast: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not heavy and not long'

test-all: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Ray and Spark, which take a minute and 600 MB to install, and minutes to start; Spark needs Java.
test-clusters: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[ray,spark]'
	$(BIN)/python -m pytest tests/clusters

# Random inputs of all kinds, 200,000 of them: FUZZ='--number 5000 --seed 7 --kind recipes' for others.
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz $(FUZZ)

# Every work beside plain Keras and PyTorch, half an hour; QUICK=1: two of them, a few minutes. Where
# pip offers a CPU build of PyTorch (PIP_EXTRA_INDEX_URL may name its index), that is enough.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py $(if $(QUICK),--quick) $(BENCH)

$(VENV)/.bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
