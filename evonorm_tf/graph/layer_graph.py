"""`LayerGraph`: a normalization-activation layer as a computation graph (paper section 3)."""

import dataclasses
import hashlib
import numbers
import os
import reprlib
from collections.abc import Sequence

from evonorm_tf import files
from evonorm_tf.graph import drawing, formula, graph_json, ops

# The paper's graphs have 10 intermediate nodes. The limit allows larger spaces, and bounds the time
# and memory that a graph from an untrusted file can take.
MAX_NODES = 256
# With this limit every graph's JSON is shorter than what `from_json` accepts.
MAX_NAME_CHARS = 1000
INITIAL_DIGESTS = tuple(
    hashlib.sha256(name.encode()).hexdigest() for name in ops.INITIAL_NODE_NAMES
)


@dataclasses.dataclass(frozen=True)
class Node:
    """One intermediate node: a primitive applied to earlier nodes (paper section 3).

    Args:
      op: a primitive of table 2, such as "MUL", or one that `evonorm_tf.ops.register` has added.
      inputs: numbers of earlier nodes, one or two; 0 to 3 are x, 0, v0 and v1.
      index_set: the axes of an aggregation: "BWH", "WHC", "WH" or "WHCQ"; else None, the default.

    A `LayerGraph` checks its nodes.

    Example:
      >>> import evonorm_tf as en
      >>> en.LayerGraph((en.Node("STD", (0,), "WH"), en.Node("DIV", (0, 4)))).formula()
      'x / sqrt(s^2_{w,h}(x)) * gamma + beta'
    """

    op: str
    inputs: tuple[int, ...]
    index_set: str | None = None


@dataclasses.dataclass(frozen=True)
class LayerGraph:
    """A normalization-activation layer as a directed acyclic graph (paper section 3).

    Nodes 0 to 3 are the initial nodes: the input x, the zero tensor, and the trainable vectors v0
    and v1 of shape (channels,), which start at 0 and at 1. The intermediate nodes follow as 4, 5,
    ...; each applies one of the 24 primitives of table 2, or one that `evonorm_tf.ops.register` has
    added, to earlier nodes, and the last one is the output. A layer multiplies the output by gamma
    and adds beta, which are not part of the graph.

    A graph is immutable and always valid. Two graphs are equal if their nodes and names are equal;
    `fingerprint` depends on the structure alone.

    Args:
      nodes: the intermediate nodes, 1 to 256 of them.
      name: the layer's name, at most 1000 characters; may be empty.

    Raises:
      ValueError: for a node whose operation is not a primitive, or that has a wrong number of
        inputs, or an input that is not an earlier node; the message names the node and the rule.
        Also for a name that a JSON file cannot hold.

    Example:
      >>> graph = LayerGraph((Node("SIGMOID", (0,)), Node("MUL", (0, 4))), name="silu")
      >>> graph.formula()
      'x * sigmoid(x) * gamma + beta'
    """

    nodes: tuple[Node, ...]
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", _checked_nodes(tuple(self.nodes)))
        _check_name(self.name)

    @classmethod
    def from_json(cls, text: str) -> "LayerGraph":
        """Reads a graph from its JSON form, the protobuf JSON mapping of `layer_graph.proto`.

        Raises:
          ValueError: for text that is not such JSON, or not a valid graph; the message names the
            node or the field, and the rule.
        """
        name, nodes = graph_json.parse(text)
        return cls(tuple(Node(*node) for node in nodes), name)

    def to_json(self) -> str:
        """The graph as JSON, one node per line."""
        return graph_json.dump(self.name, self.nodes)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LayerGraph":
        """Reads a graph from a JSON file.

        Raises:
          ValueError: as `from_json` does; the message begins with the path.
          OSError: for a file that does not exist, is a folder, or cannot be read.
        """
        try:
            with open(path, encoding="utf-8") as file:
                return cls.from_json(file.read(graph_json.MAX_JSON_CHARS + 1))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    def save(self, path: str | os.PathLike) -> None:
        """Writes the JSON form to a file; a failure leaves no partial file.

        Raises:
          OSError: for a file that cannot be written.
        """
        files.write_whole(path, self.to_json().encode())

    def formula(self) -> str:
        """The layer as a formula in plain text.

        mu_{...} is a mean and s^2_{...} a biased variance over an index set; epsilons are omitted.
        A term that occurs more than once is defined after the formula, as in the paper's tables:
        "max(z, 0), z = ...".
        """
        return formula.plain(_rebuilt(self, in_given_order=True))

    def latex(self) -> str:
        """The same formula as LaTeX, for math mode."""
        return formula.latex(_rebuilt(self, in_given_order=True))

    def dot(self) -> str:
        """A drawing of the graph in Graphviz's language, like the paper's figure 1."""
        return drawing.dot(self)

    def draw(self, path: str | os.PathLike) -> None:
        """Draws the graph into a .png, .svg or .pdf file with Graphviz's `dot` program.

        Raises:
          ValueError: for another suffix.
          RuntimeError: if Graphviz is not installed, or fails.
        """
        drawing.draw(self, path)

    @property
    def output(self) -> int:
        """Index of the output node."""
        return ops.NUM_INITIAL_NODES + len(self.nodes) - 1

    def node(self, index: int) -> Node:
        """The intermediate node with index 4, 5, ..."""
        return self.nodes[index - ops.NUM_INITIAL_NODES]

    def live(self) -> frozenset[int]:
        """Indices of the nodes, initial ones included, that the output depends on."""
        live = {self.output}
        for index in range(self.output, ops.NUM_INITIAL_NODES - 1, -1):
            if index in live:
                live.update(self.node(index).inputs)
        return frozenset(live)

    @property
    def uses_batch(self) -> bool:
        """Whether the output depends on batch statistics: any live (b, w, h) aggregation."""
        return any(
            self.node(index).index_set == "BWH"
            for index in self.live()
            if index >= ops.NUM_INITIAL_NODES
        )

    def canonical(self) -> "LayerGraph":
        """The canonical form of the graph, which computes the same function.

        It has no nodes on which the output does not depend, and each subgraph once. The inputs of
        ADD, MUL and MAX are in a fixed order, and the nodes in the order in which a depth-first
        walk from the output completes them. Graphs that differ in nothing else have the same
        canonical form.
        """
        return _rebuilt(self, in_given_order=False)

    def fingerprint(self) -> str:
        """A hash (64 hex digits) of the canonical form, without the name."""
        return _digests(self)[self.output]

    def replace_node(self, index: int, node: Node) -> "LayerGraph":
        """A copy in which `node` stands at `index` (4, 5, ...)."""
        position = index - ops.NUM_INITIAL_NODES
        nodes = (*self.nodes[:position], node, *self.nodes[position + 1 :])
        return dataclasses.replace(self, nodes=nodes)


