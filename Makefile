# One name for each chore. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
export DJANGO_SETTINGS_MODULE := tracking_platform.settings

.PHONY: help setup setup-dev run test check lint format typecheck imports templates migrations demo bench clean

help:  ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Install what running needs (a second time takes a second)
	@scripts/bootstrap.sh

setup-dev:  ## Install what developing and testing need, too
	@scripts/bootstrap.sh --dev

run: setup  ## Start the platform in the foreground; Ctrl-C stops it
	@exec $(PYTHON) manage.py serve

test: setup-dev  ## Run every test, on SQLite and on PostgreSQL, Redis and S3
	@scripts/test.sh

check: setup-dev lint typecheck imports templates  ## Run every check that needs no server
	@$(PYTHON) manage.py makemigrations --check --dry-run
	@$(PYTHON) manage.py check --fail-level WARNING
	@scripts/check_deploy.sh

lint: setup-dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

typecheck: setup-dev  ## Check the types
	@$(PYTHON) -m mypy .

imports: setup-dev
	@.venv/bin/lint-imports

templates: setup-dev
	@.venv/bin/djlint web api --lint --quiet

format: setup-dev  ## Rewrite the code in the house style
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

migrations: setup  ## Write migrations for changed models
	@$(PYTHON) manage.py makemigrations

demo: setup  ## Fill the running server with believable data through the real client
	@scripts/demo.sh

bench: setup-dev  ## Measure us beside other trackers (forty minutes; quicker: make bench BENCH=--quick)
	@$(PYTHON) -m bench $(BENCH)

clean:  ## Remove what was installed and built; your data in var/ stays
	rm -rf .venv .venvs .build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
