"""A Keras file of one backend on the other backends."""

import json
import os
import subprocess
import sys

import pytest

from tests.backends import cases
from tests.backends.test_conformance import labelled
from tests.evonorm_tf.layer_values import relative_error

# Results differ by the order of float32 sums.
TOLERANCE = {"float32": 1e-6, "float64": 1e-9}


@pytest.mark.parametrize(("saved", "loaded"), cases.PAIRS)
@labelled(cases.IN_FILES)
def test_a_file_gives_the_same_results(results, loaded_results, chosen, saved, loaded):
    original, found = results(chosen, saved), loaded_results(chosen, saved, loaded)
    assert list(found) == list(original)
    for name, value in original.items():
        # Moving averages are float32 in layers of every dtype.
        tolerance = TOLERANCE[str(value.dtype)]
        assert found[name].dtype == value.dtype
        assert relative_error(found[name], value) <= tolerance, name
        if name.startswith("before "):
            assert (found[name] == value).all(), name


@labelled(cases.IN_FILES)
def test_configurations_are_equal(folder, chosen):
    first, *others = (
        json.loads((folder / f"{chosen.label()}.{backend}.json").read_text())
        for backend in cases.BACKENDS
    )
    for other in others:
        assert _without_name(other) == _without_name(first)


def _without_name(config):
    """Names are numbered: each backend has made as many layers, so they agree in files alone."""
    return {key: value for key, value in config.items() if key != "name"}


LOADING = """
import sys
import keras
import evonorm_tf
layers = keras.models.load_model(sys.argv[1]).layers
assert type(layers[-1]) is evonorm_tf.EvoNormB0, layers
assert "tensorflow" not in sys.modules
"""


def test_loading_needs_only_the_import_after_keras(folder):
    chosen = next(one for one in cases.IN_FILES if one.name == "evonorm_b0")
    path = folder / f"{chosen.label()}.tensorflow.keras"
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    command = [sys.executable, "-c", LOADING, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
