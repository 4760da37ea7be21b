"""Registered primitives: their rules, JSON, text, and layers against the paper's in float64."""

import importlib

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.graph import more_primitives, ops
from evonorm_tf.graph.simplification import short_formula, simplified
from tests import own_primitives

SHAPE = (4, 6, 5, 8)
INDEX_SETS = ("BWH", "WHC", "WH", "WHCQ")
HALF = {"function": lambda x: x / 2}


@pytest.fixture(autouse=True)
def _registered():
    with own_primitives.registered():
        yield


def draw(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"name": "half"}, "`name` must be capital letters"),
        ({"name": "H" * 33}, "`name` must be capital letters"),
        ({"name": 3}, "Received: name=3"),
        ({"name": "ADD"}, "Received: ADD, a primitive of the paper"),
        ({"name": "MY_TANH"}, "MY_TANH, which is registered already with another function"),
        ({"arity": 3}, "`arity` of HALF must be 1 or 2.*Received: arity=3"),
        ({"arity": True}, "Received: arity=True"),
        ({"arity": 2, "aggregation": True}, "and 1 for an aggregation. Received: arity=2"),
        ({"function": "tf.abs"}, "`function` of HALF must be callable. Received: 'tf.abs'"),
        ({"formula": "half"}, "`formula` of HALF must be a text with {}, in which every other"),
        ({"latex": r"\frac{{}}{2}"}, "`latex` of HALF must be a text with {}"),
        ({"arity": 2, "formula": "half({})"}, "must be a text with {}, {}, in which"),
        ({"aggregation": True, "formula": "half({})"}, "must be a text with {}, {axes}"),
        ({"formula": 7}, "Received: formula=7"),
    ],
)
def test_wrong_registrations(arguments, error):
    before = ops.names()
    with pytest.raises(ValueError, match=error):
        en.ops.register(**{"name": "HALF", **HALF, **arguments})
    assert ops.names() == before


def test_the_same_may_be_registered_again():
    importlib.reload(importlib.reload(more_primitives))
    with pytest.raises(ValueError, match="ERF, which is registered already"):
        en.ops.register("ERF", function=more_primitives.erf, formula="err({})")
    factors = [lambda x, factor=factor: factor * x for factor in (2, 3)]
    en.ops.register("TIMES", function=factors[0])
    en.ops.register("TIMES", function=factors[0])
    with pytest.raises(ValueError, match="TIMES, which is registered already"):
        en.ops.register("TIMES", function=factors[1])


def test_json_where_they_are_registered_and_elsewhere():
    graph = en.LayerGraph((en.Node("LARGEST", (0,), "WHCQ"), en.Node("MY_MUL", (4, 0))))
    text = graph.to_json()
    assert '{"op": "LARGEST", "index_set": "WHCQ", "inputs": [0]}' in text
    assert en.LayerGraph.from_json(text) == graph
    del ops._registered["LARGEST"]
    error = "node 4: `op` must be one of ADD, .*register.*first.*Received: op='LARGEST'"
    with pytest.raises(ValueError, match=error):
        en.LayerGraph.from_json(text)
    with pytest.raises(ValueError, match=error):
        en.LayerGraph((en.Node("LARGEST", (0,), "WH"),))


@pytest.mark.parametrize(
    "node, error",
    [
        (en.Node("MY_MUL", (0,)), r"`inputs` of MY_MUL must hold 2 node\(s\)"),
        (en.Node("MY_TANH", (0,), "WH"), "`index_set` must be absent for the element-wise MY_TANH"),
        (en.Node("LARGEST", (0,)), "`index_set` of the aggregation LARGEST must be one of BWH"),
    ],
)
def test_nodes_follow_the_rules_of_their_primitive(node, error):
    with pytest.raises(ValueError, match=error):
        en.LayerGraph((node,))


