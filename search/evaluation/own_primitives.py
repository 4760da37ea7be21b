"""Checks the functions of registered primitives before a search draws them."""

from collections.abc import Iterable

import numpy as np

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from search.errors import SearchError
from search.evaluation.engine.calls import Call
from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import VECTORS, LayerProgram, initial_vectors

_SIZES = Sizes((4, 3, 5), 2)
_PART = (slice(1, 3),) * 3
_SEED = 17


def check(primitives: Iterable[ops.Primitive]) -> None:
    """Runs and differentiates each registered primitive on small arrays.

    Raises:
      SearchError: in one line, for a function that raises, returns another shape or dtype, cannot
        be differentiated twice, or should work element by element and does not.
    """
    for primitive in primitives:
        if ops.registered(primitive.op) is None:
            continue
        try:
            for dtype in (np.float32, np.float64):
                _run(primitive, dtype)
            is_right = primitive.index_set or _works_by_elements(primitive)
        except Exception as error:  # of a function that is not ours
            line = (str(error).strip().splitlines() or [""])[0]
            text = f"its function raised {type(error).__name__}: {line}"
            raise SearchError(f"space.primitives cannot be {primitive.op!r}: {text}") from error
        if not is_right:
            raise SearchError(
                f"space.primitives cannot be {primitive.op!r}: its function must work element by "
                "element, or be registered as an aggregation"
            )


def _run(primitive: ops.Primitive, dtype: type[np.floating]) -> None:
    """The primitive's value, its gradient, and the gradient of that."""
    node = Node(primitive.op, (0,) * primitive.arity, primitive.index_set)
    program, x = LayerProgram(LayerGraph((node,))), _draw().astype(dtype)
    inputs = {"x": x, "upstream": x, **initial_vectors(len(x), dtype)}
    trained = program.train(inputs, _SIZES)
    program.differentiate(inputs, trained, _SIZES)
    upstream = {f"to_{name}": inputs[name] for name in ("x", *VECTORS)}
    program.second({**inputs, **upstream}, _SIZES)


def _works_by_elements(primitive: ops.Primitive) -> bool:
    """Whether elements keep their values when the function gets a part of the array."""
    call = Call(primitive.op)
    arrays = [_draw() + place for place in range(primitive.arity)]
    alone = call.run([array[_PART] for array in arrays], _SIZES)
    return np.allclose(call.run(arrays, _SIZES)[_PART], alone, equal_nan=True)


def _draw() -> Array:
    return np.random.default_rng(_SEED).normal(size=_SIZES.shape)
