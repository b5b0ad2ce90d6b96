# `make run` and `make test` need only make and Python 3.11 or newer; they set up everything else in .venv.
#
#   make run       the eagle flow on the embedded paper venues   make run ARGS="--rounds 2"
#   make test      the tests                                     make test PYTEST_ARGS="-q -k ledger"
#   make check     ruff, the format and mypy --strict
#   make mutants   break flows in every place and compare what no rule notices with lists of reasons  make mutants MUTANTS="hedger"
#   make fuzz      feed an adapter what no venue should send     make fuzz FUZZ="100000 7"  (how many, which seed)
#   make storms    the desk alone, where everything goes wrong    make storms STORMS="2000 2"  (how many of a kind, processes)
#   make kills     kill runs at any effect, the next takes over  make kills KILLS="1..950"  (which seeds, some three kills each)
#   make hedger    two days of the hedger in virtual time        make hedger HEDGER="2 1"  (days, which seed)
#   make simulate  runs by the hundred on venues that fail       make simulate SIMULATE="1..400"  (which seeds)
#   make campaign  storms, kills and SIGKILLs: the figures that a release must reach, in ten minutes of two quiet cores
#   make soak      25 times that with other seeds, slice by slice  make soak SOAK="1 2 3"  (which slices; all that are left)
#   make planted   plant bugs and see that runs catch them       make planted PLANTED="1000 2"  (how many seeds, or `known`; processes)
#   make stops     stop runs at every effect, up to three times  make stops STOPS="500 1 2"  (how many, first seed, processes)
#   make matrix    each fault in each phase, and what it costs    make matrix MATRIX="1..1500"  (which seeds)
#   make sigkills  SIGKILL real runs on local venues             make sigkills SIGKILLS="20 1"  (how many, which seed)
#   make bench     print the figures of bench/                   make bench MARKETS="recordings/binance_spot_ethusdt"
#   make peers     let public clients of the real venues trade on the local ones, and write docs/peers.md
#   make fast      a second environment, .venv-fast, with the hot path compiled by mypyc; needs a C compiler
#   make docs      write the generated pages of docs/ anew
#   make lock      resolve the dependencies anew and write both lock files
#   make clean     remove .venv, build results and caches
#
# Another interpreter: make run PYTHON=python3.13 (after `make clean` if .venv was made with a different one).

