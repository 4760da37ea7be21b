"""Export: the files hold the layer of the rank asked for, and the Python file runs."""

import ast
import os
import pathlib
import runpy
import subprocess
import sys

import numpy as np
import pytest

import evonorm_tf as en
from evonorm_tf import registry
from evonorm_tf.graph.simplification import short_formula
from search import cli, export
from search.errors import SearchError
from search.storage.candidate import Candidate
from search.storage.store import Store
from tests.search import synthetic_run

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def run_dir(tmp_path):
    return synthetic_run.write_run(tmp_path / "run", 30)


def _top(run_dir):
    with Store.open(run_dir) as store:
        return store.top(1000)


@pytest.mark.parametrize("rank", [1, 2, -1])
def test_the_graph_is_that_of_the_rank(run_dir, tmp_path, rank):
    top = _top(run_dir)
    row = top[rank - 1] if rank > 0 else top[-1]
    exported = export.export(run_dir, top.index(row) + 1, tmp_path / "out")
    graph = en.LayerGraph.load(exported.graph)
    assert graph.nodes == en.LayerGraph.from_json(row.graph).nodes
    assert graph.name == exported.graph.stem == f"candidate_{row.id}"
    assert short_formula(graph) in exported.text


def test_the_reranked_winner_is_rank_one(run_dir, tmp_path):
    first, _, third = _top(run_dir)[:3]
    synthetic_run.add_final(run_dir, 0.9, dict.fromkeys(synthetic_run.BASELINES, 0.9))
    one = export.export(run_dir, 1, tmp_path / "out")
    two = export.export(run_dir, 2, tmp_path / "out")
    assert (one.graph.stem, two.graph.stem) == (f"candidate_{third.id}", f"candidate_{first.id}")


def test_the_python_file_builds_a_model_with_the_layer(run_dir, own_registry):
    exported = export.export(run_dir)
    assert exported.graph.parent == run_dir / "export"
    graph = en.LayerGraph.load(exported.graph)
    model = runpy.run_path(str(exported.snippet))["build_model"]()
    layers = [layer for layer in model.layers if isinstance(layer, en.GraphLayer)]
    assert [layer.graph for layer in layers] == [graph, graph]
    assert [layer.groups for layer in layers] == [4, 4]  # the demo's, with which it was found
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    assert model(images, training=True).shape == (2, 10)
    assert graph.name in en.names()


@pytest.mark.slow
def test_the_python_file_runs_on_its_own(run_dir, tmp_path):
    exported = export.export(run_dir, 1, tmp_path / "elsewhere")
    done = subprocess.run(
        [sys.executable, exported.snippet],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Total params" in done.stdout


def test_main_prints_the_python_file_and_the_paths(run_dir, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["export", "--run-dir", str(run_dir), "--rank", "2", "--output", str(out)]) == 0
    name = f"candidate_{_top(run_dir)[1].id}"
    printed = capsys.readouterr().out
    assert (out / f"{name}.py").read_text(encoding="utf-8") in printed
    assert f"# {out / name}.json\n# {out / name}.py" in printed


@pytest.mark.parametrize("rank", [0, -1, 10_000])
def test_a_rank_that_no_layer_has_is_refused(run_dir, tmp_path, rank):
    count = len(_top(run_dir))
    with pytest.raises(SearchError, match=rf"--rank must be 1 to {count}, .* Received: {rank}"):
        export.export(run_dir, rank, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_without_accepted_layers_is_refused(tmp_path):
    with Store.create(tmp_path / "run", {}) as store:
        store.add(Candidate(1, "random", status="rejected", reason="constant"))
        store.add(Candidate(2, "baseline", name="bn_relu", status="accepted", fitness=0.9))
    with pytest.raises(SearchError, match="has no accepted layer"):
        export.export(tmp_path / "run")


def test_existing_files_are_kept_without_force(run_dir, tmp_path):
    exported = export.export(run_dir, 1, tmp_path / "out")
    exported.snippet.write_text("# mine", encoding="utf-8")
    exported.graph.unlink()
    with pytest.raises(SearchError, match=r"candidate_\d+\.py exists already: .* --force"):
        export.export(run_dir, 1, tmp_path / "out")
    assert exported.snippet.read_text(encoding="utf-8") == "# mine"
    assert not exported.graph.exists()
    export.export(run_dir, 1, tmp_path / "out", force=True)
    assert exported.snippet.read_text(encoding="utf-8") == exported.text
    assert exported.graph.exists()


def test_an_output_that_cannot_be_written_is_refused(run_dir, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SearchError, match=r"cannot write into .*: Not a directory"):
        export.export(run_dir, 1, tmp_path / "file" / "out")


def test_no_run_is_refused(tmp_path):
    with pytest.raises(SearchError, match="holds no search"):
        export.export(tmp_path)


def test_data_of_the_run_cannot_become_code(tmp_path):
    attack = '"""\nimport os\nos.abort()\n"""'
    config = {"evaluation": {"groups": 8}}
    with Store.create(tmp_path / "run", {"config": config}) as store:
        graph = registry.graph("evonorm_s1")
        row = Candidate(1, "random", graph=graph.to_json(), formula=attack, status="accepted")
        store.add(row)
        store.update(1, scores={attack: 0.5}, fitness=0.5)
    text = export.export(tmp_path / "run").text
    tree = ast.parse(text)
    imported = [alias.name for node in ast.walk(tree) for alias in getattr(node, "names", ())]
    assert imported == ["pathlib", "tensorflow", "evonorm_tf"]
    assert "os.abort" in ast.get_docstring(tree)
