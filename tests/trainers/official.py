"""What needs tf-models-official."""

import pytest

from trainers import keras_choice

needs_official = pytest.mark.skipif(
    not keras_choice.has_official(), reason="needs tf-models-official"
)
