# make run   the whole pipeline on embedded defaults; HOUR=2026-11-23T04, SUBREDDITS='["python"]', LISTINGS, LIMIT choose
# make test  everything that CI checks; PYTEST_ARGS adds to pytest's arguments

PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
# The emulator of Athena wants versions of its own.
ATHENA = .venv-athena

.PHONY: run test quick check docs clean

run: $(VENV)/local
	@$(BIN)/luigi --module jobs RedditPipeline \
	    $(if $(HOUR),--hour '$(HOUR)') \
	    $(if $(SUBREDDITS),--subreddits '$(SUBREDDITS)') \
	    $(if $(LISTINGS),--listings '$(LISTINGS)') \
	    $(if $(LIMIT),--limit '$(LIMIT)')

test: check $(ATHENA)/ready
	$(BIN)/pytest -n 2 $(PYTEST_ARGS)

# The tests that take no more than a few seconds each.
quick: check $(ATHENA)/ready
	$(BIN)/pytest -n 2 -m 'not slow' $(PYTEST_ARGS)

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/local
	$(BIN)/python -m jobs dictionary > docs/data-dictionary.md

clean:
	rm -rf $(VENV) $(ATHENA) build *.egg-info

$(VENV)/local: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, like: make run PYTHON=python3.13") if sys.version_info < (3, 11) else 0'
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

$(VENV)/test: $(VENV)/local
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,redshift,test]'
	@touch $@

$(ATHENA)/ready: Makefile
	@test -d $(ATHENA) || $(PYTHON) -m venv $(ATHENA)
	@echo "installing into $(ATHENA) …"
	@$(ATHENA)/bin/python -m pip install --quiet --disable-pip-version-check 'ministack>=1.5.33,<1.6' 'duckdb>=1.5,<3'
	@touch $@
