"""Every registered layer on every backend against its float64 oracle."""

import numpy as np
import pytest

from tests.backends import cases
from tests.evonorm_tf import oracle
from tests.evonorm_tf.layer_values import BATCH_STATISTICS, case, relative_error

# In float32 the rounding of some ten operations; in float64 the weights alone are rounded before.
TOLERANCE = {"float32": 1e-5, "float64": 1e-9}

each_backend = pytest.mark.parametrize("backend", cases.BACKENDS)


def labelled(chosen):
    return pytest.mark.parametrize("chosen", chosen, ids=cases.Case.label)


def expected(chosen, found, training):
    """The oracle after a run, and the layer's output by it."""
    layer = (oracle.LAYERS if chosen.nonlinearity else oracle.LINEAR)[chosen.name]
    values = {
        name.removeprefix("before "): value.astype(np.float64)
        for name, value in found.items()
        if name.startswith("before ")
    }
    x = np.moveaxis(chosen.inputs()[0], chosen.axis, -1)
    run = case(x, values, training, cases.GROUPS)
    return run, layer(run), layer


def channels_last(chosen, value):
    return np.moveaxis(value, chosen.axis, -1)


@each_backend
@labelled([*cases.NAMED, *cases.LINEAR, *cases.FLOAT64, *cases.CHANNELS_FIRST])
def test_output_gradients_and_moving_averages(results, backend, chosen):
    found = results(chosen, backend)
    run, y, layer = expected(chosen, found, training=True)
    assert found["training"].dtype == chosen.dtype
    assert relative_error(channels_last(chosen, found["training"]), y) < TOLERANCE[chosen.dtype]
    upstream = channels_last(chosen, chosen.upstream()).astype(np.float64)
    gradients = oracle.gradients(layer, run.x, run.vectors, upstream, cases.GROUPS)
    gradients["x0"] = np.moveaxis(gradients.pop("x"), -1, chosen.axis)
    assert {f"gradient {name}" for name in gradients} == {
        name for name in found if name.startswith("gradient ")
    }
    for name, gradient in gradients.items():
        actual = found[f"gradient {name}"]  # of a weight float32, in layers of every dtype
        assert relative_error(actual, gradient) < TOLERANCE[str(actual.dtype)], name
    moving = {name for name in BATCH_STATISTICS if f"after {name}" in found}
    assert moving == set(run.used)
    for name, value in run.used.items():
        moved = 0.9 * found[f"before {name}"].astype(np.float64) + 0.1 * value
        # The averages are float32 in layers of every dtype.
        assert relative_error(found[f"after {name}"], moved) < TOLERANCE["float32"], name


@each_backend
@labelled([*cases.NAMED, *cases.LINEAR, *cases.FLOAT64, *cases.CHANNELS_FIRST])
def test_output_in_inference(results, backend, chosen):
    found = results(chosen, backend)
    _, y, _ = expected(chosen, found, training=False)
    actual = channels_last(chosen, found["inference"])
    assert relative_error(actual, y) < TOLERANCE[chosen.dtype]


@pytest.mark.parametrize("backend", ["jax", "torch"])
@labelled([*cases.GRAPHS, *cases.PRIMITIVES, *cases.MASKED, *cases.LARGE_MEANS])
def test_equals_tensorflow(results, backend, chosen):
    found, on_tensorflow = results(chosen, backend), results(chosen, "tensorflow")
    assert found.keys() == on_tensorflow.keys()
    for name, value in on_tensorflow.items():
        tolerance = {"float32": 2e-6, "float64": 1e-9}[str(value.dtype)]
        assert relative_error(found[name], value) < tolerance, name


def test_every_oracle_is_a_case():
    assert {chosen.name for chosen in cases.NAMED} == set(oracle.LAYERS)
