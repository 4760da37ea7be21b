"""Settings of every test run: two threads, two logical devices, repeatable Hypothesis."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, print_blob=True, max_examples=50
)
hypothesis.settings.load_profile("repeatable")


def pytest_configure(config):
    """Sets TensorFlow up where tests run; the process that hands them out needs none."""
    hands_out = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if not hands_out:
        _set_up_tensorflow()


def _set_up_tensorflow():
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(2)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    # Two replicas on one machine, for MirroredStrategy; must precede the first operation.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


# The longest, which as the last would leave one of two processes idle.
_FIRST = (
    "test_kill.py",
    "test_whole_runs.py",
    "test_trained.py",
    "test_programs.py",
    "test_program_cache.py",
    "test_conformance.py",
    "test_conformance_dtypes.py",
    "test_conformance_programs.py",
    "test_convert_applications.py",
    "test_distribution.py",
    "test_resume.py",
    "test_serialization.py",
    "test_final.py",
    "test_stages.py",
)


def pytest_collection_modifyitems(items):
    """The longest first."""
    items.sort(key=lambda item: item.path.name not in _FIRST)


@pytest.fixture(autouse=True)
def _fixed_seeds():
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
