"""The search for Python programs and notebooks."""

import os
import subprocess
import sys

import numpy as np
import pytest

import search
from search import lifecycle
from search.api import given
from search.config import Config
from search.storage.store import Store
from tests.search import own_data
from tests.search.synthetic_run import add_final, write_run
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
    "final": False,
    "evaluation": {"steps": 10, "quality_steps": 5, "quality_ratio": 0.1, "batch_size": 8},
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
    assert name.startswith("given_") and name.endswith(":build")
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
    assert first.startswith("given_") and first == second


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
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert 'put what starts a search under `if __name__ == "__main__":`' in last
    assert not (tmp_path / "run").exists()


def test_the_functions_are_there_without_tensorflow():
    code = "import search, sys; search.run, search.open; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A made-up run with its final stage."""
    folder = write_run(tmp_path_factory.mktemp("api") / "run", 30)
    add_final(folder, 0.97, {"bn_relu": 0.94, "evonorm_b0": 0.95, "evonorm_s0": 0.95})
    return search.open(folder)


def test_a_run_gives_layers(finished):
    import tensorflow as tf

    best = finished.best
    assert [layer.rank for layer in best] == list(range(1, len(best) + 1))
    assert len(best) == finished.counts["accepted"] >= 3
    with Store.open(finished.run_dir) as store:  # the reranking moved the third layer to the top
        assert best[0].id == store.top(3)[2].id
    layer = best[0].layer(momentum=0.5)
    assert (layer.groups, layer.momentum) == (finished.config["evaluation"]["groups"], 0.5)
    assert layer(tf.ones([2, 5, 5, 8]), training=True).shape == (2, 5, 5, 8)
    assert best[0].formula in repr(finished)


def test_a_run_gives_the_comparison_and_the_report(finished, tmp_path):
    first, *others = finished.comparison
    assert (first.name, first.mean, len(others)) == (None, 0.97, 3)
    assert finished.elapsed == 400.0
    assert search.open(write_run(tmp_path / "run", 3)).comparison is None
    assert finished.report().read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_a_run_on_arrays_with_the_network_of_a_cell(tmp_path):
    """It keeps no pickle, and goes on only with its function."""
    images, labels = own_data.arrays(60, (8, 8, 1))
    folder = tmp_path / "run"
    run = search.run(data=(images, labels), anchors=[from_cell()], run_dir=folder, **TINY)
    assert run.best and run.comparison is None
    with np.load(folder / "data.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["x_train"], images)
    assert not list(folder.rglob("*.pickle"))
    (anchor,) = run.config["evaluation"]["anchors"]
    with Store.open(folder) as store:
        assert set(store.meta("sources")) == {anchor, str(folder / "data.npz")}
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
    assert len(more.best) >= config["method"]["max_trained"]


def test_an_interrupted_run_can_be_resumed(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search.run(preset="smoke", run_dir=tmp_path / "run")
    assert capsys.readouterr().err.endswith(f"search.resume('{tmp_path / 'run'}')\n")
    with Store.open(tmp_path / "run", controller=True) as store:
        assert [row.name for row in store.baselines()] == ["bn_relu"]


def test_a_run_keeps_its_own_number_of_workers(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(lifecycle, "execute", lambda _, config, *__: given.append(config))
    folder = tmp_path / "run"
    search.run(preset="smoke", run_dir=folder, workers=1)
    with Store.open(folder) as store:
        before = store.meta("config")
    with pytest.raises(search.SearchError, match="workers cannot be 0"):
        search.resume(folder, minutes=5, workers=0)
    with Store.open(folder) as store:
        assert store.meta("config") == before
    search.resume(folder, minutes=5, workers=2)
    assert [config.workers for config in given] == [1, 2]
    with Store.open(folder) as store:
        assert store.meta("config")["workers"] == 1
        assert store.meta("config")["method"]["max_minutes"] == 5


def test_more_minutes_and_a_new_final_stage(finished):
    with Store.open(finished.run_dir) as store:
        before = Config.from_dict(store.meta("config"))
        with pytest.raises(search.SearchError, match=r"max_minutes cannot be -1"):
            lifecycle.extend(store, before, -1)
        assert store.meta("comparison") is not None
        config = lifecycle.extend(store, before, 5)
        assert config.method.max_minutes == pytest.approx(400 / 60 + 5)
        assert Config.from_dict(store.meta("config")) == config
        assert (store.meta("rerank"), store.meta("comparison")) == (None, None)
