"""One strategy of two replicas for all tests of a process."""

import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def strategy():
    """TensorFlow numbers the collectives of each strategy anew, but keeps them per process:

    a second strategy's sum fails where the first had another data type under its number.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
