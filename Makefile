# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# torch first and pinned, so that pip takes a CPU build where the machine's pip is set up to find one.
TORCH := torch==2.13.0

.PHONY: demo test lint clean

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q -c constraints.txt -e ".[all,examples]"
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/pip install -q -c constraints.txt -e ".[test]"
# In a folder of its own: converters would import it where they find it. Tests of `--reference tensorflow` look here.
	$(BIN)/pip install -q -c constraints.txt --upgrade --target $(VENV)/tensorflow tensorflow
	touch $@

demo: $(VENV)/.demo
	$(BIN)/edgekit export examples/digits_mobilenet.py --recipe pixel-8-cpu-int8 -o dist/digits

lint: $(VENV)/.test
	$(BIN)/ruff check edgekit tests examples benchmarks android_demo/ci
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.test lint
	$(BIN)/edgekit doctor --setup emulator
	$(BIN)/python tests/measure/daemons.py
	PYTHON=$(BIN)/python android_demo/ci/build.sh --setup
# A file a worker: what its tests share is made once.
	$(BIN)/pytest -n 2 --dist loadfile

clean:
	rm -rf $(VENV) dist build .cache
