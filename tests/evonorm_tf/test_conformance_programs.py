"""The conformance suite once more, with every training pass in XLA programs."""

import pytest

from evonorm_tf import programs
from tests.evonorm_tf.test_conformance import *  # noqa: F403

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _everywhere(monkeypatch):
    monkeypatch.setattr(programs, "_LEAST_ELEMENTS", 1)
