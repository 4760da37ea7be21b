"""Inputs and weights of layers by name and their oracle cases, in NumPy, for every backend."""

import numpy as np

from tests.evonorm_tf import oracle

BATCH_STATISTICS = ("moving_mean", "moving_variance", "moving_second_moment")
# Table 7's broken variants divide by v1 * x + a root, which may be next to zero; their
# output is compared where it is well-conditioned, for positive x and v1.
DENOMINATOR_CROSSES_ZERO = ("b0_no_global", "b0_max_to_add")


def relative_error(actual, expected, scale=1e-30):
    """Largest deviation, relative to the largest expected magnitude, at least `scale`."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    return np.max(np.abs(actual - expected)) / max(np.max(np.abs(expected)), scale)


def weights_by_name(layer):
    """A layer's weights as a dict, whichever way this Keras names them."""
    return {weight.name.split("/")[-1].split(":")[0]: weight for weight in layer.weights}


def randomize(layer, seed=0):
    rng = np.random.default_rng(seed)
    values = {}
    for key, weight in sorted(weights_by_name(layer).items()):
        if key.startswith(("moving_variance", "moving_second_moment")):
            value = rng.uniform(0.5, 2.0, weight.shape)
        elif key == "v1":  # of a graph with DENOMINATOR_CROSSES_ZERO
            value = rng.uniform(0.5, 1.5, weight.shape)
        else:
            value = rng.normal(size=weight.shape) + (0.0 if "mean" in key else 0.5)
        weight.assign(value.astype(np.float32))
        values[key] = value.astype(np.float32).astype(np.float64)
    return values


def data(shape, seed=1, scale=1.5, offset=0.3):
    values = np.random.default_rng(seed).normal(size=shape) * scale + offset
    return values.astype(np.float32)


def feature_map(name, shape, **kwargs):
    x = data(shape, **kwargs)
    return np.abs(x) if name in DENOMINATOR_CROSSES_ZERO else x


def case(x, values, training, groups=None):
    x = np.asarray(x, np.float64)
    vectors = {key: value for key, value in values.items() if key not in BATCH_STATISTICS}
    moving = {key: value for key, value in values.items() if key in BATCH_STATISTICS}
    return oracle.Case(x, vectors, moving=None if training else moving, groups=groups)
