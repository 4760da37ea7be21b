"""One trained GAN for all tests of a process."""

import pytest

from tests.trainers.gan import tiny
from trainers import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A model folder after four steps, its configuration, and the metrics of its evaluation."""
    folder = str(tmp_path_factory.mktemp("trained"))
    params = tiny.config("evonorm_b0")
    return folder, params, train.run(params, "train_and_eval", folder)
