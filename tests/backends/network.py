"""A small network that every backend trains from the same weights."""

import json

import keras
import numpy as np

import evonorm_tf as en

BACKEND = keras.backend.backend()
EPOCHS = 4


def examples():
    """Two classes of images: noise, and noise with a bright corner."""
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    images = rng.normal(size=(64, 8, 8, 2))
    images[labels == 1, :4, :4] += 1.0
    return images.astype(np.float32), labels


def create(folder):
    """Saves the network, untrained."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((8, 8, 2)),
        keras.layers.Conv2D(8, 3, use_bias=False),
        en.EvoNormB0(),
        keras.layers.Conv2D(8, 3, use_bias=False),
        en.EvoNormS0(groups=4, gamma_regularizer="l2"),
        en.get("rs_rej"),
        en.BatchNormSiLU(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2),
    ]
    keras.Sequential(layers).save(folder / "network.keras")


def train(folder):
    """Trains the network, compiled by XLA on JAX, and saves losses, weights and predictions."""
    model = keras.models.load_model(folder / "network.keras")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], jit_compile=BACKEND == "jax")
    images, labels = examples()
    history = model.fit(images, labels, batch_size=16, epochs=EPOCHS, shuffle=False, verbose=0)
    evaluated = model.evaluate(images, labels, batch_size=16, verbose=0, return_dict=True)
    record = {"jit": bool(model.jit_compile), **history.history, "evaluated": evaluated}
    (folder / f"network.{BACKEND}.json").write_text(json.dumps(record))
    predicted = model.predict(images, batch_size=16, verbose=0)
    np.savez(folder / f"network.{BACKEND}.npz", predicted, *model.get_weights())
