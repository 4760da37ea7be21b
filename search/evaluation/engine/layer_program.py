"""`LayerProgram`: a layer graph, gamma and beta as programs: two modes, gradients of two orders."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph
from search.evaluation.engine.calls import Call, is_called
from search.evaluation.engine.differentiation import Upstream, gradients
from search.evaluation.engine.instructions import (
    BATCH,
    CHANNELS,
    EVERYWHERE,
    PER_CHANNEL,
    PLACES,
    Array,
    Compiled,
    Program,
    Sizes,
)

# The initial values of a layer's vectors, in the order of its programs' arguments.
STARTS = {"gamma": 1.0, "beta": 0.0, "v0": 0.0, "v1": 1.0}
VECTORS = tuple(STARTS)
MOMENTUM = 0.9  # of moving averages, the layers' default
# The axes of an index set; "WHCQ" also averages over the channels of each group.
_INDEX_SETS: dict[str | None, tuple[int, ...]] = {
    "BWH": (BATCH, PLACES),
    "WHC": (PLACES, CHANNELS),
    "WH": (PLACES,),
    "WHCQ": (PLACES,),
}


def initial_vectors(channels: int, dtype: type[np.floating]) -> dict[str, Array]:
    """The initial vectors of a training, as arrays (channels, 1, 1)."""
    return {name: np.full((channels, 1, 1), start, dtype) for name, start in STARTS.items()}


class Trained(NamedTuple):
    """A layer's output in training, the batch's moments, and what its gradients use of it.

    The moments are those of the (b, w, h) aggregations, in the order of `moving_starts`.
    """

    output: Array
    moments: list[Array]
    saved: list[Array]


class Runner(Protocol):
    """What runs the part of a program that some of its values need, as `Compiled` does."""

    @property
    def known(self) -> Sequence[int]:
        """The known values that each call is given."""

    def __call__(
        self, inputs: Mapping[str, Array], sizes: Sizes, known: Sequence[Array] = ()
    ) -> list[Array]:
        """Returns the outputs."""


# (program, outputs, known values) -> what runs it.
MakeRunner = Callable[[Program, Sequence[int], Sequence[int]], Runner]


class _FirstOrder(NamedTuple):
    forward: Runner
    backward: Runner


class LayerProgram:
    """What a layer computes: output(x) * gamma + beta, and its derivatives.

    Arguments are arrays (channels, batch, places), or as `runner` has them; vectors are
    (channels, 1, 1).

    Args:
      graph: the layer graph.
      runner: makes what runs the programs.

    Attributes:
      index_sets: those of the statistics that the output uses, such as "BWH".
      moving_starts: the initial value of each moving average.
    """

    def __init__(self, graph: LayerGraph, runner: MakeRunner = Compiled):
        self._nodes, self._runner = graph.canonical().nodes, runner
        self.index_sets = {node.index_set for node in self._nodes if node.index_set}
        # A (b, w, h) aggregation: its index among the nodes, and whether its average starts at 0.
        batch = [(i, node) for i, node in enumerate(self._nodes) if node.index_set == "BWH"]
        self.moving_starts = [0.0 if node.op == "MEAN" else 1.0 for _, node in batch]
        self._moving = {i: f"moving{number}" for number, (i, _) in enumerate(batch)}

    def train(self, inputs: Mapping[str, Array], sizes: Sizes) -> "Trained":
        """Runs the layer in training, on x and the `VECTORS`."""
        first, count = self._first_order, len(self.moving_starts)
        output, *rest = first.forward(inputs, sizes)
        return Trained(output, rest[:count], rest[count:])

    def differentiate(
        self, inputs: Mapping[str, Array], trained: "Trained", sizes: Sizes
    ) -> list[Array]:
        """The gradients in training for x and the vectors.

        Args:
          inputs: those of `train`, and the upstream gradient of its output as "upstream".
          trained: what `train` returned.
          sizes: of x.
        """
        return self._first_order.backward(inputs, sizes, trained.saved)

    def infer(self, inputs: Mapping[str, Array], averages: Sequence[Array], sizes: Sizes) -> Array:
        """Runs the layer in inference, on x, the `VECTORS` and the moving averages."""
        moving = dict(zip(self._moving.values(), averages, strict=True))
        return self._inference({**inputs, **moving}, sizes)[0]

    @functools.cached_property
    def _inference(self) -> Runner:
        """(x, *VECTORS, moving0, ...) -> output."""
        program, output, _ = self._forward(in_training=False)
        return self._runner(program, [output], [])

    @functools.cached_property
    def second(self) -> Runner:
        """The gradients of `differentiate`.

        (x, *VECTORS, upstream, to_x, to_gamma, ...) -> gradients for x, the vectors and upstream,
        from upstream gradients of the results.
        """
        program, _, values = self._with_gradients()
        sources = [program.input(name) for name in ("x", *VECTORS, "upstream")]
        upstream = []
        for name, value in zip(("x", *VECTORS), values, strict=True):
            axes = EVERYWHERE if name == "x" else PER_CHANNEL
            upstream.append(Upstream(value, program.input(f"to_{name}"), axes))
        found = gradients(program, upstream, sources)
        return self._runner(program, _zeros_for_none(program, found), [])

    @functools.cached_property
    def _first_order(self) -> "_FirstOrder":
        program, outputs, values = self._with_gradients()
        of_forward = [
            value
            for value, instruction in enumerate(program.instructions[: max(outputs) + 1])
            if instruction.op not in ("INPUT", "CONSTANT")
        ]
        backward = self._runner(program, values, of_forward)
        return _FirstOrder(self._runner(program, [*outputs, *backward.known], []), backward)

    def _with_gradients(self) -> tuple[Program, list[int], list[int]]:
        """The program in training, its outputs, and their gradients."""
        program, output, moments = self._forward(in_training=True)
        sources = [program.input(name) for name in ("x", *VECTORS)]
        upstream = [Upstream(output, program.input("upstream"), EVERYWHERE)]
        found = gradients(program, upstream, sources)
        return program, [output, *moments], _zeros_for_none(program, found)

    def _forward(self, in_training: bool) -> tuple[Program, int, list[int]]:
        program = Program()
        x, gamma, beta, v0, v1 = (program.input(name) for name in ("x", *VECTORS))
        initial = {ops.INPUT: x, ops.ZERO: program.constant(0.0), ops.V0: v0, ops.V1: v1}
        values = [initial[index] for index in range(ops.NUM_INITIAL_NODES)]
        moments = []
        for index, node in enumerate(self._nodes):
            sources = [values[source] for source in node.inputs]
            if node.index_set is None:
                values.append(_elementwise(program, node.op, *sources))
                continue
            if index in self._moving and not in_training:
                moment = program.input(self._moving[index])
            else:
                moment = _moment(program, node.op, node.index_set, *sources)
            if index in self._moving:
                moments.append(moment)
            values.append(_finished(program, node.op, moment))
        scaled = program.add("MUL", values[-1], gamma)
        return program, program.add("ADD", scaled, beta), moments


def _zeros_for_none(program: Program, values: list[int | None]) -> list[int]:
    return [program.constant(0.0) if value is None else value for value in values]


def _elementwise(program: Program, op: str, *sources: int) -> int:
    if is_called(op):
        return program.add("CALL", *sources, parameter=Call(op))
    if op in _ELEMENTWISE:
        return _ELEMENTWISE[op](program, *sources)
    return program.add(op, *sources)


def _safe_quotient(program: Program, x: int, y: int) -> int:
    """`x / y`, where a |y| below EPSILON counts as EPSILON."""
    return program.add("DIV", x, program.add("DIVISOR", y))


def _safe_logarithm(program: Program, x: int) -> int:
    """sign(x) * ln|x|, where an |x| below EPSILON counts as EPSILON."""
    magnitude = program.add("MAX", program.add("ABS", x), program.constant(ops.EPSILON))
    return program.add("MUL", program.add("SIGN", x), program.add("LOG", magnitude))


def _signed_root(program: Program, x: int) -> int:
    """`x / sqrt(max(|x|, EPSILON))`: the root of |x| with the sign of x."""
    magnitude = program.add("MAX", program.add("ABS", x), program.constant(ops.EPSILON))
    return program.add("DIV", x, program.add("SQRT", magnitude))


_ELEMENTWISE: dict[str, Callable[..., int]] = {
    "DIV": _safe_quotient,
    "LOG": _safe_logarithm,
    "SQRT": _signed_root,
}


def _moment(program: Program, op: str, index_set: str, x: int) -> int:
    """The mean (for MEAN), second moment (RMS), variance (STD) or own value over an index set."""
    if is_called(op):
        return program.add("CALL", x, parameter=Call(op, index_set))

    def mean(value: int) -> int:
        value = program.add("MEAN", value, parameter=_INDEX_SETS[index_set])
        return program.add("MEAN_OF_GROUP", value) if index_set == "WHCQ" else value

    if op == "MEAN":
        return mean(x)
    centered = x if op == "RMS" else program.add("SUB", x, mean(x))
    return mean(program.add("SQUARE", centered))


def _finished(program: Program, op: str, moment: int) -> int:
    """The value of an aggregation: sqrt(moment + EPSILON) for RMS and STD."""
    if op not in ("RMS", "STD"):
        return moment
    return program.add("SQRT", program.add("ADD", moment, program.constant(ops.EPSILON)))
