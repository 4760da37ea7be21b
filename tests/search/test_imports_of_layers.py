"""Layers of earlier runs, and graphs' files, as the first genotypes of a run."""

import pytest

from evonorm_tf import LayerGraph, Node, registry
from search import lifecycle
from search.controller.loop import Controller
from search.errors import SearchError
from search.presets import preset
from search.storage.store import Store
from tests.search.synthetic_run import write_run
from tests.search.test_controller import Silent, pools  # noqa: F401  (a fixture)

SETTINGS = ["workers=1", "method.max_minutes=none", "method.max_candidates=40"]


def _config(*settings):
    return preset("demo").override([*SETTINGS, *settings])


def _created(path, sources, *settings):
    with lifecycle.create(path, _config(*settings), import_from=sources) as store:
        return store.candidates(), store.meta("imports")


def test_the_ten_best_layers_of_a_run_are_the_first_genotypes(tmp_path):
    old = write_run(tmp_path / "old", 200)
    with Store.open(old) as store:
        best = store.top(10)
    rows, sources = _created(tmp_path / "new", [old])
    assert [row.origin for row in rows] == ["baseline"] * 3 + ["import"] * 10
    assert [LayerGraph.from_json(row.graph).nodes for row in rows[3:]] == [
        LayerGraph.from_json(row.graph).nodes for row in best
    ]
    assert {row.status for row in rows[3:]} == {"pending"}
    assert all(row.scores is None for row in rows)
    assert [each["source"] for each in sources] == [f"{old}, candidate {row.id}" for row in best]


def test_reranked_layers_come_first(tmp_path):
    old = write_run(tmp_path / "old", 200)
    with Store.open(old, controller=True) as store:
        third = store.top(3)[2]
        networks = {"resnet_small": 0.9}
        store.set_meta("rerank", [{"id": third.id, "mean": 0.9, "networks": networks}])
    _, sources = _created(tmp_path / "new", [old])
    assert sources[0]["source"] == f"{old}, candidate {third.id}"


def test_a_short_graph_gets_nodes_that_nothing_uses(tmp_path):
    graph = registry.graph("evonorm_s0")
    graph.save(tmp_path / "s0.json")
    rows, _ = _created(tmp_path / "new", [tmp_path / "s0.json"], "space.num_nodes=14")
    imported = LayerGraph.from_json(rows[3].graph)
    assert len(graph.nodes) < len(imported.nodes) == 14
    assert imported.fingerprint() == graph.fingerprint()


def test_a_search_without_batch_statistics_takes_the_best_layers_that_have_none(tmp_path):
    old = write_run(tmp_path / "old", 200)
    with Store.open(old) as store:
        graphs = [(row, LayerGraph.from_json(row.graph)) for row in store.top(200)]
    fit = [(row, graph) for row, graph in graphs if not graph.uses_batch][:10]
    assert any(graph.uses_batch for _, graph in graphs[:10])
    rows, sources = _created(tmp_path / "new", [old], "space.batch_independent=true")
    assert [each["source"] for each in sources] == [f"{old}, candidate {row.id}" for row, _ in fit]
    imported = [LayerGraph.from_json(row.graph) for row in rows[3:]]
    assert [graph.fingerprint() for graph in imported] == [graph.fingerprint() for _, graph in fit]
    assert not any(node.index_set == "BWH" for graph in imported for node in graph.nodes)


def test_a_primitive_that_nothing_uses_may_be_left_out(tmp_path):
    layer = LayerGraph((Node("STD", (0,), "BWH"), Node("STD", (0,), "WH"), Node("DIV", (0, 5))))
    layer.save(tmp_path / "layer.json")
    rows, _ = _created(tmp_path / "new", [tmp_path / "layer.json"], "space.batch_independent=true")
    imported = LayerGraph.from_json(rows[3].graph)
    assert imported.fingerprint() == layer.fingerprint()
    assert not any(node.index_set == "BWH" for node in imported.nodes)


def test_an_imported_layer_is_tested_trained_and_bred_from(tmp_path, pools):  # noqa: F811
    old = write_run(tmp_path / "old", 200)
    # No random graph is born, so all later genotypes descend from the imported layers.
    settings = _config("method.fresh_fraction=0.0", "method.initial_members=1")
    with lifecycle.create(tmp_path / "new", settings, import_from=[old]) as store:
        Controller(settings, store, Silent()).run()
        rows = store.candidates()
    born = rows[3:]
    assert len(born) == 40
    assert [row.origin for row in born[:10]] == ["import"] * 10
    assert all(row.status != "pending" and row.reason != "unpromising" for row in born[:10])
    imported = {row.id for row in born[:10]}
    assert any(row.parent in imported for row in born[10:])


def test_a_run_that_was_killed_before_it_had_its_layers_gets_them_when_it_is_resumed(tmp_path):
    old = write_run(tmp_path / "old", 200)
    with lifecycle.create(tmp_path / "new", _config(), import_from=[old]) as store:
        whole = store.candidates()
        store._execute("DELETE FROM candidates WHERE id > 2", [])
        lifecycle.add_first(store, _config())
        lifecycle.add_first(store, _config())
        again = store.candidates()
    assert [(row.id, row.origin, row.graph) for row in again] == [
        (row.id, row.origin, row.graph) for row in whole
    ]


@pytest.mark.parametrize(
    ("make", "settings", "error"),
    [
        (lambda path: path / "none.json", [], "cannot import the layer .*none.json"),
        (lambda path: path, [], "holds no search"),
        (
            lambda path: write_run(path / "old", 0),
            [],
            "cannot import from .*old: its search has accepted no layer",
        ),
        (
            lambda path: _saved(path, "evonorm_b0"),
            ["space.batch_independent=true"],
            "evonorm_b0.json: the search space leaves out VAR:BWH|leaves out STD:BWH",
        ),
        (
            lambda path: write_run(path / "old", 200),
            ["space.primitives=TANH"],
            r"cannot import from .*old: each of its \d+ accepted layers has a primitive that the",
        ),
        (
            lambda path: _saved(path, "evonorm_b0"),
            ["space.num_nodes=2"],
            r"evonorm_b0.json: it has \d+ nodes, and space.num_nodes is 2",
        ),
    ],
)
def test_what_cannot_be_imported_is_refused_before_there_is_a_run(tmp_path, make, settings, error):
    with pytest.raises(SearchError, match=error):
        _created(tmp_path / "new", [make(tmp_path)], *settings)
    assert not (tmp_path / "new").exists()


def _saved(folder, name):
    path = folder / f"{name}.json"
    registry.graph(name).save(path)
    return path
