"""Which activations `convert_model` fuses with the norm before them, and which stay."""

import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.conversion import actions, assert_same, block, functional, norms, places

layers = tf.keras.layers


def test_a_shared_activation_stays_where_no_norm_precedes():
    relu = layers.ReLU(name="relu")

    def body(x):
        return relu(layers.Conv2D(4, 1)(relu(layers.BatchNormalization(name="bn")(x))))

    model = functional(body)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "fused", "relu": "kept"}
    assert_same(model, new)


@pytest.mark.parametrize("gate", ["sigmoid", "softmax", tf.nn.softmax])
def test_gates_and_distributions_stay(gate):
    model = functional(lambda x: block(x, "a", gate))
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"a_bn": "linear", "a_act": "kept"}
    assert_same(model, new)


@pytest.mark.parametrize("activation", ["swish", "relu", "elu", "tanh"])
def test_any_other_activation_is_fused(activation):
    model = functional(lambda x: block(x, "a", activation))
    new, report = en.convert_model(model, "bn_silu")
    assert places(report)["a_bn"].activation in (activation, "silu")
    if activation == "swish":
        assert_same(model, new, atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (lambda: layers.ReLU(6.0), "relu6"),
        (lambda: layers.ReLU(), "relu"),
        (lambda: layers.LeakyReLU(), "leaky_relu"),
    ],
)
def test_activation_layers(activation, name):
    model = functional(lambda x: activation()(layers.BatchNormalization(name="bn")(x)))
    assert places(en.convert_model(model, "evonorm_s0")[1])["bn"].activation == name


def test_an_activation_function_of_ones_own():
    def cubed(x):
        return x * x * x

    model = functional(lambda x: layers.Activation(cubed)(x))
    assert_same(model, en.convert_model(model, "evonorm_s0")[0])
    model = functional(lambda x: layers.Activation(cubed)(layers.BatchNormalization(name="bn")(x)))
    new, report = en.convert_model(model, "evonorm_s0")
    assert places(report)["bn"].activation == "cubed"
    assert isinstance(new.get_layer("bn"), en.EvoNormS0)


def test_a_swish_spelt_out_is_one_activation():
    def body(x):
        y = layers.BatchNormalization(name="bn")(x)
        z = layers.Multiply(name="product")([y, layers.Activation("sigmoid", name="gate")(y)])
        return layers.Conv2D(2, 1, name="conv")(z)

    model = functional(body)
    new, report = en.convert_model(model, "bn_silu")
    assert actions(report) == {"bn": "fused"} and places(report)["bn"].activation == "swish"
    assert_same(model, new, atol=1e-5)


def test_a_hard_swish_spelt_out_is_one_activation():
    def body(x):
        y = layers.BatchNormalization(name="bn")(x)
        gate = layers.ReLU(6.0)(y + 3.0) * (1.0 / 6.0)
        return layers.Conv2D(2, 1, name="conv")(layers.Multiply()([y, gate]))

    new, report = en.convert_model(functional(body), "bn_silu")
    assert actions(report) == {"bn": "fused"}
    assert places(report)["bn"].activation == "hard_swish"
    assert not norms(new, layers.ReLU)


def test_a_product_with_something_else_is_no_activation():
    def body(x):
        y = layers.BatchNormalization(name="bn")(x)
        return layers.Multiply()([y, layers.Conv2D(6, 1, activation="sigmoid")(y)])

    model = functional(body)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "linear"}
    assert_same(model, new)
