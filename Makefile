# Every target does its own set-up: a virtual environment in .venv with the versions of requirements.lock.
PYTHON ?= python3
VENV   := .venv
MINIMUM := build/minimum
TEST_PROCESSES ?= --numprocesses auto --maxprocesses 8 --dist worksteal
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
PHOTOGRAPHS  := runs/photographs
PHOTO_RECIPE ?= flickr8k_efficientnet_lite2
FLICKR_ROOT  ?= data/flickr8k
VOC_ROOT     ?= data
TUNING_ROOT  ?= data/voc2012_tuning
WEIGHTS      ?= pretrained
NLP          ?= en_core_web_sm
ROWS         ?= main
ifdef DATA_ROOT
EVAL_ON := --data-root $(DATA_ROOT) --output runs/eval
else
EVAL_ON := --data-root $(DEMO)/world --benchmarks $(DEMO)/world/demo.yaml \
	--protocol demo --output runs/eval-demo$(SUFFIX) --overlays 4
endif

.DEFAULT_GOAL := help
.PHONY: help demo photographs data-coco train eval bench test test-all test-minimum check docs format clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## train SimZSS on a small drawn world, evaluate it, make the pictures (METHOD=pacl|clippy, SEEDS=3)
	$(BIN)/simzss demo --method $(METHOD) --output $(DEMOS) --seeds $(SEEDS)

photographs: $(READY) ## the method on real photographs: FLICKR_ROOT, VOC_ROOT, TUNING_ROOT, COCO_ROOT, WEIGHTS, NLP (SEEDS=3 ROWS=all)
	$(BIN)/python -m data_prep.flickr8k --root $(FLICKR_ROOT) --output $(PHOTOGRAPHS)
	$(BIN)/simzss photographs --captions $(PHOTOGRAPHS)/train.json --heldout $(PHOTOGRAPHS)/heldout.json \
		--images $(FLICKR_ROOT)/images --voc $(VOC_ROOT) --tuning $(TUNING_ROOT) --coco $(COCO_ROOT) \
		--weights $(WEIGHTS) --nlp $(NLP) --recipe $(PHOTO_RECIPE) --seeds $(SEEDS) --rows $(ROWS) --output $(PHOTOGRAPHS)

data-coco: $(READY) ## fetch COCO 2017 train (or use COCO_ROOT=...) and extract its concepts
	$(BIN)/python -m data_prep.coco --root $(COCO_ROOT) --table $(TABLE)

train: $(READY) ## train SimZSS on COCO Captions with all GPUs (CONFIG=simzss_vits14_coco for another recipe)
	@test -f $(TABLE)/manifest.json || { echo "no concept table at $(TABLE): run make data-coco first"; exit 2; }
	$(BIN)/simzss fit --config $(CONFIG) --data.table $(TABLE) \
		--data.images $(COCO_ROOT)/train2017 --run runs/$(CONFIG)

eval: $(READY) ## score MODEL=... on the benchmarks below DATA_ROOT=...; without them the demo's model on its world
	$(BIN)/simzss evaluate $(MODEL) $(EVAL_ON) $(WORDS)

bench: $(READY) ## measure the parts of the COCO run on this machine
	$(BIN)/simzss bench train --json runs/bench-train.json

test: $(READY) ## run the default tests
	$(BIN)/python -m pytest $(TEST_PROCESSES)

test-all: $(READY) ## run the slow tests too (see CONTRIBUTING)
	$(BIN)/python -m pytest $(TEST_PROCESSES) -m "not gpu and not network and not alone"
	$(BIN)/python -m pytest --override-ini addopts= -m alone

test-minimum: ## run the default tests with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear $(MINIMUM)
	$(MINIMUM)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(MINIMUM)/bin/uv pip install --quiet --python $(MINIMUM)/bin/python --resolution lowest-direct --editable ".[dev,prep]"
	$(MINIMUM)/bin/python -m pytest $(TEST_PROCESSES) -W default # old libraries warn of their own age

check: $(READY) ## formatter, linter, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(READY) ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment, the caches and every run
	rm -rf $(VENV) build dist runs .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
