# The lab: real systemd hosts under Podman (tests/lab/README.md). Included by the root Makefile.
LAB_PYTHON ?= .venv/bin/python
LAB_HOSTS ?= bookworm=bookworm bullseye=bullseye trixie=trixie

.PHONY: lab-up lab-down
lab-up: ## Start one lab host per Debian suite (LAB_HOSTS="name=suite …" for others)
	$(LAB_PYTHON) -m tests.lab install
	$(LAB_PYTHON) -m tests.lab up $(LAB_HOSTS)

lab-down: ## Remove the lab's hosts
	$(LAB_PYTHON) -m tests.lab down
