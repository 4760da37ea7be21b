"""Where each network has norm-acts, linear norms, biases and strides."""

import functools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat
from evonorm_tf.layers.base import NormAct
from tests.tiers import tiered
from trainers.models import efficientnet, mnasnet, mobilenet_v2, resnet
from trainers.models.network import Network, make_divisible
from trainers.models.resnet import ResNetSpec

SHAPE = (64, 64, 3)
TINY = {"num_classes": 3, "input_shape": SHAPE}
SMALL_RESNET = ResNetSpec((1, 3), filters=(8, 16))
BUILDERS = {
    "resnet_v1": lambda *args, **kwargs: resnet(SMALL_RESNET, *args, version=1, **kwargs),
    "resnet_v2": lambda *args, **kwargs: resnet(SMALL_RESNET, *args, version=2, **kwargs),
    "mobilenet_v2": lambda *args, **kwargs: mobilenet_v2(0.35, *args, **kwargs),
    "mnasnet": lambda *args, **kwargs: mnasnet(0.25, *args, **kwargs),
    "efficientnet": lambda *args, **kwargs: efficientnet("b0", *args, width=0.25, **kwargs),
}


@functools.cache
def built(family):
    return BUILDERS[family]("evonorm_s0", **TINY)


def norm_acts(model):
    return {layer.name: layer for layer in model.layers if isinstance(layer, NormAct)}


def producer(model, layer_name):
    """The layer whose output a layer takes."""
    return compat.producer(model.get_layer(layer_name).input).name


@pytest.mark.parametrize("family", BUILDERS)
def test_only_squeeze_excite_and_logits_have_biases(family):
    model = built(family)
    biased = [layer.name for layer in model.layers if getattr(layer, "use_bias", False)]
    expected = [name for name in biased if "_se_" in name or name == "logits"]
    assert biased == expected and "logits" in biased
    assert ("_se_" in "".join(biased)) == (family == "efficientnet")


@pytest.mark.parametrize("family", ["mobilenet_v2", "mnasnet", "efficientnet"])
def test_linear_bottlenecks_take_the_linear_form(family):
    layers = norm_acts(built(family))
    linear = {name for name, layer in layers.items() if not layer.nonlinearity}
    assert linear == {name for name in layers if name.endswith("project_norm")} and linear


def test_resnet_v2_layout():
    model = built("resnet_v2")
    layers = norm_acts(model)
    assert all(layer.nonlinearity for layer in layers.values())
    assert producer(model, "stem_pool") == "stem_conv"
    for stage in (1, 2):
        first = f"stage{stage}_block1"
        assert producer(model, f"{first}_shortcut_conv") == f"{first}_norm_act1"
        assert producer(model, f"{first}_conv1") == f"{first}_norm_act1"
    assert "stage2_block2_shortcut_conv" not in [layer.name for layer in model.layers]
    assert model.get_layer("stage2_block1_conv1").strides == (1, 1)
    assert model.get_layer("stage2_block1_conv2").strides == (2, 2)
    assert model.get_layer("stage2_block1_conv2").kernel_size == (3, 3)
    assert producer(model, "pool") == "final_norm_act"


def test_resnet_v1_layout():
    model = built("resnet_v1")
    layers = norm_acts(model)
    linear = {name for name, layer in layers.items() if not layer.nonlinearity}
    assert linear == {name for name in layers if name.endswith(("_norm", "_shortcut_norm"))}
    for name in linear:
        expected = 1.0 if name.endswith("shortcut_norm") else 0.0
        np.testing.assert_array_equal(layers[name].gamma.numpy(), expected)
    assert producer(model, "stage1_block1_relu") == "stage1_block1_add"
    assert producer(model, "stem_pool") == "stem_norm_act"


def test_resnet_v1_blocks_start_as_the_identity():
    model = BUILDERS["resnet_v1"]("bn_relu", **TINY)
    block = tf.keras.Model(
        model.get_layer("stage2_block1_relu").output, model.get_layer("stage2_block2_relu").output
    )
    x = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 64)).astype("float32")
    np.testing.assert_array_equal(block(x, training=True).numpy(), x)


