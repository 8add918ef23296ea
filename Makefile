# Every target does its own set-up: a virtual environment in .venv with the versions of requirements.lock.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SEEDS  ?= 1
CONFIG ?= simzss_vitb14_coco
TABLE  ?= data/coco/concepts
COCO_ROOT ?= data/coco
METHOD ?= simzss
SUFFIX := $(if $(filter simzss,$(METHOD)),,_$(METHOD))
DEMOS  := runs/demo$(SUFFIX)
DEMO   := $(DEMOS)/seed-0
MODEL  ?= $(DEMO)/$(METHOD)/model
WORDS  := $(foreach words,standard synonyms plural nonsense,--vocabulary $(words))
ifdef DATA_ROOT
EVAL_ON := --data-root $(DATA_ROOT) --output runs/eval
else
EVAL_ON := --data-root $(DEMO)/world --benchmarks $(DEMO)/world/demo.yaml \
	--protocol configs/protocol/demo.yaml --output runs/eval-demo$(SUFFIX) --overlays 4
endif

.DEFAULT_GOAL := help
.PHONY: help demo data-coco train eval bench test test-all check format clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## train SimZSS on a small drawn world, evaluate it, make the pictures (METHOD=pacl|clippy, SEEDS=3)
	$(BIN)/simzss demo --method $(METHOD) --output $(DEMOS) --seeds $(SEEDS)

data-coco: $(READY) ## fetch COCO 2017 train (or use COCO_ROOT=...) and extract its concepts
	$(BIN)/python -m data_prep.coco --root $(COCO_ROOT) --table $(TABLE)

train: $(READY) ## train SimZSS on COCO Captions with all GPUs (CONFIG=simzss_vits14_coco for another recipe)
	@test -f $(TABLE)/manifest.json || { echo "no concept table at $(TABLE): run make data-coco first"; exit 2; }
	$(BIN)/simzss fit --config configs/train/$(CONFIG).yaml --data.table $(TABLE) \
		--data.images $(COCO_ROOT)/train2017 --run runs/$(CONFIG)

eval: $(READY) ## score MODEL=... on the benchmarks below DATA_ROOT=...; without them the demo's model on its world
	$(BIN)/simzss evaluate $(MODEL) $(EVAL_ON) $(WORDS)

bench: $(READY) ## measure the parts of the COCO run on this machine
	$(BIN)/simzss bench train --json runs/bench-train.json

test: $(READY) ## run the default tests (about 5 minutes on 2 cores)
	$(BIN)/python -m pytest

test-all: $(READY) ## run the slow tests too
	$(BIN)/python -m pytest -m "not gpu and not network"

check: $(READY) ## formatter, linter, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment, the caches and every run
	rm -rf $(VENV) runs .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
