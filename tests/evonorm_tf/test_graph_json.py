"""Layer graphs in JSON: what is valid round-trips, anything else is a ValueError that says why."""

import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evonorm_tf as en
from evonorm_tf import registry
from evonorm_tf.graph import graph_json, ops
from tests.evonorm_tf import graph_strategies

pytestmark = pytest.mark.one_environment

B0 = registry.graph("evonorm_b0")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def fields_of(graph=B0):
    return json.loads(graph.to_json())


def refusal(text):
    """The message of the ValueError for `text`; any other exception is the test's failure."""
    with pytest.raises(ValueError) as caught:
        en.LayerGraph.from_json(text)
    message = str(caught.value)
    assert len(message) < 1000
    return message


def refusal_of(fields):
    return refusal(json.dumps(fields))


@given(graph_strategies.graphs())
def test_valid_graphs_round_trip(graph):
    text = graph.to_json()
    assert en.LayerGraph.from_json(text) == graph
    assert en.LayerGraph.from_json(json.dumps(json.loads(text), indent=7)) == graph
    assert en.LayerGraph.from_json(text).to_json() == text
    assert en.LayerGraph.from_json(text.replace('"index_set"', '"indexSet"')) == graph


@given(graph_strategies.graphs())
def test_fields_are_those_of_the_schema(graph):
    fields = json.loads(graph.to_json())
    assert fields.pop("schema_version") == 1
    assert fields.pop("name", "") == graph.name
    listed = [(n["op"], tuple(n["inputs"]), n.get("index_set")) for n in fields.pop("nodes")]
    assert listed == [(n.op, n.inputs, n.index_set) for n in graph.nodes]
    assert not fields


def test_json_is_one_node_a_line():
    assert B0.to_json().splitlines()[3:6] == [
        '  "nodes": [',
        '    {"op": "STD", "index_set": "BWH", "inputs": [0]},',
        '    {"op": "STD", "index_set": "WH", "inputs": [0]},',
    ]


def test_camel_case_is_read_too():
    text = '{"schemaVersion": 1, "nodes": [{"op": "STD", "indexSet": "WH", "inputs": [0]}]}'
    assert en.LayerGraph.from_json(text).nodes == (en.Node("STD", (0,), "WH"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("nodes"), "`nodes` must be a list. Received: nothing"),
        (
            lambda f: f.pop("schema_version"),
            "`schema_version` must be 1. Received: schema_version=0",
        ),
        (lambda f: f.update(schema_version=2), "`schema_version` must be 1. .*=2"),
        (lambda f: f.update(schema_version=10**30), "the layer graph: .*schema_?[vV]ersion"),
        (lambda f: f.update(schema_version=True), "`schema_version` must be an integer. .*True"),
        (lambda f: f.update(schema_version="1"), "`schema_version` must be an integer. .*'1'"),
        (lambda f: f.update(schema_version=1.0), "`schema_version` must be an integer. .*1.0"),
        (lambda f: f.update(schemaVersion=1), "the layer graph: .* are one field. Received: both"),
        (lambda f: f.update(name=3), "`name` must be a string. Received: 3"),
        (lambda f: f.update(name=None), "`name` must be a string. Received: nothing"),
        (lambda f: f.update(name="\ud800"), "name"),
        (lambda f: f.update(name="n" * 1001), "`name` must be a string of at most 1000"),
        (lambda f: f.update(nodes={}), "`nodes` must be a list. Received: {}"),
        (lambda f: f.update(nodes=[]), "`nodes` must hold 1 to 256 .*Received: 0 nodes"),
        (lambda f: f["nodes"].extend(f["nodes"] * 60), "`nodes` must hold 1 to 256 .* 366 nodes"),
        (lambda f: f.update(colour="red"), "the layer graph: a field must be one of .*'colour'"),
        (lambda f: f.update({"\ud800": 1}), r"the layer graph: a field must be .*'\\ud800'"),
    ],
)
def test_faults_of_the_graph_name_the_field(change, message):
    fields = fields_of()
    change(fields)
    assert re.search(message, refusal_of(fields))


