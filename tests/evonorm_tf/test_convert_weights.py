"""What `convert_model` carries over: weights, statistics, flags, between layers of every kind."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.conversion import actions, assert_same, block, functional, images, places

layers = tf.keras.layers


def test_training_mode_agrees_too():
    model = functional(lambda x: block(x, "a"))
    new, _ = en.convert_model(model, "bn_relu")
    expected, actual = (np.asarray(m(images(), training=True)) for m in (model, new))
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    name = "moving_mean"
    np.testing.assert_allclose(
        np.asarray(getattr(new.get_layer("a_bn"), name)),
        np.asarray(getattr(model.get_layer("a_bn"), name)),
        rtol=1e-5,
    )


def test_evonorm_starts_with_gamma_one_and_beta_zero():
    model = functional(lambda x: block(x, "a"))
    new, report = en.convert_model(model, "evonorm_s0", groups=2)
    layer = new.get_layer("a_bn")
    assert isinstance(layer, en.EvoNormS0) and layer.effective_groups == 2
    np.testing.assert_array_equal(np.asarray(layer.gamma), 1.0)
    np.testing.assert_array_equal(np.asarray(layer.beta), 0.0)
    assert places(report)["a_bn"].carried == ""
    # x * sigmoid(x) / std of each of two groups, from the old model's convolution.
    x = np.asarray(model.get_layer("a_conv")(images())).astype("float64")
    grouped = x.reshape(3, 6, 6, 2, 2)
    std = np.sqrt(grouped.var(axis=(1, 2, 4), keepdims=True) + 1e-5)
    expected = (grouped / (1 + np.exp(-grouped)) / std).reshape(x.shape)
    np.testing.assert_allclose(np.asarray(new(images())), expected, rtol=1e-4, atol=1e-5)


def test_b0_takes_over_the_moving_variance():
    model = functional(lambda x: block(x, "a"))
    new, report = en.convert_model(model, "evonorm_b0", momentum=0.5)
    old, layer = model.get_layer("a_bn"), new.get_layer("a_bn")
    np.testing.assert_array_equal(
        np.asarray(layer.moving_variance), np.asarray(old.moving_variance)
    )
    assert places(report)["a_bn"].carried == "moving_variance"
    assert layer.momentum == 0.5 and layer.epsilon == 1e-5


@pytest.mark.parametrize("scale_and_center", [True, False])
def test_a_linear_norm_is_folded_into_the_affine(scale_and_center):
    def body(x):
        flags = {"scale": scale_and_center, "center": scale_and_center}
        return layers.BatchNormalization(name="bn", **flags)(layers.Conv2D(4, 3, name="conv")(x))

    model = functional(body)
    new, report = en.convert_model(model, "evonorm_s0")
    assert places(report)["bn"].reason == "its output is one of the model's"
    assert "folded" in places(report)["bn"].carried
    assert_same(model, new)


def test_group_and_layer_normalization_as_sources():
    def body(x):
        x = layers.ReLU(name="r1")(layers.GroupNormalization(3, name="gn")(x))
        return layers.ReLU(name="r2")(layers.LayerNormalization(name="ln")(x))

    model = functional(body)
    _, report = en.convert_model(model, "gn_relu")
    assert [place.action for place in report.places] == ["kept"] * 4
    new, report = en.convert_model(model, "gn_relu", sources=["group"])
    assert actions(report) == {"gn": "fused", "ln": "kept", "r2": "kept"}
    assert new.get_layer("gn").groups == 3
    assert_same(model, new, atol=1e-5)
    new, report = en.convert_model(model, "frn", sources=["group", "layer"])
    assert places(report)["ln"].carried == "gamma, beta"
    np.testing.assert_array_equal(
        np.asarray(new.get_layer("ln").gamma), np.asarray(model.get_layer("ln").gamma)
    )


def test_graphs_and_callables_as_targets():
    model = functional(lambda x: block(x, "a"))
    graph = en.LayerGraph.from_json(en.get("random_rej").graph.to_json())
    new, report = en.convert_model(model, graph)
    assert isinstance(new.get_layer("a_bn"), en.GraphLayer)
    assert places(report)["a_bn"].target == "GraphLayer"

    def make(nonlinearity, name):
        return layers.Activation("tanh" if nonlinearity else "linear", name=name)

    new, report = en.convert_model(model, make)
    expected = np.tanh(np.asarray(model.get_layer("a_conv")(images())))
    np.testing.assert_allclose(np.asarray(new(images())), expected, rtol=1e-5, atol=1e-6)


def test_from_one_norm_act_layer_to_another():
    model = functional(lambda x: block(layers.BatchNormalization(name="linear")(x), "a"))
    first, _ = en.convert_model(model, "evonorm_s0")
    first.get_layer("a_bn").v.assign([0.5] * 4)
    second, report = en.convert_model(first, "evonorm_b0")
    assert actions(report) == {"linear": "converted", "a_bn": "converted"}
    assert not second.get_layer("linear").nonlinearity and second.get_layer("a_bn").nonlinearity
    assert places(report)["a_bn"].carried == "gamma, beta"
    np.testing.assert_array_equal(np.asarray(second.get_layer("a_bn").v), 1.0)
    again, _ = en.convert_model(first, "evonorm_s0")
    assert_same(first, again)


@pytest.mark.parametrize(
    ("source", "to", "activation"),
    [("batch", "bn_relu", "relu"), ("batch", "bn_silu", "swish"), ("group", "gn_relu", "relu")],
)
def test_there_and_back(source, to, activation):
    make = {
        "batch": lambda name: layers.BatchNormalization(momentum=0.7, epsilon=1e-4, name=name),
        "group": lambda name: layers.GroupNormalization(groups=2, name=name),
    }[source]

    def body(x):
        x = layers.Activation(activation, name="act")(make("norm")(x))
        return make("linear")(layers.Conv2D(4, 1)(x))

    model = functional(body)
    there, _ = en.convert_model(model, to, sources=[source])
    assert_same(model, there, atol=1e-5)
    back, report = en.convert_model(there, "keras")
    assert actions(report) == {"norm": "converted", "linear": "converted"}
    for name in ("norm", "linear"):
        assert type(back.get_layer(name)) is type(model.get_layer(name))
    assert_same(model, back, atol=1e-5)
    if source == "batch":
        expected, actual = (np.asarray(m(images(), training=True)) for m in (model, back))
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_keras_has_no_trained_slope_and_no_evonorm():
    model = functional(lambda x: block(x, "a", "swish"))
    silu, _ = en.convert_model(model, "bn_silu")
    silu.get_layer("a_bn").v.assign([2.0] * 4)
    for there in (silu, en.convert_model(model, "evonorm_s0")[0]):
        back, report = en.convert_model(there, "keras")
        assert actions(report) == {"a_bn": "kept"}
        assert_same(there, back)


def test_flags_policies_and_regularizers_are_kept():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = functional(
            lambda x: layers.ReLU()(
                layers.BatchNormalization(
                    name="bn", gamma_regularizer="l2", trainable=False, dtype="mixed_bfloat16"
                )(layers.Conv2D(4, 3, name="conv")(x))
            )
        )
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    model.get_layer("conv").trainable = False
    new, _ = en.convert_model(model, "evonorm_s0")
    layer = new.get_layer("bn")
    assert not layer.trainable and not new.get_layer("conv").trainable
    assert layer.compute_dtype == "bfloat16" and layer.gamma_regularizer is not None
    assert new(images()).dtype == tf.bfloat16
