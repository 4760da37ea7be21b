"""Formulas of layer graphs: as a person writes them, and worth what the graph computes."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings

import evonorm_tf as en
from evonorm_tf import registry
from tests.evonorm_tf import graph_oracle, graph_strategies

pytestmark = pytest.mark.one_environment

B, I = "sqrt(s^2_{b,w,h}(x))", "sqrt(s^2_{w,h}(x))"  # noqa: E741
SHIPPED = {
    "evonorm_b0": f"x / max({B}, v1*x + {I}) * gamma + beta",
    "evonorm_b1": f"x / max({B}, (x + 1) * sqrt(mu_{{w,h}}(x^2))) * gamma + beta",
    "evonorm_b2": f"x / max({B}, sqrt(mu_{{w,h}}(x^2)) - x) * gamma + beta",
    "evonorm_s0": "x * sigmoid(v1*x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta",
    "evonorm_s1": "x * sigmoid(x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta",
    "evonorm_s2": "x * sigmoid(x) / sqrt(mu_{w,h,c/g}(x^2)) * gamma + beta",
    "random": "sign(z)*sqrt(abs(z)) * gamma + beta, z = sqrt(s^2_{w,h}(sigmoid(abs(x))))",
    "random_rej": "tanh(max(x, tanh(x))) * gamma + beta",
    "rs_rej": "max(x, 0) / sqrt(mu_{b,w,h}(x^2)) * gamma + beta",
    "found_b0": "max(x, -v1) / sqrt(mu_{b,w,h}(max(x, -v1)^2)) * gamma + beta",
    "found_b1": f"z / sqrt(mu_{{b,w,h}}(z^2)) * gamma + beta, z = x + {I}",
    "found_s0": "x / max(x, mu_{w,h,c/g}(sqrt(s^2_{w,h}(max(x, mu_{w,h}(x)))))) * gamma + beta",
    "b0_no_v1x": f"x / max({B}, {I}) * gamma + beta",
    "b0_no_local": f"x / {B} * gamma + beta",
    "b0_no_global": f"x / (v1*x + {I}) * gamma + beta",
    "b0_max_to_add": f"x / ({B} + v1*x + {I}) * gamma + beta",
}
SHIPPED_GRAPHS = {name: registry.graph(name) for name in en.names() if registry.graph(name)}


def graph_of(*nodes):
    return en.LayerGraph(tuple(en.Node(*node) for node in nodes))


def inputs(seed=0, channels=4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4, 2, channels))
    return x, rng.normal(size=channels), rng.normal(size=channels)


def evaluate(formula, x, v0, v1, gamma, beta, groups):
    """The number a plain formula means, with Python's grammar behind a few substitutions."""
    main, *definitions = re.split(r", (?=z\d* = )", formula)
    sets = {"b,w,h": "BWH", "w,h,c": "WHC", "w,h": "WH", "w,h,c/g": "WHCQ"}

    def moment(op):
        return {
            axes: lambda term, key=key: graph_oracle.raw_moment(
                op, key, np.broadcast_to(term, x.shape), groups
            )
            for axes, key in sets.items()
        }

    names = {
        **{"x": x, "v0": v0, "v1": v1, "gamma": gamma, "beta": beta, "number": np.float64},
        **{"mu": moment("MEAN"), "variance": moment("STD")},
        **{"sqrt": np.sqrt, "abs": np.abs, "sign": np.sign, "ln": np.log, "exp": np.exp},
        **{"max": np.maximum, "tanh": np.tanh, "sigmoid": lambda a: 1 / (1 + np.exp(-a))},
        "__builtins__": {},
    }
    with np.errstate(all="ignore"):
        for definition in reversed(definitions):
            name, _, term = definition.partition(" = ")
            names[name] = eval(_python(term), names)
        return np.broadcast_to(eval(_python(main), names), x.shape)


def _python(term):
    term = re.sub(r"s\^2_\{([^}]*)\}", r"variance['\1']", term)
    term = re.sub(r"mu_\{([^}]*)\}", r"mu['\1']", term)
    term = re.sub(r"(?<![\w.'])(\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w'])", r"number(\1)", term)
    return term.replace("^", "**")


