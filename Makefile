# Two commands matter: `make demo` and `make test`. Both set everything up from nothing but Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: help setup demo test check bench soak lock clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv and node_modules

$(STAMP): requirements.lock pyproject.toml package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Prevenant needs Python 3.11 or newer; try make PYTHON=python3.11 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m api.assets
	@touch $@

demo: $(STAMP) ## tell the whole story on simulated products, until Ctrl-C
	@$(BIN)/prevenant demo

PRISM := tests/prism/node_modules/.package-lock.json

test: $(STAMP) $(PRISM) ## run every test
	$(BIN)/pytest -n 2 --dist loadfile

$(PRISM): tests/prism/package-lock.json
	$(BIN)/python -m api.assets tests/prism
	@touch $@

check: $(STAMP) ## format, lint, types, import contracts, size gate
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/size_gate.py

bench: $(STAMP) ## the benchmarks, as ratios measured in one run
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock: ## pin dependencies anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade -o requirements.lock

clean: ## remove what setup and the demo made
	rm -rf .venv node_modules tests/prism/node_modules api/static/vendor data
