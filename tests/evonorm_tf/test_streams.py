"""Which layers compute a signal's output before its end is known (docs/devices.md)."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en

_EACH_PLACE = {"bn_relu", "bn_silu", "pixelnorm_relu"}
_WHOLE_SIGNAL = {
    *(f"evonorm_{kind}{number}" for kind in "bs" for number in range(3)),
    *("gn_relu", "gn_silu", "ln_relu", "frn"),
}


@pytest.mark.parametrize("name", sorted(_EACH_PLACE | _WHOLE_SIGNAL))
def test_what_comes_later_changes_the_output(name):
    layer = en.get(name)
    start, rest = (tf.random.stateless_normal((1, 20, 8), (seed, 1), 0.5, 2.0) for seed in (1, 2))
    of_start = layer(start)
    of_both = layer(tf.concat([start, rest], 1))[:, :20]
    assert np.allclose(of_start, of_both, atol=1e-6) == (name in _EACH_PLACE)
