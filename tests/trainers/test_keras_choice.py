"""Importing `trainers` selects Keras 2, or says why it cannot."""

import os
import sys
import types

import pytest

import trainers


def test_keras_3_imported_earlier_is_an_error(monkeypatch):
    keras = types.SimpleNamespace(version=lambda: "3.15.1")
    monkeypatch.setitem(sys.modules, "tensorflow", types.SimpleNamespace(keras=keras))
    with pytest.raises(ImportError, match="TF_USE_LEGACY_KERAS=1"):
        trainers._use_keras_2()


def test_keras_2_imported_earlier_is_fine(monkeypatch):
    tensorflow = types.SimpleNamespace(keras=types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    trainers._use_keras_2()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"


def test_tf_keras_is_selected_before_tensorflow_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    monkeypatch.setattr(trainers.importlib.util, "find_spec", lambda name: object())
    trainers._use_keras_2()
    assert os.environ.pop("TF_USE_LEGACY_KERAS") == "1"


@pytest.mark.parametrize(("version", "fails"), [((2, 15), False), ((2, 20), True)])
def test_without_tf_keras(monkeypatch, version, fails):
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(trainers.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(trainers, "_tensorflow_version", lambda: version)
    if fails:
        with pytest.raises(ImportError, match="install tf-keras"):
            trainers._use_keras_2()
    else:
        trainers._use_keras_2()
