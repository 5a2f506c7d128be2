# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.

BIN := .venv/bin
DATA ?=
BENCH ?=
CHECKOV := .cache/checkov

# One copy of the AWS provider (700 MB) for every Terraform that runs from here.
export TF_PLUGIN_CACHE_DIR := $(CURDIR)/.cache/terraform-plugins
export TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE := 1
export CHECKPOINT_DISABLE := 1
# A Terraform fetched by `make install` is linked there.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install demo test test-faults test-all soak test-aws check lint fix docs bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## .venv with everything in it, and Terraform
	@tools/install.sh

demo: install ## the whole loop on this machine: check, up, train, fetch, down (DATA=folder: your own images)
	@$(BIN)/python tools/demo.py $(if $(DATA),--data "$(DATA)")

test: lint ## linters, types, imports, documents, then every test that needs neither an account nor a GPU
	@$(BIN)/python -m pytest

test-faults: install ## every row of docs/errors.md, played on the local cloud (minutes; `make test` plays a sample)
	@$(BIN)/python -m pytest --slow -m faults

test-all: lint ## the same and the long suites
	@$(BIN)/python -m pytest --slow

soak: install ## only the long suites
	@$(BIN)/python -m pytest --slow -m slow

test-aws: install ## the loop on a real AWS account: asks first, costs money, tears down
	@$(BIN)/python tools/try_aws.py

lint: install ## ruff, mypy, import-linter, docs/cli.md
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy tools benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/python tools/write_cli_docs.py --check

check: lint $(CHECKOV)/.installed ## lint, and Terraform: format, validity, checkov
	@tools/check_terraform.sh $(CHECKOV)

fix: install ## let ruff and Terraform format and mend what they can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format
	@terraform fmt -recursive terraform

docs: install ## write docs/cli.md anew from --help
	@$(BIN)/python tools/write_cli_docs.py

bench: install ## the benchmarks: writes bench/RESULTS.md, fails when a goal is missed (BENCH="--only decode": some)
	@$(BIN)/python -m benchmarks.bench $(BENCH)

clean: ## remove caches and build outputs (not .venv, runs or .deployer)
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# checkov pins old versions of much that deployer uses: it lives alone.
$(CHECKOV)/.installed: tools/checkov-requirements.txt | install
	@echo 'Installing checkov into $(CHECKOV) ...' >&2
	@$(BIN)/python -m venv --clear $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
