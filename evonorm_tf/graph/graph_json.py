"""The JSON form of a layer graph: strict parsing, and output with one node per line.

The form is the protobuf JSON mapping of `layer_graph.proto`. Parsing is stricter than the mapping,
which would accept some mistakes: here an operation is one of the paper or registered, an index set
is a name and never its enum number, an index is a JSON integer and never a string, and a key occurs
once.
"""

import collections
import json
import reprlib
from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format

from evonorm_tf.graph import layer_graph_pb2, ops

SCHEMA_VERSION = 1
# More than the largest valid graph has; a longer text is refused before it is parsed.
MAX_JSON_CHARS = 100_000


def parse(text: str) -> tuple[str, list[tuple[str, tuple[int, ...], str | None]]]:
    """Reads JSON text into a name and (op, inputs, index_set) triples.

    Raises:
      ValueError: for anything but one graph of the current schema. `LayerGraph` checks whether
        the nodes are a valid graph.
    """
    message = _to_message(_load(text))
    nodes = []
    for node in message.nodes:
        index_set = layer_graph_pb2.IndexSet.Name(node.index_set) if node.index_set else None
        nodes.append((node.op, tuple(node.inputs), index_set))
    return message.name, nodes


def dump(name: str, nodes: Iterable[Any]) -> str:
    """Writes a graph as JSON with the fields in the proto's order, and one node per line."""
    message = layer_graph_pb2.LayerGraph(schema_version=SCHEMA_VERSION, name=name)
    for node in nodes:
        message.nodes.add(op=node.op, index_set=node.index_set, inputs=node.inputs)
    fields = json_format.MessageToDict(message, preserving_proto_field_name=True)
    lines = ",\n".join("    " + json.dumps(_in_order(node)) for node in fields.pop("nodes"))
    head = ",\n".join(f"  {json.dumps(key)}: {json.dumps(fields[key])}" for key in fields)
    return f'{{\n{head},\n  "nodes": [\n{lines}\n  ]\n}}\n'


def _in_order(node: dict[str, Any]) -> dict[str, Any]:
    # The order of the dictionary depends on the protobuf runtime.
    return {key: node[key] for key in ("op", "index_set", "inputs") if key in node}


def _load(text: str) -> dict[str, Any]:
    if not isinstance(text, str):
        raise ValueError(f"a layer graph must be JSON text. Received: {type(text).__name__}")
    if len(text) > MAX_JSON_CHARS:
        raise ValueError(
            f"a layer graph's JSON must be at most {MAX_JSON_CHARS} characters. "
            "Received: a longer text"
        )
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ValueError(f"a layer graph must be valid JSON: {error}") from error
    except RecursionError:
        raise ValueError("a layer graph's JSON must not be nested deeply") from None
    return _expect(value, dict, "the layer graph")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        (twice, _), *_ = collections.Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"a key must occur once in an object. Received twice: {_show(twice)}")
    return fields


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"numbers must be finite. Received: {constant}")


def _to_message(fields: dict[str, Any]) -> layer_graph_pb2.LayerGraph:
    nodes = _expect(fields.get("nodes"), list, "`nodes`")
    message = _parse_fields(
        {key: fields[key] for key in fields if key != "nodes"},
        layer_graph_pb2.LayerGraph(),
        {"schema_version": int, "schemaVersion": int, "name": str},
        "the layer graph",
    )
    if message.schema_version != SCHEMA_VERSION:
        raise ValueError(
            f"`schema_version` must be {SCHEMA_VERSION}. "
            f"Received: schema_version={message.schema_version}"
        )
    types: dict[str, type] = {"op": str, "index_set": str, "indexSet": str, "inputs": list}
    for index, node in enumerate(nodes, start=4):
        where = f"node {index}"
        node = _expect(node, dict, where)
        op = _expect(node.get("op"), str, f"{where}: `op`")
        try:
            ops.check_op(op)
        except ops.UnknownOpError as error:
            raise ops.UnknownOpError(f"{where}: {error}") from None
        # The mapping would accept a string with the number of an enum value.
        for key in {"index_set", "indexSet"} & node.keys():
            if _expect(node[key], str, f"{where}: `{key}`") not in ops.INDEX_SETS:
                raise ValueError(
                    f"{where}: `{key}` must be one of {', '.join(ops.INDEX_SETS)}. "
                    f"Received: {key}={_show(node[key])}"
                )
        for source in _expect(node.get("inputs", []), list, f"{where}: `inputs`"):
            _expect(source, int, f"{where}: each of `inputs`")
        message.nodes.append(_parse_fields(node, layer_graph_pb2.Node(), types, where))
    return message


def _parse_fields(fields: dict[str, Any], message: Any, types: dict[str, type], where: str) -> Any:
    for key, value in fields.items():
        if key not in types:
            raise ValueError(
                f"{where}: a field must be one of {', '.join(types)}. Received: {_show(key)}"
            )
        _expect(value, types[key], f"{where}: `{key}`")
    for key, other in (("schema_version", "schemaVersion"), ("index_set", "indexSet")):
        if key in fields and other in fields:
            raise ValueError(f"{where}: `{key}` and `{other}` are one field. Received: both")
    try:
        return json_format.ParseDict(fields, message)
    except (json_format.ParseError, ValueError) as error:
        raise ValueError(f"{where}: {str(error).strip()[:200]}") from error


def _expect(value: Any, kind: type, where: str) -> Any:
    # In Python a bool is an int; in JSON it is not.
    if not isinstance(value, kind) or isinstance(value, bool):
        names = {dict: "an object", list: "a list", str: "a string", int: "an integer"}
        raise ValueError(f"{where} must be {names[kind]}. Received: {_show(value)}")
    return value


def _show(value: Any) -> str:
    return "nothing" if value is None else reprlib.repr(value)
