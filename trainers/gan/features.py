"""Feature networks of Inception Score and FID.

"inception" is the InceptionV3 of `tf.keras.applications`, whose weights the user provides.
"digits" is a small classifier, which is trained on scikit-learn's digits at its first use.
"""

import functools
import os
import warnings

import numpy as np
import tensorflow as tf

from trainers.data import loading
from trainers.errors import TrainersError, reason

INCEPTION, DIGITS = "inception", "digits"
NETWORKS = (INCEPTION, DIGITS)
_INCEPTION_SIZE = 299
_WEIGHTS_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
_HIDDEN, _SEED = (128, 64), 0


def feature_network(name: str, weights: str = "", upsampling: int = 1) -> tf.keras.Model:
    """A model from images with pixels from -1 to 1 to (features, class probabilities).

    Args:
      name: "inception" or "digits".
      weights: file with InceptionV3's weights, classification layer included.
      upsampling: side of the digits' images over 8.

    Raises:
      TrainersError: for another name, or weights that are missing or of another network.
    """
    check(name, weights)
    if name == DIGITS:
        return _digits_network(upsampling)
    return _inception(weights)


def check_name(name: str) -> None:
    """Raises TrainersError for an unknown network."""
    if name not in NETWORKS:
        raise TrainersError(
            f"`task.features` must be one of {', '.join(NETWORKS)}. Received: features={name!r}"
        )


def check(name: str, weights: str) -> None:
    """Raises TrainersError for an unknown network, or missing weights of InceptionV3."""
    check_name(name)
    if name == INCEPTION and not os.path.isfile(weights):
        raise TrainersError(
            "`task.feature_weights` must be the file with InceptionV3's ImageNet weights, "
            f"{_WEIGHTS_FILE} of tf.keras.applications: without it there is neither Inception "
            f"Score nor FID (--mode=train needs none). Received: feature_weights={weights!r}"
        )


def _inception(weights: str) -> tf.keras.Model:
    network = tf.keras.applications.InceptionV3(weights=None)
    try:
        network.load_weights(weights)
    except (OSError, ValueError) as error:
        raise TrainersError(
            f"`task.feature_weights`: {weights} does not hold InceptionV3's weights: "
            f"{reason(error)}"
        ) from error
    images = tf.keras.Input((None, None, 3))
    large = tf.image.resize(images, (_INCEPTION_SIZE, _INCEPTION_SIZE))
    pooled = tf.keras.Model(network.input, network.get_layer("avg_pool").output)(large)
    probabilities = network.get_layer("predictions")(pooled)
    return tf.keras.Model(images, [pooled, probabilities], name=INCEPTION)


def _digits_network(upsampling: int) -> tf.keras.Model:
    """The trained classifier; its features are the second hidden layer."""
    side = 8 * upsampling
    layers = [tf.keras.layers.Dense(units, "relu") for units in _HIDDEN]
    layers.append(tf.keras.layers.Dense(10, "softmax"))
    images = tf.keras.Input((side, side, 1))
    hidden = tf.keras.layers.Flatten()(images)
    for layer in layers[:-1]:
        hidden = layer(hidden)
    network = tf.keras.Model(images, [hidden, layers[-1](hidden)], name=DIGITS)
    for layer, weights in zip(layers, _digits_weights(upsampling), strict=True):
        layer.set_weights(weights)
    return network


@functools.lru_cache(maxsize=2)
def _digits_weights(upsampling: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each layer, trained on the digits' training images."""
    from sklearn.neural_network import MLPClassifier  # slow to import

    split = loading.load(DIGITS).train
    images = enlarged(tf.cast(split.images, tf.float32), upsampling).numpy() / 127.5 - 1.0
    classifier = MLPClassifier(_HIDDEN, max_iter=60, alpha=1e-3, random_state=_SEED)
    with warnings.catch_warnings():  # sixty epochs suffice, as a test shows
        warnings.simplefilter("ignore")
        classifier.fit(images.reshape(len(images), -1), split.labels)
    return list(zip(classifier.coefs_, classifier.intercepts_, strict=True))


def enlarged(images: tf.Tensor, times: int) -> tf.Tensor:
    """Images of `times` the side, by bilinear interpolation."""
    if times == 1:
        return images
    height, width = images.shape[1] * times, images.shape[2] * times
    return tf.image.resize(images, (height, width))
