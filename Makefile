# Two commands to begin with: `make demo` shows the product, `make test` is the gate.
# Everything fetched is pinned and goes into the user's cache (MC_CACHE moves it).

PYTHON ?= python3
LOCAL := PYTHONPATH=infra $(PYTHON) -B -m local

.DEFAULT_GOAL := help
.PHONY: help demo test drills up scenario peers bench setup fmt clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || sed -n 's/^\([a-z]*\):.*## /  make \1  /p' Makefile

demo: ## watch a store connect, import, rerun, undo, disconnect (ONCE=1 ends it after the story, CATALOGUE=export.csv brings your own)
	@$(LOCAL) demo $(if $(ONCE),--once) $(if $(CATALOGUE),--catalogue "$(CATALOGUE)") $(if $(PRODUCTS),--products $(PRODUCTS)) $(ARGS)

test: ## the gate: format, clippy, template, documents, tests, one deployed scenario
	@$(LOCAL) test $(ARGS)

drills: ## attacks, strangers, refresh storms, leaks, models: target/drills.json (TIER=nightly for more, ONLY=D2,D9)
	@TIER=$(or $(TIER),pr) ONLY=$(ONLY) $(LOCAL) drills $(ARGS)

up: ## run the local stack in the foreground (ARGS="--shop acme=generated:1000")
	@$(LOCAL) up $(ARGS)

scenario: ## the deployed scenario alone
	@$(LOCAL) scenario $(ARGS)

peers: ## run Airbyte's Shopify connector, unmodified, against the simulator
	@$(LOCAL) peers $(ARGS)

bench: ## measure the figures, write target/bench.json
	@$(LOCAL) bench $(ARGS)

setup: ## fetch every pinned tool now
	@$(LOCAL) setup

fmt: ## format the code
	@cargo fmt --all

clean: ## remove what was built here; the cache of tools stays
	@rm -rf .aws-sam infra/.aws-sam target/local target/demo
	@cargo clean
