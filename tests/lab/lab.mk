# The lab: real systemd hosts under Podman (tests/lab/README.md). Included by the root Makefile, which defines
# packages-lab and venv.
LAB_HOSTS ?= bookworm=bookworm bullseye=bullseye trixie=trixie

.PHONY: lab-up lab-down
lab-up: packages-lab venv ## Start one lab host per Debian suite (LAB_HOSTS="name=suite …" for others)
	@$(BIN)/python -m tests.lab up $(LAB_HOSTS)

lab-down: ## Remove the lab's hosts
	@$(BIN)/python -m tests.lab down
