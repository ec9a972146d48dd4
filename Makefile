# Two commands are all the set-up there is: `make run` and `make test`. `make help` lists the others.
SHELL := /bin/sh
PYTHON := .venv/bin/python
PROCESSES ?= 3
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help run test storm bench demo check format messages kerberos lock screenshots runtime development translations

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

run: runtime translations ## the portal with demo tenants, worker, scheduler and test mail server on http://127.0.0.1:8000 (PORT, SMTP_SINK_PORT)
	@exec $(PYTHON) manage.py serve --demo

test: development translations ## the whole suite, real servers included (PROCESSES=3, ARGS="tests/...")
	@$(PYTHON) -m pytest -n $(PROCESSES) $(ARGS)

storm: development translations ## the fault tests at full size (hours; one by ARGS="-k kill_storm"), with printed reports; `make test` runs a twentieth (STORM_SIZE=1)
	@STORM_SIZE=$${STORM_SIZE:-1} $(PYTHON) -m pytest -q -s -p no:xdist $(if $(findstring tests/,$(ARGS)),,tests/storm) $(ARGS)

bench: development translations ## how fast the queue is, beside its peers; about an hour (ARGS="drain-small --rounds 1", see --help)
	@$(PYTHON) -m tests.benchmarks $(ARGS)

demo: runtime translations ## a print run of 25 invoices through a stack of its own; prints a JSON summary
	@exec $(PYTHON) manage.py demo

check: development ## linters, types, architecture, translations, migrations, deployment settings
	@.ci/check

format: development ## let ruff put the code into shape
	@$(PYTHON) -m ruff check --fix-only --quiet . && $(PYTHON) -m ruff format .

messages: development ## bring locale/de/LC_MESSAGES/django.po up to date with the code
	@$(PYTHON) .ci/translations.py update

screenshots: development translations ## pictures of the portal's pages
	@$(PYTHON) tests/screenshots.py

kerberos: ## build again what send systems 2 and 3 need (apt-get install gcc libkrb5-dev python3-dev)
	@rm -f .venv/.kerberos && .ci/bootstrap requirements.txt && $(PYTHON) -c "import gssapi"

lock: ## pin all dependencies with hashes: requirements*.in -> requirements*.txt
	@.ci/lock

runtime:
	@.ci/bootstrap requirements.txt

development:
	@.ci/bootstrap requirements-dev.txt

translations:
	@$(PYTHON) .ci/translations.py compile
