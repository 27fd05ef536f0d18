# The course's commands. `make lab` and `make test` first make what they need.
# Variables: PYTHON=/path/to/python3.12, TORCH=cpu|default, ARGS="arguments passed on",
# GPT2_VOCAB=folder with GPT-2's vocab.json and merges.txt, FILES="chapters/01_tokenizer.ipynb".

PYTHON ?= python3
TORCH ?= auto
ARGS ?=
GPT2_VOCAB ?=
FILES ?= $(filter-out %.new.ipynb,$(sort $(wildcard chapters/*.ipynb)))
# PyTorch's own index of CPU builds: Linux without a GPU takes torch from there.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

VENV_PYTHON := .venv/bin/python
VOCAB := $(if $(GPT2_VOCAB),--gpt2-vocab="$(GPT2_VOCAB)")
# Two workers on two cores: more threads would only get in each other's way.
PYTEST := OMP_NUM_THREADS=1 $(VENV_PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	$(VOCAB) $(ARGS)
ENVIRONMENT := pyproject.toml constraints.txt lab/make_environment.py
MAKE_ENVIRONMENT := "$(PYTHON)" lab/make_environment.py --torch $(TORCH) \
	--cpu-index $(TORCH_CPU_INDEX)

# An environment whose folder was moved or copied points to the old place: make it again.
ifneq ($(shell cat .venv/made-in 2>/dev/null),$(CURDIR))
ENVIRONMENT += moved
endif

.PHONY: help lab book bench test test-full test-gpu lint chapters stubs nano-artifacts clean moved

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' Makefile

lab: .venv/lab.stamp  ## open the course in JupyterLab
	@$(VENV_PYTHON) -m phi1_lib.course.lab $(ARGS)

book: .venv/dev.stamp  ## the chapters as a web site in build/book
	@$(VENV_PYTHON) -m book $(ARGS)

test: lint  ## everything but the long tests: lint, units, graders, chapters, smoke
	@$(PYTEST)

test-full: lint  ## also the nano chain (minutes more)
	@$(PYTEST) -m "not gpu"

test-gpu: .venv/dev.stamp  ## the tests that need a CUDA GPU; keeps their outcome
	@$(VENV_PYTHON) -m pytest -m gpu -p tests.gpu_record $(VOCAB) $(ARGS)

lint: .venv/dev.stamp  ## check the style and the layout of the code
	@$(VENV_PYTHON) -m ruff check --quiet .
	@$(VENV_PYTHON) -m ruff format --check .

chapters: .venv/lab.stamp  ## execute the chapters and write their outputs
	@$(VENV_PYTHON) -m phi1_lib.course.notebooks $(ARGS) $(FILES)

stubs: .venv/lab.stamp  ## write exercises/ from solutions/ (never over answers)
	@$(VENV_PYTHON) -m phi1_lib.course.stubs $(ARGS)

bench: .venv/dev.stamp  ## the benchmarks, one after the other (two hours, about; on a quiet machine)
	@for script in $(filter-out benchmarks/record.py,$(wildcard benchmarks/*.py)); do \
		case $$script in benchmarks/token*) set -- $(if $(GPT2_VOCAB),"--gpt2=$(GPT2_VOCAB)");; *) set --;; esac; \
		$(VENV_PYTHON) $$script "$$@" >/dev/null && echo "$$script: see benchmarks/results" || exit 1; done

nano-artifacts: .venv/lab.stamp  ## train nano again and replace the weights that ship
	rm -rf runs/nano-artifacts
	$(VENV_PYTHON) -m phi1_lib.shipped runs/nano-artifacts "$$(git describe --always --dirty)"

clean:  ## remove the environment and caches; runs/ and answers stay
	rm -rf .venv .lab .pytest_cache .ruff_cache .hypothesis build phi1.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/lab.stamp: $(ENVIRONMENT)
	@$(MAKE_ENVIRONMENT)
	@touch $@

.venv/dev.stamp: $(ENVIRONMENT)
	@$(MAKE_ENVIRONMENT) --extras dev
	@touch .venv/lab.stamp $@
