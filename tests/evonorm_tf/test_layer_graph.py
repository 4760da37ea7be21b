"""Structure of layer graphs: canonical form, fingerprint, liveness, files, pictures, proto."""

import importlib.util
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

import evonorm_tf as en
from evonorm_tf import registry
from evonorm_tf.graph import layer_graph_pb2, ops
from tests.evonorm_tf import graph_oracle, graph_strategies

pytestmark = pytest.mark.one_environment

B0 = registry.graph("evonorm_b0")


def graph_of(*nodes, name=""):
    return en.LayerGraph(tuple(en.Node(*node) for node in nodes), name)


def expression(graph, index=None):
    """The output as a nested tuple with commutative inputs in order: equal means equal."""
    index = graph.output if index is None else index
    if index < ops.NUM_INITIAL_NODES:
        return (ops.INITIAL_NODE_NAMES[index],)
    node = graph.node(index)
    inputs = [expression(graph, i) for i in node.inputs]
    return (node.op, str(node.index_set), *(inputs if node.op == "DIV" else sorted(inputs)))


def test_canonical_drops_dead_nodes_and_renumbers():
    graph = graph_of(
        ("EXP", (0,)), ("TANH", (0,)), ("LOG", (4,)), ("SIGMOID", (5,)), ("NEG", (5,)), name="n"
    )
    assert graph.canonical() == graph_of(("TANH", (0,)), ("NEG", (4,)), name="n")
    assert graph.live() == {0, 5, 8}


def test_canonical_shares_equal_subgraphs():
    graph = graph_of(
        ("MUL", (0, 3)), ("MUL", (3, 0)), ("TANH", (4,)), ("TANH", (5,)), ("DIV", (6, 7))
    )
    canonical = graph.canonical()
    assert [node.op for node in canonical.nodes] == ["MUL", "TANH", "DIV"]
    assert canonical.nodes[-1].inputs == (5, 5)


def test_canonical_orders_inputs_of_commutative_operations_alone():
    for op in ops.ELEMENTWISE_ARITY:
        if ops.ARITY[op] == 2:
            one, other = graph_of((op, (0, 3))), graph_of((op, (3, 0)))
            assert (one.canonical() == other.canonical()) == (op in {"ADD", "MUL", "MAX"})
            assert (one.fingerprint() == other.fingerprint()) == (op in {"ADD", "MUL", "MAX"})


@given(st.data())
def test_disguises_have_one_canonical_form(data):
    graph = data.draw(graph_strategies.graphs())
    other = data.draw(graph_strategies.disguised(graph))
    assert other.fingerprint() == graph.fingerprint()
    assert other.canonical().nodes == graph.canonical().nodes
    assert other.uses_batch == graph.uses_batch


@given(graph_strategies.graphs())
def test_canonical_form_computes_the_same_and_is_its_own(graph):
    canonical = graph.canonical()
    assert canonical.canonical() == canonical
    assert canonical.fingerprint() == graph.fingerprint()
    assert canonical.live() >= set(range(4, 4 + len(canonical.nodes)))
    rng = np.random.default_rng(0)
    arguments = rng.normal(size=(2, 3, 2, 4)), rng.normal(size=4), rng.normal(size=4)
    oracle = graph_oracle.GraphOracle(epsilon=1e-5, floor=1e-5, groups=2)
    # MAX of NaN and a number is NaN in either order, so equality is exact.
    np.testing.assert_array_equal(
        oracle.values(canonical, *arguments)[-1], oracle.values(graph, *arguments)[-1]
    )


@given(st.data())
def test_another_primitive_at_a_live_node_changes_the_fingerprint(data):
    graph = data.draw(graph_strategies.graphs()).canonical()
    index = data.draw(st.integers(4, graph.output))
    node = graph.node(index)
    others = [p for p in ops.PRIMITIVES if p.arity == len(node.inputs)]
    others.remove((node.op, node.index_set))
    op, index_set = data.draw(st.sampled_from(others))
    changed = graph.replace_node(index, en.Node(op, node.inputs, index_set))
    assert changed.fingerprint() != graph.fingerprint()
    assert changed.canonical().nodes != graph.canonical().nodes


def test_fingerprints_of_all_graphs_of_one_node_tell_functions_apart():
    graphs = [
        graph_of((p.op, inputs, p.index_set))
        for p in ops.PRIMITIVES
        for inputs in itertools.product(range(4), repeat=p.arity)
    ]
    assert len(graphs) == 4 * 16 + 20 * 4
    expected = {expression(graph) for graph in graphs}
    assert len(expected) == 144 - 3 * 6
    assert len({graph.fingerprint() for graph in graphs}) == len(expected)
    assert len({graph.canonical() for graph in graphs}) == len(expected)


