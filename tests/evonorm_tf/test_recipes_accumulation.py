"""Few images per step, in docs/recipes.md: gradients of parts of a batch are added up."""

import pytest
import tensorflow as tf

from evonorm_tf import compat
from tests.evonorm_tf.recipes import (
    LABELS,
    OF_ONE_EXAMPLE,
    OF_THE_BATCH,
    classifier,
    difference,
    gradients,
    images,
    parts_gradients,
    step,
    trained,
)

pytestmark = pytest.mark.one_environment


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
@pytest.mark.parametrize("size", [1, 3])
def test_accumulated_gradients_are_those_of_the_large_batch(name, size):
    model, x = classifier(name), images()
    whole = gradients(model, x, LABELS)
    assert difference(parts_gradients(model, x, LABELS, size), whole) < 1e-5


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
def test_they_are_in_float64(name):
    """All but the vectors of the layers, which are float32, agree to the digits of float64."""
    model, x = classifier(name, "float64"), images().astype("float64")
    whole, parts = gradients(model, x, LABELS), parts_gradients(model, x, LABELS, 2)
    double = [i for i, gradient in enumerate(whole) if gradient.dtype == tf.float64]
    assert len(double) == 4  # kernels of both convolutions, kernel and bias of Dense
    assert difference([parts[i] for i in double], [whole[i] for i in double]) < 1e-13
    assert difference(parts, whole) < 1e-6


@pytest.mark.parametrize("name", OF_THE_BATCH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_with_batch_statistics_they_are_not(name, dtype):
    model, x = classifier(name, dtype), images().astype(dtype)
    whole = gradients(model, x, LABELS)
    assert difference(parts_gradients(model, x, LABELS, 2), whole) > 0.3


@pytest.mark.parametrize("name", OF_THE_BATCH)
def test_they_are_with_frozen_statistics(name):
    """The batch's statistics alone make the difference."""
    model, x = classifier(name), images()
    for layer in model.layers:
        layer.trainable = "conv" in layer.name or "dense" in layer.name
    whole = gradients(model, x, LABELS)
    assert difference(parts_gradients(model, x, LABELS, 2), whole) < 1e-5


def test_unequal_parts_are_weighted_by_their_examples():
    model, x = classifier("evonorm_s0"), images()
    first, rest = gradients(model, x[:4], LABELS[:4]), gradients(model, x[4:], LABELS[4:])
    weighted = [(4 * a + 2 * b) / 6 for a, b in zip(first, rest, strict=True)]
    assert difference(weighted, gradients(model, x, LABELS)) < 1e-5
    assert difference([(a + b) / 2 for a, b in zip(first, rest, strict=True)], weighted) > 0.01


@pytest.mark.parametrize("name", ["evonorm_s0", "evonorm_b0"])
def test_a_step_with_accumulation(name):
    """By Keras 3's optimizer where there is one, else by hand."""
    model, one_step, x = classifier(name), classifier(name), images()
    if compat.IS_KERAS_3:
        optimizer = tf.keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)
        model.compile(optimizer, tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, LABELS, batch_size=2, shuffle=False, verbose=0)
    else:
        mean = parts_gradients(model, x, LABELS, 2)
        tf.keras.optimizers.SGD(0.1).apply_gradients(
            zip(mean, model.trainable_variables, strict=True)
        )
    step(one_step, x, LABELS)
    found = difference(trained(model), trained(one_step))
    assert found < 1e-5 if name == "evonorm_s0" else found > 0.01
