"""Hypothesis strategies for layer graphs: random ones, and one graph in many disguises."""

from hypothesis import strategies as st

import evonorm_tf as en
from evonorm_tf.graph import ops

SAMPLE_PRIMITIVES = tuple(p for p in ops.PRIMITIVES if not p.uses_batch)


@st.composite
def graphs(draw, primitives=ops.PRIMITIVES, max_nodes=10, initial=range(ops.NUM_INITIAL_NODES)):
    """Valid graphs of 1 to `max_nodes` nodes, with inputs among `initial` and earlier nodes."""
    nodes = []
    for index in range(4, 4 + draw(st.integers(1, max_nodes))):
        primitive = draw(st.sampled_from(primitives))
        sources = st.sampled_from([*initial, *range(4, index)])
        inputs = tuple(draw(sources) for _ in range(primitive.arity))
        nodes.append(en.Node(primitive.op, inputs, primitive.index_set))
    return en.LayerGraph(tuple(nodes), draw(st.text(st.characters(codec="utf-8"), max_size=8)))


@st.composite
def disguised(draw, graph):
    """The same function as `graph`, otherwise written.

    Some nodes are doubled and their uses shared out, dead nodes are added, the inputs of
    commutative operations swapped, and the nodes listed in another topological order.
    """
    rng = draw(st.randoms(use_true_random=False))
    nodes = {i: (n.op, list(n.inputs), n.index_set) for i, n in enumerate(graph.nodes, start=4)}
    for original in rng.choices(list(nodes), k=3):
        double = max(nodes) + 1
        op, inputs, index_set = nodes[original]
        nodes[double] = (op, list(inputs), index_set)
        for _, uses, _ in list(nodes.values()):
            uses[:] = [double if i == original and rng.random() < 0.5 else i for i in uses]
    for _ in range(3):
        # Nothing may depend on the output, which stays the last node.
        sources = [0, 1, 2, 3, *(i for i in nodes if i != graph.output)]
        nodes[max(nodes) + 1] = ("MUL", rng.choices(sources, k=2), None)
    for op, inputs, _ in nodes.values():
        if op in ops.COMMUTATIVE:
            rng.shuffle(inputs)
    return _relabelled(nodes, graph.output, rng)


def _relabelled(nodes, output, rng):
    numbers, listed = {i: i for i in range(4)}, []
    waiting = dict(nodes)
    del waiting[output]
    while waiting:
        ready = [i for i, (_, inputs, _) in waiting.items() if all(j in numbers for j in inputs)]
        chosen = rng.choice(ready)
        listed.append(waiting.pop(chosen))
        numbers[chosen] = 3 + len(listed)
    listed.append(nodes[output])
    return en.LayerGraph(
        tuple(en.Node(op, tuple(numbers[i] for i in inputs), s) for op, inputs, s in listed)
    )
