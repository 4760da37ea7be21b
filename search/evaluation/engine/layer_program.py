"""`LayerProgram`: a layer graph with gamma and beta as programs, for both modes and two orders."""

import functools

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.numerics.primitives import EPSILON
from search.evaluation.engine.differentiation import EVERYWHERE, Axes, Upstream, gradients
from search.evaluation.engine.instructions import BATCH, CHANNELS, PLACES, Compiled, Program

# The vectors of a layer, in the order of its programs' arguments.
VECTORS = ("gamma", "beta", "v0", "v1")
_PER_CHANNEL: Axes = frozenset({CHANNELS})
# The axes of an index set; "WHCQ" also averages over the channels of each group.
_INDEX_SETS = {
    "BWH": (BATCH, PLACES),
    "WHC": (PLACES, CHANNELS),
    "WH": (PLACES,),
    "WHCQ": (PLACES,),
}


class LayerProgram:
    """What a layer computes: output(x) * gamma + beta, and its derivatives.

    Arguments are arrays (channels, batch, places); vectors are (channels, 1, 1).

    Args:
      graph: the layer graph.
    """

    def __init__(self, graph: LayerGraph):
        self._nodes = graph.canonical().nodes
        # A (b, w, h) aggregation: its index among the nodes, and whether its average starts at 0.
        batch = [(i, node) for i, node in enumerate(self._nodes) if node.index_set == "BWH"]
        self.moving_starts = [0.0 if node.op == "MEAN" else 1.0 for _, node in batch]
        self._moving = {i: f"moving{number}" for number, (i, _) in enumerate(batch)}

    @functools.cached_property
    def training(self) -> Compiled:
        """(x, *VECTORS) -> output, and the batch's moment of each (b, w, h) aggregation."""
        program, output, moments = self._forward(in_training=True)
        return Compiled(program, [output, *moments])

    @functools.cached_property
    def inference(self) -> Compiled:
        """(x, *VECTORS, moving0, ...) -> output."""
        program, output, _ = self._forward(in_training=False)
        return Compiled(program, [output])

    @functools.cached_property
    def backward(self) -> Compiled:
        """(x, *VECTORS, upstream) -> gradients in training for x and the vectors."""
        program, values, _ = self._backward()
        return Compiled(program, values)

    @functools.cached_property
    def second(self) -> Compiled:
        """The gradients of `backward`.

        (x, *VECTORS, upstream, to_x, to_gamma, ...) -> gradients for the arguments of `backward`,
        from upstream gradients of its results.
        """
        program, values, varying = self._backward()
        sources = [program.input(name) for name in ("x", *VECTORS, "upstream")]
        upstream = []
        for name, value in zip(("x", *VECTORS), values, strict=True):
            axes = EVERYWHERE if name == "x" else _PER_CHANNEL
            varying[f"to_{name}"] = axes
            upstream.append(Upstream(value, program.input(f"to_{name}"), axes))
        found = gradients(program, upstream, sources, varying)
        return Compiled(program, _zeros_for_none(program, found))

    def _backward(self) -> tuple[Program, list[int], dict[str, Axes]]:
        program, output, _ = self._forward(in_training=True)
        varying: dict[str, Axes] = {"x": EVERYWHERE, "upstream": EVERYWHERE}
        varying.update(dict.fromkeys(VECTORS, _PER_CHANNEL))
        sources = [program.input(name) for name in ("x", *VECTORS)]
        upstream = [Upstream(output, program.input("upstream"), EVERYWHERE)]
        found = gradients(program, upstream, sources, varying)
        return program, _zeros_for_none(program, found), varying

    def _forward(self, in_training: bool) -> tuple[Program, int, list[int]]:
        program = Program()
        x, gamma, beta, v0, v1 = (program.input(name) for name in ("x", *VECTORS))
        initial = {ops.INPUT: x, ops.ZERO: program.constant(0.0), ops.V0: v0, ops.V1: v1}
        values = [initial[index] for index in range(ops.NUM_INITIAL_NODES)]
        moments = []
        for index, node in enumerate(self._nodes):
            sources = [values[source] for source in node.inputs]
            if node.index_set is None:
                values.append(_ELEMENTWISE.get(node.op, _direct(node.op))(program, *sources))
                continue
            if index in self._moving and not in_training:
                moment = program.input(self._moving[index])
            else:
                moment = _moment(program, node, *sources)
            if index in self._moving:
                moments.append(moment)
            values.append(_finished(program, node.op, moment))
        scaled = program.add("MUL", values[-1], gamma)
        return program, program.add("ADD", scaled, beta), moments


def _zeros_for_none(program: Program, values: list[int | None]) -> list[int]:
    return [program.constant(0.0) if value is None else value for value in values]


def _direct(op: str):
    return lambda program, *sources: program.add(op, *sources)


def _safe_quotient(program: Program, x: int, y: int) -> int:
    """x / y, where a |y| below EPSILON counts as EPSILON."""
    floor, zero = program.constant(EPSILON), program.constant(0.0)
    is_positive = program.add("AT_LEAST", y, zero)
    signed = program.add("SELECT", is_positive, floor, program.constant(-EPSILON))
    is_small = program.add("AT_LEAST", floor, program.add("ABS", y))
    return program.add("DIV", x, program.add("SELECT", is_small, signed, y))


def _safe_logarithm(program: Program, x: int) -> int:
    """sign(x) * ln|x|, where an |x| below EPSILON counts as EPSILON."""
    magnitude = program.add("MAX", program.add("ABS", x), program.constant(EPSILON))
    return program.add("MUL", program.add("SIGN", x), program.add("LOG", magnitude))


def _signed_root(program: Program, x: int) -> int:
    """x / sqrt(max(|x|, EPSILON))."""
    magnitude = program.add("MAX", program.add("ABS", x), program.constant(EPSILON))
    return program.add("DIV", x, program.add("SQRT", magnitude))


_ELEMENTWISE = {"DIV": _safe_quotient, "LOG": _safe_logarithm, "SQRT": _signed_root}


def _moment(program: Program, node: Node, x: int) -> int:
    """The mean, second moment or variance over the node's index set."""

    def mean(value: int) -> int:
        value = program.add("MEAN", value, parameter=_INDEX_SETS[node.index_set])
        return program.add("MEAN_OF_GROUP", value) if node.index_set == "WHCQ" else value

    if node.op == "MEAN":
        return mean(x)
    centered = x if node.op == "RMS" else program.add("SUB", x, mean(x))
    return mean(program.add("SQUARE", centered))


def _finished(program: Program, op: str, moment: int) -> int:
    """The value of an aggregation: sqrt(moment + EPSILON) for RMS and STD."""
    if op == "MEAN":
        return moment
    return program.add("SQRT", program.add("ADD", moment, program.constant(EPSILON)))
