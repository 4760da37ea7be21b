"""Of the conformance suite what trains in float32, once more with every pass in XLA programs."""

import pytest

from evonorm_tf.xla_cpu import programs
from tests.evonorm_tf.test_conformance import (  # noqa: F401  (pytest collects them here too)
    NAMES,
    check_training,
    test_constant_channel,
    test_float32_input_beyond_float16_under_a_float16_policy,
    test_gradient_reaches_every_trainable_weight,
    test_large_float16_input_leaves_statistics_finite,
    test_large_mean_does_not_cancel_the_variance,
    test_linear_form,
    test_rank_three_and_five_equal_rank_four,
    test_small_inputs,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _everywhere(monkeypatch):
    monkeypatch.setattr(programs, "_LEAST_ELEMENTS", 1)


# Each number of channels is two programs to compile.
@pytest.mark.parametrize("channels", [1, 7, 48])
@pytest.mark.parametrize("name", NAMES)
def test_training_output_gradients_and_moving_statistics(name, channels):
    check_training(name, channels)