BAD_NODES = [
    (lambda n: n.pop("op"), "`op` must be a string. Received: nothing"),
    (lambda n: n.update(op="POW"), "`op` must be one of ADD, .*Received: op='POW'"),
    (lambda n: n.update(op="std"), "`op` must be one of ADD, .*Received: op='std'"),
    (lambda n: n.update(op="OP_UNSPECIFIED"), "`op` must be one of ADD, .*'OP_UNSPECIFIED'"),
    (lambda n: n.update(op="1"), "`op` must be one of ADD, .*Received: op='1'"),
    (lambda n: n.update(op=1), "`op` must be a string. Received: 1"),
    (lambda n: n.update(op=["ADD"]), "`op` must be a string. Received: \\['ADD'\\]"),
    (lambda n: n.update(op="\udfff"), r"`op` must be one of ADD, .*'\\udfff'"),
    (lambda n: n.update(index_set="HW"), "`index_set` must be one of BWH, .*'HW'"),
    (lambda n: n.update(index_set="1"), "`index_set` must be one of BWH, .*'1'"),
    (lambda n: n.update(index_set="77"), "`index_set` must be one of BWH, .*'77'"),
    (lambda n: n.update(index_set=1), "`index_set` must be a string. Received: 1"),
    (lambda n: n.update(index_set=None), "`index_set` must be a string. Received: nothing"),
    (lambda n: n.update(indexSet=77), "`indexSet` must be a string. Received: 77"),
    (
        lambda n: n.update(index_set="WH", indexSet="WH"),
        "`index_set` and `indexSet` are one field. Received: both",
    ),
    (lambda n: n.pop("inputs"), r"`inputs` of [A-Z]+ must hold \d node\(s\). .*inputs=\[\]"),
    (lambda n: n.update(inputs=[0] * 3), r"`inputs` of [A-Z]+ must hold .*\[0, 0, 0\]"),
    (lambda n: n.update(inputs=[0] * 5000), r"`inputs` of [A-Z]+ must hold .*\.\.\."),
    (lambda n: n.update(inputs=0), "`inputs` must be a list. Received: 0"),
    (lambda n: n.update(inputs={"0": 0}), "`inputs` must be a list. Received: {'0': 0}"),
    (lambda n: n.update(inputs=None), "`inputs` must be a list. Received: nothing"),
    (lambda n: n["inputs"].__setitem__(0, "0"), "each of `inputs` must be an integer. .*'0'"),
    (lambda n: n["inputs"].__setitem__(0, 0.0), "each of `inputs` must be an integer. .*0.0"),
    (lambda n: n["inputs"].__setitem__(0, True), "each of `inputs` must be an integer. .*True"),
    (lambda n: n["inputs"].__setitem__(0, None), "each of `inputs` must be an integer. .*nothing"),
    (lambda n: n["inputs"].__setitem__(0, [0]), r"each of `inputs` must be an integer. .*\[0\]"),
    (lambda n: n["inputs"].__setitem__(0, -1), "`inputs` must be earlier nodes, .* -1"),
    (lambda n: n["inputs"].__setitem__(0, 14), "`inputs` must be earlier nodes, .* 14"),
    (lambda n: n["inputs"].__setitem__(0, 2**31), "inputs"),
    (lambda n: n["inputs"].__setitem__(0, -(10**4000)), "inputs"),
    (lambda n: n.update(weight=1), "a field must be one of op, index_set, .*'weight'"),
    (lambda n: n.update({"k" * 5000: 1}), r"a field must be one of op, index_set, .*\.\.\."),
]


@pytest.mark.parametrize(("change", "message"), BAD_NODES)
@given(data=st.data())
def test_faults_of_a_node_name_it(change, message, data):
    graph = data.draw(graph_strategies.graphs())
    position = data.draw(st.integers(0, len(graph.nodes) - 1))
    fields = fields_of(graph)
    change(fields["nodes"][position])
    found = refusal_of(fields)
    assert re.match(f"node {position + 4}: ", found)
    assert re.search(message, found)


@given(st.data())
def test_an_index_set_where_none_belongs_or_none_where_one_does(data):
    graph = data.draw(graph_strategies.graphs())
    position = data.draw(st.integers(0, len(graph.nodes) - 1))
    fields = fields_of(graph)
    node = fields["nodes"][position]
    if node["op"] in ops.AGGREGATIONS:
        del node["index_set"]
    else:
        node["index_set"] = data.draw(st.sampled_from(ops.INDEX_SETS))
    assert re.match(f"node {position + 4}: `index_set`", refusal_of(fields))


@given(st.data())
def test_cycles_and_forward_references_name_the_node(data):
    graph = data.draw(graph_strategies.graphs())
    position = data.draw(st.integers(0, len(graph.nodes) - 1))
    fields = fields_of(graph)
    later = data.draw(st.integers(position + 4, 2**31 - 1))
    fields["nodes"][position]["inputs"][-1] = later
    message = refusal_of(fields)
    assert message.startswith(f"node {position + 4}: `inputs` must be earlier nodes")
    assert message.endswith(f"Received: input {later}")


@given(st.data(), JSON_VALUES)
def test_any_value_anywhere_is_read_or_refused(data, value):
    fields = fields_of()
    parent, key = data.draw(st.sampled_from(list(_places(fields))))
    changed = copy.deepcopy(fields)
    target = next(p for p, k in _places(changed) if k == key and p == parent)
    target[key] = value
    text = json.dumps(changed)
    try:
        graph = en.LayerGraph.from_json(text)
    except ValueError as error:
        assert str(error)
    else:
        assert en.LayerGraph.from_json(graph.to_json()) == graph


