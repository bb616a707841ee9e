# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

.PHONY: help setup demo test lint format bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="	" read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: ## install what the playbooks need (Debian packages where root; Python packages into .venv)
	@scripts/setup.sh run

demo: setup ## back up, restore and prove a small office's data on this machine; ends with the checklists
	@scripts/demo.sh

test: ## run every check: lint, unit and integration tests, real hosts (as root), package, ansible-test sanity
	@scripts/setup.sh test
	@scripts/test.sh

lint: ## run ruff, yamllint, the changelog check and ansible-lint
	@scripts/setup.sh test
	@scripts/lint.sh

format: ## rewrite the Python files in the project's format
	@scripts/setup.sh test
	@.venv/bin/ruff format .

bench: ## compare raw restic with the playbooks on the same data (10 minutes, 12 GB; BENCH=--quick shows how)
	@scripts/setup.sh test
	@.venv/bin/python tests/bench/bench.py $(BENCH)

clean: ## remove what setup, demo and test made in this checkout, the demo's backups included
	@[ ! -d .cache/testbed ] || scripts/testbed.sh destroy .cache/testbed/*
	rm -rf .ansible .cache .hypothesis .pytest_cache .ruff_cache .venv tests/output var
