# Every target sets up what it needs by itself; a fresh machine needs Python >= 3.11 and a network to PyPI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DATA ?=
CATALOGUE ?=
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export OMP_NUM_THREADS ?= 1
# Containers set it; hundreds of processes start below, and each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

# Two more than there are cores (`nproc` alone heeds OMP_NUM_THREADS): tests that start a federation wait more than they compute.
WORKERS ?= $(shell expr $$(nproc --all) + 2)
SOAK_WORKERS ?= $(shell expr $$(nproc --all) + 1)
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
# Folders whose tests coverage is of, for tracing takes half as long again: those that the bars are about, and the parties
# that are made of them. Empty: all tests.
MEASURED ?= tests/federation tests/protocols tests/server $(filter-out %/regulator/ %/__pycache__/,$(wildcard tests/clients/*/))

.PHONY: dev packages demo test soak lint bench protos clean
dev: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

# Debian's PostgreSQL, browser and Go, which some tests run against; those are skipped, and say so, where it is missing.
packages:
	deploy/debian-packages

demo: dev
	$(BIN)/fedscore demo $(if $(DATA),--data '$(DATA)') $(if $(CATALOGUE),--catalogue '$(CATALOGUE)')

test: dev
	$(BIN)/coverage erase
	$(PYTEST) -n $(WORKERS) -m "not soak" --cov --cov-report= $(addprefix --measured ,$(MEASURED)) --durations=25
	$(BIN)/coverage report --include='federation/*' --fail-under=95
	$(BIN)/coverage report --include='protocols/*' --fail-under=95

# What takes minutes: the demonstration and what it left, twenty kills in one run, floods of hostile messages, timings of
# present against absent.
soak: demo
	$(PYTEST) -n $(SOAK_WORKERS) -m soak --durations=10 $$(grep -rl --include='test_*.py' 'mark\.soak' tests)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: dev
	mkdir -p out/bench
	$(BIN)/python -m benchmarks training --json out/bench/training.json
	$(BIN)/python -m benchmarks records --json out/bench/records.json
	$(BIN)/python -m benchmarks scoring --json out/bench/scoring.json
	$(BIN)/python -m benchmarks deployment --masks --json out/bench/deployment.json
	$(BIN)/python -m benchmarks log --json out/bench/log.json
	$(BIN)/python -m benchmarks secagg --json out/bench/secagg.json
	$(BIN)/python -m benchmarks blind --features 20 200 --show-ckks-leak --json out/bench/blind.json
	$(BIN)/python -m benchmarks lookup --engine bfv --json out/bench/lookup-bfv.json
	$(BIN)/python -m benchmarks lookup --engine lwe --json out/bench/lookup-lwe.json

protos: dev
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. protocols/wire/*.proto

clean:
	rm -rf out build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
