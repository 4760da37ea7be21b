"""`Algebra`: nodes that are simplified while they are made.

Each rule holds for all finite values of the input and the vectors, in training and in inference.
Signs move from the inputs of a node to its output, where they can be, so that equal terms with
signs in different places become the same node.
"""

from collections.abc import Callable

from evonorm_tf.graph import ops
from evonorm_tf.graph.facts import AXES
from evonorm_tf.graph.layer_graph import LayerGraph, Node, ordered_inputs
from evonorm_tf.graph.terms import Terms


class Algebra(Terms):
    """Terms with the rules of arithmetic.

    Args:
      without_epsilon: whether to count as equal what differs by epsilons alone, or by the time that
        a moving average takes to converge. This is how formulas are read, which omit both:
        the square of a root is the absolute value, which the bound of the root prevents near 0.
    """

    def __init__(self, without_epsilon: bool = False) -> None:
        super().__init__()
        self._without_epsilon = without_epsilon
        self._rules: dict[str, Callable[..., int | None]] = {
            "ADD": self._sum,
            "MUL": self._product,
            "DIV": self._quotient,
            "MAX": self._maximum,
            "NEG": self.negated,
            "ABS": self._absolute,
            "SQUARE": self._square,
            "SQRT": self._root,
            "TANH": lambda a: self._odd("TANH", a),
            "LOG": lambda a: self._odd("LOG", a),
            "MEAN": self._mean,
            "RMS": self._rms,
            "STD": self._std,
        }

    def make(self, op: str, *inputs: int, index_set: str | None = None) -> int:
        """The number of the simplest node that the rules find for this one."""
        arguments = inputs if index_set is None else (*inputs, index_set)
        found = self._rules[op](*arguments) if op in self._rules else None
        return self.add(op, *inputs, index_set=index_set) if found is None else found

    def translate(self, graph: LayerGraph) -> int:
        """The number of a graph's output."""
        live = graph.live()
        numbers = dict(enumerate(range(ops.NUM_INITIAL_NODES)))
        for index in sorted(live - numbers.keys()):
            node = graph.node(index)
            inputs = (numbers[i] for i in node.inputs)
            numbers[index] = self.make(node.op, *inputs, index_set=node.index_set)
        return numbers[graph.output]

    def one(self) -> int:
        """The constant 1."""
        return self.add("EXP", ops.ZERO)

    def negative(self, number: int) -> int | None:
        """The term whose negative this is; None for a term without a sign."""
        inputs = self.inputs(number, "NEG")
        return inputs[0] if inputs else None

    def negated(self, number: int) -> int:
        """The negative of a term."""
        inner = self.negative(number)
        return self.add("NEG", number) if inner is None else inner

    def orders(self, number: int, op: str) -> list[tuple[int, ...]]:
        """Both orders of the inputs of a node with this operation; empty for any other node."""
        pair = self.inputs(number, op)
        return [pair, pair[::-1]] if pair else []

    def difference(self, number: int) -> tuple[int, int] | None:
        """The two terms of which a node is the difference; None for another node."""
        for one, other in self.orders(number, "ADD"):
            minus = self.negative(other)
            if minus is not None:
                return one, minus
        return None

    def is_fixed(self, number: int, index_set: str) -> bool:
        """Whether a term is constant over an index set, and so equals its mean."""
        if AXES[index_set] & self.facts[number].varies:
            return False
        return index_set != "BWH" or self._without_epsilon or number == ops.ZERO

    def _unsigned(self, number: int) -> tuple[int, bool]:
        inner = self.negative(number)
        return (number, False) if inner is None else (inner, True)

    def _signed(self, number: int, is_negative: bool) -> int:
        return self.negated(number) if is_negative else number

    def _is_exact(self, number: int) -> bool:
        """Whether no bound of DIV, SQRT or LOG changes this term."""
        return self._without_epsilon or self.facts[number].is_large

    def _sum(self, a: int, b: int) -> int | None:
        if ops.ZERO in (a, b):
            return b if a == ops.ZERO else a
        (a, a_negative), (b, b_negative) = self._unsigned(a), self._unsigned(b)
        if a_negative == b_negative:
            return self.negated(self.make("ADD", a, b)) if a_negative else None
        plus, minus = (b, a) if a_negative else (a, b)
        if plus == minus:
            return ops.ZERO
        # Of a - b and b - a one is the negative of the other.
        first = ordered_inputs(Node("ADD", (plus, minus)), self.digests)[0]
        if first == plus:
            return self.add("ADD", plus, self.negated(minus))
        return self.negated(self.add("ADD", minus, self.negated(plus)))

    def _product(self, a: int, b: int) -> int | None:
        if ops.ZERO in (a, b):
            return ops.ZERO
        (a, a_negative), (b, b_negative) = self._unsigned(a), self._unsigned(b)
        if a_negative or b_negative:
            return self._signed(self.make("MUL", a, b), a_negative != b_negative)
        if a == b:
            return self.make("SQUARE", a)
        for one, other in ((a, b), (b, a)):
            if self.facts[one].constant == 1.0:
                return other
            quotient = self.inputs(one, "DIV")
            if quotient and self.facts[quotient[0]].constant == 1.0:
                return self.make("DIV", other, quotient[1])
            if quotient and quotient[1] == other and self.facts[other].is_large:
                return quotient[0]
        return None

    def _quotient(self, a: int, b: int) -> int | None:
        if a == ops.ZERO or self.facts[b].constant == 1.0:
            return a
        (a, is_negative), (bottom, bottom_is_negative) = self._unsigned(a), self._unsigned(b)
        # A divisor of exactly 0 counts as a positive one, and its negative too.
        if self.facts[b].is_large:
            b, is_negative = bottom, is_negative != bottom_is_negative
            if a == b:
                return self._signed(self.one(), is_negative)
        return self.negated(self.make("DIV", a, b)) if is_negative else self.add("DIV", a, b)

    def _maximum(self, a: int, b: int) -> int | None:
        if a == b:
            return a
        for one, other in ((a, b), (b, a)):
            if self.inputs(other, "NEG") == (one,):
                return self.make("ABS", one)
            if self.inputs(other, "ABS") == (one,) or one in (self.inputs(other, "MAX") or ()):
                return other
            lower, is_negative = self._unsigned(other)
            is_below_zero = other == ops.ZERO or (is_negative and self.facts[lower].is_nonnegative)
            if is_below_zero and self.facts[one].is_nonnegative:
                return one
        return None

    def _absolute(self, a: int) -> int | None:
        a, _ = self._unsigned(a)
        return a if self.facts[a].is_nonnegative else self.add("ABS", a)

    def _square(self, a: int) -> int | None:
        a = self._size(a)
        inner = self.inputs(a, "SQRT")
        if inner and self._is_exact(inner[0]):
            return self.make("ABS", inner[0])
        return self.add("SQUARE", a)

    def _root(self, a: int) -> int | None:
        squared = self.inputs(a, "SQUARE")
        if squared and self._is_exact(a):
            return self.make("ABS", squared[0])
        if self._without_epsilon:
            for index_set in AXES:
                for averaged in self.inputs(a, "MEAN", index_set) or ():
                    root = self._root_of_nonnegative(averaged)
                    if root is not None:
                        return self.make("RMS", root, index_set=index_set)
        return self._odd("SQRT", a)

    def _root_of_nonnegative(self, a: int) -> int | None:
        """A term whose square this is; None where that takes more than its input's root."""
        squared, sized = self.inputs(a, "SQUARE"), self.inputs(a, "ABS")
        if squared:
            return squared[0]
        return self.make("SQRT", sized[0]) if sized else None

    def _odd(self, op: str, a: int) -> int:
        a, is_negative = self._unsigned(a)
        return self._signed(self.add(op, a), is_negative)

    def _size(self, a: int) -> int:
        """A term with the same square: without its sign, and without ABS."""
        a, _ = self._unsigned(a)
        inner = self.inputs(a, "ABS")
        return inner[0] if inner else a

    def _mean(self, a: int, index_set: str) -> int | None:
        if self.is_fixed(a, index_set):
            return a
        a, is_negative = self._unsigned(a)
        if is_negative:
            return self.negated(self.make("MEAN", a, index_set=index_set))
        inner = self._statistic_within("MEAN", a, index_set)
        if inner is not None:
            return self.make("MEAN", inner, index_set=index_set)
        return self._mean_of_parts(a, index_set)

    def _mean_of_parts(self, a: int, index_set: str) -> int | None:
        """The mean of a sum, product or quotient with a part that is constant."""
        node = self.node(a)
        if node is None or node.op not in ("ADD", "MUL", "DIV"):
            return None
        first, second = node.inputs
        if self.is_fixed(second, index_set):
            return self.make(node.op, self.make("MEAN", first, index_set=index_set), second)
        if node.op != "DIV" and self.is_fixed(first, index_set):
            return self.make(node.op, first, self.make("MEAN", second, index_set=index_set))
        return None

    def _statistic_within(self, op: str, a: int, index_set: str) -> int | None:
        """The x of MEAN_T(x), where T is part of the index set (or of RMS_T(x))."""
        for part, axes in AXES.items():
            inner = self.inputs(a, op, part)
            if inner and axes <= AXES[index_set]:
                return inner[0]
        return None

    def _rms(self, a: int, index_set: str) -> int | None:
        a = self._size(a)
        if (pair := self.difference(a)) is not None:
            for one, other in (pair, pair[::-1]):
                if other == self.make("MEAN", one, index_set=index_set):
                    return self.make("STD", one, index_set=index_set)
        # Without x the term can be 0, and then epsilon is all that is left.
        if self._without_epsilon and self.facts[a].reads_input:
            if self.is_fixed(a, index_set):
                return self.make("ABS", a)
            inner = self._statistic_within("RMS", a, index_set)
            if inner is not None:
                return self.make("RMS", inner, index_set=index_set)
        return self.add("RMS", a, index_set=index_set)

    def _std(self, a: int, index_set: str) -> int | None:
        a, _ = self._unsigned(a)
        for one, other in self.orders(a, "ADD"):
            if not AXES[index_set] & self.facts[other].varies:
                return self.make("STD", one, index_set=index_set)
        # The moving average of a variance begins at 1, also where every batch has 0.
        if self.is_fixed(a, index_set) and (self._without_epsilon or index_set != "BWH"):
            return self.add("STD", ops.ZERO, index_set="WH")
        return self.add("STD", a, index_set=index_set)
