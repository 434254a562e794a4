# The commands of this project; `make` alone lists them.
# Each starts from a bare clone. The environment is made once, and again only when
# pyproject.toml or constraints.txt changed.

PYTHON ?= python3
PRESET ?= quickstart
JOBS   ?= 2
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

# A container may forbid bytecode; each process of the tests would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-long check format clean

help: ## list the commands
	@echo "usage: make COMMAND"
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | \
	  while IFS='|' read -r name what; do printf '  %-10s %s\n' "$$name" "$$what"; done

run: $(READY) ## evolve a champion on this machine and write its report (PRESET=quickstart)
	@$(BIN)/speciation evolve $(PRESET)

test: $(READY) ## run the tests (JOBS=2 at a time)
	@$(PYTEST) -q -n $(JOBS) --dist loadfile

test-slow: $(READY) ## run the tests that take minutes, and those that open a browser
	@$(PYTEST) -q -n $(JOBS) --dist loadfile -m "(slow or browser) and not long and not gpu" --timeout 600 || \
	  test $$? -eq 5  # pytest's word for: none is marked so

test-long: $(READY) ## run chaos, lost machines and coverage over thousands of repeats
	@$(PYTEST) -q -m "long and not gpu" --timeout 1800

check: $(READY) ## formatter, linter, types and import rules; changes nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(PYTEST) -q tests/test_architecture.py tests/test_readme.py

format: $(READY) ## rewrite the code as the formatter and the linter want it
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

clean: ## remove the environment and every cache, but no result
	@rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is `$(PYTHON) -V 2>&1`; name another: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "$(PYTHON) cannot make an environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing PyTorch, Ray and the rest into $(VENV): once, 2 to 5 minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[engine,ray,lab,search,dev]'
	@touch $(READY)
