# The site's tasks. `make` alone lists them.

PYTHON ?=
HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed.stamp
BENCH := .venv-bench
# The oldest supported Python comes first: it gets Django's long-term release.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.11 python3.12 python3.13 python3 python)
# The benchmark prefers a newer one, for the peers that ask for it.
BENCH_PYTHONS := $(if $(PYTHON),$(PYTHON),python3.13 \
	$(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python) python3.12 python3 python3.11)
# A site as the world would see it, for Django's deployment checks.
PRODUCTION := DEBUG=false ALLOWED_HOSTS=jobsite.example HTTPS=true JOBSITE_ENV_FILE=/dev/null

.DEFAULT_GOAL := help
.PHONY: help setup secret-key run test lint format e2e bench

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) secret-key ## install the site into .venv (PYTHON=… chooses another Python)

$(STAMP): pyproject.toml .ci/venv
	@.ci/venv $(VENV) $(PYTHONS)

secret-key: $(STAMP)
	@$(BIN)/python -m jobsite.secret_key

run: setup ## run the site: web server and cluster (PORT=8000 DATABASE_URL=… REDIS_URL=…)
	@# Its parent is make: if that is killed, the site ends too.
	@exec $(BIN)/python -m jobsite.leash $$PPID $(BIN)/python manage.py run_site --host $(HOST) --port $(PORT)

test: setup ## run all tests on SQLite and PostgreSQL (ARGS="-k claim" goes to pytest)
	@$(BIN)/python -m tests.run $(ARGS)

lint: setup ## check style, types, migrations and the production settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

format: setup ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

e2e: setup ## run the tests that drive a browser
	@test -d tests/e2e || { echo "There are no browser tests in tests/e2e yet." >&2; exit 1; }
	@$(BIN)/python -m pytest tests/e2e $(ARGS)

bench: $(BENCH)/installed.stamp ## measure beside peers (SYSTEMS=celery,jobsite MEASURES=drain ROUNDS=3 QUICK=1)
	@$(BENCH)/bin/python -m tests.bench $(if $(SYSTEMS),--systems=$(SYSTEMS)) \
		$(if $(MEASURES),--measures=$(MEASURES)) $(if $(ROUNDS),--rounds=$(ROUNDS)) \
		$(if $(QUICK),--quick) $(if $(OUTPUT),--output=$(OUTPUT)) \
		$(if $(SOAK_MINUTES),--soak-minutes=$(SOAK_MINUTES)) $(if $(SOAK_RATE),--soak-rate=$(SOAK_RATE))

# A peer that cannot be installed must not keep the others from being measured.
$(BENCH)/installed.stamp: pyproject.toml .ci/venv
	@GROUP=bench .ci/venv $(BENCH) $(BENCH_PYTHONS) || $(BENCH)/bin/python .ci/peers
