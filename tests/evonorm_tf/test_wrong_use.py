"""Wrong use gets a ValueError that names the argument, the rule and the value received."""

import re

import pytest
import tensorflow as tf

import evonorm_tf as en

ARGUMENTS = [
    ("evonorm_s0", {"groups": 0}, "`groups` must be a positive integer. Received: groups=0"),
    ("evonorm_s0", {"groups": 2.5}, "`groups` must be a positive integer. Received: groups=2.5"),
    ("evonorm_s0", {"groups": True}, "`groups` must be a positive integer. Received: groups=True"),
    (
        "evonorm_s0",
        {"group_size": -1},
        "`group_size` must be a positive integer. Received: group_size=-1",
    ),
    ("gn_relu", {"groups": -32}, "`groups` must be a positive integer. Received: groups=-32"),
    (
        "evonorm_b0",
        {"momentum": 1.5},
        "`momentum` must be a number in [0, 1]. Received: momentum=1.5",
    ),
    (
        "evonorm_b0",
        {"momentum": -0.1},
        "`momentum` must be a number in [0, 1]. Received: momentum=-0.1",
    ),
    (
        "bn_relu",
        {"momentum": float("nan")},
        "`momentum` must be a number in [0, 1]. Received: momentum=nan",
    ),
    (
        "bn_relu",
        {"momentum": "0.9"},
        "`momentum` must be a number in [0, 1]. Received: momentum='0.9'",
    ),
    (
        "frn",
        {"epsilon": -1e-5},
        "`epsilon` must be a number finite, at least 0. Received: epsilon=-1e-05",
    ),
    (
        "evonorm_s1",
        {"epsilon": float("inf")},
        "`epsilon` must be a number finite, at least 0. Received: epsilon=inf",
    ),
    ("evonorm_b1", {"axis": 0}, "Received: axis=0"),
    ("evonorm_b1", {"axis": 1.0}, "Received: axis=1.0"),
    ("evonorm_b1", {"axis": None}, "Received: axis=None"),
    (
        "evonorm_s2",
        {"nonlinearity": 1},
        "`nonlinearity` must be True or False. Received: nonlinearity=1",
    ),
    ("evonorm_s2", {"nonlinearity": "relu"}, "Received: nonlinearity='relu'"),
    (
        "evonorm_b2",
        {"synchronized": None},
        "`synchronized` must be True or False. Received: synchronized=None",
    ),
]


