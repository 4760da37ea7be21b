"""Layer graphs with fewer operations that compute the same function."""

from evonorm_tf.graph import formula, ops
from evonorm_tf.graph.algebra import Algebra
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.graph.terms import Terms


def simplified(graph: LayerGraph, without_epsilon: bool = False) -> LayerGraph:
    """An equal graph with the fewest operations that the rules of arithmetic find.

    Up to rounding errors it computes the same output as `graph` wherever that is finite: in
    training, and in inference if the moving averages had equal initial values. It never has more
    operations.
    A layer that is x alone, or another initial node, is written as the sum of that and 0.

    Args:
      graph: any graph.
      without_epsilon: whether to count as equal also what differs by epsilons alone, or by the time
        that a moving average takes to converge; `LayerGraph.formula` omits both.

    Example:
      >>> import evonorm_tf as en
      >>> square = (en.Node("NEG", (0,)), en.Node("ABS", (4,)), en.Node("MUL", (5, 5)))
      >>> simplified(en.LayerGraph(square)).formula()
      'x^2 * gamma + beta'
    """
    plain = graph.canonical()
    algebra = Algebra(without_epsilon)
    output = algebra.translate(plain)
    if output < ops.NUM_INITIAL_NODES:
        return LayerGraph((Node("ADD", (output, ops.ZERO)),), graph.name)
    nodes = _tidied(algebra, output)
    # A term can have lost its sign in one place and need it in another.
    if len(nodes) > len(plain.nodes):
        return plain
    return LayerGraph(nodes, graph.name).canonical()


def short_formula(graph: LayerGraph) -> str:
    """The formula of the simplified graph, in plain text; it omits epsilons as all formulas do."""
    return formula.plain(simplified(graph, without_epsilon=True), is_short=True)


def short_latex(graph: LayerGraph) -> str:
    """The same formula as LaTeX, for math mode."""
    return formula.latex(simplified(graph, without_epsilon=True), is_short=True)


def _tidied(algebra: Algebra, output: int) -> tuple[Node, ...]:
    """The nodes that an output needs, with b - a for -(a - b)."""
    terms = Terms()
    numbers = {number: number for number in range(ops.NUM_INITIAL_NODES)}
    for number in algebra.live(output):
        node = algebra.renumbered(number, numbers)
        numbers[number] = terms.add(node.op, *node.inputs, index_set=node.index_set)
        inner = algebra.negative(number)
        difference = None if inner is None else algebra.difference(inner)
        if difference is not None:
            first, second = (numbers[each] for each in difference)
            numbers[number] = terms.add("ADD", second, terms.add("NEG", first))
    return terms.nodes(numbers[output])
