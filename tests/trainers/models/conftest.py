"""Dtype policies of the tests of networks."""

import pytest
import tensorflow as tf


@pytest.fixture
def _float64():
    tf.keras.mixed_precision.set_global_policy("float64")
    yield
    tf.keras.mixed_precision.set_global_policy("float32")
