"""Searches with primitives of one's own: the space, modules and trust, and whole runs."""

import re
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

import search
from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph
from search import cli, lifecycle, sources
from search.errors import SearchError
from search.evaluation import own_primitives as own_functions
from search.evolution import space
from search.modules import PACKAGED
from search.presets import preset
from search.replay.merge import merge
from search.report import formulas, layer_views
from search.storage.candidate import Candidate
from search.storage.store import Store
from tests import own_primitives
from tests.search import own_data
from tests.search.synthetic_run import write_run
from tests.search.test_own_runs import SMOKE, make_run, refused

MODULE = """
import evonorm_tf as en

def largest(x, axes):
    import tensorflow as tf

    return tf.reduce_max(tf.abs(x), axes, keepdims=True)

def bent(x):
    import tensorflow as tf

    return x / tf.sqrt(1 + x * x)

en.ops.register("LARGEST_OF", function=largest, aggregation=True)
en.ops.register("BENT", function=bent)
open("imported", "a").write("x")
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch, own_registry):
    monkeypatch.delitem(sys.modules, PACKAGED, raising=False)
    before = dict(ops._registered)
    yield
    ops._registered.clear()
    ops._registered.update(before)
    space.choices.cache_clear()


def drawn(entries, count=6000, **options):
    """How often each primitive is drawn."""
    rng = np.random.default_rng(3)
    choices = space.choices(entries, **options)
    return Counter(choices.draw(rng) for _ in range(count))


def test_weights_say_how_often_a_primitive_is_drawn():
    with own_primitives.registered():
        counts = drawn(("ADD", "MEAN=0.5", "MEAN:WH=2", "LARGEST:BWH=3"))
        primitives = [("ADD", None), *(("MEAN", each) for each in ops.INDEX_SETS)]
        weights = [1, 0.5, 0.5, 2, 0.5, 3]
        for primitive, weight in zip([*primitives, ("LARGEST", "BWH")], weights, strict=True):
            share = counts[ops.Primitive(*primitive)] / 6000
            assert share == pytest.approx(weight / sum(weights), rel=0.15)
        assert len(counts) == 6
        graph = search.sample_graph(np.random.default_rng(0), 40, True, ["MY_TANH", "LARGEST"])
        used = {(node.op, node.index_set) for node in graph.nodes}
        assert used == {("MY_TANH", None), *(("LARGEST", each) for each in ("WHC", "WH", "WHCQ"))}
        mutant = search.mutate_graph(graph, np.random.default_rng(1), primitives=("EXP",))
        assert [node.op for node in mutant.nodes].count("EXP") == 1


def test_equal_weights_draw_the_same_numbers_as_the_paper():
    same = ("paper", "ADD=1", *(f"MEAN:{each}=1.0" for each in ops.INDEX_SETS))
    assert space.choices(same) == space.choices() == space.Choices(ops.PRIMITIVES)
    assert len(space.choices(("paper=2", "NEG"), batch_independent=True).primitives) == 21


@pytest.mark.parametrize(
    "entries, error",
    [
        ("SOFTSIGN", "'SOFTSIGN': it is one of paper, ADD, "),
        ("mean", "'mean': it is one of paper"),
        ("", "'': it is one of paper"),
        ("ADD,MEAN=0", "'MEAN=0': its weight must be a number greater than 0"),
        ("ADD=-1", "'ADD=-1': its weight must"),
        ("ADD=inf", "'ADD=inf': its weight must"),
        ("ADD=", "'ADD=': its weight must"),
        ("MEAN:HW", "'MEAN:HW': `index_set` of the aggregation MEAN must be one of BWH"),
        ("ADD:WH", "'ADD:WH': `index_set` must be absent for the element-wise ADD"),
    ],
)
def test_primitives_that_are_refused(capsys, tmp_path, entries, error):
    options = ["--set", f"space.primitives={entries}"]
    for command in (["sample"], ["run", *SMOKE, "--run-dir", tmp_path / "run"]):
        line = refused(capsys, *command, *options)
        assert line.startswith(f"search: space.primitives cannot be {error}")
    assert not (tmp_path / "run").exists()


def test_spaces_that_are_refused(capsys):
    options = ["--set", "space.primitives=paper,RMS:BWH", "--batch-independent"]
    assert "'RMS:BWH': it uses the batch" in refused(capsys, "sample", *options)
    with pytest.raises(ValueError, match="primitives cannot be empty"):
        space.choices(())
    line = refused(capsys, "sample", "--set", "space.modules=my_primitives.py")
    assert "space.modules cannot be 'my_primitives.py': importing" in line
    line = refused(capsys, "sample", "--set", "space.modules=os;x")
    assert "space.modules cannot be 'os;x': it is a Python module, such as" in line


def test_samples_of_a_space(capsys, tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch, MODULE)
    settings = [f"space.modules={name},{PACKAGED}", "space.num_nodes=3"]
    settings += ["space.primitives=LARGEST_OF:WH,BENT=4,SOFTPLUS"]
    options = [option for setting in settings for option in ("--set", setting)]
    assert cli.main(["sample", "--count", "20", *options]) == 0
    text = capsys.readouterr().out
    assert text.count("\n") == 20 and "softplus(" in text and text.count("bent(") > 10
    assert "largest_of_{w,h}(" in text and "mu_" not in text


@pytest.mark.slow
def test_a_function_that_raises_makes_no_folder(capsys, tmp_path, monkeypatch):
    text = MODULE.replace("x / tf.sqrt(1 + x * x)", "tf.no_such_function(x)")
    name = own_data.write_module(tmp_path, monkeypatch, text)
    settings = ["--set", f"space.modules={name}", "--set", "space.primitives=paper,BENT"]
    line = refused(capsys, "run", *SMOKE, *settings, "--run-dir", tmp_path / "run")
    assert "space.primitives cannot be 'BENT': its function raised AttributeError: module" in line
    assert not (tmp_path / "run").exists()


def test_a_module_that_raises(capsys, tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch, "raise KeyError('x')")
    options = [*SMOKE, "--set", f"space.modules={name}", "--run-dir", tmp_path / "run"]
    line = refused(capsys, "run", *options)
    assert f"space.modules cannot be '{name}': importing {name} raised KeyError" in line
    name = own_data.write_module(tmp_path, monkeypatch, MODULE.replace("BENT", "EXP"))
    assert "Received: EXP, a primitive of the paper" in refused(capsys, "run", *options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments, error",
    [
        ("lambda x: x[:1]", "its function raised ValueError: `function` of OWN must return"),
        ("lambda x: x.no", "its function raised AttributeError: "),
        ("lambda x: x - tf.reduce_mean(x)", "its function must work element by element, or be"),
        ("lambda x: tf.nn.softmax(x, 0)", "its function must work element by element"),
        ("lambda x: tf.cumsum(x, -1)", "its function must work element by element"),
        ("lambda x, axes: x, aggregation=True", "its function raised ValueError: `function` of"),
    ],
)
def test_functions_that_a_search_cannot_use(arguments, error):
    exec(f"ops.register('OWN', function={arguments})", {"ops": ops, "tf": tf})
    with pytest.raises(SearchError, match="space.primitives cannot be 'OWN': " + re.escape(error)):
        own_functions.check(space.choices(("ADD", "OWN")).primitives)


def test_functions_that_a_search_can_use():
    with own_primitives.registered():
        names = [op for op in ops.names() if op in ("LARGEST", "TOTAL") or op.startswith("MY_")]
        own_functions.check(space.choices(("paper", *names)).primitives)


@pytest.fixture
def run_of_a_stranger(tmp_path, monkeypatch):
    """A run with a finished layer, as it comes from elsewhere: nothing is registered."""
    name = own_data.write_module(tmp_path, monkeypatch, MODULE)
    chosen = [f"space.modules={name}", "space.primitives=BENT,LARGEST_OF:WH,MUL"]
    folder = make_run(tmp_path / "run", monkeypatch, *chosen)
    nodes = '{"op": "LARGEST_OF", "index_set": "WH", "inputs": [0]}, {"op": "BENT", "inputs": [4]}'
    nodes += ', {"op": "MUL", "inputs": [0, 5]}'
    graph = f'{{"schema_version": 1, "nodes": [{nodes}]}}'
    with Store.open(folder) as store:
        stored = {"formula": "x * bent(stored) * gamma + beta", "graph": graph, "fitness": 0.5}
        scores = {"mobilenet_v2_small": 0.5}
        store.add(Candidate(9, "random", status="accepted", scores=scores, **stored))
    ops._registered.clear()
    monkeypatch.delitem(sys.modules, name)
    (tmp_path / "imported").unlink()
    return folder, name


def test_a_module_is_imported_only_if_it_is_named_again(capsys, run_of_a_stranger, tmp_path):
    folder, name = run_of_a_stranger
    for command in ("resume", "rerank", "report", "export"):
        line = refused(capsys, command, "--run-dir", folder)
        assert f"imports what '{name}' names. If you trust it, repeat it: --trust {name}" in line
    assert cli.main(["status", "--run-dir", str(folder)]) == 0
    assert "candidate 9: x * bent(stored) * gamma + beta" in capsys.readouterr().out
    assert "draws from other primitives" in refused(
        capsys, "merge", folder, "--output", tmp_path / "table.npz"
    )
    assert not (tmp_path / "imported").exists()
    (tmp_path / f"{name}.py").write_text(f"{MODULE}# changed\n")
    line = refused(capsys, "resume", "--run-dir", folder, "--trust", name)
    assert f"'{name}' has changed since the run was made" in line
    (tmp_path / f"{name}.py").unlink()
    line = refused(capsys, "resume", "--run-dir", folder, "--trust", name)
    assert f"space.modules cannot be '{name}': there is no module {name}" in line
    assert not (tmp_path / "imported").exists()


def test_what_is_shown_of_a_run_that_is_trusted(capsys, run_of_a_stranger, tmp_path):
    folder, name = run_of_a_stranger
    trusted = ["--run-dir", str(folder), "--trust", name]
    assert cli.main(["report", *trusted]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "x * bent(largest_of_{w,h}(x)) * gamma + beta" in page
    assert cli.main(["export", *trusted]) == 0
    snippet = (folder / "export" / "candidate_9.py").read_text(encoding="utf-8")
    assert f"\nimport {name}  # registers primitives\n" in snippet
    ops._registered.clear()
    del sys.modules[name]
    made = {"__file__": str(folder / "export" / "candidate_9.py"), "__name__": "exported"}
    exec(compile(snippet, made["__file__"], "exec"), made)
    assert made["build_model"]((8, 8, 3)).output_shape == (None, 10)


def test_names_that_are_no_modules_are_not_taken_from_a_database(capsys, tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", monkeypatch)
    with Store.open(folder) as store:
        config = store.meta("config")
        for modules in (["a;b"], "os\nimport x", [3], {"os": 1}):
            store.set_meta("config", {**config, "space": {**config["space"], "modules": modules}})
            assert "space.modules" in refused(capsys, "report", "--run-dir", folder)
            assert "space.modules" in refused(capsys, "resume", "--run-dir", folder)


def test_text_in_reports():
    with own_primitives.registered():
        ops.register(
            "ODD", arity=2, function=max, formula='"<{}|{}>"', latex=r"\oddity{{{}}}{{{}}}"
        )
        graph = LayerGraph.from_json(
            '{"schema_version": 1, "nodes": [{"op": "ODD", "inputs": [0, 3]}]}'
        )
        lines = formulas.svg_lines(graph.latex(), graph.formula())
        assert lines == ["<code>&quot;&lt;x|v1&gt;&quot; * gamma + beta</code>"]
        assert layer_views.node_text(graph.nodes[0]) == "odd(x, v₁)"
        mean = LayerGraph.from_json(
            '{"schema_version": 1, "nodes": [{"op": "MY_MUL", "inputs": [0, 3]}]}'
        )
        assert formulas.svg_lines(mean.latex(), mean.formula())[0].startswith("<svg")


@pytest.mark.slow
def test_a_search_with_a_module_of_ones_own(capsys, tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch, MODULE)
    settings = ["method.max_candidates=4", "evaluation.steps=2", "evaluation.quality_ratio=0"]
    settings += [f"space.modules={name}", "space.primitives=BENT=3,LARGEST_OF,DIV,MUL"]
    settings += ["evaluation.quality_steps=1", "evaluation.stability_steps=1", "baselines=bn_silu"]
    options = [option for setting in settings for option in ("--set", setting)]
    folder = str(tmp_path / "run")
    assert cli.main(["run", "--run-dir", folder, *SMOKE, *options]) == 0
    with Store.open(folder) as store:
        assert set(store.meta(sources.META)) == {name}
        assert not any(row.status == "failed" for row in store.candidates())
        graphs = [row.graph for row in store.candidates() if row.origin != "baseline"]
        assert len(graphs) == 4 and any("BENT" in text for text in graphs)
        assert store.top(1)
    capsys.readouterr()
    assert "repeat it: --trust" in refused(capsys, "resume", "--run-dir", folder)
    with Store.open(folder) as store:
        assert lifecycle.load_config(store, [name]).space.modules == (name,)


def test_packaged_primitives_need_no_trust(tmp_path):
    settings = [f"space.modules={PACKAGED}", "space.primitives=paper,SOFTPLUS,ERF"]
    folder = write_run(tmp_path / "run", 3, overrides=settings)
    assert cli.main(["report", "--run-dir", str(folder)]) == 0
    assert {"SOFTPLUS", "ERF"} <= set(ops.names())
    assert preset("smoke").space.primitives == ("paper",)
    with pytest.raises(SearchError, match="draws from other primitives"):
        merge([folder])
