# raydock: managed Ray on Vertex AI, in Docker, on your own machine.
# Anything that needs a condition is written in Python: requirements/install.py, cluster/, submit/, bench/.

PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup images cluster-up cluster-down cluster-status demo lab-data lessons notebook docs test test-all unit lint format lock bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: ## create the project's environment (.venv) from the lock files
	@python3 requirements/install.py

images: setup ## build the cluster's images
	@$(PYTHON) -m cluster images --build

cluster-up: setup ## start the cluster in Docker, or as processes if no Docker engine responds
	@$(PYTHON) -m cluster up

cluster-down: setup ## delete the cluster and the lab's data (ARGS=--keep-data keeps the data)
	@$(PYTHON) -m cluster down $(ARGS)

cluster-status: setup ## show the nodes and the link to the dashboard
	@$(PYTHON) -m cluster status

demo: setup ## start the cluster and run the first lesson with and without Ray
	@$(PYTHON) -m cluster up
	@$(PYTHON) submit.py jobs/sklearn_joblib.py
	@$(PYTHON) -m cluster status

lab-data: setup ## write the sample data for the lessons to the lab's buckets
	@$(PYTHON) submit.py jobs/make_data.py

lessons: setup ## run every lesson on a separate cluster and write lessons/report.html
	@$(PYTHON) -m bench.lessons

notebook: setup ## start JupyterLab in the lab with the Ray on Vertex AI notebook, and print the link
	@COMPOSE_PROFILES=vertex,notebook $(PYTHON) -m cluster up
	@docker compose exec -T notebook sh -c 'printf "%s\n" "" Notebook: "http://127.0.0.1:$$NOTEBOOK_PORT/lab/tree/ray_on_vertex.ipynb?token=$$(cat $$JUPYTER_TOKEN_FILE)"'

docs: setup ## build the documentation site in site/
	@.venv/bin/uv run --quiet --no-project --python 3.11 --with-requirements requirements/docs.txt mkdocs build --strict

test: setup ## run the checks that every change must pass (20 minutes)
	@$(PYTHON) -m tests

test-all: setup ## run all tests, with many repetitions (1 to 2 hours)
	@$(PYTHON) -m tests --all

unit: setup ## run the tests that need neither Docker nor Ray (1 minute)
	@$(PYTHON) -m tests --unit

lint: setup ## check style, formatting and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

format: setup ## format the code
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

lock: setup ## regenerate the lock files
	@PATH="$(CURDIR)/.venv/bin:$$PATH" requirements/lock

bench: setup ## compare with the standard tools, and write bench/results/
	@$(PYTHON) -m bench

clean: cluster-down ## remove the cluster, the environment and all caches
	rm -rf .venv .venv-uv .raydock .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
