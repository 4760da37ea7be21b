"""The package imports without TensorFlow; models load all the same, whatever comes first."""

import importlib
import subprocess
import sys

import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import keras_registration

WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # an import of it fails
import evonorm_tf as en
from evonorm_tf import files, registry
from evonorm_tf.graph import drawing, formula, graph_json, layer_graph, ops
assert en.LayerGraph is layer_graph.LayerGraph and en.registry is registry
assert "evonorm_b0" in en.names() and registry.graph("evonorm_b0").formula()
assert {"EvoNormB0", "convert_model", "layers"} <= set(dir(en))
for name in ("EvoNormB0", "norm_act_factory", "layers"):
    try:
        getattr(en, name)
    except ImportError as error:
        assert "tensorflow" in str(error)
    else:
        raise AssertionError(name)
"""
LOADING = """
import sys
import evonorm_tf
assert "tensorflow" not in sys.modules
import tensorflow as tf
for path in sys.argv[1:]:
    names = [type(layer).__name__ for layer in tf.keras.models.load_model(path).layers]
    assert names[1:] == ["EvoNormS0", "GraphLayer"], names
"""


def _run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_graphs_and_names_need_no_tensorflow():
    _run(WITHOUT_TENSORFLOW)


def test_a_model_loads_when_tensorflow_is_imported_last(tmp_path):
    inputs = tf.keras.Input((4, 4, 8))
    outputs = en.get("random", groups=4)(en.EvoNormS0(groups=4)(inputs))
    paths = [tmp_path / "model.keras", tmp_path / "model.h5"]
    for path in paths:
        tf.keras.Model(inputs, outputs).save(path)
    _run(LOADING, *paths)


def test_names_that_do_not_exist():
    with pytest.raises(AttributeError, match="'evonorm_tf' has no attribute 'EvoNormB3'"):
        en.EvoNormB3  # noqa: B018
    with pytest.raises(ImportError):
        from evonorm_tf import evonorm_b0  # noqa: F401


@pytest.mark.parametrize("first", ["tensorflow", "keras", "own"])
def test_the_layers_wait_for_the_last_import_under_way(tmp_path, monkeypatch, first):
    """Each stand-in imports the others, and the layers fail where one is half imported."""
    names = {name: f"{name}_if_{first}_is_first" for name in ("tensorflow", "keras", "own")}
    tensorflow, keras, own = names.values()
    sources = {
        tensorflow: f"import {keras}\nready = True",
        keras: f"import {tensorflow}\nready = True",
        own: f"import {tensorflow}\nready = True",
        f"layers_{first}": f"from {own} import ready\nfrom {tensorflow} import ready\n"
        f"from {keras} import ready",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(keras_registration, "_TENSORFLOW", tensorflow)
    monkeypatch.setattr(keras_registration, "_KERAS", (keras,))
    monkeypatch.setattr(keras_registration, "_LAYERS", f"layers_{first}")
    keras_registration.follow_keras([own])
    assert f"layers_{first}" not in sys.modules
    importlib.import_module(names[first])
    assert f"layers_{first}" in sys.modules
