"""Two replicas: synchronized statistics equal one replica with the whole batch."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

import evonorm_tf as en
from evonorm_tf import compat, registry
from tests.evonorm_tf import graph_cases, graph_strategies
from tests.evonorm_tf.graph_cases import weights_by_name
from tests.tiers import tiered

SHAPE = (8, 3, 2, 4)
SPLITS = [(5, 3), (8, 0)]


def uses_batch(name):
    graph = registry.graph(name)
    return "synchronized" in en.get(name).get_config() and (graph is None or graph.uses_batch)


NAMES = [name for name in en.names() if uses_batch(name)]
EVERYDAY = ("bn_relu", "evonorm_b0", "rs_rej")
CASES = list(itertools.product(NAMES, [(4, 4), *SPLITS]))
# Before a merge an uneven split of every layer; of some layers all splits, some every day.
SYNCHRONIZED = tiered(
    CASES,
    everyday=[case for case in CASES[1::2] if case[0] in EVERYDAY],
    slow=[(name, sizes) for name, sizes in CASES if sizes == (5, 3) or name in EVERYDAY],
)

ALL_BATCH_MOMENTS = en.LayerGraph(
    (
        en.Node("MEAN", (0,), "BWH"),
        en.Node("RMS", (0,), "BWH"),
        en.Node("STD", (0,), "BWH"),
        en.Node("NEG", (4,)),
        en.Node("ADD", (0, 7)),
        en.Node("MUL", (8, 5)),
        en.Node("DIV", (9, 6)),
    )
)


def data(seed=0, shape=SHAPE):
    values = np.random.default_rng(seed).normal(size=shape) * 1.5 + 0.4
    return values.astype(np.float32)


def randomized(layer, seed=3):
    layer.build((None, *SHAPE[1:]))
    rng = np.random.default_rng(seed)
    for _, weight in sorted(weights_by_name(layer).items()):
        weight.assign(rng.uniform(0.5, 1.5, weight.shape).astype(np.float32))
    return layer


def moving_statistics(layer):
    return {
        name: tf.convert_to_tensor(weight).numpy()
        for name, weight in weights_by_name(layer).items()
        if name.startswith("moving")
    }


def raw(weight):
    """What a gradient tape takes for a weight: Keras 3 wraps TensorFlow's variables."""
    return weight.value if compat.IS_KERAS_3 else weight


def forward_backward(layer, inputs, cotangent, training=True):
    """Outputs, and the gradients of sum(outputs * cotangent) for inputs and weights."""
    weights = [raw(weight) for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        loss = tf.reduce_sum(outputs * cotangent)
    gradients = tape.gradient(loss, [inputs, *weights], unconnected_gradients="zero")
    return outputs, gradients[0], gradients[1:]


def on_one(layer, x, cotangent):
    results = forward_backward(layer, tf.constant(x), tf.constant(cotangent))
    return *results, moving_statistics(layer)


def split(strategy, array, sizes):
    """The batch's parts as one value per replica."""
    parts = np.split(array, np.cumsum(sizes)[:-1])
    assert [len(part) for part in parts] == list(sizes)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )


def on_two(strategy, layer, x, cotangent, sizes):
    arguments = [split(strategy, array, sizes) for array in (x, cotangent)]
    results = strategy.run(tf.function(lambda *a: forward_backward(layer, *a)), arguments)
    local = strategy.experimental_local_results
    outputs, input_gradient = (tf.concat(local(result), 0) for result in results[:2])
    weight_gradients = [tf.add_n(local(gradient)) for gradient in results[2]]
    return outputs, input_gradient, weight_gradients, moving_statistics(layer)


def assert_close(actual, expected, tolerance=1e-6):
    """Within `tolerance` of the largest expected magnitude, in every tensor of two trees."""
    tf.nest.assert_same_structure(actual, expected)
    for one, other in zip(tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True):
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


def both(strategy, make, x, sizes):
    """The results of two replicas, and of one with the whole batch."""
    cotangent = data(seed=1, shape=x.shape)
    one = on_one(randomized(make()), x, cotangent)
    with strategy.scope():
        layer = randomized(make())
    return on_two(strategy, layer, x, cotangent, sizes), one


@pytest.mark.parametrize(("name", "sizes"), SYNCHRONIZED)
def test_synchronized_equals_the_whole_batch(strategy, name, sizes):
    two, one = both(strategy, lambda: en.get(name, synchronized=True), data(), sizes)
    assert one[3] and one[0].shape == SHAPE
    assert_close(two, one)


@pytest.mark.parametrize("sizes", SPLITS)
def test_every_batch_moment_of_a_graph_layer(strategy, sizes):
    two, one = both(
        strategy, lambda: en.GraphLayer(ALL_BATCH_MOMENTS, synchronized=True), data(), sizes
    )
    assert set(one[3]) == {"moving_mean", "moving_second_moment", "moving_variance"}
    assert_close(two, one)


@pytest.mark.parametrize("op", ["MEAN", "RMS", "STD"])
@pytest.mark.parametrize("sizes", SPLITS)
def test_primitive_layers(strategy, op, sizes):
    two, one = both(
        strategy, lambda: en.PrimitiveLayer(op, "BWH", synchronized=True), data(), sizes
    )
    assert_close(two, one)


