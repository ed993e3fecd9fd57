# `make` alone prints what there is. `make check` is what CI runs.
.DEFAULT_GOAL := help
.PHONY: help setup format lint types contract test ui-types check wheel clean

help:  ## Print this
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Install this checkout, editable, with the tools for working on it
	pip install -e '.[test,lint]'

format:  ## Put the code into its one format
	ruff check --fix .
	ruff format .

lint:  ## Look for mistakes without running anything
	ruff check .
	ruff format --check .

types:  ## Check types (strict)
	pyright

contract:  ## Check that imports point down the floors and in no circle
	lint-imports

test:  ## Run the tests against what is installed
	pytest

ui-types:  ## Describe the API for the pages, and make their types of it
	python -m heliostat.api.openapi api/ui/openapi.json
	npm --prefix api/ui run types

check:  ## Everything that CI checks, in a virtual environment of its own
	.ci/run

wheel:  ## Build the wheel into dist/
	rm -rf build
	python -m build --wheel

clean:  ## Remove what tools left behind
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
