# make demo   install i2lc and run it on a small landscape
# make test   lint, types, tests of the parts
# make test-chain   whole runs on small landscapes, their products opened by other programs too
# make test-faults  runs that are killed and broken, and restarted
# make test-hpc  whole runs through a real sbatch and a real qsub, on a one-node Slurm
# make bench  speed, memory and accuracy, tables in docs/benchmarks.md and docs/memory.md
# make reliability
#             kills and faults tried on real runs, tables in docs/reliability.md
#
# PIP_ARGS goes to pip, such as
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-run

.PHONY: demo test test-chain test-faults test-hpc bench reliability clean

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

test-chain: $(VENV)/.installed-dev
	$(BIN)/pytest -m "chain and not faults" -n 2 --dist loadfile

test-faults: $(VENV)/.installed-dev
	$(BIN)/pytest -m faults -n 2 --dist loadfile tests/test_kill_points.py tests/test_faults.py

test-hpc: $(VENV)/.installed-dev
	@if $(BIN)/python tests/hpc/cluster.py install && $(BIN)/python tests/hpc/cluster.py check; then \
		$(BIN)/pytest -m hpc tests/hpc; \
	else \
		echo "test-hpc is skipped: no Slurm can run on this machine"; \
	fi

bench: $(VENV)/.installed-dev
	$(BIN)/pip install -q -c constraints.txt $(PIP_ARGS) -e ".[bench]"
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.stream_memory
	$(BIN)/python -m benchmarks.ucr_crop

reliability: $(VENV)/.installed-dev
	$(BIN)/python -m reliability

clean:
	rm -rf $(VENV) $(DEMO)

$(VENV)/.installed: setup.cfg constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt $(PIP_ARGS) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q -c constraints.txt $(PIP_ARGS) -e ".[dev]"
	touch $@
