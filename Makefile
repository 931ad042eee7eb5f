# raydock: managed Ray on Vertex AI, in Docker, on your own machine.
# Whatever needs an `if` is Python: requirements/install.py, cluster/, submit/, bench/.

PYTHON := .venv/bin/python
N_ITER ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup images cluster-up cluster-down cluster-status demo lab-data lessons notebook test test-all unit lint format lock bench clean

help: ## what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: ## make the project's environment (.venv) from the locks
	@python3 requirements/install.py

images: setup ## build the images of the cluster
	@$(PYTHON) -m cluster images --build

cluster-up: setup ## start the cluster: in Docker, or as processes where no engine answers
	@$(PYTHON) -m cluster up

cluster-down: setup ## end it and leave nothing behind
	@$(PYTHON) -m cluster down

cluster-status: setup ## its nodes, and the link to the dashboard
	@$(PYTHON) -m cluster status

demo: setup ## from nothing to a result: cluster up, first lesson, speed-up
	@$(PYTHON) -m cluster up
	@$(PYTHON) submit.py jobs/sklearn_joblib.py -- --n-iter $(N_ITER) --compare
	@$(PYTHON) -m cluster status

lab-data: setup ## write the data that the bucket jobs read into the lab's buckets
	@$(PYTHON) submit.py jobs/make_data.py

lessons: setup ## run every lesson on a cluster of their own, and write lessons/report.html
	@$(PYTHON) -m bench.lessons

notebook: setup ## JupyterLab in the lab, with the notebook of Ray on Vertex AI: prints its link
	@COMPOSE_PROFILES=vertex,notebook $(PYTHON) -m cluster up
	@docker compose exec -T notebook sh -c 'echo "Notebook:  http://127.0.0.1:$$NOTEBOOK_PORT/lab/tree/ray_on_vertex.ipynb?token=$$(cat $$JUPYTER_TOKEN_FILE)"'

test: setup ## lint, and what a change has to pass: each capability once against the real thing, in 20 minutes
	@$(PYTHON) -m tests

test-all: setup ## every test, with many repetitions: an hour or two
	@$(PYTHON) -m tests --all

unit: setup ## the tests that need neither Docker nor Ray, in a minute
	@$(PYTHON) -m tests --unit

lint: setup ## style, format and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

format: setup ## put the code into form
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

lock: setup ## write the lock files anew
	@PATH="$(CURDIR)/.venv/bin:$$PATH" requirements/lock

bench: setup ## measure against the stock way: bench/results/
	@$(PYTHON) -m bench

clean: cluster-down ## remove the cluster, the environment and every cache
	rm -rf .venv .venv-uv .raydock .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
