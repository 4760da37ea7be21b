"""Of the conformance suite what trains in float32, once more with every pass in XLA programs."""

import pytest

from tests.evonorm_tf.layer_cases import NAMES
from tests.evonorm_tf.test_conformance import (  # noqa: F401  (pytest collects them here too)
    check_training,
    test_constant_channel,
    test_gradient_reaches_every_trainable_weight,
    test_linear_form,
    test_rank_three_and_five_equal_rank_four,
    test_small_inputs,
)
from tests.evonorm_tf.test_conformance_dtypes import (  # noqa: F401
    test_float32_input_beyond_float16_under_a_float16_policy,
    test_large_float16_input_leaves_statistics_finite,
    test_large_mean_does_not_cancel_the_variance,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("all_sizes_in_programs")]


# Each number of channels is two programs to compile.
@pytest.mark.parametrize("channels", [1, 7, 48])
@pytest.mark.parametrize("name", NAMES)
def test_training_output_gradients_and_moving_statistics(name, channels):
    check_training(name, channels)