@given(graph_strategies.graphs(max_nodes=2), graph_strategies.graphs(max_nodes=2))
def test_equal_fingerprints_mean_equal_expressions(one, other):
    if one.fingerprint() == other.fingerprint():
        assert expression(one) == expression(other)
    else:
        assert one.canonical().nodes != other.canonical().nodes


def test_fingerprint_leaves_the_name_out_and_is_pinned():
    assert graph_of(*map(_fields, B0.nodes), name="other").fingerprint() == B0.fingerprint()
    # Run folders of the search store fingerprints: a change here makes old ones unusable.
    assert B0.fingerprint() == "c7e983b3b986aea21abc538174f89b2c7024c568f10a1f39f33c97b91846c98a"


def _fields(node):
    return node.op, node.inputs, node.index_set


def test_sharing_keeps_deep_graphs_cheap():
    doubling = [("ADD", (index - 1, index - 1)) for index in range(5, 260)]
    graph = graph_of(("TANH", (0,)), *doubling)
    assert len(graph.canonical().nodes) == 256
    assert graph.live() == {0, *range(4, 260)}


@pytest.mark.parametrize("name", [n for n in en.names() if registry.graph(n)])
def test_shipped_graphs_say_whether_they_use_the_batch(name):
    batch = {"evonorm_b0", "evonorm_b1", "evonorm_b2", "rs_rej", "found_b0", "found_b1"}
    batch |= {"b0_no_v1x", "b0_no_local", "b0_max_to_add"}
    assert registry.graph(name).uses_batch == (name in batch)


def test_dead_batch_aggregations_do_not_count():
    assert not graph_of(("STD", (0,), "BWH"), ("TANH", (0,))).uses_batch
    assert graph_of(("STD", (0,), "BWH"), ("TANH", (4,))).uses_batch


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], r"`nodes` must hold 1 to 256 .*Received: 0 nodes"),
        ([("NEG", (0,))] * 257, r"`nodes` must hold 1 to 256 .*Received: 257 nodes"),
        ([("POW", (0,))], r"node 4: `op` must be one of .*Received: op='POW'"),
        ([(["NEG"], (0,))], r"node 4: `op` must be one of .*Received: op=\['NEG'\]"),
        ([("STD", (0,))], r"node 4: `index_set` .* Received: index_set=None"),
        ([("STD", (0,), ["WH"])], r"node 4: `index_set` .* Received: index_set=\['WH'\]"),
        ([("NEG", (0,), "WH")], r"node 4: `index_set` must be absent.*'WH'"),
        ([("ADD", (0,))], r"node 4: `inputs` of ADD must hold 2 node\(s\). Received: inputs=\[0\]"),
        ([("NEG", 0)], r"node 4: `inputs` must be a sequence of node indices. Received: inputs=0"),
        ([("NEG", (0,)), ("NEG", (5,))], r"node 5: `inputs` must be earlier nodes, 0 to 4.* 5"),
        ([("NEG", (0,)), ("NEG", (6,))], r"node 5: `inputs` must be earlier nodes, 0 to 4.* 6"),
        ([("NEG", (-1,))], r"node 4: `inputs` must be earlier nodes, 0 to 3.* -1"),
        ([("NEG", (1.0,))], r"node 4: .*Received: input 1\.0"),
        ([("NEG", (True,))], r"node 4: .*Received: input True"),
        ([("NEG", ("0",))], r"node 4: .*Received: input '0'"),
    ],
)
def test_graphs_that_are_none_are_refused(nodes, message):
    with pytest.raises(ValueError, match=message):
        graph_of(*nodes)


@pytest.mark.parametrize("name", [5, None, "\ud800", "n" * 1001])
def test_names_that_a_file_cannot_hold_are_refused(name):
    with pytest.raises(ValueError, match="`name` must be"):
        graph_of(("NEG", (0,)), name=name)


def test_nodes_that_are_no_nodes_are_refused():
    with pytest.raises(ValueError, match=r"node 4 must be a Node\. Received: \('NEG', \(0,\)\)"):
        en.LayerGraph((("NEG", (0,)),))


def test_lists_and_numpy_indices_become_tuples_of_ints():
    graph = en.LayerGraph([en.Node("ADD", [np.int64(0), 3])])
    assert graph == graph_of(("ADD", (0, 3)))
    assert hash(graph) == hash(graph_of(("ADD", (0, 3))))
    assert en.LayerGraph.from_json(graph.to_json()) == graph