def test_formulas_and_drawings():
    largest = en.Node("LARGEST", (0,), "WHCQ")
    graph = en.LayerGraph((largest, en.Node("DIV", (0, 4)), en.Node("MY_MUL", (5, 3))))
    assert graph.formula() == "my_mul(x / max_{w,h,c/g} abs(x), v1) * gamma + beta"
    assert graph.latex() == (
        r"\mathrm{my\_mul}\left(\frac{x}{\max_{w,h,c/g}\left|x\right|}, v_1\right) \gamma + \beta"
    )
    assert r'label="largest\n(w,h,c/g)"' in graph.dot() and 'label="my_mul"' in graph.dot()
    mean = en.LayerGraph((en.Node("MY_MEAN", (0,), "WH"),))
    assert mean.formula() == "my_mean_{w,h}(x) * gamma + beta"
    assert mean.latex() == r"\mathrm{my\_mean}_{w,h}\left(x\right) \gamma + \beta"


def test_simplification_leaves_them_as_they_are():
    nodes = (
        en.Node("MY_TANH", (1,)),  # a constant of unknown value
        en.Node("NEG", (4,)),
        en.Node("NEG", (5,)),
        en.Node("LARGEST", (0,), "BWH"),
        en.Node("MEAN", (7,), "BWH"),
        en.Node("ADD", (6, 8)),
        en.Node("MUL", (9, 0)),
    )
    graph = en.LayerGraph(nodes)
    assert [node.op for node in simplified(graph).nodes].count("NEG") == 0
    short = "x * (my_tanh(0) + max_{b,w,h} abs(x)) * gamma + beta"
    assert short_formula(graph) in (short, "(my_tanh(0) + max_{b,w,h} abs(x)) * x * gamma + beta")


def derivatives(layer, dtype, **options):
    """Output, its gradient for x with a fixed upstream gradient, and the gradient of that."""
    x, upstream, to_x = (tf.constant(draw(seed=seed), dtype) for seed in range(3))
    layer = layer(groups=4, dtype=dtype, **options)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = layer(x, training=True)
        first = inner.gradient(y, x, upstream)
    return [each.numpy() for each in (y, first, outer.gradient(first, x, to_x))]


@pytest.mark.parametrize("index_set", [None, *INDEX_SETS])
def test_layers_of_twins_equal_the_papers_in_float64(index_set):
    """Without an own aggregation the layer keeps its input alone; with one it does not."""
    statistic = en.Node("STD", (0,), "WH") if index_set is None else en.Node("RMS", (0,), index_set)
    nodes = (statistic, en.Node("TANH", (0,)), en.Node("ADD", (4, 5)), en.Node("EXP", (6,)))
    graph = en.LayerGraph((*nodes, en.Node("SIGMOID", (0,)), en.Node("MUL", (7, 8))))
    own = own_primitives.with_twins(graph)
    assert (en.GraphLayer(own)._plan is None) == (index_set is not None)
    expected = derivatives(lambda **kwargs: en.GraphLayer(graph, **kwargs), "float64")
    for dtype, tolerance in (("float32", 5e-6), ("float64", 1e-12)):
        actual = derivatives(lambda **kwargs: en.GraphLayer(own, **kwargs), dtype)
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


@pytest.mark.parametrize("index_set", INDEX_SETS)
def test_aggregations_of_the_largest_magnitude(index_set):
    axes = {"BWH": (0, 1, 2), "WHC": (1, 2, 3), "WH": (1, 2)}
    x = draw().astype(np.float32)
    if index_set == "WHCQ":
        groups = np.abs(x).reshape(4, 6, 5, 4, 2).max((1, 2, 4))
        expected = np.repeat(groups, 2, -1)[:, None, None]
    else:
        expected = np.abs(x).max(axes[index_set], keepdims=True)
    layer = en.PrimitiveLayer("LARGEST", index_set, groups=4)
    np.testing.assert_array_equal(layer(x, training=True), np.broadcast_to(expected, SHAPE))
    first = en.PrimitiveLayer("LARGEST", index_set, groups=4, axis=1)
    y = first(x.transpose(0, 3, 1, 2), training=True)
    np.testing.assert_array_equal(np.transpose(y, (0, 2, 3, 1)), np.broadcast_to(expected, SHAPE))
    unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 8])])
    unknown(tf.zeros([0, 3, 3, 8]))
    if index_set == "BWH":
        assert layer.moving.name.startswith(("moving_largest", f"{layer.name}/moving_largest"))
        np.testing.assert_allclose(layer.moving, 0.9 + 0.1 * expected.reshape(-1), rtol=1e-6)
        np.testing.assert_allclose(unknown(x)[0, 0, 0], layer.moving)
    else:
        np.testing.assert_array_equal(unknown(x), np.broadcast_to(expected, SHAPE))


