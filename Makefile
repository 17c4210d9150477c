# The environment and the commands of every day. `make repro` does all of it from a bare Python 3.11, git and make.
PYTHON ?= python3
# Three files of tests at a time, in the order in which they are collected: some wait more than they compute. Each
# process has one thread: more of them spend their time in waiting for one another.
PYTEST = OMP_NUM_THREADS=1 pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 40 --durations-min 5
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Container images often set it; without bytecode every process compiles torch anew, which doubles its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup repro report test test-all lint ui ui-stop ui-status serve clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: .venv/installed  ## the environment in .venv, with the versions of constraints.txt

# uv lives in an environment of its own, so that an externally managed Python is left alone.
.uv/bin/uv: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "Python's venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@touch $@

.venv/installed: .uv/bin/uv pyproject.toml constraints.txt
	.uv/bin/uv venv --quiet --allow-existing --no-python-downloads --python $(PYTHON) .venv
	.uv/bin/uv pip install --quiet --python .venv --constraint constraints.txt --editable '.[dask,diffusion,export,fan,flows,s3,screen,serve,dev]'
	@touch $@

repro: setup     ## run what changed, from crawl to report
	python -m pipeline check
	dvc repro
	@echo "open $(CURDIR)/report/index.html"

report: setup    ## write the report anew and say where it is
	dvc repro --force --single-item report
	@echo "open $(CURDIR)/report/index.html"

test: lint       ## lint, types, import contracts, and the tests but the long ones
	$(PYTEST) -m "not long"

test-all: lint   ## the same with the long tests
	$(PYTEST)

lint: setup
	ruff check .
	ruff format --check .
	mypy --num-workers 2
	lint-imports

# Server, workers and deployments of this checkout go on when the terminal is closed: flows/services.py.
PORT ?= 4200
ui: setup        ## the Prefect UI of this checkout and its workers, on http://127.0.0.1:4200 (PORT=…)
	python -m flows.services start --port $(PORT)

ui-stop: setup   ## end them, and no other checkout's; runs in progress end in order
	python -m flows.services stop

ui-status: setup ## say what of it runs
	python -m flows.services status

SERVE_PORT ?= 7860
serve: setup     ## the preview app on http://127.0.0.1:7860 (SERVE_PORT=…)
	python -m pipeline serve --port $(SERVE_PORT)

clean:           ## remove what can be made again; crawled images and DVC's cache stay
	rm -rf .cache logs report .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find data models samples -mindepth 1 -not -path 'data/raw*' -not -name .gitkeep -not -type d -delete
	find data models samples -mindepth 1 -type d -empty -delete