def test_squeeze_excite_is_untouched():
    model = built("efficientnet")
    reduce = model.get_layer("stage2_block1_se_reduce")
    assert tf.keras.activations.serialize(reduce.activation) in ("swish", "silu")
    assert reduce.filters == 2  # a quarter of the block's 8 input channels
    sources = model.get_layer("stage2_block1_se_excite").input
    assert [compat.producer(tensor).name for tensor in sources] == [
        "stage2_block1_depthwise_norm_act",
        "stage2_block1_se_expand",
    ]


def test_stochastic_depth_grows_linearly():
    model = built("efficientnet")
    rates = {layer.name: layer.rate for layer in model.layers if "stochastic" in layer.name}
    assert len(rates) == 9  # blocks with a shortcut
    assert rates["stage2_block2_stochastic_depth"] == pytest.approx(0.2 * 2 / 16)
    assert rates["stage6_block4_stochastic_depth"] == pytest.approx(0.2 * 14 / 16)


@pytest.mark.parametrize(
    "family",
    tiered(BUILDERS, ["resnet_v2"]),
)
def test_every_kind_of_norm_act(family):
    names = []

    def make(nonlinearity, name):
        names.append(name)
        return en.get("gn_relu", nonlinearity=nonlinearity, name=name)

    graph = en.LayerGraph.from_json(en.get("rs_rej").graph.to_json())
    for norm_act in (graph, make):
        model = BUILDERS[family](norm_act, **TINY)
        assert model(np.zeros((2, *SHAPE), "float32")).shape == (2, 3)
    assert sorted(names) == sorted(norm_acts(model))


def test_norm_act_args_reach_every_layer():
    args = {"groups": 4, "epsilon": 1e-3}
    layers = norm_acts(BUILDERS["resnet_v2"]("evonorm_s0", norm_act_args=args, **TINY))
    assert {(layer.groups, layer.epsilon) for layer in layers.values()} == {(4, 1e-3)}


def test_unit_strides_keep_the_resolution():
    models = [BUILDERS["resnet_v2"]("bn_relu", unit_strides=n, **TINY) for n in (0, 1, 2)]
    sizes = [model.get_layer("final_norm_act").output.shape[1] for model in models]
    assert sizes == [8, 16, 32]
    kernels = [[w.shape for w in model.weights] for model in models]
    assert kernels[0] == kernels[1] == kernels[2]


def test_regularizers_and_dropout():
    model = BUILDERS["mobilenet_v2"]("evonorm_s0", kernel_regularizer="l2", dropout=0.3, **TINY)
    kernels = [weight for weight in model.weights if "kernel" in weight.name]
    assert len(model.losses) == len(kernels) > 9
    assert model.get_layer("dropout").rate == 0.3


def test_initial_kernels_differ():
    model = BUILDERS["resnet_v2"]("bn_relu", **TINY)
    first, second = (
        model.get_layer(f"stage{i}_conv2").kernel.numpy() for i in ("2_block2", "2_block3")
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("filters", "divisible"), [(16, 16), (11.2, 16), (9, 16), (8.8, 8), (3, 8), (44.8, 48)]
)
def test_make_divisible(filters, divisible):
    assert make_divisible(filters) == divisible


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resnet(20), "depth=20"),
        (lambda: resnet(50, version=3, input_shape=SHAPE), "version=3"),
        (lambda: efficientnet("b9"), "b9"),
        (lambda: resnet(ResNetSpec((1,), filters=(8,), stem="conv5")), "stem='conv5'"),
        (lambda: Network("bn_relu", make_initializer=None, data_format="NHWC"), "NHWC"),
        (lambda: mobilenet_v2(norm_act="bn"), "name='bn'"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_seed_of_a_network_is_that_of_its_dropouts():
    def dropped(seed):
        tf.keras.utils.set_random_seed(seed)
        net, x = Network("bn_relu", make_initializer=None), tf.keras.Input((1, 1, 1))
        sums = [net.residual(x, x, name, drop_rate=0.5) for name in ("first", "second")]
        found = tf.keras.Model(x, sums)(np.ones((64, 1, 1, 1), "float32"), training=True)
        return [tensor.numpy().ravel() for tensor in found]

    (first, second), again, other = dropped(1), dropped(1), dropped(2)
    assert {*first} == {1.0, 3.0}
    np.testing.assert_array_equal([first, second], again)
    assert (first != second).any() and (first != other[0]).any()
