# make help     these lines
# make run      the whole pipeline on the local defaults; HOUR=2026-11-23T04, SUBREDDITS='["python"]', LISTINGS, LIMIT
# make test     the whole test suite; PYTEST_ARGS adds to pytest's arguments
# make check    formatting, lint and types alone
# make quick    all tests but the slow ones, without installing Spark
# make tools    checkov, hadolint and the libraries of benchmarks/rivals/, whose tests are skipped without them; pip-audit,
#               and uv for `make lock`
# make image    the container image; TARGET=batch for the one without DuckDB, SOURCE for the label of that name
# make deploy   create or update the pipeline on AWS Batch and start a run; SUBREDDITS, LISTINGS, LIMIT as above,
#               SCHEDULE='rate(1 day)', EMAIL=me@example.com for alarms, YES=1 without confirmation, STACK for another
#               name than reddit-etl, ARGS for any other option: `make deploy ARGS=--help` lists them
# make status   show the last runs and the alarms there; STACK
# make destroy  delete it, except the data; STACK, YES, ARGS=--with-data to delete the data too
# make bench    all benchmarks, into the tables of benchmarks/README.md; SIZE=small tries them, TABLES='memory aws' selects
# make docs     the data dictionary, from the columns' definition
# make lock     the newest versions that setup.cfg and the files *.in allow, into the locks
# make clean    removes the environments
#
# PYTHON=python3.13 selects the Python of a new environment. Everything is installed from the locks; with NEWEST=1 the
# newest versions that setup.cfg allows are installed into environments of their own.

PYTHON ?= python3
VENV = .venv$(if $(NEWEST),-newest)
BIN = $(VENV)/bin
# checkov requires versions of its own, and depends on a hundred libraries.
TOOLS = $(VENV)-tools
# So do the pipelines that ours is compared with.
RIVALS = $(VENV)-bench

# The default target.
help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' Makefile

.PHONY: help run test quick check tools bench docs image deploy status destroy lock clean

run: $(VENV)/run
	@$(BIN)/luigi --module jobs RedditPipeline \
	    $(if $(HOUR),--hour '$(HOUR)') \
	    $(if $(SUBREDDITS),--subreddits '$(SUBREDDITS)') \
	    $(if $(LISTINGS),--listings '$(LISTINGS)') \
	    $(if $(LIMIT),--limit '$(LIMIT)')

test: $(VENV)/spark check
	$(BIN)/pytest -n 2 $(PYTEST_ARGS)

quick: check
	$(BIN)/pytest -n 2 -m 'not slow' $(PYTEST_ARGS)

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tools: $(TOOLS)/ready $(RIVALS)/ready

# As in the image, and for all alike: a start does not compile modules.
bench: $(VENV)/test $(VENV)/spark $(RIVALS)/ready
	@$(BIN)/python -m compileall -q $(VENV)/lib $(RIVALS)/lib jobs reddit_etl benchmarks >/dev/null || true
	$(BIN)/python -m benchmarks $(if $(SIZE),--size '$(SIZE)') $(TABLES)

docs: $(VENV)/run
	$(BIN)/python -m jobs dictionary > docs/data-dictionary.md

image:
	docker build --tag reddit-etl $(if $(TARGET),--target '$(TARGET)') \
	    --build-arg VERSION="$$(sed -n 's/^version = //p' setup.cfg)" \
	    --build-arg REVISION="$$(git describe --always --dirty --abbrev=40 --exclude='*')" \
	    $(if $(SOURCE),--build-arg SOURCE='$(SOURCE)') .

# Only from make's command line: an EMAIL or YES in the environment was meant for another program.
passed = $(and $(findstring command,$(origin $1)),$($1))
option = $(if $(call passed,$1),--$2 '$($1)')

deploy: $(VENV)/run
	@$(BIN)/python -m batch deploy $(call option,STACK,stack) $(if $(call passed,YES),--yes) \
	    $(call option,SUBREDDITS,subreddits) $(call option,LISTINGS,listings) $(call option,LIMIT,limit) \
	    $(call option,SCHEDULE,schedule) $(call option,EMAIL,email) $(call passed,ARGS)

status: $(VENV)/run
	@$(BIN)/python -m batch status $(call option,STACK,stack) $(call passed,ARGS)

destroy: $(VENV)/run
	@$(BIN)/python -m batch destroy $(call option,STACK,stack) $(if $(call passed,YES),--yes) $(call passed,ARGS)