def _rebuilt(graph: LayerGraph, in_given_order: bool) -> LayerGraph:
    """The graph without dead and repeated nodes, in the order of a walk from the output."""
    digests = _digests(graph)
    numbers = {digests[i]: i for i in range(ops.NUM_INITIAL_NODES)}
    nodes: list[Node] = []
    stack = [graph.output]
    while stack:
        node = graph.node(stack[-1])
        inputs = node.inputs if in_given_order else ordered_inputs(node, digests)
        waiting = [i for i in inputs if digests[i] not in numbers]
        if waiting:
            stack.append(waiting[0])
            continue
        ready = tuple(numbers[digests[i]] for i in inputs)
        numbers[digests[stack.pop()]] = ops.NUM_INITIAL_NODES + len(nodes)
        nodes.append(Node(node.op, ready, node.index_set))
    return LayerGraph(tuple(nodes), graph.name)


def ordered_inputs(node: Node, digests: Sequence[str]) -> tuple[int, ...]:
    """The inputs of a node in the canonical order, from the digests of the nodes before it."""
    if node.op in ops.COMMUTATIVE:
        # Initial nodes first: x * sigmoid(x) rather than sigmoid(x) * x.
        initial = range(ops.NUM_INITIAL_NODES)
        return tuple(sorted(node.inputs, key=lambda i: (i not in initial, digests[i])))
    return node.inputs


def node_digest(node: Node, digests: Sequence[str]) -> str:
    """A hash of the subgraph that ends at a node; equal subgraphs have equal hashes."""
    inputs = [digests[i] for i in ordered_inputs(node, digests)]
    text = " ".join([node.op, node.index_set or "-", *inputs])
    return hashlib.sha256(text.encode()).hexdigest()


def _digests(graph: LayerGraph) -> list[str]:
    digests = [*INITIAL_DIGESTS]
    for node in graph.nodes:
        digests.append(node_digest(node, digests))
    return digests


def _check_name(name: str) -> None:
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or _has_surrogates(name):
        raise ValueError(
            f"`name` must be a string of at most {MAX_NAME_CHARS} Unicode characters. "
            f"Received: name={reprlib.repr(name)}"
        )


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _checked_nodes(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    if not 1 <= len(nodes) <= MAX_NODES:
        raise ValueError(
            f"`nodes` must hold 1 to {MAX_NODES} intermediate nodes. Received: {len(nodes)} nodes"
        )
    checked = []
    for index, node in enumerate(nodes, start=ops.NUM_INITIAL_NODES):
        if not isinstance(node, Node):
            raise ValueError(f"node {index} must be a Node. Received: {reprlib.repr(node)}")
        try:
            checked.append(_checked_node(node, index))
        except ValueError as error:
            raise ValueError(f"node {index}: {error}") from error
    return tuple(checked)


def _checked_node(node: Node, index: int) -> Node:
    ops.check_primitive(node.op, node.index_set)
    if not isinstance(node.inputs, Sequence) or isinstance(node.inputs, str):
        raise ValueError(
            f"`inputs` must be a sequence of node indices. Received: inputs={node.inputs!r}"
        )
    if len(node.inputs) != ops.arity(node.op):
        raise ValueError(
            f"`inputs` of {node.op} must hold {ops.arity(node.op)} node(s). "
            f"Received: inputs={reprlib.repr(list(node.inputs))}"
        )
    for source in node.inputs:
        is_index = isinstance(source, numbers.Integral) and not isinstance(source, bool)
        if not is_index or not 0 <= source < index:
            raise ValueError(
                f"`inputs` must be earlier nodes, 0 to {index - 1}. Received: input {source!r}"
            )
    return Node(node.op, tuple(int(source) for source in node.inputs), node.index_set)