def test_every_shipped_graph_has_its_formula_here():
    assert SHIPPED.keys() == SHIPPED_GRAPHS.keys()


@pytest.mark.parametrize("name", SHIPPED_GRAPHS)
def test_shipped_graphs_read_as_in_the_paper(name):
    assert SHIPPED_GRAPHS[name].formula() == SHIPPED[name]


@pytest.mark.parametrize(
    ("nodes", "formula"),
    [
        ([("NEG", (0,)), ("NEG", (4,)), ("NEG", (5,))], "(-x)"),
        ([("NEG", (0,)), ("SQUARE", (4,))], "(-x)^2"),
        ([("SQUARE", (0,)), ("NEG", (4,))], "(-x^2)"),
        ([("ADD", (0, 3)), ("SQUARE", (4,)), ("DIV", (0, 5))], "x / (x + v1)^2"),
        ([("ADD", (0, 3)), ("NEG", (4,)), ("ADD", (5, 2))], "(v0 - (x + v1))"),
        ([("MUL", (0, 3)), ("DIV", (0, 4))], "x / (v1*x)"),
        ([("DIV", (0, 3)), ("DIV", (0, 4))], "x / (x / v1)"),
        ([("DIV", (0, 3)), ("DIV", (4, 2))], "x / v1 / v0"),
        ([("EXP", (1,)), ("ADD", (4, 4)), ("MUL", (0, 5))], "2*x"),
        ([("EXP", (1,)), ("DIV", (0, 4))], "x"),
        ([("EXP", (1,)), ("NEG", (4,)), ("MUL", (0, 5))], "(-x)"),
        ([("EXP", (1,)), ("NEG", (4,)), ("ADD", (5, 0))], "(x - 1)"),
        ([("NEG", (1,)), ("MAX", (4, 0))], "max(x, 0)"),
        ([("ADD", (1, 0))], "x"),
        ([("MUL", (0, 0))], "x^2"),
        ([("SIGMOID", (1,))], "0.5"),
        ([("EXP", (1,)), ("LOG", (4,))], "0"),
        ([("EXP", (1,)), ("TANH", (4,))], "tanh(1)"),
        ([("LOG", (1,))], "sign(0)*ln(abs(0))"),
        ([("LOG", (0,)), ("SQUARE", (4,))], "(sign(x)*ln(abs(x)))^2"),
    ],
)
def test_parentheses_signs_and_constants(nodes, formula):
    assert graph_of(*nodes).formula() == f"{formula} * gamma + beta"


def test_constants_beyond_floating_point_stay_written():
    tower = [("EXP", (1,)), *[("EXP", (index - 1,)) for index in range(5, 12)]]
    assert graph_of(*tower).formula() == "exp(exp(exp(exp(exp(exp(exp(1))))))) * gamma + beta"
    squares = [("EXP", (1,)), ("ADD", (4, 4)), *[("SQUARE", (i - 1,)) for i in range(6, 26)]]
    assert graph_of(*squares[:6]).formula() == "65536 * gamma + beta"
    assert graph_of(*squares[:8]).formula() == "(65536^2)^2 * gamma + beta"


def test_terms_that_occur_again_are_named():
    graph = graph_of(("STD", (0,), "WH"), ("ADD", (0, 4)), ("MUL", (5, 4)), ("TANH", (0,)))
    graph = graph_of(*[(n.op, n.inputs, n.index_set) for n in graph.nodes], ("ADD", (6, 7)))
    assert graph.formula() == f"((x + z) * z + tanh(x)) * gamma + beta, z = {I}"


