"""Layers that Keras computes again in the backward pass, and the same layers without it."""

import keras
import numpy as np

import evonorm_tf as en
from benchmarks import kept_arrays
from tests.backends import cases, gradients
from tests.evonorm_tf.layer_values import data, randomize

BACKEND = keras.backend.backend()
SHAPE = (2, 8, 8, 32)


def compute(folder):
    """Saves output, gradients, and the kept bytes as a multiple of the input's."""
    x, upstream = data(SHAPE, seed=1), data(SHAPE, seed=2)
    for name in cases.WITHOUT_AVERAGES:
        for mode in cases.REMAT_MODES:
            with keras.RematScope(mode=mode):
                layer = en.get(name)
            layer.build(SHAPE)
            randomize(layer)
            found = gradients.outputs_and_gradients(layer, [x], None, upstream)
            kept = kept_arrays.bytes_kept(layer, keras.ops.convert_to_tensor(x)) / x.nbytes
            np.savez(folder / f"{name}.{mode}.{BACKEND}.npz", *found, kept=kept)
