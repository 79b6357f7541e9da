# `make demo` and `make test` on a fresh machine; the rest is for those who work here. `make help` lists the targets.

PYTHON ?= python3
VENV := $(or $(DERMEDGE_VENV),.venv)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dermedge
WORKSHOP := $(CACHE)/workshop
BIN := $(VENV)/bin
PARTS ?= core
FRAMES ?= 300

.DEFAULT_GOAL := help
.PHONY: help demo test test-heavy lint lint-style lint-types lint-imports bench packages environment workshop onnx-environment tflite-environment mediapipe-environment boards-environment train export evaluate converter-table screenshots chaos clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## environment, install, and the whole sentence in one room, on drawn skin
	$(BIN)/dermedge demo $(ARGS)

test: python  ## environment, install, and all core tests with minutes per part
	$(PYTHON) .ci/parts.py $(PARTS)

test-heavy: python  ## the tests that need TensorFlow, PyTorch, MediaPipe, tflite-runtime or Node.js, in environments of their own
	$(PYTHON) .ci/parts.py heavy

lint: lint-style lint-types lint-imports  ## ruff, mypy --strict, import-linter

lint-style: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

lint-types: $(VENV)/.dev
	$(BIN)/mypy

lint-imports: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/lint-imports --no-cache

bench: $(VENV)/.demo  ## each stage on this machine: p50, p90, p99
	$(BIN)/dermedge bench stages $(ARGS)

train: workshop  ## the reference detector from ../shared/data (DERMEDGE_DATA names another folder)
	PYTHONPATH=. $(WORKSHOP)/bin/python -m models.train $(ARGS)

export: workshop  ## the trained detector as the int8 bundle in edge/bundles
	PYTHONPATH=. $(WORKSHOP)/bin/python -m models.export $(ARGS)

evaluate: workshop  ## the figures of the card
	PYTHONPATH=. $(WORKSHOP)/bin/python -m models.evaluate $(ARGS)

converter-table: workshop onnx-environment  ## docs/converter.md's tables from real models; hours on two cores
	PYTHONPATH=. $(WORKSHOP)/bin/python -m benchmarks.converters run $(ROWS)
	PYTHONPATH=. $(WORKSHOP)/bin/python -m benchmarks.converters routes
	PYTHONPATH=. $(WORKSHOP)/bin/python -m benchmarks.converters page

screenshots: $(VENV)/.dev packages  ## docs/images from a running demo
	PYTHONPATH=. $(BIN)/python -m tests.screenshots $(ARGS)

chaos: $(VENV)/.dev packages  ## ten thousand kills, power cuts, packet loss, a field day: docs/delivery.md; resumable
	PYTHONPATH=. $(BIN)/python -m tests.faults.chaos $(ARGS)

clean:  ## what was built here; trained models and the workshop's environment stay
	rm -rf build/lib build/bdist.* dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@if [ -e $(VENV)/.ours ]; then rm -rf $(VENV); fi

# ---- environments

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "expected Python 3.11 or newer as $(PYTHON), got $$($(PYTHON) -V); try make PYTHON=python3.12" >&2; exit 1; }

# Made anew when setup.cfg changes, unless it was not made here: then it is only brought up to date.
$(VENV)/.made: setup.cfg | python
	@if [ ! -x $(BIN)/python ] || [ -e $(VENV)/.ours ]; then \
	  $(PYTHON) -m venv --clear $(VENV) && touch $(VENV)/.ours || \
	  { echo "expected Python's venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }; fi
	touch $@

$(VENV)/.demo: $(VENV)/.made
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --editable '.[demo,dev]'
	touch $@

environment: $(VENV)/.dev  ## the environment that the core tests run in

# What the tests need from the system: a broker, a browser, Chinese letters.
packages:  ## Debian's mosquitto, chromium and fonts-noto-cjk, where they are missing
	@sh .ci/packages

# On Linux the plain torch of a package index may be a CUDA build of several GB; PIP_EXTRA_INDEX_URL can name an index
# that has the CPU build.
workshop: python  ## TensorFlow and PyTorch, in an environment outside the clone
	@sh .ci/workshop "$(PYTHON)" "$(WORKSHOP)"

# A subprocess of the converter; what it pins does not go with the workshop's TensorFlow and numpy.
onnx-environment: python  ## onnx2tf and ONNX Runtime, in an environment outside the clone; Python 3.11 or 3.12
	@$(PYTHON) .ci/parts.py requirements onnx | \
	  sh .ci/environment "$(PYTHON)" "$(CACHE)/onnx" 'import onnx, onnx2tf, onnxruntime, tensorflow'

# The second engine, beside the oldest versions that setup.cfg allows of everything else.
tflite-environment: python  ## tflite-runtime, in an environment outside the clone; Python 3.11 only
	@$(PYTHON) .ci/parts.py oldest runtime tflite test | grep -v '^ai-edge-litert' | \
	  sh .ci/environment "$(PYTHON)" "$(CACHE)/tflite" 'import tflite_runtime.interpreter, cv2, pytest'

# MediaPipe brings an OpenCV of its own under the same name.
mediapipe-environment: python  ## MediaPipe, in an environment outside the clone
	@$(PYTHON) .ci/parts.py requirements runtime mediapipe test | grep -v '^opencv-python-headless' | \
	  sh .ci/environment "$(PYTHON)" "$(CACHE)/mediapipe" 'import mediapipe, ai_edge_litert.interpreter, cv2, pytest'

# What our messages and files are put to in tests. Node-RED 5 needs a newer Node.js than Debian's.
boards-environment: python  ## Node-RED and AsyncAPI's parser, in an environment outside the clone; Node.js 18.5 or newer
	@$(PYTHON) .ci/parts.py requirements hub test | \
	  sh .ci/environment "$(PYTHON)" "$(CACHE)/boards" 'import nicegui, paho.mqtt.client, pytest'
	@sh .ci/npm "$(CACHE)/boards" node-red@4.1.8 @asyncapi/parser@3.6.6
