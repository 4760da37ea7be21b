"""The primitives of the search space (paper section 3, table 2), without TensorFlow.

Twelve element-wise operations, and three aggregations over each of four index sets:
24 primitives in all.
"""

from typing import NamedTuple

INPUT, ZERO, V0, V1 = range(4)
NUM_INITIAL_NODES = 4
INITIAL_NODE_NAMES = ("x", "0", "v0", "v1")

ELEMENTWISE_ARITY = {
    "ADD": 2,
    "MUL": 2,
    "DIV": 2,
    "MAX": 2,
    "NEG": 1,
    "SIGMOID": 1,
    "TANH": 1,
    "EXP": 1,
    "LOG": 1,
    "ABS": 1,
    "SQUARE": 1,
    "SQRT": 1,
}
AGGREGATIONS = ("MEAN", "RMS", "STD")
ARITY = {**ELEMENTWISE_ARITY, **dict.fromkeys(AGGREGATIONS, 1)}
COMMUTATIVE = frozenset({"ADD", "MUL", "MAX"})
INDEX_SETS = ("BWH", "WHC", "WH", "WHCQ")
# Added inside the roots of RMS and STD; DIV, LOG and SQRT are bounded by it near 0.
EPSILON = 1e-5


class Primitive(NamedTuple):
    """One row of table 2: an operation and, for an aggregation, its index set."""

    op: str
    index_set: str | None = None

    @property
    def arity(self) -> int:
        """Number of inputs."""
        return ARITY[self.op]

    @property
    def uses_batch(self) -> bool:
        """Whether the result for one example depends on the others in its batch."""
        return self.index_set == "BWH"


PRIMITIVES = tuple(Primitive(op) for op in ELEMENTWISE_ARITY) + tuple(
    Primitive(op, index_set) for op in AGGREGATIONS for index_set in INDEX_SETS
)


def check_primitive(op: str, index_set: str | None) -> None:
    """Raises ValueError unless `op` with `index_set` is a primitive of table 2."""
    if not isinstance(op, str) or op not in ARITY:
        raise ValueError(f"`op` must be one of {', '.join(ARITY)}. Received: op={op!r}")
    if op in AGGREGATIONS and index_set not in INDEX_SETS:
        raise ValueError(
            f"`index_set` of the aggregation {op} must be one of {', '.join(INDEX_SETS)}. "
            f"Received: index_set={index_set!r}"
        )
    if op not in AGGREGATIONS and index_set is not None:
        raise ValueError(
            f"`index_set` must be absent for the element-wise {op}. "
            f"Received: index_set={index_set!r}"
        )
