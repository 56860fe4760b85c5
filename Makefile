# The whole project from a fresh clone: `make run`, `make test`. `make help` lists the targets.

# Another Python than the first one on PATH that fits: make setup PYTHON=python3.12
PYTHON ?=
# ROS 2 from this machine's own installation, sourced, in place of wheels: make setup ROS=system (docs/onboard.md)
ROS ?=
# Arguments of `diffusion-mpc run` for `make run`, of `diffusion-mpc train` for `make train`, of pytest for `make test`,
# of mkdocs for `make docs` and `make docs-serve`.
ARGS ?=
RUN_ARGS := $(or $(ARGS),--duration 30 --cmd-vel 0.5 0.0 0.0 --headless)

SETUP := python3 tools/setup_env.py $(if $(PYTHON),--python $(PYTHON)) $(if $(ROS),--ros $(ROS))
BIN := .venv/bin
# Without the theme's advertisement against another version of mkdocs.
MKDOCS := NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs

.DEFAULT_GOAL := help
.PHONY: help setup setup-test setup-train setup-openvino setup-cma setup-say run test lint docs docs-serve train lock check-aarch64 clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 22

setup:  ## set up .venv: ROS 2 wheels, requirements, interfaces, this package
	@$(SETUP)

setup-train:  ## like setup, and what training needs (torch)
	@$(SETUP) --with train

setup-test:  ## like setup, and what the tests need (torch and OpenVINO too)
	@$(SETUP) --with train test docs openvino cma say

setup-openvino:  ## like setup, and OpenVINO, the other inference backend
	@$(SETUP) --with openvino

setup-cma:  ## like setup, and CMA-ES, a method that dial_mpc is compared with
	@$(SETUP) --with cma

setup-say:  ## like setup, and the word vectors that `diffusion-mpc say` understands language by
	@$(SETUP) --with say

run: setup  ## a simulated Go2 stands up and walks; ARGS="..." goes to `diffusion-mpc run`
	@$(BIN)/diffusion-mpc run $(RUN_ARGS)

test: setup-test  ## run all tests, those that need no real time on all cores; ARGS="..." goes to pytest
	@$(BIN)/python tools/run_tests.py $(ARGS)

lint: setup-test  ## check style, format, types, large files and merge markers, as .pre-commit-config.yaml says
	@$(BIN)/pre-commit run --all-files

docs:  ## build the documentation into site/; refuses a broken link
	@$(SETUP) --with docs
	@$(MKDOCS) build --strict $(ARGS)

docs-serve:  ## show the documentation at http://127.0.0.1:8000 while you write it
	@$(SETUP) --with docs
	@$(MKDOCS) serve $(ARGS)

train: setup-train  ## ARGS="..." goes to `diffusion-mpc train`
	@$(BIN)/diffusion-mpc train $(or $(ARGS),--help)

lock:  ## renew requirements/*.txt from requirements/*.in; ARGS=--upgrade takes newer versions
	@$(SETUP) --with lock
	@$(BIN)/python tools/lock.py $(ARGS)

check-aarch64:  ## resolve the pinned packages for the Go2's own computer; needs the package index
	@$(SETUP) --with lock
	@$(BIN)/python tools/lock.py --check-aarch64

clean:  ## remove the environment and everything built
	rm -rf .venv build install log site .pytest_cache .ruff_cache .hypothesis *.egg-info
