"""Where the work is done: from the command line, from the configuration, and when resuming."""

import json

import pytest

from search import cli, lifecycle, presets
from search.errors import SearchError
from search.storage.store import Store


def _chosen(monkeypatch, *arguments):
    """The configuration that a command would run."""
    found = []
    monkeypatch.setattr(cli, "_execute", lambda store, settings, options: found.append(settings))
    assert cli.main([str(argument) for argument in arguments]) == 0
    return found[0]


@pytest.mark.parametrize(
    ("options", "executor", "workers", "at_once", "address"),
    [
        ([], "local", 2, None, None),
        (["--workers", 3], "local", 3, None, None),
        (["--executor", "ray"], "ray", 2, None, None),
        (["--executor", "ray", "--workers", 7], "ray", 2, 7, None),
        (["--ray-address", "10.0.0.1:6379"], "ray", 2, None, "10.0.0.1:6379"),
        (["--ray-address", "auto", "--executor", "local"], "local", 2, None, "auto"),
    ],
)
def test_options(monkeypatch, tmp_path, options, executor, workers, at_once, address):
    chosen = _chosen(monkeypatch, "run", "--run-dir", tmp_path / "run", *options)
    assert (chosen.executor, chosen.workers) == (executor, workers)
    assert (chosen.ray.workers, chosen.ray.address) == (at_once, address)
    resumed = _chosen(monkeypatch, "resume", "--run-dir", tmp_path / "run", *options)
    assert resumed == chosen


def test_a_run_from_before_there_was_a_choice_is_local(tmp_path, monkeypatch):
    settings = presets.preset("smoke")
    with lifecycle.create(tmp_path, settings) as store:
        values = json.loads(json.dumps(settings.to_dict()))
        del values["executor"], values["ray"]
        store.set_meta("config", values)
    assert _chosen(monkeypatch, "resume", "--run-dir", tmp_path) == settings


def test_an_unknown_executor_is_refused():
    with pytest.raises(SearchError, match="executor cannot be 'spark': it is one of local, ray"):
        presets.preset("demo").override(["executor=spark"])
    with pytest.raises(SearchError, match=r"ray\.training_cpus cannot be 0"):
        presets.preset("demo").override(["ray.training_cpus=0"])


def test_the_paper_s_workers_have_two_cores():
    for name in ("paper-b", "paper-s"):
        cluster = presets.preset(name).ray
        assert (cluster.probe_cpus, cluster.training_cpus) == (1.0, 2.0)


def test_a_second_controller_is_refused_before_it_joins_a_cluster(tmp_path, capsys):
    settings = presets.preset("smoke").override(["executor=ray"])
    with lifecycle.create(tmp_path, settings):
        for command in (["resume"], ["run", "--preset", "smoke"]):
            code = cli.main([*command, "--run-dir", str(tmp_path), "--executor", "ray"])
            assert code == 1
            assert f"another search is running in {tmp_path}" in capsys.readouterr().err
    with Store.open(tmp_path) as store:
        assert len(store.candidates()) == 1