def test_the_largest_graph_with_the_longest_name_round_trips():
    graph = graph_of(*[("STD", (4 + i - 1 if i else 0,), "WHCQ") for i in range(256)])
    graph = en.LayerGraph(graph.nodes, "\N{GRINNING FACE}" * 1000)
    assert en.LayerGraph.from_json(graph.to_json()) == graph


def test_save_and_load(tmp_path):
    B0.save(tmp_path / "graph.json")
    assert en.LayerGraph.load(str(tmp_path / "graph.json")) == B0
    assert [path.name for path in tmp_path.iterdir()] == ["graph.json"]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "graph.json"
    B0.save(path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        graph_of(("NEG", (0,))).save(path)
    monkeypatch.undo()
    assert en.LayerGraph.load(path) == B0
    assert [entry.name for entry in tmp_path.iterdir()] == ["graph.json"]


def test_load_names_the_path(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"schema_version": 1, "nodes": [{"op": "NEG", "inputs": [9]}]}')
    with pytest.raises(ValueError, match=r"broken\.json: node 4: `inputs` must be earlier"):
        en.LayerGraph.load(path)
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        en.LayerGraph.load(tmp_path / "absent.json")


def test_dot_shows_the_live_part():
    text = graph_of(
        ("EXP", (0,)), ("STD", (0,), "BWH"), ("MUL", (0, 3)), ("DIV", (6, 5)), name="n"
    ).dot()
    assert text.startswith("digraph layer {") and text.endswith("}\n")
    for label in ('"x"', '"v₁"', '"std\\n(b,w,h)"', '"×"', '"÷"'):
        assert f"label={label}" in text
    assert "exp" not in text and '"0"' not in text and '"v₀"' not in text
    edges = {line.split("[")[0].strip(" ;") for line in text.splitlines() if "->" in line}
    assert edges == {"n0 -> n5", "n0 -> n6", "n3 -> n6", "n6 -> n7", "n5 -> n7"}
    assert 'n5 -> n7 [label=" ÷"' in text


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_draw(tmp_path, suffix, start):
    path = tmp_path / f"graph.{suffix}"
    B0.draw(path)
    assert path.read_bytes().startswith(start)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
def test_drawn_picture_has_every_node(tmp_path):
    B0.draw(tmp_path / "graph.svg")
    picture = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert picture.count('class="node"') == len(B0.live()) == 8
    assert picture.count('class="edge"') == sum(len(node.inputs) for node in B0.nodes)
    # Scaled by anything else, it would not fit the frame.
    assert 'transform="scale(1 1)' in picture


def test_draw_without_graphviz_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"`dot` program, which is not on PATH"):
        B0.draw(tmp_path / "graph.png")


def test_draw_reports_what_graphviz_says_and_keeps_the_old_file(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho no fonts >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "graph.png").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="`dot` failed: no fonts"):
        B0.draw(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes() == b"old"


def test_draw_refuses_other_suffixes(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in one of .*Received: .*graph\.txt"):
        B0.draw(tmp_path / "graph.txt")


def test_proto_holds_the_vocabulary():
    text = pathlib.Path(ops.__file__).with_name("layer_graph.proto").read_text(encoding="utf-8")
    assert not set(ops.ARITY) - set(re.findall(r"\w+", text))
    assert layer_graph_pb2.IndexSet.keys() == ["INDEX_SET_UNSPECIFIED", *ops.INDEX_SETS]


def without_json_names(descriptor):
    """Generated code leaves out the JSON names that the compiler derives."""
    for message in descriptor.message_type:
        for field in message.field:
            field.ClearField("json_name")
    return descriptor


@pytest.mark.skipif(
    not importlib.util.find_spec("grpc_tools"), reason="needs the group dev: make install"
)
def test_generated_proto_is_what_the_compiler_makes_of_its_source(tmp_path):
    root = pathlib.Path(en.__file__).parent.parent
    out = tmp_path / "descriptors"
    # In a process of its own: the compiler and TensorFlow each bring a protobuf library.
    command = ["grpc_tools.protoc", f"-I{root}", f"--descriptor_set_out={out}"]
    source = "evonorm_tf/graph/layer_graph.proto"
    subprocess.run([sys.executable, "-m", *command, source], check=True, timeout=60)
    (compiled,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    generated = descriptor_pb2.FileDescriptorProto()
    layer_graph_pb2.DESCRIPTOR.CopyToProto(generated)
    assert without_json_names(generated) == without_json_names(compiled)
