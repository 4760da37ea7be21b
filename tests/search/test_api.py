"""The search for Python programs and notebooks."""

import json
import subprocess
import sys

import numpy as np
import pytest

import search
from search.api import given
from search.storage.store import Store
from tests.search import own_data
from tests.without_tensorflow import ROOT

# What a notebook's cell defines.
CELL = """
import tensorflow as tf

WIDTH = 4

def norm(norm_act, x):
    return norm_act(nonlinearity=True, name="first")(x)

def build(norm_act, num_classes, input_shape):
    inputs = tf.keras.Input(input_shape)
    x = norm(norm_act, tf.keras.layers.Conv2D(WIDTH, 3, use_bias=False)(inputs))
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(num_classes)(x))
"""
TINY = {
    "preset": "smoke",
    "workers": 1,
    "evaluation": {"steps": 10, "quality_steps": 5, "quality_ratio": 0.1, "batch_size": 8},
    "rerank": {"steps": 4, "seeds": 1},
    "method": {"max_candidates": None, "max_trained": 2},
}


def from_cell(text=CELL, name="build", number=1):
    """The function of a cell; IPython names the cell's file after its process and its text."""
    namespace = {"__name__": "__main__"}
    exec(compile(text, f"/tmp/ipykernel_{number}/{number}.py", "exec"), namespace)
    return namespace[name]


def importable():
    """A function that workers can import."""


def test_a_function_has_the_name_under_which_workers_import_it():
    assert given.name_of(importable) == f"{__name__}:importable"
    assert given.named({"anchors": ("resnet_small", importable)}) == {
        "anchors": ["resnet_small", f"{__name__}:importable"]
    }


def test_the_function_of_a_cell_keeps_its_name_until_it_changes():
    name = given.name_of(from_cell())
    assert name.startswith("search_given_") and name.endswith(":build")
    assert given.name_of(from_cell(number=2)) == name
    assert given.name_of(from_cell("\n\n" + CELL)) == name  # moved down in its cell
    others = [CELL.replace("4", "5"), CELL.replace('"first"', '"other"'), CELL.replace("3,", "5,")]
    names = {given.name_of(from_cell(other)) for other in others}
    assert len(names) == len(others) and name not in names


def test_the_name_is_the_same_in_another_process():
    program = f"{CELL.replace('import tensorflow as tf', 'import math as tf')}\n"
    program += "from search.api import given\nprint(given.name_of(build))"
    command = [sys.executable, "-c", program]
    done = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True) for _ in range(2)]
    first, second = (one.stdout for one in done)
    assert first.startswith("search_given_") and first == second


WRONG = {
    "no field": ({"evaluation": {"step": 5}}, "the configuration has no field evaluation.step"),
    "a value": ({"evaluation": {"steps": "few"}}, "evaluation.steps cannot be 'few'"),
    "minutes": ({"minutes": -1}, "method.max_minutes cannot be -1"),
    "a preset": ({"preset": "paper"}, "--preset must be one of demo"),
    "a layer": ({"anchors": ["vgg"]}, "evaluation.anchors cannot be 'vgg': it is one of"),
    "no function": ({"anchors": [int]}, "must be a function, or module:function. Received: <class"),
    "three arrays": ({"data": (1, 2, 3)}, "data must be (x_train, y_train) or"),
    "objects": ({"data": ([object()], [0])}, "x_train must be numbers. Received: object"),
    "labels": (
        {"data": (own_data.arrays()[0], own_data.arrays()[1] + 1)},
        "evaluation.data cannot be the arrays: the labels of y_train must count the classes from 0",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=list(WRONG))
def test_what_cannot_be_used_makes_no_folder(tmp_path, arguments, message):
    with pytest.raises(search.SearchError) as refused:
        search.run(**{"preset": "smoke", "run_dir": tmp_path / "run", **arguments})
    assert message in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_function_that_holds_what_cannot_be_sent(tmp_path):
    cell = "import threading\nlock = threading.Lock()\ndef build(): return lock\n"
    with pytest.raises(
        search.SearchError, match=r"function build cannot be sent to workers: .*lock"
    ):
        search.run(anchors=from_cell(cell), run_dir=tmp_path / "run")


def test_a_script_that_its_workers_would_run_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import search\nsearch.run(preset='smoke', run_dir='run')\n")
    command = [sys.executable, str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert 'put what starts a search under `if __name__ == "__main__":`' in last
    assert not (tmp_path / "run").exists()


def test_the_functions_are_there_without_tensorflow():
    code = "import search, sys; search.run, search.open; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def cell_run(tmp_path_factory):
    """A run on arrays with the network of a cell, to the end of its final stage."""
    folder = tmp_path_factory.mktemp("api") / "run"
    images, labels = own_data.arrays(60, (8, 8, 1))
    return search.run(data=(images, labels), anchors=[from_cell()], run_dir=folder, **TINY)


@pytest.mark.slow
def test_a_run_gives_layers(cell_run):
    import tensorflow as tf

    best = cell_run.best
    assert [layer.rank for layer in best] == list(range(1, len(best) + 1))
    assert cell_run.counts["accepted"] == len(best) >= 2
    layer = best[0].layer(momentum=0.5)
    assert (layer.groups, layer.momentum) == (4, 0.5)
    assert layer(tf.ones([2, 5, 5, 8]), training=True).shape == (2, 5, 5, 8)
    exported = json.loads(next((cell_run.run_dir / "best").glob("01_*.json")).read_text())
    assert json.loads(best[0].graph.to_json())["nodes"] == exported["nodes"]
    assert best[0].formula in repr(cell_run)
    assert {entry.name for entry in cell_run.comparison} == {None, "bn_relu"}
    assert cell_run.report().read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_a_run_holds_its_arrays_and_no_pickle(cell_run):
    with np.load(cell_run.run_dir / "data.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["x_train"], own_data.arrays(60, (8, 8, 1))[0])
    assert not list(cell_run.run_dir.rglob("*.pickle"))
    (anchor,) = cell_run.config["evaluation"]["anchors"]
    with Store.open(cell_run.run_dir) as store:
        assert set(store.meta("sources")) == {anchor, str(cell_run.run_dir / "data.npz")}


@pytest.mark.slow
def test_a_run_is_resumed_only_with_its_function(cell_run):
    folder, before = cell_run.run_dir, sum(cell_run.counts.values())
    with pytest.raises(search.SearchError, match="If you trust it, repeat it"):
        search.resume(folder)
    changed = from_cell(CELL.replace("4", "5"))
    with pytest.raises(search.SearchError, match="build is none of the run's, or has changed"):
        search.resume(folder, trust=[changed])
    with Store.open(folder) as store:  # more to search for
        config = store.meta("config")
        config["method"]["max_trained"] += 1
        store.set_meta("config", config)
    more = search.resume(folder, trust=[from_cell(number=3)], minutes=5, final=False)
    assert sum(more.counts.values()) > before
    assert more.comparison is None
    assert search.open(folder).counts == more.counts
