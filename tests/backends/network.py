"""A small network that every backend trains from the same weights."""

import json

import keras
import numpy as np

import evonorm_tf as en

BACKEND = keras.backend.backend()
EPOCHS = 6


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
    model.compile(
        keras.optimizers.SGD(0.1), loss, metrics=["accuracy"], jit_compile=BACKEND == "jax"
    )
    images, labels = examples()
    history = model.fit(images, labels, batch_size=16, epochs=EPOCHS, shuffle=False, verbose=0)
    evaluated = model.evaluate(images, labels, batch_size=16, verbose=0, return_dict=True)
    record = {"jit": bool(model.jit_compile), **history.history, "evaluated": evaluated}
    (folder / f"network.{BACKEND}.json").write_text(json.dumps(record))
    predicted = model.predict(images, batch_size=16, verbose=0)
    np.savez(folder / f"network.{BACKEND}.npz", predicted, *model.get_weights())


def distribute(folder):
    """Saves images that two devices share, and the moving average after one step."""
    devices = keras.distribution.list_devices()
    assert len(devices) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    images, _ = examples()
    images = images[:4] + np.array([0.0, 0.0, 9.0, 9.0], np.float32)[:, None, None, None]
    layer = en.EvoNormB0(momentum=0.0)
    layers = [keras.Input((8, 8, 2)), layer, keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(images, np.zeros(4), batch_size=4, verbose=0)
    keras.distribution.set_distribution(None)
    assert len(layer.moving_variance.value.sharding.device_set) == 2
    moving = keras.ops.convert_to_numpy(layer.moving_variance)
    np.savez(folder / "distributed.npz", images=images, moving=moving)