def test_models_with_them_are_saved_and_loaded(tmp_path):
    graph = en.LayerGraph((en.Node("LARGEST", (0,), "WH"), en.Node("DIV", (0, 4))))
    model = tf.keras.Sequential([tf.keras.Input((6, 5, 8)), en.GraphLayer(graph)])
    x = draw().astype(np.float32)
    model.save(tmp_path / "model.keras")
    module = tf.Module()
    module.model = model
    module.run = tf.function(model, input_signature=[tf.TensorSpec([None, 6, 5, 8])])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    np.testing.assert_array_equal(tf.keras.models.load_model(tmp_path / "model.keras")(x), model(x))
    expected = model(x)
    del ops._registered["LARGEST"]
    loaded = tf.saved_model.load(str(tmp_path / "saved"))  # runs without Python's function
    np.testing.assert_array_equal(loaded.run(x), expected)
    with pytest.raises((ValueError, TypeError), match="Received: op='LARGEST'"):
        tf.keras.models.load_model(tmp_path / "model.keras")


def test_half_precision_and_large_inputs():
    """Statistics are float32; XLA, which need not know a function's operations, is not used."""
    en.ops.register("FROM_NUMPY", function=_from_numpy)
    graph = en.LayerGraph((en.Node("FROM_NUMPY", (0,)), en.Node("MY_MUL", (4, 0))))
    x = draw((8, 32, 32, 32)).astype(np.float16)
    y = en.GraphLayer(graph, dtype="mixed_float16")(x, training=True)
    assert y.dtype == tf.float16
    np.testing.assert_allclose(y, (x.astype(np.float32) ** 2 * 2).astype(np.float16), rtol=1e-3)


def _from_numpy(x):
    doubled = tf.numpy_function(lambda value: 2 * value, [x], x.dtype)
    return tf.ensure_shape(doubled, x.shape)


@pytest.mark.parametrize(
    "function, error",
    [
        (lambda x: x[..., :1], r"must return a float32 tensor of shape \(4, 6, 5, 8\)"),
        (lambda x: tf.cast(x, tf.float16), "Received: float16 of shape"),
    ],
)
def test_functions_that_return_something_else(function, error):
    en.ops.register("WRONG", function=function)
    with pytest.raises(ValueError, match=f"`function` of WRONG {error}|{error}"):
        en.PrimitiveLayer("WRONG")(draw().astype(np.float32))
    en.ops.register("FLAT", function=lambda x, axes: tf.reduce_sum(x, axes), aggregation=True)
    with pytest.raises(ValueError, match=r"`function` of FLAT must .* shape \(4, 1, 1, 8\)"):
        en.PrimitiveLayer("FLAT", "WH")(draw().astype(np.float32))


def test_statistics_that_cannot_be_merged():
    mask = tf.constant([[True] * 3 + [False] * 2] * 4)
    layer = en.PrimitiveLayer("LARGEST", "WH")
    with pytest.raises(ValueError, match=r"cannot be masked\. Received: LARGEST with"):
        layer(tf.zeros([4, 5, 8]), mask=mask)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        shared = en.PrimitiveLayer("LARGEST", "BWH", synchronized=True)
        shared.build([None, 4, 4, 8])
    with pytest.raises(ValueError, match="Received: synchronized=True with LARGEST"):
        strategy.run(lambda: shared(tf.ones([2, 4, 4, 8]), training=True))


def test_the_two_examples():
    importlib.reload(more_primitives)
    x = tf.constant(draw(), tf.float32)
    softplus = en.GraphLayer(en.LayerGraph((en.Node("SOFTPLUS", (0,)),)))
    np.testing.assert_allclose(softplus(x), np.log1p(np.exp(draw())), rtol=1e-5)
    gelu = en.LayerGraph((en.Node("ERF", (0,)), en.Node("MUL", (0, 4))))
    assert gelu.formula() == "x * erf(x) * gamma + beta"
    np.testing.assert_allclose(en.GraphLayer(gelu)(x), x * tf.math.erf(x), rtol=1e-5, atol=1e-7)
