"""One strategy of two replicas for all tests of a process."""

import pytest


@pytest.fixture(scope="session")
def strategy():
    """TensorFlow numbers the collectives of each strategy anew, but keeps them per process:

    a second strategy's sum fails where the first had another data type under its number.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def pytest_collection_modifyitems(items):
    """The conformance suite in programs: a layer of each kind before a merge, two elsewhere."""
    from tests.evonorm_tf.test_conformance import EVERYDAY

    for item in items:
        if item.path.name == "test_conformance_programs.py":
            name = item.callspec.params["name"]
            if name not in EVERYDAY:
                item.add_marker(pytest.mark.nightly)
            if name not in ("evonorm_b0", "evonorm_s0"):
                item.add_marker(pytest.mark.one_environment)