PYTHON ?= python3
FLOW ?= flows/eagle_chicken.yaml
ARGS ?=
PYTEST_ARGS ?= -q -n 3 --dist worksteal
MARKETS ?=
MUTANTS ?= $(basename $(notdir $(wildcard tests/survivors/*.yaml)))
FUZZ ?= 100000 1
SIMULATE ?= 1..1000
SOAK ?=
MATRIX ?= 1..1500
PLANTED ?= known 2
STORMS ?= 2000 2
KILLS ?= 1..950
STOPS ?= 500 1 2
SIGKILLS ?= 20 1

VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/run-ready
DEV_READY := $(VENV)/dev-ready
FAST_VENV := .venv-fast
FAST_READY := $(FAST_VENV)/ready
PY ?= $(BIN)/python
BENCHES := step chart_step loop journal rounds simulate commands metrics report live prove
LOCK_VENV := build/lock-venv
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
# setuptools is in the locks, so the project is built with it and nothing unlocked is fetched for the build.
INSTALL_PROJECT := $(PIP_INSTALL) --no-index --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help
.PHONY: help run test check format fuzz mutants hedger simulate campaign matrix soak planted storms kills stops sigkills bench docs peers lock clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   make/make/p' Makefile

run: $(RUN_READY)
	@$(BIN)/eagle run --flow $(FLOW) $(ARGS)
	@echo "eagle is $(BIN)/eagle: with init it makes a config of your own, with --help it tells the rest" >&2

test: $(DEV_READY)
	$(BIN)/pytest $(PYTEST_ARGS)

check: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

format: $(DEV_READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

mutants: $(DEV_READY)
	@for flow in $(MUTANTS); do \
	  $(BIN)/eagle prove $$flow --mutate --survivors tests/survivors/$$flow.yaml || exit 1; done

fuzz: $(DEV_READY)
	$(BIN)/python tests/fuzz_backpack.py $(FUZZ)
	$(BIN)/python tests/fuzz_bifu.py $(FUZZ)
	$(BIN)/python tests/fuzz_okx.py $(FUZZ)
	$(BIN)/python tests/fuzz_binance.py $(FUZZ)

# The same seed goes the same way everywhere, so a seed that fails here fails on any machine. The storm is what a run must
# come through; each seed of the catalogue plays a part of it; a single fault shows what it costs by itself.
simulate: $(DEV_READY)
	$(BIN)/eagle simulate --seeds $(SIMULATE) --faults tests/storm_faults.yaml --rounds 12 --venues backpack
	$(BIN)/eagle simulate --seeds $(SIMULATE) --faults catalogue --play some --venues backpack,lighter
	$(BIN)/eagle simulate --seeds $(SIMULATE) --faults catalogue --play one --venues backpack
	$(BIN)/eagle simulate hedger --seeds $(SIMULATE) --faults catalogue --play some

campaign: $(DEV_READY)
	$(BIN)/python tests/simulated_campaign.py

soak: $(DEV_READY)
	$(BIN)/python tests/simulated_campaign.py soak $(SOAK)

matrix: $(DEV_READY)
	$(BIN)/eagle simulate --seeds $(MATRIX) --faults catalogue --play both --rounds 4 --venues backpack,lighter --matrix --exposure

planted: $(DEV_READY)
	$(BIN)/python tests/planted_campaign.py $(PLANTED)

storms: $(DEV_READY)
	$(BIN)/python tests/storm_campaign.py $(STORMS)

kills: $(DEV_READY)
	$(BIN)/eagle simulate --seeds $(KILLS) --faults tests/death_faults.yaml --rounds 2 --venues backpack

hedger: $(DEV_READY)
	$(BIN)/python tests/hedger_campaign.py $(HEDGER)

stops: $(DEV_READY)
	$(BIN)/python tests/stop_campaign.py $(STOPS)

sigkills: $(DEV_READY)
	$(BIN)/python tests/sigkill_campaign.py $(SIGKILLS)

bench: $(DEV_READY)
	@set -e; for name in $(BENCHES); do echo "== bench/$$name.py"; $(PY) bench/$$name.py; done
	@echo "== bench/quotes.py"; $(BIN)/python bench/quotes.py $(MARKETS)

# An environment for each client: their needs clash with ours and with each other's.
PEERS := binance_connector binance_usds bpx ccxt lighter okx
PEER_VENVS := $(PEERS:%=build/peers/%/ready)

build/peers/%/ready: peers/%.txt
	@echo "making build/peers/$*"
	@"$(PYTHON)" -m venv --clear build/peers/$*
	@build/peers/$*/bin/pip install --quiet --disable-pip-version-check -r peers/$*.txt
	@touch $@

peers: $(DEV_READY) $(PEER_VENVS)
	@$(BIN)/python peers/run.py

# The sources of .venv and the wheel of .venv-fast must trade alike: bench/compiled.py compares their journals.
fast: $(FAST_READY)
	$(BIN)/python bench/compiled.py --runs 0
	@echo "the compiled program is $(FAST_VENV)/bin/eagle; make bench PY=$(FAST_VENV)/bin/python measures it"

# The tests that compare the pages also write them; read the difference before committing it.
docs: $(DEV_READY)
	@EAGLE_WRITE_GOLDEN=1 $(BIN)/pytest -q tests/test_generated_pages.py
	@EAGLE_WRITE_GOLDEN=1 $(BIN)/pytest -q tests/test_broken_flows.py -k page_of_findings

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	    echo "make: no interpreter '$(PYTHON)'; install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; \
	v >= (3, 11) or sys.exit("make: Python 3.11 or newer is needed, $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % (v[0], v[1]))'
	@echo "making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear $(VENV) || { \
	    rm -rf $(VENV); echo "make: '$(PYTHON) -m venv' failed; on Debian and Ubuntu install python3-venv" >&2; exit 1; }

$(RUN_READY): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing the locked dependencies (requirements.lock)"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL_PROJECT)
	@touch $@

$(DEV_READY): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "installing the locked dependencies (requirements-dev.lock)"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@$(INSTALL_PROJECT)
	@touch $@

$(FAST_READY): $(DEV_READY) .ci/compiled_wheel.py $(wildcard engine/*/*.py exchanges/*.py cli/*.py flows/* schemas/*)
	@echo "compiling the hot path with mypyc (a minute or two)"
	@$(BIN)/python .ci/compiled_wheel.py build/fast
	@"$(PYTHON)" -m venv --clear $(FAST_VENV)
	@$(FAST_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(FAST_VENV)/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps build/fast/*.whl
	@touch $@

# The second compile is constrained by the first, so that both locks name the same versions.
PIP_COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(LOCK_VENV)/bin/pip-compile --quiet --upgrade --allow-unsafe \
	--generate-hashes --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --all-build-deps

lock:
	"$(PYTHON)" -m venv --clear $(LOCK_VENV)
	$(LOCK_VENV)/bin/pip install --quiet --disable-pip-version-check "pip-tools>=7.5,<8"
	$(PIP_COMPILE) --output-file requirements.lock pyproject.toml
	$(PIP_COMPILE) --extra dev --extra diagram --extra notify --extra report --constraint requirements.lock \
	    --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) $(FAST_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
