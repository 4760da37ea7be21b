"""An example's output is bit by bit the same, whatever it is in a batch with."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.test_empty_batches import randomized

SHAPE = (5, 16, 12, 32)
OF_EXAMPLES = [
    *("evonorm_s0", "evonorm_s1", "evonorm_s2"),
    *("gn_relu", "gn_silu", "ln_relu", "pixelnorm_relu", "frn"),
]
OF_BATCHES = ["evonorm_b0", "evonorm_b1", "evonorm_b2", "bn_relu", "bn_silu"]


def images():
    return np.random.default_rng(3).normal(0.5, 2.0, SHAPE).astype(np.float32)


def output(name, x, traced=False):
    """In inference: there batches share no statistics."""
    layer = randomized(en.get(name), SHAPE[1:])
    run = tf.function(layer, autograph=False) if traced else layer
    return run(tf.constant(x)).numpy()


@pytest.mark.one_environment
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", OF_EXAMPLES + OF_BATCHES)
def test_batch_and_place_change_no_bit(name, traced):
    x, order = images(), [3, 0, 4, 1, 2]
    whole = output(name, x, traced)
    np.testing.assert_array_equal(output(name, x[order], traced), whole[order])
    for i in range(len(x)):
        np.testing.assert_array_equal(output(name, x[i : i + 1], traced)[0], whole[i])


@pytest.mark.slow
@pytest.mark.one_environment
def test_threads_change_no_bit(tmp_path):
    for threads in (1, 4):
        command = [sys.executable, "-m", __name__, str(threads), str(tmp_path / f"{threads}.npz")]
        subprocess.run(command, check=True, cwd=pathlib.Path(__file__).parents[2])
    one, four = (np.load(tmp_path / f"{threads}.npz") for threads in (1, 4))
    assert len(one.files) == len(OF_EXAMPLES + OF_BATCHES)
    for name in one.files:
        np.testing.assert_array_equal(one[name], four[name], err_msg=name)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    large = np.concatenate([images()] * 8)
    np.savez(sys.argv[2], **{name: output(name, large) for name in OF_EXAMPLES + OF_BATCHES})