# A lock has the hashes of all files of a version, so it serves every Python and machine. The tests' is made first: what
# the job runs on is then what is tested. What builds the project is in it too.
compile = $(TOOLS)/bin/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
    --no-annotate --custom-compile-command 'make lock'
builder = sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml
# What the image's target report has beside the others.
plots = sed -n '/^report =/,/^[a-z]* =/s/^    //p' setup.cfg

lock: $(TOOLS)/ready
	$(builder) | $(compile) --output-file tests/requirements.lock \
	    --extra local --extra redshift --extra report --extra test setup.cfg -
	$(builder) | $(compile) --output-file batch/requirements.lock --constraint tests/requirements.lock \
	    --extra local --extra redshift setup.cfg -
	$(plots) | $(compile) --output-file batch/report.lock --constraint tests/requirements.lock -
	$(compile) --output-file tests/spark.lock --constraint tests/requirements.lock tests/spark.in
	$(compile) --output-file tests/tools.lock --no-emit-package pip tests/tools.in
	$(compile) --output-file benchmarks/requirements.lock benchmarks/requirements.in

clean:
	rm -rf .venv .venv-bench .venv-tools .venv-newest .venv-newest-bench .venv-newest-tools build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, like: make run PYTHON=python3.13") if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -m venv $(VENV)

# Otherwise PYTHON would be ignored if there is an environment.
.PHONY: same-python
same-python: | $(BIN)/python
ifneq ($(origin PYTHON),file)
	@command -v $(PYTHON) >/dev/null || { echo "PYTHON=$(PYTHON) was not found: name an installed Python" >&2; exit 1; }
	@here=$$($(BIN)/python -V) && there=$$($(PYTHON) -V) && [ "$${here%.*}" = "$${there%.*}" ] || \
	    { echo "$(VENV) was made with $$here, and PYTHON=$(PYTHON) is $$there: run make clean first" >&2; exit 1; }
endif

$(TOOLS)/bin/python $(RIVALS)/bin/python:
	@$(PYTHON) -m venv $(@D)/..

# Without isolation, for that would fetch the newest setuptools to build with. The bytecode of a library that is never
# imported is not missed: it is a sixth of the size. setuptools warns of what editable means, and pip 26.3 passes it on.
pip = $1/bin/python -m pip install --quiet --disable-pip-version-check --no-compile
locked = --require-hashes --no-deps --no-build-isolation --use-pep517 --requirement
newest = --upgrade --upgrade-strategy eager

ifdef NEWEST
$(VENV)/run: FORCE | same-python
	@echo "installing into $(VENV) …"
	@$(call pip,$(VENV)) $(newest) --editable '.[local,redshift]'
	@touch $@

$(VENV)/test: $(VENV)/run
	@$(call pip,$(VENV)) $(newest) --editable '.[local,redshift,report,test]'
	@touch $@

$(VENV)/spark: $(VENV)/run
	@$(call pip,$(VENV)) $(newest) --requirement tests/spark.in
	@touch $@

$(TOOLS)/ready: FORCE | $(TOOLS)/bin/python
	@echo "installing into $(TOOLS) …"
	@$(call pip,$(TOOLS)) $(newest) --requirement tests/tools.in
	@touch $@

$(RIVALS)/ready: FORCE | $(RIVALS)/bin/python
	@echo "installing into $(RIVALS) …"
	@$(call pip,$(RIVALS)) $(newest) --requirement benchmarks/requirements.in
	@touch $@

FORCE:
else
$(VENV)/run: batch/requirements.lock setup.cfg pyproject.toml | same-python
	@echo "installing into $(VENV) …"
	@$(call pip,$(VENV)) $(locked) batch/requirements.lock
	@PYTHONWARNINGS=ignore $(call pip,$(VENV)) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test: tests/requirements.lock $(VENV)/run
	@$(call pip,$(VENV)) $(locked) tests/requirements.lock
	@touch $@

$(VENV)/spark: tests/spark.lock $(VENV)/run
	@$(call pip,$(VENV)) $(locked) tests/spark.lock
	@touch $@

$(TOOLS)/ready: tests/tools.lock | $(TOOLS)/bin/python
	@echo "installing into $(TOOLS) …"
	@$(call pip,$(TOOLS)) $(locked) tests/tools.lock
	@touch $@

$(RIVALS)/ready: benchmarks/requirements.lock | $(RIVALS)/bin/python
	@echo "installing into $(RIVALS) …"
	@$(call pip,$(RIVALS)) $(locked) benchmarks/requirements.lock
	@touch $@
endif
