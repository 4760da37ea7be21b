"""Importing `trainers` selects Keras 2 where tf-models-official is, unless that is decided."""

import os
import sys
import types

import pytest

from trainers import keras_choice
from trainers.errors import TrainersError

KERAS_2 = types.SimpleNamespace(keras=types.SimpleNamespace())
KERAS_3 = types.SimpleNamespace(keras=types.SimpleNamespace(version=lambda: "3.15.1"))


@pytest.fixture
def installed(monkeypatch):
    """Sets what is installed, and whether TensorFlow has been imported."""

    def install(*packages, tensorflow=None):
        monkeypatch.delitem(sys.modules, "tensorflow")
        monkeypatch.setattr(keras_choice, "_installed", packages.__contains__)
        if tensorflow is not None:
            monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)

    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "")  # so that it is restored
    monkeypatch.delenv("TF_USE_LEGACY_KERAS")
    return install


def test_keras_2_is_selected_for_tf_models_official(installed):
    installed("official", "tf_keras")
    keras_choice.choose()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "1"


@pytest.mark.parametrize("packages", [(), ("tf_keras",), ("official",)])
def test_nothing_is_selected_without_it(installed, packages):
    installed(*packages)
    keras_choice.choose()
    assert "TF_USE_LEGACY_KERAS" not in os.environ


def test_a_choice_of_the_user_stays(installed, monkeypatch):
    installed("official", "tf_keras")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    keras_choice.choose()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"


def test_nothing_is_selected_once_tensorflow_is_imported(installed):
    installed("official", "tf_keras", tensorflow=KERAS_3)
    keras_choice.choose()
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    assert not keras_choice.has_official()


def test_what_needs_tf_models_official_says_so(installed):
    installed("official", tensorflow=KERAS_3)
    with pytest.raises(TrainersError, match=r"detection needs .* TF_USE_LEGACY_KERAS=1"):
        keras_choice.require_official("detection")
    installed(tensorflow=KERAS_2)
    with pytest.raises(TrainersError, match=r"detection needs .* not installed"):
        keras_choice.require_official("detection")
    installed("official", tensorflow=KERAS_2)
    keras_choice.require_official("detection")
