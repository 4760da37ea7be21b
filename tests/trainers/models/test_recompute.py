"""Networks with `recompute=True`: the same numbers, and fewer arrays kept for the backward pass."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.tiers import tiered
from tests.trainers.models.test_modes import (
    SMALL,
    images,
    resnet_v1,
    resnet_v2,
    small_efficientnet,
    small_mobilenet_v2,
)

GRAPH = en.LayerGraph((en.Node("SIGMOID", (0,)), en.Node("MUL", (0, 4))))
CASES = tiered(
    [
        (resnet_v2, "evonorm_b0"),
        (resnet_v2, "evonorm_s0"),
        (resnet_v2, "bn_relu"),
        (resnet_v2, "gn_relu"),
        (resnet_v2, GRAPH),
        (resnet_v1, "evonorm_s0"),
        (small_mobilenet_v2, "evonorm_b0"),
        (small_efficientnet, "bn_silu"),
    ],
    everyday=[(resnet_v2, "evonorm_b0")],
    slow=[(resnet_v2, "gn_relu"), (resnet_v1, "evonorm_s0"), (small_mobilenet_v2, "evonorm_b0")],
)


def pair(build, norm_act, **kwargs):
    """A network without and with recomputation, of the same weights."""
    if build in (small_mobilenet_v2, small_efficientnet):
        kwargs["dropout"] = 0.0  # Keras 3's dropouts have states of their own
    if build is small_efficientnet:
        kwargs["stochastic_depth"] = 0.0
    networks = [build(norm_act, recompute=again, **SMALL, **kwargs) for again in (False, True)]
    networks[1].set_weights(networks[0].get_weights())
    return networks


def step(network, x):
    """Loss and gradients of a training step."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(network(x, training=True)))
    return [loss, *tape.gradient(loss, network.trainable_weights)]


def step_in_graph(network, x):
    """The same as a graph, in which dead operations are pruned."""
    return tf.function(lambda x: step(network, x), autograph=False)(x)


def assert_equal(actual, expected, rounding=1e-5):
    """Within rounding, relative to the largest value of all: some gradients are zero."""
    bound = rounding * max(np.abs(reference).max() for reference in expected)
    for value, reference in zip(actual, expected, strict=True):
        np.testing.assert_allclose(value, reference, rtol=rounding, atol=bound)


@pytest.mark.parametrize(("build", "norm_act"), CASES)
@pytest.mark.usefixtures("_float64")
def test_gradients_and_moving_averages_are_the_same(build, norm_act):
    kept, again = pair(build, norm_act)
    assert [weight.name for weight in again.weights] == [weight.name for weight in kept.weights]
    expected = step_in_graph(kept, images())
    assert_equal(step_in_graph(again, images()), expected, 1e-6)  # vectors are float32
    for actual, weight in zip(again.get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, weight)


def test_outputs_in_inference_and_eager_gradients_are_the_same():
    kept, again = pair(resnet_v2, "evonorm_s0")
    np.testing.assert_array_equal(again(images()).numpy(), kept(images()).numpy())
    assert_equal(step(again, images()), step(kept, images()))


def kept_outputs(network):
    """Norm-act layers whose outputs the backward pass takes from the forward pass.

    And "padded", where it takes the padded input of the one convolution that pads.
    """
    norm_acts = [layer.name for layer in network.layers if isinstance(layer, en.EvoNormS0)]
    forward = set()

    @tf.function(autograph=False)
    def run(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(x, training=True))
        forward.update(op.name for op in tf.compat.v1.get_default_graph().get_operations())
        return tape.gradient(loss, network.trainable_weights)

    graph = run.get_concrete_function(tf.TensorSpec((4, 32, 32, 3))).graph
    backward = [op for op in graph.get_operations() if op.name not in forward]
    taken = [tensor for op in backward for tensor in op.inputs if tensor.op.name in forward]
    maps = {tensor.op.name for tensor in taken if tensor.shape.rank == 4 and tensor.shape[1] > 1}
    padded = [path for path in maps if "stage2_block1_conv2" in path and path.endswith("Pad")]
    parts = {part for path in maps for part in path.split("/")}  # Keras 3 appends numbers
    outputs = {name for name in norm_acts if any(part.startswith(name) for part in parts)}
    return outputs | {"padded" for _ in padded}


def test_the_backward_pass_takes_no_output_of_a_norm_act_layer():
    kept, again = pair(resnet_v2, "evonorm_s0")
    of_blocks = {f"stage{stage}_block1_norm_act{i}" for stage in (1, 2) for i in (1, 2, 3)}
    assert kept_outputs(kept) == of_blocks - {"stage2_block1_norm_act2"} | {"padded"}
    assert not kept_outputs(again)


def test_replicas_with_common_statistics():
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        networks = pair(resnet_v2, "evonorm_b0", norm_act_args={"synchronized": True})
    shares = strategy.experimental_distribute_values_from_function(
        lambda context: images()[2 * context.replica_id_in_sync_group :][:2]
    )
    results = []
    for network in networks:
        run = tf.function(lambda x, network=network: strategy.run(step, (network, x)))
        sums = [strategy.reduce("SUM", value, axis=None).numpy() for value in run(shares)]
        results.append(sums)
    assert_equal(results[1], results[0])


@pytest.fixture
def _bfloat16():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


@pytest.mark.usefixtures("_bfloat16")
def test_mixed_precision():
    kept, again = pair(resnet_v2, "evonorm_b0")
    for value, reference in zip(
        step_in_graph(again, images()), step_in_graph(kept, images()), strict=True
    ):
        assert value.dtype == reference.dtype == tf.float32
        bound = 0.02 * np.abs(reference).max()  # bfloat16 has eight bits
        np.testing.assert_allclose(value, reference, atol=bound)


def test_a_callable_is_refused():
    with pytest.raises(ValueError, match="`recompute` needs a `norm_act` that is a registered"):
        resnet_v2(lambda nonlinearity, name: tf.keras.layers.ReLU(name=name), recompute=True)


def test_saving_says_what_to_save(tmp_path):
    network = resnet_v2("evonorm_s0", recompute=True, **SMALL)
    with pytest.raises(NotImplementedError, match="build it without"):
        network.save(tmp_path / "model.keras")
