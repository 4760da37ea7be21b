"""Runs on a user's own data: what is checked before they begin and before they go on."""

import dataclasses
import json
import shutil
import sqlite3

import numpy as np
import pytest

from search import cli, sources
from search.errors import SearchError
from search.evaluation import images
from search.presets import preset
from search.storage.database import DATABASE
from search.storage.store import Store
from search.workers import preparation
from tests.search import own_data

SMOKE = ["--preset", "smoke", "--workers", "1", "--no-final"]


def refused(capsys, *arguments):
    """The one line with which a command ends."""
    assert cli.main([str(argument) for argument in arguments]) == 1
    line = capsys.readouterr().err
    assert line.startswith("search: ") and line.count("\n") == 1
    return line


def make_run(folder, monkeypatch, *settings):
    """A run folder as `run` makes it, without the process that checks the data."""
    from search import lifecycle

    monkeypatch.setattr(preparation, "check_own", lambda config: {})
    with lifecycle.create(folder, preset("smoke").override(settings)):
        return folder


def test_data_that_cannot_be_used_makes_no_folder(capsys, tmp_path):
    path = own_data.write_npz(tmp_path / "own.npz", y_train=own_data.arrays()[1] + 1)
    options = [*SMOKE, "--set", f"evaluation.data={path}"]
    line = refused(capsys, "run", "--run-dir", tmp_path / "run", *options)
    assert line.startswith(f"search: evaluation.data cannot be '{path}': the labels of y_train ")
    assert "Received: labels from 1 to 2" in line
    own_data.write_npz(path)
    options += ["--set", "evaluation.batch_size=40"]
    line = refused(capsys, "run", "--run-dir", tmp_path / "run", *options)
    assert "evaluation.batch_size cannot be 40: it is at most the number of images" in line
    assert not (tmp_path / "run").exists()


def test_a_module_that_ends_its_process(capsys, tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch, "import os\nos._exit(7)", "deadly_module")
    options = [*SMOKE, "--set", f"evaluation.data={name}:load"]
    line = refused(capsys, "run", "--run-dir", tmp_path / "run", *options)
    assert "the process that checks data and networks ended with exit code 7" in line


def test_a_file_that_has_changed_is_not_resumed(capsys, tmp_path, monkeypatch):
    path = own_data.write_npz(tmp_path / "own.npz")
    folder = make_run(tmp_path / "run", monkeypatch, f"evaluation.data={path}")
    with Store.open(folder) as store:
        (digest,) = store.meta(sources.META).values()
    own_data.write_npz(path, x_train=own_data.arrays()[0][::-1])
    for command in ("resume", "rerank"):
        line = refused(capsys, command, "--run-dir", folder)
        assert f"'{path}' has changed since the run was made: its SHA-256 was {digest}" in line
    (tmp_path / "own.npz").unlink()
    line = refused(capsys, "resume", "--run-dir", folder)
    assert f"evaluation.data cannot be '{path}': there is no such file" in line


def test_a_folder_of_images_that_has_changed(capsys, tmp_path, monkeypatch):
    pets = own_data.write_folder(tmp_path / "pets")
    folder = make_run(tmp_path / "run", monkeypatch, f"evaluation.data={pets}")
    shutil.copy(tmp_path / "pets/cat/0.png", tmp_path / "pets/cat/new.png")
    assert "has changed since the run was made" in refused(capsys, "resume", "--run-dir", folder)


def test_a_run_imports_only_what_is_named_again(capsys, tmp_path, monkeypatch):
    text = f"{own_data.MODULE}\nopen('imported', 'w')\n"
    function = f"{own_data.write_module(tmp_path, monkeypatch, text)}:load"
    folder = make_run(tmp_path / "run", monkeypatch, f"evaluation.data={function}")
    expected = f"the run imports what '{function}' names. If you trust it, repeat it: --trust"
    for command in ("resume", "rerank"):
        assert expected in refused(capsys, command, "--run-dir", folder)
        assert expected in refused(capsys, command, "--run-dir", folder, "--trust", "other:load")
    for command in ("status", "report"):
        assert cli.main([command, "--run-dir", str(folder)]) == 0
    refused(capsys, "export", "--run-dir", folder)
    assert not (tmp_path / "imported").exists()
    own_data.write_module(tmp_path, monkeypatch, f"{text}# changed\n")
    line = refused(capsys, "resume", "--run-dir", folder, "--trust", function)
    assert f"'{function}' has changed since the run was made" in line


def test_a_network_is_imported_only_if_it_is_named_again(capsys, tmp_path, monkeypatch):
    text = f"{own_data.MODULE}\nopen('imported', 'w')\n"
    function = f"{own_data.write_module(tmp_path, monkeypatch, text)}:build"
    folder = make_run(tmp_path / "run", monkeypatch, f"evaluation.anchors={function}")
    (tmp_path / function).mkdir()  # a folder of its name does not make it a folder
    line = refused(capsys, "resume", "--run-dir", folder)
    assert f"the run imports what '{function}' names" in line
    (tmp_path / "stranger_module.py").unlink()
    line = refused(capsys, "resume", "--run-dir", folder, "--trust", function)
    assert f"evaluation.anchors cannot be '{function}': there is no module" in line
    assert not (tmp_path / "imported").exists()