def _places(value):
    """Every (container, key) below a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    assert refusal(text)


@given(st.data())
def test_damaged_text_is_read_or_refused(data):
    text = B0.to_json()
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    try:
        graph = en.LayerGraph.from_json(damaged)
    except ValueError as error:
        assert str(error)
    else:
        assert en.LayerGraph.from_json(graph.to_json()) == graph


@given(st.binary(max_size=50), st.integers(0, 200))
def test_files_of_any_bytes_are_read_or_refused_with_their_path(tmp_path_factory, junk, place):
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    content = B0.to_json().encode()
    path.write_bytes(content[:place] + junk + content[place:])
    try:
        graph = en.LayerGraph.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert en.LayerGraph.from_json(graph.to_json()) == graph


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "latin1.json"
    path.write_bytes(B0.to_json().encode().replace(b"evonorm_b0", b"evonorm\xe9b0"))
    with pytest.raises(ValueError, match=r"latin1\.json: .*utf-8.* byte 0xe9"):
        en.LayerGraph.load(path)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ["[0]", "1,"])
def test_numbers_that_json_does_not_have_are_refused(constant, place):
    text = B0.to_json().replace(place, place.replace(place.strip("[],"), constant), 1)
    assert f"numbers must be finite. Received: {constant}" in refusal(text)


def test_a_float_that_overflows_is_refused():
    text = B0.to_json().replace("[0]", "[1e999]", 1)
    assert "node 4: each of `inputs` must be an integer. Received: inf" in refusal(text)


def test_an_integer_of_5000_digits_is_refused():
    assert "integer" in refusal(B0.to_json().replace("[0]", f"[{'9' * 5000}]", 1))


@pytest.mark.parametrize("bracket", ["[", '{"nodes": ', '{"nodes": [{"inputs": ['])
def test_deep_nesting_is_refused(bracket):
    assert "nested deeply" in refusal(bracket * (graph_json.MAX_JSON_CHARS // len(bracket)))
    closed = "[" * 300 + "]" * 300
    assert re.search("`inputs`", refusal(B0.to_json().replace("[0]", closed, 1)))


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"op": "STD",', '"op": "STD", "op": "STD",'),
        ('"inputs": [0]', '"inputs": [0], "inputs": [0]'),
        ('"schema_version": 1,', '"schema_version": 1, "schema_version": 1,'),
        ('"nodes":', '"nodes": [], "nodes":'),
    ],
)
def test_duplicate_keys_are_named(once, twice):
    key = once.split('"')[1]
    message = refusal(B0.to_json().replace(once, twice, 1))
    assert message.endswith(f"a key must occur once in an object. Received twice: '{key}'")


def test_the_last_of_many_keys_is_found_twice_in_linear_time():
    keys = [*map(str, range(9000)), "8999"]
    comparisons = 0

    class Key(str):
        def __eq__(self, other):
            nonlocal comparisons
            comparisons += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    with pytest.raises(ValueError, match="Received twice: '8999'"):
        graph_json._unique_keys([(Key(key), 0) for key in keys])
    assert comparisons < 10 * len(keys)


def test_a_file_of_10_megabytes_is_refused_without_reading_it_all(tmp_path, monkeypatch):
    path = tmp_path / "large.json"
    path.write_text(B0.to_json().rstrip() + " " * 10_000_000)
    monkeypatch.setattr(graph_json.json, "loads", None)  # nothing so large may be parsed
    limit = graph_json.MAX_JSON_CHARS
    with pytest.raises(ValueError, match=rf"large\.json: .* at most {limit} characters"):
        en.LayerGraph.load(path)
    with pytest.raises(ValueError, match=f"at most {limit} characters"):
        en.LayerGraph.from_json(path.read_text())


@pytest.mark.parametrize("text", [None, 5, b"{}", {}, ["a"]])
def test_what_is_no_text_is_refused(text):
    assert refusal(text) == f"a layer graph must be JSON text. Received: {type(text).__name__}"


@pytest.mark.parametrize("text", ["null", "[]", "1", '"graph"', "true"])
def test_json_that_is_no_object_is_refused(text):
    assert refusal(text).startswith("the layer graph must be an object. Received: ")


def test_every_shipped_file_is_what_the_graph_writes():
    for name in en.names():
        if (graph := registry.graph(name)) is not None:
            path = registry._GRAPHS / f"{name}.json"
            assert path.read_text(encoding="utf-8") == graph.to_json()
            assert graph.name == name
