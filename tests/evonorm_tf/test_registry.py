"""Names, their look-up, and the norm-act factory."""

import re

import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import registry

CONTRACT = {
    "evonorm_b0": en.EvoNormB0,
    "evonorm_b1": en.EvoNormB1,
    "evonorm_b2": en.EvoNormB2,
    "evonorm_s0": en.EvoNormS0,
    "evonorm_s1": en.EvoNormS1,
    "evonorm_s2": en.EvoNormS2,
    "bn_relu": en.BatchNormReLU,
    "bn_silu": en.BatchNormSiLU,
    "gn_relu": en.GroupNormReLU,
    "gn_silu": en.GroupNormSiLU,
    "frn": en.FilterResponseNorm,
    "ln_relu": en.LayerNormReLU,
    "pixelnorm_relu": en.PixelNormReLU,
    **dict.fromkeys(["random", "random_rej", "rs_rej"], en.GraphLayer),
    **dict.fromkeys(["found_b0", "found_b1", "found_s0"], en.GraphLayer),
    **dict.fromkeys(["b0_no_v1x", "b0_no_local", "b0_no_global", "b0_max_to_add"], en.GraphLayer),
}
GRAPH = en.LayerGraph((en.Node("TANH", (0,)),), "plain_tanh")


def test_names_and_types():
    assert en.names() == sorted(CONTRACT)
    for name, layer in CONTRACT.items():
        assert type(en.get(name)) is layer
        graph = registry.graph(name)
        assert (graph is None) == (not name.startswith("evonorm") and layer is not en.GraphLayer)
        assert graph is None or graph.name == name


def test_arguments_reach_the_layer():
    layer = en.get("evonorm_s0", groups=8, name="norm", nonlinearity=False)
    assert (layer.groups, layer.name, layer.nonlinearity) == (8, "norm", False)


@pytest.mark.parametrize(
    "wrong, nearest",
    [("evonorm_s3", "evonorm_s"), ("EvoNormB0", "evonorm_b0"), ("bn-relu", "bn_relu")],
)
def test_unknown_name_lists_the_known_and_the_nearest(wrong, nearest):
    with pytest.raises(ValueError) as error:
        en.get(wrong)
    message = str(error.value)
    assert all(name in message for name in en.names())
    assert f"Received: name={wrong!r}. Did you mean '{nearest}" in message


def test_register():
    new = registry.Registry()
    new.register("a", layer=en.EvoNormS0)
    new.register("b", graph=GRAPH)
    assert new.names() == ["a", "b"]
    assert type(new.get("a")) is en.EvoNormS0
    x = tf.random.normal((2, 3, 3, 4))
    tf.debugging.assert_near(new.get("b")(x), tf.tanh(x))


def test_register_refuses():
    new = registry.Registry()
    new.register("a", graph=GRAPH)
    refused = [
        ({"name": "a", "graph": GRAPH}, "'a' is registered already"),
        ({"name": "", "graph": GRAPH}, "`name` must be a non-empty string. Received: name=''"),
        ({"name": "c"}, "'c' needs a `layer` or a `graph`"),
        ({"name": "c", "layer": 3}, "`layer` must be callable. Received: layer=3"),
        ({"name": "c", "graph": "x"}, "`graph` must be a LayerGraph. Received: graph='x'"),
    ]
    for arguments, message in refused:
        with pytest.raises(ValueError, match=re.escape(message)):
            new.register(**arguments)
    assert new.names() == ["a"]


def test_factory_of_a_name_and_of_a_graph():
    make = en.norm_act_factory("evonorm_s0", groups=4)
    layer = make(False, "linear", gamma_initializer="zeros")
    layer.build((None, 2, 2, 8))
    assert (layer.name, layer.nonlinearity, layer.groups) == ("linear", False, 4)
    assert not layer.gamma.numpy().any()
    assert make() is not make()
    assert en.norm_act_factory(GRAPH)(True, "t").graph == GRAPH


def test_factory_of_a_callable():
    def norm_act(nonlinearity, name):
        return en.BatchNormReLU(nonlinearity=nonlinearity, name=name)

    make = en.norm_act_factory(norm_act)
    layer = make(False, "end", gamma_initializer="zeros")
    layer.build((None, 2, 2, 8))
    assert (layer.name, layer.nonlinearity) == ("end", False)
    assert not layer.gamma.numpy().any()
    assert make(True, "start").nonlinearity


def test_factory_refuses():
    with pytest.raises(ValueError, match="Did you mean 'evonorm_s"):
        en.norm_act_factory("evonorm_s9")
    with pytest.raises(
        ValueError, match=r"`norm_act` must be a registered name.* Received: norm_act=3"
    ):
        en.norm_act_factory(3)
    with pytest.raises(ValueError, match=r"not for a callable `norm_act`. Received: \['groups'\]"):
        en.norm_act_factory(lambda nonlinearity, name: None, groups=3)