def test_a_stranger_cannot_pass_a_name_of_tensorflow_datasets(capsys, tmp_path, monkeypatch):
    # A prepared data set of TFDS names Python classes, which TFDS imports.
    folder = make_run(tmp_path / "run", monkeypatch)
    (tmp_path / "run" / "data").mkdir()
    (tmp_path / "run" / "data" / "features.json").write_text("{}")
    config = preset("smoke").to_dict()
    for data in (str(folder / "data"), "svhn_cropped"):
        config["evaluation"]["data"] = data
        with sqlite3.connect(folder / DATABASE) as connection:
            connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'config'", [json.dumps(config)]
            )
        connection.close()
        assert f"imports what '{data}' names" in refused(capsys, "resume", "--run-dir", folder)


@pytest.mark.slow
def test_a_network_that_cannot_be_used_makes_no_folder(capsys, tmp_path, monkeypatch):
    text = "def build(norm_act, num_classes, input_shape):\n    raise KeyError('width')"
    name = own_data.write_module(tmp_path, monkeypatch, text)
    options = [*SMOKE, "--set", f"evaluation.anchors={name}:build"]
    line = refused(capsys, "run", "--run-dir", tmp_path / "run", *options)
    assert f"evaluation.anchors cannot be '{name}:build': calling build raised KeyError" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_name_of_tensorflow_datasets_that_is_not_prepared(tmp_path):
    settings = dataclasses.replace(preset("smoke").evaluation, data="mnist", data_dir=str(tmp_path))
    with pytest.raises(SearchError, match=r"be 'mnist': .*Prepare it with: tfds build mnist"):
        images.load_data(settings)


@pytest.mark.slow
def test_a_prepared_folder_of_tensorflow_datasets(tmp_path):
    from tests.trainers import tfds_data
    from trainers import data

    tfds_data.prepare_cifar10(tmp_path, train=60, test=13)
    folder = str(tmp_path / "cifar10" / "3.0.2")
    loaded, smaller = data.load(folder), data.load(folder, image_size=16)
    for one, side in ((loaded, 32), (smaller, 16)):
        assert [len(part) for part in (one.train, one.validation, one.test)] == [48, 12, 13]
        assert one.train.images.shape[1:] == (side, side, 3)
    assert smaller.mean == pytest.approx(loaded.mean, rel=0.02)


@pytest.mark.slow
def test_a_search_on_a_file(tmp_path):
    x, y = own_data.arrays(120, classes=3)
    own_data.write_npz(tmp_path / "own.npz", x_train=x / np.float32(255), y_train=y)
    settings = ["method.max_candidates=1", "evaluation.steps=4", "evaluation.stability_test=false"]
    settings += [f"evaluation.data={tmp_path / 'own.npz'}", "evaluation.quality_ratio=0"]
    options = [option for setting in settings for option in ("--set", setting)]
    folder = str(tmp_path / "run")
    assert cli.main(["run", "--run-dir", folder, *SMOKE, *options]) == 0
    with Store.open(folder) as store:
        (baseline,) = store.baselines()
        assert baseline.status == "accepted" and 0 <= baseline.fitness <= 1
        assert store.meta("num_classes") == 3
        assert not any(row.status == "failed" for row in store.candidates())


@pytest.mark.slow
def test_a_search_on_a_module_with_data_and_network(tmp_path, monkeypatch, capsys):
    name = own_data.write_module(tmp_path, monkeypatch)
    settings = ["method.max_candidates=2", "evaluation.steps=4", "evaluation.quality_ratio=0"]
    settings += [f"evaluation.data={name}:load", f"evaluation.anchors={name}:build"]
    options = [option for setting in settings for option in ("--set", setting)]
    folder = str(tmp_path / "run")
    assert cli.main(["run", "--run-dir", folder, *SMOKE, *options]) == 0
    with Store.open(folder) as store:
        (baseline,) = store.baselines()
        assert baseline.status == "accepted" and set(baseline.scores) == {f"{name}:build"}
        assert set(store.meta(sources.META)) == {f"{name}:load", f"{name}:build"}
        assert not any(row.status == "failed" for row in store.candidates())
    capsys.readouterr()
    line = refused(capsys, "resume", "--run-dir", folder, "--trust", f"{name}:load")
    assert f"repeat it: --trust {name}:build" in line
    trusted = ["--trust", f"{name}:load", "--trust", f"{name}:build"]
    assert cli.main(["resume", "--run-dir", folder, "--no-final", *trusted]) == 0