@settings(max_examples=200)
@given(graph_strategies.graphs())
def test_formula_is_worth_what_the_graph_computes(graph):
    x, v0, v1 = inputs()
    gamma, beta = np.array([1.5, -0.5, 1.0, 2.0]), np.array([0.5, 0.0, -1.0, 0.25])

    def computed(noise, seed=0):
        oracle = graph_oracle.GraphOracle(groups=2, noise=noise, seed=seed)
        return oracle.values(graph, x, v0, v1)

    values = computed(0.0)
    live = [values[index] for index in graph.live()]
    assume(all(np.isfinite(value).all() and np.abs(value).max() < 1e50 for value in live))
    # A formula may round elsewhere than the graph: x * y / z is not x * (y / z) to a bit.
    moved = max(np.abs(computed(1e-14, seed)[-1] - values[-1]).max() for seed in range(3))
    expected = values[-1] * gamma + beta
    scale = np.abs(expected).max()
    tolerance = 100 * moved * np.abs(gamma).max() + 1e-12 * scale
    assume(tolerance < 1e-6 * scale)
    actual = evaluate(graph.formula(), x, v0, v1, gamma, beta, groups=2)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def test_the_evaluator_tells_formulas_apart():
    x, v0, v1 = inputs()
    arguments = (x, v0, v1, 1.0, 0.0, 2)
    b0 = evaluate(SHIPPED["evonorm_b0"], *arguments)
    expected = x / np.maximum(x.std(axis=(0, 1, 2)), v1 * x + x.std(axis=(1, 2), keepdims=True))
    np.testing.assert_allclose(b0, expected, rtol=1e-12)
    assert np.abs(b0 - evaluate(SHIPPED["b0_no_v1x"], *arguments)).max() > 0.1
    assert np.abs(evaluate("z^2, z = 1 - z1, z1 = -2", *arguments) - 9).max() == 0


def assert_balanced(latex):
    depth = 0
    for char in re.sub(r"\\[{}]", "", latex):
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\left") == latex.count(r"\right")


def test_latex_of_b0():
    assert SHIPPED_GRAPHS["evonorm_b0"].latex() == (
        r"\frac{x}{\max\left(\sqrt{s^2_{b,w,h}\left(x\right)}, "
        r"v_1 x + \sqrt{s^2_{w,h}\left(x\right)}\right)} \gamma + \beta"
    )


def test_latex_numbers_named_terms():
    graph = graph_of(("STD", (0,), "WH"), ("ADD", (0, 4)), ("MUL", (5, 4)), ("DIV", (6, 4)))
    graph = en.LayerGraph((*graph.nodes, en.Node("MAX", (6, 7))))
    assert graph.formula() == (f"max(z1, z1 / z2) * gamma + beta, z1 = (x + z2) * z2, z2 = {I}")
    assert graph.latex() == (
        r"\max\left(z_{1}, \frac{z_{1}}{z_{2}}\right) \gamma + \beta, "
        r"\quad z_{1} = \left(x + z_{2}\right) \, z_{2}, "
        r"\quad z_{2} = \sqrt{s^2_{w,h}\left(x\right)}"
    )


@given(graph_strategies.graphs())
def test_latex_is_balanced(graph):
    assert_balanced(graph.latex())


@pytest.fixture(scope="module")
def render():
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="needs the group test")
    parser = mathtext.MathTextParser("path")
    return lambda latex: parser.parse(f"${latex}$")


@pytest.mark.parametrize("name", SHIPPED_GRAPHS)
def test_latex_of_shipped_graphs_renders(render, name):
    picture = render(SHIPPED_GRAPHS[name].latex())
    assert picture.width > 0 and picture.height > 0


@given(graph_strategies.graphs())
def test_latex_of_random_graphs_renders(render, graph):
    assert render(graph.latex()).width > 0


@pytest.mark.parametrize("op", ["MUL", "ADD", "DIV", "MAX", "SQRT", "LOG"])
def test_formulas_of_exponential_graphs_stay_short(op):
    arity = 1 if op in ("SQRT", "LOG") else 2
    chain = [(op, (index - 1,) * arity) for index in range(5, 205)]
    graph = graph_of(("TANH", (0,)), *chain)
    assert len(graph.formula()) < 10_000
    assert len(graph.latex()) < 30_000
    assert_balanced(graph.latex())
