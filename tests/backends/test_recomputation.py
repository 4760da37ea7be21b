"""In `keras.RematScope`, layers without moving averages keep their input alone."""

import numpy as np
import pytest

from tests.backends.cases import REMAT_MODES, WITHOUT_AVERAGES
from tests.evonorm_tf.layer_values import relative_error

BACKENDS = ("jax", "torch")


@pytest.fixture(scope="module")
def recomputed(workers):
    """(name, backend) -> the results with and without recomputation."""
    workers.run("recomputation", "compute", BACKENDS)

    def read(name, backend):
        for mode in REMAT_MODES:
            with np.load(workers.folder / f"{name}.{mode}.{backend}.npz") as file:
                yield dict(file)

    return read


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", WITHOUT_AVERAGES)
def test_the_input_alone_is_kept_and_numbers_are_the_same(recomputed, name, backend):
    again, plain = recomputed(name, backend)
    assert 1 <= again.pop("kept") < 1.2 and plain.pop("kept") > 2
    assert again.keys() == plain.keys() and len(plain) >= 4  # output, x, gamma, beta
    for key, value in plain.items():
        assert relative_error(again[key], value) < 1e-6, key
