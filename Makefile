# make run | make test | make check | make lock | make clean
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet

.PHONY: run test check lint bench lock clean system-packages

run: .venv/run
	@exec $(BIN)/facefleet up

test: .venv/test system-packages
	$(BIN)/pytest

check: .venv/test lint
	$(BIN)/pytest

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A browser for the tests of the page: installed when root, named otherwise.
system-packages:
	@scripts/system-packages

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "facefleet needs Python 3.11 or newer; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Install Python's venv module first: apt-get install python3-venv"; exit 1; }

.venv/run: .venv/bin/python requirements/run.txt pyproject.toml
	@echo "Installing facefleet into .venv (once; about a minute)"
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-deps --editable .
	@touch $@

.venv/test: .venv/run requirements/test.txt
	@echo "Installing what the tests need"
	@$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

# Hash-pinned requirements for every platform, without the address of any index.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --no-header pyproject.toml

lock: .venv/test
	$(PIP) uv
	$(COMPILE) -o requirements/run.txt
	$(COMPILE) --extra aws -c requirements/run.txt -o requirements/aws.txt
	$(COMPILE) --extra test -c requirements/run.txt -o requirements/test.txt

clean:
	rm -rf .venv build *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
