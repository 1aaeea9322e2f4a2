# make demo   install i2lc and run it on a small landscape
# make test   lint, types, tests
# make bench  speed and memory, tables in docs/benchmarks.md and docs/memory.md
#
# PIP_ARGS goes to pip, such as
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-run

.PHONY: demo test bench clean

demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(BIN)/i2lc demo $(DEMO)
	$(BIN)/i2lc -config $(DEMO)/run.cfg -scheduler_type localCluster
	@echo
	@cat $(DEMO)/results/final/RESULTS.txt
	@echo
	@echo "map:     $(DEMO)/results/final/Classif_Seed_0.tif"
	@echo "results: $(DEMO)/results/final/RESULTS.txt"

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd .dev && ../$(BIN)/mypy --config-file ../pyproject.toml -p i2lc
	$(BIN)/pytest -n 2 --dist loadfile

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.memory

clean:
	rm -rf $(VENV) $(DEMO)

$(VENV)/.installed: setup.cfg constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt $(PIP_ARGS) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q -c constraints.txt $(PIP_ARGS) -e ".[dev]"
	touch $@