@pytest.mark.parametrize("name", EVERYDAY)
def test_without_synchronization_each_replica_uses_its_own_batch(strategy, name):
    x, sizes = data(), (5, 3)
    two, one = both(strategy, lambda: en.get(name), x, sizes)
    assert np.abs(two[0] - one[0]).max() > 1e-3
    alone = [randomized(en.get(name)) for _ in sizes]
    parts = [
        layer(part, training=True) for layer, part in zip(alone, np.split(x, [5]), strict=True)
    ]
    assert_close(two[0], tf.concat(parts, 0))
    # Every Keras generation reads the mean of what the replicas hold.
    moved = [moving_statistics(layer) for layer in alone]
    assert_close(two[3], {key: (moved[0][key] + moved[1][key]) / 2 for key in moved[0]})


@pytest.mark.parametrize("name", EVERYDAY)
def test_a_replica_without_examples_leaves_the_averages_alone(strategy, name):
    x = data()
    two, one = both(strategy, lambda: en.get(name), x, (8, 0))
    assert_close(two[0], one[0])
    before = moving_statistics(randomized(en.get(name)))
    assert_close(two[3], {key: (one[3][key] + before[key]) / 2 for key in before})


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_on_one_device_leaves_the_averages_alone(name):
    for synchronized in (False, True):
        layer = randomized(en.get(name, synchronized=synchronized))
        before = moving_statistics(layer)
        assert layer(data()[:0], training=True).shape == (0, *SHAPE[1:])
        assert_close(moving_statistics(layer), before, tolerance=0)


@pytest.mark.parametrize("sizes", SPLITS)
@pytest.mark.parametrize("name", ["bn_relu", "evonorm_b0"])
def test_a_large_mean_does_not_hide_a_small_variance(strategy, name, sizes):
    noise = np.random.default_rng(5).normal(size=SHAPE)
    x = (1e4 + noise).astype(np.float32)
    with strategy.scope():
        layer = en.get(name, synchronized=True, momentum=0.0)
        layer.build((None, *SHAPE[1:]))
    *_, moving = on_two(strategy, layer, x, np.ones_like(x), sizes)
    expected = x.astype(np.float64).var(axis=(0, 1, 2))
    np.testing.assert_allclose(moving["moving_variance"], expected, rtol=1e-5)


def test_inference_does_not_communicate_or_move(strategy):
    with strategy.scope():
        layer = randomized(en.get("evonorm_b0", synchronized=True))
    before, x = moving_statistics(layer), data()
    inputs = split(strategy, x, (5, 3))
    outputs = strategy.run(tf.function(lambda a: layer(a, training=False)), [inputs])
    outputs = tf.concat(strategy.experimental_local_results(outputs), 0)
    assert_close(outputs, randomized(en.get("evonorm_b0"))(x, training=False))
    assert_close(moving_statistics(layer), before, tolerance=0)


@pytest.mark.slow
@settings(max_examples=40)
@given(graph=graph_strategies.graphs(max_nodes=6))
def test_random_graphs_equal_float64_numpy_of_the_whole_batch(strategy, graph):
    graph, x = graph.canonical(), data().astype(np.float64)
    _, values = graph_cases.built(graph, x.shape, "float64")
    expected, tolerance = graph_cases.expected_output(graph, x, values, True, 1e-15)
    with strategy.scope():
        layer, _ = graph_cases.built(graph, x.shape, "float64", synchronized=True)
    actual = strategy.run(
        tf.function(lambda a: layer(a, training=True)), [split(strategy, x, (5, 3))]
    )
    actual = tf.concat(strategy.experimental_local_results(actual), 0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def network(name):
    tf.keras.utils.set_random_seed(3)
    return tf.keras.Sequential(
        [
            tf.keras.layers.Conv2D(4, 2, use_bias=False),
            en.get(name, synchronized=True),
            tf.keras.layers.GlobalAveragePooling2D(),
            tf.keras.layers.Dense(1),
        ]
    )


def losses_of_training(strategy, name, sizes):
    x, target = data(), data(seed=2, shape=(8, 1))
    with strategy.scope():
        model = network(name)
        model.build((None, *SHAPE[1:]))
        optimizer = tf.keras.optimizers.SGD(0.05, momentum=0.9)
        optimizer.build(model.trainable_variables)

    def step(x, target):
        with tf.GradientTape() as tape:
            error = tf.square(model(x, training=True) - target)
            loss = tf.reduce_sum(error) / SHAPE[0]
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [raw(variable) for variable in variables])
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    inputs = [split(strategy, x, sizes), split(strategy, target, sizes)]
    train = tf.function(lambda: strategy.reduce("SUM", strategy.run(step, inputs), axis=None))
    losses = [float(train()) for _ in range(6)]
    return losses, float(tf.reduce_sum(model(x, training=False)))


@pytest.mark.parametrize("name", ["evonorm_b0", pytest.param("rs_rej", marks=pytest.mark.slow)])
def test_training_on_two_replicas_equals_training_on_one(strategy, name):
    alone = tf.distribute.MirroredStrategy(["CPU:0"])
    two, after_two = losses_of_training(strategy, name, (5, 3))
    one, after_one = losses_of_training(alone, name, (8,))
    assert one[-1] < 0.8 * one[0]
    np.testing.assert_allclose(two, one, rtol=1e-5)
    np.testing.assert_allclose(after_two, after_one, rtol=1e-4)
