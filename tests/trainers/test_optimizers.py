"""Learning rates and optimizers against float64 oracles, with and without tf-models-official."""

import bisect
import math

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.official import needs_official
from trainers import keras_choice
from trainers.classification.task import ClassificationTask
from trainers.engine import steps
from trainers.errors import TrainersError
from trainers.experiments import imagenet
from trainers.platform.configs import OptimizationConfig, RuntimeConfig, TrainerConfig
from trainers.platform.optimizers import (
    ExponentialMovingAverage,
    LossScaleOptimizer,
    learning_rate,
    make_variables,
    scaled_loss,
)

without_official = pytest.mark.skipif(
    keras_choice.has_official(), reason="needs Keras 3, or no tf-models-official"
)
STEPS, WARMUP, RATE = 1000, 100, 0.4
CONSTANT = {"type": "constant", "constant": {"learning_rate": 0.1}}


def cosine(t):
    return RATE * (0.1 + 0.9 * (1 + math.cos(math.pi * min(t, STEPS) / STEPS)) / 2)


def staircase(t):
    return RATE * 0.97 ** (t // 24)


def stepwise(t):
    # The first value holds up to and with the first boundary.
    return [RATE, RATE * 0.1, RATE * 0.01][bisect.bisect_left([300, 600], t)]


def polynomial(t):
    return (RATE - 0.01) * (1 - min(t, STEPS) / STEPS) ** 2 + 0.01


SCHEDULES = {
    "constant": ({"learning_rate": RATE}, lambda t: RATE),
    "cosine": ({"initial_learning_rate": RATE, "decay_steps": STEPS, "alpha": 0.1}, cosine),
    "exponential": (
        {"initial_learning_rate": RATE, "decay_steps": 24, "decay_rate": 0.97, "staircase": True},
        staircase,
    ),
    "stepwise": ({"boundaries": [300, 600], "values": [RATE, RATE * 0.1, RATE * 0.01]}, stepwise),
    "polynomial": (
        {
            "initial_learning_rate": RATE,
            "decay_steps": STEPS,
            "end_learning_rate": 0.01,
            "power": 2.0,
        },
        polynomial,
    ),
}


def rates(config, steps):
    rate = learning_rate(config)
    return [float(rate(tf.constant(t, tf.int64)) if callable(rate) else rate) for t in steps]


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("first", [None, 0.0, 0.05])
def test_rates_are_those_of_the_formulas(kind, first):
    settings, formula = SCHEDULES[kind]
    given = {"optimizer": {"type": "sgd"}, "learning_rate": {"type": kind, kind: settings}}
    if first is not None:
        warmup = {"warmup_steps": WARMUP, "warmup_learning_rate": first}
        given["warmup"] = {"type": "linear", "linear": warmup}

    def expected(t):
        if first is None or t >= WARMUP:
            return formula(t)
        return first + t / WARMUP * (formula(WARMUP) - first)

    steps = [*range(0, 130, 7), 99, 100, 101, 299, 300, 301, 599, 600, 601, 999, 1000, 1500]
    found = rates(OptimizationConfig(given), steps)
    np.testing.assert_allclose(found, [expected(t) for t in steps], rtol=1e-5, atol=1e-8)


def test_an_offset_moves_the_schedule():
    settings = {**SCHEDULES["cosine"][0], "offset": 50}
    config = OptimizationConfig(
        {"optimizer": {"type": "sgd"}, "learning_rate": {"type": "cosine", "cosine": settings}}
    )
    np.testing.assert_allclose(rates(config, [50, 300]), [cosine(0), cosine(250)], rtol=1e-5)


def sgd(momentum, nesterov):
    def step(w, g, state, t):
        state["m"] = momentum * state.get("m", 0.0) - 0.1 * g
        return w + (momentum * state["m"] - 0.1 * g if nesterov else state["m"])

    return step


def rmsprop(w, g, state, t):
    state["v"] = 0.9 * state.get("v", 0.0) + 0.1 * g**2
    state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g / np.sqrt(state["v"] + 1e-3)
    return w - state["m"]


def adam(w, g, state, t):
    state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
    state["v"] = 0.999 * state.get("v", 0.0) + 0.001 * g**2
    rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * state["m"] / (np.sqrt(state["v"]) + 1e-7)


OPTIMIZERS = {
    "sgd": ({}, sgd(0.0, False)),
    "momentum": ({"momentum": 0.9}, sgd(0.9, False)),
    "nesterov": ({"momentum": 0.9, "nesterov": True}, sgd(0.9, True)),
    "rmsprop": ({"rho": 0.9, "momentum": 0.9, "epsilon": 1e-3}, rmsprop),
    "adam": ({}, adam),
}
GRADIENTS = [[0.5, -1.0], [0.25, 2.0], [-0.125, 0.5], [1.0, -0.75], [0.0, 1.5]]


def made(kind, settings=None, runtime=None, **more):
    optimizer = {"type": kind, kind: settings or {}}
    config = OptimizationConfig({"optimizer": optimizer, "learning_rate": CONSTANT, **more})
    return ClassificationTask.create_optimizer(config, runtime)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_the_formulas(name):
    settings, step = OPTIMIZERS[name]
    optimizer = made(name if name in ("rmsprop", "adam") else "sgd", settings)
    weight, expected, state = tf.Variable([1.0, -2.0]), np.array([1.0, -2.0]), {}
    make_variables(optimizer, [weight])
    for t, gradient in enumerate(GRADIENTS, start=1):
        optimizer.apply_gradients([(tf.constant(gradient), weight)])
        expected = step(expected, np.array(gradient), state, t)
        # 1 - 0.999^t has lost three of float32's digits: 3e-5 of a step of 0.1 after its root.
        lost = 3e-6 * t if name == "adam" else 0.0
        np.testing.assert_allclose(weight.numpy(), expected, rtol=2e-6, atol=lost, err_msg=str(t))


@pytest.mark.parametrize("dynamic", [True, False])
def test_averages_follow_the_formula_and_are_swapped(dynamic):
    ema = {"average_decay": 0.9, "start_step": 2, "dynamic_decay": dynamic}
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    with strategy.scope():
        model = tf.keras.Sequential(
            [tf.keras.Input((2,)), tf.keras.layers.Dense(1, use_bias=False)]
        )
        model.set_weights([np.array([[1.0], [-2.0]])])
        optimizer = made("sgd", ema=ema)
        assert isinstance(optimizer, ExponentialMovingAverage)
        optimizer.shadow_copy(model)
        make_variables(optimizer, model.trainable_variables)
        (weight,) = model.trainable_variables

        @tf.function
        def update(gradient):
            optimizer.apply_gradients([(gradient, weight)])

        w, average = np.array([1.0, -2.0]), np.zeros(2)
        for t, gradient in enumerate(GRADIENTS, start=1):
            strategy.run(update, args=(tf.constant(gradient)[:, None],))
            w -= 0.1 * np.array(gradient)
            decay = min(0.9, (t - 1) / (t + 8)) if dynamic else 0.9
            decay = 0.0 if t < 2 else decay
            average = decay * average + (1 - decay) * w
        np.testing.assert_allclose(weight.numpy()[:, 0], w, rtol=1e-6)
        optimizer.swap_weights()
        np.testing.assert_allclose(weight.numpy()[:, 0], average, rtol=1e-5)
        optimizer.swap_weights()
        np.testing.assert_allclose(weight.numpy()[:, 0], w, rtol=1e-6)


def test_float16_skips_steps_that_are_not_finite_and_halves_the_scale():
    runtime = RuntimeConfig(mixed_precision_dtype="float16")
    optimizer = made("sgd", runtime=runtime)
    assert isinstance(optimizer, LossScaleOptimizer)
    weight = tf.Variable([1.0])
    if not keras_choice.has_official():
        make_variables(optimizer, [weight])
    assert float(scaled_loss(tf.constant(2.0), optimizer)) == 2.0 * 2**15
    steps.apply_if_finite([tf.constant([2.0**15])], [weight], optimizer, tf.constant(1.0))
    np.testing.assert_allclose(weight.numpy(), [0.9], rtol=1e-6)
    steps.apply_if_finite([tf.constant([np.inf])], [weight], optimizer, tf.constant(1.0))
    np.testing.assert_allclose(weight.numpy(), [0.9], rtol=1e-6)
    assert float(scaled_loss(tf.constant(1.0), optimizer)) == 2**14


def test_a_fixed_loss_scale_does_not_change_the_step():
    runtime = RuntimeConfig(mixed_precision_dtype="float16", loss_scale=8.0)
    optimizer, weight = made("sgd", runtime=runtime), tf.Variable([1.0])
    assert float(scaled_loss(tf.constant(2.0), optimizer)) == 16.0
    steps.apply_if_finite([tf.constant([16.0])], [weight], optimizer, tf.constant(2.0))
    np.testing.assert_allclose(weight.numpy(), [0.8], rtol=1e-6)


@pytest.mark.parametrize(
    "params", [imagenet.resnet50("bn_relu"), imagenet.efficientnet("efficientnet_b0", "frn", 8, 64)]
)
def test_the_optimizers_of_experiments_are_made(params):
    optimizer = ClassificationTask.create_optimizer(params.trainer.optimizer_config)
    assert isinstance(optimizer, ExponentialMovingAverage) == (
        params.trainer.optimizer_config.ema is not None
    )


@without_official
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"type": "lamb"}}, r"optimizer.type` must be one of sgd.*type='lamb'"),
        ({"learning_rate": {"type": "power"}}, r"learning_rate.type` must be.*type='power'"),
        ({"warmup": {"type": "polynomial"}}, r"warmup.type` must be.*type='polynomial'"),
        ({"optimizer": {"sgd": {"decay": 0.1}}}, r"sgd.decay` needs tf-models-official"),
    ],
)
def test_what_only_tf_models_official_has_is_an_error(changes, message):
    config = OptimizationConfig({"optimizer": {"type": "sgd"}, "learning_rate": CONSTANT})
    config.override(changes)
    with pytest.raises(TrainersError, match=message):
        ClassificationTask.create_optimizer(config)


@without_official
def test_averages_with_a_scale_that_changes_are_an_error():
    runtime = RuntimeConfig(mixed_precision_dtype="float16")
    with pytest.raises(TrainersError, match=r"`ema` does not go with float16.*loss_scale=None"):
        made("sgd", runtime=runtime, ema={})


@needs_official
def test_the_settings_are_those_of_tf_models_official():
    from trainers.platform.own import experiment_config, optimization_config

    def values(config):
        return {
            name: values(value) if hasattr(value, "override") else value
            for name, value in vars(config).items()
            if not name.startswith("_")
        }

    assert values(optimization_config.OptimizationConfig()) == values(OptimizationConfig())
    assert values(experiment_config.RuntimeConfig()) == values(RuntimeConfig())
    given = OptimizationConfig({"ema": {}}).ema
    assert values(optimization_config.EMAConfig()) == values(given)
    assert values(experiment_config.TrainerConfig()) == values(TrainerConfig())
