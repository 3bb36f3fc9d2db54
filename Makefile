# `make demo` and `make test` do all set-up themselves; nothing has to be installed before
# but Python 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo
# The exact versions that are tested, on Linux with Python 3.11; `make setup LOCK=` takes the newest
# that pyproject.toml allows, and `make lock` writes down what is installed then.
LOCK ?= requirements.lock
PIP := $(BIN)/pip install --quiet --disable-pip-version-check $(if $(LOCK),--constraint $(LOCK))
# tests/conftest.py puts those first that take longest. Two groups of tests start Ray and often wait
# for it, so that a third process keeps two cores busy. With more cores, `make test PROCESSES=9`.
PROCESSES ?= 3
PYTEST := $(BIN)/pytest --dist loadgroup --no-loadscope-reorder
# Containers often set it. Without bytecode each process of pytest rewrites and compiles the assertions
# of all tests again, which takes four seconds of a processor, and others compile bindgrid.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup lock demo test test-fast lint format clean

setup: $(READY)

# torch goes in first and by itself: a resolver that sees it last takes a build with CUDA. The last
# step compiles the comparison of motifs, once, or the first card and three tests at once would.
$(READY): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' \
		|| { echo "bindgrid needs Python 3.11 or newer; name one: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) "$$(grep -o 'torch==[0-9.]*' pyproject.toml)"
	$(PIP) --editable '.[cluster,dev]'
	$(BIN)/python -m data.motifs.tomtom
	@touch $@

# A build of torch is no version of its own: the lock has 2.13.0 for 2.13.0+cpu.
lock: $(READY)
	{ grep '^#' requirements.lock; \
		$(BIN)/pip freeze --exclude-editable --all | grep -v '^pip==' | sed 's/+cpu$$//'; } \
		> requirements.lock.new
	mv requirements.lock.new requirements.lock

# The main job on simulated data: the same commands as on real data.
demo: $(READY)
	$(BIN)/bindgrid data simulate $(DEMO)/sources --replace
	$(BIN)/bindgrid data build --workspace $(DEMO) --replace \
		--dhs $(DEMO)/sources/dhs.bed.gz --peaks $(DEMO)/sources/remap_peaks.bed.gz \
		--sites $(DEMO)/sources/unibind_tfbs.bed.gz --genome $(DEMO)/sources/genome.fa \
		--experiments $(DEMO)/sources/experiments.tsv --samples $(DEMO)/sources/samples.tsv
	$(BIN)/bindgrid run transfer --workspace $(DEMO) --pretrain-tfs 8 --pretrain-epochs 3 \
		--epochs 7 --tfs ELF1,MNT,NR2C2,GATA1 --sample 250 --replicates 2
	@echo "See transfer beside scratch: $(BIN)/bindgrid ui --workspace $(DEMO)"

# The one gate, the same by hand and in CI: style, types, tests.
test: lint
	$(PYTEST) --numprocesses $(PROCESSES)

# While writing, a minute on two cores: what takes less than half a second of a processor each, and
# needs no Ray, no server and no browser (see docs/architecture.md).
test-fast: $(READY)
	$(PYTEST) --numprocesses 2 -m 'not slow'

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
