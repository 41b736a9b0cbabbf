# make run      the whole pipeline on embedded defaults; HOUR=2026-11-23T04, SUBREDDITS='["python"]', LISTINGS, LIMIT
# make test     everything that CI checks; PYTEST_ARGS adds to pytest's arguments
# make image    the container image; TARGET=batch for the one without DuckDB, SOURCE for the label of that name
# make deploy   the pipeline on AWS Batch, made or updated, and a first run; SUBREDDITS, LISTINGS, LIMIT as above,
#               SCHEDULE='rate(1 day)', EMAIL=me@example.com for alarms, YES=1 asks nothing, STACK another name than
#               reddit-etl, ARGS any other option: `make deploy ARGS=--help` shows them
# make status   whether it is well there; STACK
# make destroy  removes it, except the data; STACK, YES, ARGS=--with-data for the data too
# make docs     the data dictionary and the picture of the architecture, from their sources
# make lock     the newest versions that setup.cfg allows into the image

PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
# The emulator of Athena wants versions of its own.
ATHENA = .venv-athena
# So does the one that looks at the stack, and it brings a hundred libraries.
CHECKOV = .venv-checkov

.PHONY: run test quick check docs image deploy status destroy lock clean

run: $(VENV)/local
	@$(BIN)/luigi --module jobs RedditPipeline \
	    $(if $(HOUR),--hour '$(HOUR)') \
	    $(if $(SUBREDDITS),--subreddits '$(SUBREDDITS)') \
	    $(if $(LISTINGS),--listings '$(LISTINGS)') \
	    $(if $(LIMIT),--limit '$(LIMIT)')

test: check $(ATHENA)/ready $(CHECKOV)/ready
	$(BIN)/pytest -n 2 $(PYTEST_ARGS)

# The tests that take no more than a few seconds each.
quick: check $(ATHENA)/ready $(CHECKOV)/ready
	$(BIN)/pytest -n 2 -m 'not slow' $(PYTEST_ARGS)

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/local
	$(BIN)/python -m jobs dictionary > docs/data-dictionary.md
	$(BIN)/python docs/picture.py > docs/architecture.svg

image:
	docker build --tag reddit-etl $(if $(TARGET),--target '$(TARGET)') \
	    --build-arg VERSION="$$(sed -n 's/^version = //p' setup.cfg)" \
	    --build-arg REVISION="$$(git describe --always --dirty --abbrev=40 --exclude='*')" \
	    $(if $(SOURCE),--build-arg SOURCE='$(SOURCE)') .

# Said to make itself: an EMAIL or YES in somebody's environment was meant for another program.
said = $(and $(findstring command,$(origin $1)),$($1))
option = $(if $(call said,$1),--$2 '$($1)')

deploy: $(VENV)/deploy
	@$(BIN)/python -m batch deploy $(call option,STACK,stack) $(if $(call said,YES),--yes) \
	    $(call option,SUBREDDITS,subreddits) $(call option,LISTINGS,listings) $(call option,LIMIT,limit) \
	    $(call option,SCHEDULE,schedule) $(call option,EMAIL,email) $(call said,ARGS)

status: $(VENV)/deploy
	@$(BIN)/python -m batch status $(call option,STACK,stack) $(call said,ARGS)

destroy: $(VENV)/deploy
	@$(BIN)/python -m batch destroy $(call option,STACK,stack) $(if $(call said,YES),--yes) $(call said,ARGS)

# One lock for both architectures: it holds the hash of every file of a version. setuptools is named by python-daemon for
# its own installation; nothing imports it.
lock: $(VENV)/local
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.13 --generate-hashes --no-annotate \
	    --extra local --extra redshift --no-emit-package setuptools \
	    --custom-compile-command 'make lock' --output-file batch/requirements.lock setup.cfg

clean:
	rm -rf $(VENV) $(ATHENA) $(CHECKOV) build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, like: make run PYTHON=python3.13") if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/local: setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

# A deployment needs none of the engines.
$(VENV)/deploy: setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test: $(VENV)/local
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,redshift,test]'
	@touch $@

$(ATHENA)/ready: Makefile
	@test -d $(ATHENA) || $(PYTHON) -m venv $(ATHENA)
	@echo "installing into $(ATHENA) …"
	@$(ATHENA)/bin/python -m pip install --quiet --disable-pip-version-check 'ministack>=1.5.33,<1.6' 'duckdb>=1.5,<3'
	@touch $@

# Just this version: another may find more, and that is to be looked at when it is taken.
$(CHECKOV)/ready: Makefile
	@test -d $(CHECKOV) || $(PYTHON) -m venv $(CHECKOV)
	@echo "installing into $(CHECKOV) …"
	@$(CHECKOV)/bin/python -m pip install --quiet --disable-pip-version-check 'checkov==3.3.30'
	@touch $@
