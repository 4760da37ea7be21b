"""A Keras file of one backend on the other backends."""

import json

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
