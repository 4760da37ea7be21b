"""Fixtures of the tests of layers: a strategy of two replicas, programs of XLA, compiled code."""

import pytest


@pytest.fixture(scope="session")
def strategy():
    """TensorFlow numbers the collectives of each strategy from 0, but keeps them per process:

    a second strategy's sum fails where the first had another data type under its number.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture
def no_cpu_kernel(monkeypatch):
    """No layer runs as compiled C code."""
    monkeypatch.setenv("EVONORM_CPU_KERNEL", "0")


@pytest.fixture
def all_sizes_in_programs(monkeypatch, no_cpu_kernel):
    """Small inputs run in XLA programs too."""
    from evonorm_tf.xla_cpu import programs

    monkeypatch.setattr(programs, "_LEAST_ELEMENTS", 1)


def pytest_collection_modifyitems(items):
    """The conformance suite in programs: a layer of each kind before a merge, two elsewhere."""
    from tests.evonorm_tf.layer_cases import EVERYDAY

    for item in items:
        if item.path.name == "test_conformance_programs.py":
            name = item.callspec.params["name"]
            if name not in EVERYDAY:
                item.add_marker(pytest.mark.nightly)
            if name not in ("evonorm_b0", "evonorm_s0"):
                item.add_marker(pytest.mark.one_environment)
