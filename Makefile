# Everything runs in .venv, which `setup` makes from nothing but Python 3.11+ and the constraints.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check bench clean

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/rewardlab demo

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: setup
	$(BIN)/python benchmarks/alignment_speed.py
	$(BIN)/python benchmarks/reward_phase.py
	$(BIN)/python benchmarks/trainer_overhead.py
	$(BIN)/python benchmarks/demo_seeds.py
	$(BIN)/python benchmarks/memory.py

clean:
	rm -rf .venv build *.egg-info
