# On a fresh Debian 12, 13 or Ubuntu 24.04: git, make and Python 3.11 or later are enough for everything here.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint types unit trial environment environment-dev picture constraints clean

OUT ?= demo-out
PYTHON ?=
export PYTHON

RUN := .venv/bin/python -m

help: ## What can be made (this list)
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: environment ## The whole job on the bundled slide: demo-out/.../report.pdf (first time: a few minutes; OUT=FOLDER)
	$(RUN) batchscan demo --out "$(OUT)"

test: lint types trial unit ## Everything that must hold: lint, types, the demo end to end, all tests

lint: environment-dev ## ruff, the linter and the formatter
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: environment-dev ## mypy, strict
	$(RUN) mypy

unit: environment-dev ## The tests, in two processes: a file's tests stay together, long files begin
	$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

trial: environment-dev ## The demo from nothing in a folder of its own; its report must be there
	rm -rf build/trial
	$(RUN) batchscan demo --out build/trial
	test -n "$$(find build/trial -name report.pdf -size +20k)"

environment:
	@scripts/environment run

environment-dev:
	@scripts/environment dev

picture: demo ## The README's picture of page one, from the demo's report (needs poppler-utils)
	pdftoppm -png -singlefile -f 1 -l 1 -r 80 "$$(find "$(OUT)" -name report.pdf | head -n 1)" docs/page-one

constraints: ## Newest versions of everything into constraints.txt; then make test
	rm -rf build/newest
	python3.11 -m venv build/newest
	build/newest/bin/python -m pip install --quiet --upgrade pip setuptools
	build/newest/bin/python -m pip install --no-build-isolation --editable ".[dev]"
	@head -n 1 constraints.txt >build/constraints.txt
	@# tensorflow itself is what machines other than x86_64 Linux, or with a GPU, have in place of tensorflow-cpu
	build/newest/bin/python -m pip freeze --all --exclude pip --exclude batchscan \
		| sed '/^tensorflow_cpu==/{p;s/_cpu//}' >>build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/newest

clean: ## Removes .venv and whatever else was made here
	rm -rf .venv build dist demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
