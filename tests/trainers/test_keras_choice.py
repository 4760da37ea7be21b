"""Importing `trainers` selects Keras 2 where tf-models-official is, unless that is decided."""

import os
import subprocess
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


def test_the_choice_of_an_imported_tensorflow_stays(installed):
    installed("official", "tf_keras", tensorflow=KERAS_2)
    keras_choice.choose()
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    installed("official", "tf_keras", tensorflow=KERAS_3)
    keras_choice.choose()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"
    assert not keras_choice.has_official()


@pytest.mark.slow
def test_a_process_that_is_started_has_the_same_keras():
    """As in a notebook, whose imports a worker does not repeat."""
    script = """
import multiprocessing
import tensorflow
from trainers import keras_choice
with multiprocessing.get_context("spawn").Pool(1) as pool:
    print(keras_choice.is_keras_2(), pool.apply(keras_choice.is_keras_2))
"""
    free = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=free, capture_output=True, text=True, check=False)
    assert done.stdout == "False False\n", done.stderr


def test_what_needs_tf_models_official_says_so(installed):
    installed("official", tensorflow=KERAS_3)
    with pytest.raises(TrainersError, match=r"detection needs .* TF_USE_LEGACY_KERAS=1"):
        keras_choice.require_official("detection")
    installed(tensorflow=KERAS_2)
    with pytest.raises(TrainersError, match=r"detection needs .* not installed"):
        keras_choice.require_official("detection")
    installed("official", tensorflow=KERAS_2)
    keras_choice.require_official("detection")
