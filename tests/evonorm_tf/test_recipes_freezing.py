"""Freezing and fine-tuning, in docs/recipes.md: modes of a frozen layer, and a new head."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.recipes import (
    BOTH,
    LABELS,
    OF_ONE_EXAMPLE,
    OF_THE_BATCH,
    difference,
    images,
)

pytestmark = pytest.mark.one_environment

layers = tf.keras.layers


def backbone(name):
    tf.keras.utils.set_random_seed(2)
    make = en.norm_act_factory(name)
    return tf.keras.Sequential(
        [tf.keras.Input((8, 8, 3)), layers.Conv2D(8, 3), make(), layers.Conv2D(8, 3), make()]
    )


@pytest.mark.parametrize("name", BOTH)
def test_modes_of_a_frozen_layer(name):
    """Batch statistics: training differs from inference until the layer is frozen."""
    model, x = backbone(name), images()

    def modes_differ():
        return difference([model(x, training=True)], [model(x, training=False)])

    assert modes_differ() < 1e-5 if name in OF_ONE_EXAMPLE else modes_differ() > 0.1
    model.trainable = False
    assert modes_differ() == 0
    model.trainable = True
    assert modes_differ() < 1e-5 if name in OF_ONE_EXAMPLE else modes_differ() > 0.1


@pytest.mark.parametrize("name", ["evonorm_s0", *OF_THE_BATCH])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_head_on_a_frozen_backbone(name, frozen):
    features = backbone(name)
    features.trainable = not frozen
    head = layers.Dense(3)
    model = tf.keras.Sequential([features, layers.GlobalAveragePooling2D(), head])
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.build((None, 8, 8, 3))
    before, kernel = features.get_weights(), head.get_weights()[0]
    model.fit(images(), LABELS, epochs=2, verbose=0)
    unchanged = [np.array_equal(a, b) for a, b in zip(before, features.get_weights(), strict=True)]
    assert all(unchanged) if frozen else not any(unchanged)
    assert not np.array_equal(kernel, head.get_weights()[0])
