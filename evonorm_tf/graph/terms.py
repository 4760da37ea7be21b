"""`Terms`: a growing set of nodes, each once, with the facts about them."""

from collections.abc import Mapping

from evonorm_tf.graph import facts, ops
from evonorm_tf.graph.layer_graph import INITIAL_DIGESTS, Node, node_digest, ordered_inputs


class Terms:
    """Nodes numbered as in a layer graph: 0 to 3 are x, 0, v0 and v1, and others follow.

    Attributes:
      facts: what is known about each node.
      digests: a hash of each node's subgraph, which does not depend on other nodes.
    """

    def __init__(self) -> None:
        self.facts = [*facts.INITIAL]
        self.digests = [*INITIAL_DIGESTS]
        self._nodes: list[Node] = []
        self._numbers: dict[Node, int] = {}
        # The node of each constant value.
        self._constants: dict[float, int] = {0.0: ops.ZERO}

    def add(self, op: str, *inputs: int, index_set: str | None = None) -> int:
        """Adds a node, unless it or its constant value exists already; returns its number."""
        ordered = ordered_inputs(Node(op, inputs, index_set), self.digests)
        node = Node(op, ordered, index_set)
        if node in self._numbers:
            return self._numbers[node]
        known = facts.of_node(op, index_set, [self.facts[i] for i in ordered])
        if known.constant in self._constants:
            return self._constants[known.constant]
        number = ops.NUM_INITIAL_NODES + len(self._nodes)
        self._nodes.append(node)
        self._numbers[node] = number
        self.facts.append(known)
        self.digests.append(node_digest(node, self.digests))
        if known.constant is not None:
            self._constants[known.constant] = number
        return number

    def node(self, number: int) -> Node | None:
        """The node with a number; None for x, 0, v0 and v1."""
        place = number - ops.NUM_INITIAL_NODES
        return self._nodes[place] if place >= 0 else None

    def inputs(self, number: int, op: str, index_set: str | None = None) -> tuple[int, ...] | None:
        """The inputs of a node that has this operation; None for any other node."""
        node = self.node(number)
        if node is None or (node.op, node.index_set) != (op, index_set):
            return None
        return node.inputs

    def renumbered(self, number: int, numbers: Mapping[int, int]) -> Node:
        """A node with other numbers for its inputs."""
        node = self._nodes[number - ops.NUM_INITIAL_NODES]
        return Node(node.op, tuple(numbers[i] for i in node.inputs), node.index_set)

    def live(self, output: int) -> list[int]:
        """The numbers of the nodes that an output depends on, without x, 0, v0 and v1, in order."""
        live = {output}
        for number in range(output, ops.NUM_INITIAL_NODES - 1, -1):
            if number in live:
                live.update(self._nodes[number - ops.NUM_INITIAL_NODES].inputs)
        return sorted(live - set(range(ops.NUM_INITIAL_NODES)))

    def nodes(self, output: int) -> tuple[Node, ...]:
        """The nodes of a layer graph with this output."""
        live = [*range(ops.NUM_INITIAL_NODES), *self.live(output)]
        numbers = {number: place for place, number in enumerate(live)}
        return tuple(self.renumbered(n, numbers) for n in live[ops.NUM_INITIAL_NODES :])