@pytest.mark.parametrize("name, arguments, message", ARGUMENTS)
def test_constructor(name, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        en.get(name, **arguments)


@pytest.mark.parametrize("name", en.names())
def test_unknown_argument(name):
    with pytest.raises((TypeError, ValueError), match="grups"):
        en.get(name, grups=8)


@pytest.mark.parametrize(
    ("argument", "advice"),
    [
        ("activation", "nonlinearity=False leaves the activation out"),
        ("data_format", "axis=1 for channels_first"),
        ("eps", "write `epsilon`"),
        ("grups", "did you mean `groups`?"),
        ("gama_initializer", "did you mean `gamma_initializer`?"),
        ("non_linearity", "did you mean `nonlinearity`?"),
    ],
)
def test_what_to_write_instead(argument, advice):
    with pytest.raises(TypeError, match=f"EvoNormS0 has no argument `{argument}`: .*") as error:
        en.EvoNormS0(**{argument: "relu"})
    assert advice in str(error.value)


@pytest.mark.parametrize("name", ["bn_relu", "evonorm_b0", "rs_rej"])
def test_batch_arguments_are_only_for_layers_with_batch_statistics(name):
    assert en.get(name, momentum=0.5, synchronized=True).momentum == 0.5
    with pytest.raises((TypeError, ValueError), match="momentum"):
        en.get("evonorm_s0", momentum=0.5)


@pytest.mark.parametrize("name", en.names())
@pytest.mark.parametrize("shape", [(2, 4), (4,), (2, 3, 3, 3, 3, 4)])
def test_rank(name, shape):
    with pytest.raises(ValueError, match=re.escape("the input must have rank 3, 4 or 5")) as error:
        en.get(name)(tf.zeros(shape))
    assert ", ".join(map(str, shape)) in str(error.value)


@pytest.mark.parametrize("name", en.names())
def test_unknown_channels(name):
    inputs = tf.keras.Input((8, 8, None))
    message = r"the input's channels \(axis -1\) must be known and at least 1"
    with pytest.raises(ValueError, match=message):
        en.get(name)(inputs)


def test_unknown_rank():
    with pytest.raises(ValueError, match="the input must have rank 3, 4 or 5"):
        en.EvoNormS0().build(tf.TensorShape(None))


@pytest.mark.parametrize("axis", [4, -5, -4])
def test_axis_out_of_range(axis):
    with pytest.raises(
        ValueError, match=f"`axis` must name the channel axis .* Received: axis={axis}"
    ):
        en.EvoNormS0(axis=axis)(tf.zeros((2, 3, 3, 4)))


def test_group_size_must_divide_the_channels():
    layer = en.EvoNormS0(group_size=5)
    with pytest.raises(
        ValueError,
        match=r"`group_size` must divide the input's 16 channels\. Received: group_size=5",
    ):
        layer(tf.zeros((2, 3, 3, 16)))


@pytest.mark.parametrize(
    "groups, channels, effective",
    [(32, 16, 16), (32, 24, 24), (32, 40, 20), (32, 7, 7), (8, 7, 7), (4, 7, 1), (32, 1, 1)],
)
def test_effective_groups_is_the_largest_divisor(groups, channels, effective):
    layer = en.EvoNormS0(groups=groups)
    config = layer.get_config()
    layer.build((None, 4, 4, channels))
    assert layer.effective_groups == effective
    assert layer.get_config() == config and layer.groups == groups


def test_group_size_gives_the_groups():
    layer = en.GroupNormReLU(group_size=8)
    layer.build((None, 4, 4, 24))
    assert layer.effective_groups == 3


@pytest.mark.parametrize("name", en.names())
def test_integer_input(name):
    with pytest.raises(ValueError, match=r"needs floating-point input\. Received: int32"):
        en.get(name)(tf.zeros((2, 3, 3, 4), tf.int32))


def test_other_rank_or_channels_than_built_for():
    layer = en.EvoNormB0()
    layer.build((None, 4, 4, 8))
    for shape in ((2, 4, 8), (2, 4, 4, 6)):
        with pytest.raises(ValueError):
            layer(tf.zeros(shape))


def test_primitive_layer():
    cases = [
        (("RELU",), "`op` must be one of ADD, MUL, DIV"),
        (
            ("MEAN",),
            "`index_set` of the aggregation MEAN must be one of BWH, WHC, WH, WHCQ. Received: ",
        ),
        (("STD", "HW"), "Received: index_set='HW'"),
        (
            ("TANH", "WH"),
            "`index_set` must be absent for the element-wise TANH. Received: index_set='WH'",
        ),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            en.PrimitiveLayer(*arguments)
    with pytest.raises(ValueError, match="ADD takes a list of two inputs"):
        en.PrimitiveLayer("ADD")(tf.zeros((2, 3, 3, 4)))
    with pytest.raises(ValueError, match="the two inputs of ADD must have one shape"):
        en.PrimitiveLayer("ADD")([tf.zeros((2, 3, 3, 4)), tf.zeros((2, 3, 1, 4))])


def test_graph_layer_wants_a_graph():
    for graph in (None, 7, {"nodes": []}):
        with pytest.raises(ValueError, match="`graph` must be a LayerGraph or JSON text"):
            en.GraphLayer(graph)
    with pytest.raises(ValueError, match="`schema_version` must be 1"):
        en.GraphLayer('{"nodes": []}')
