"""Noise, standing statistics, and images from a trained generator."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf.layers import parts
from trainers.platform.model_parts import layers_within

_LINE = 128  # grey


def noise(shape: tuple[int, ...], seed: Any, truncation: float = 0.0) -> tf.Tensor:
    """Normal noise, the same for the same seed.

    Args:
      shape: shape of the result.
      seed: two integers.
      truncation: if positive, values of larger magnitude are drawn again, the paper's
        truncation trick: a small truncation gives more typical, less varied images.
    """
    if not truncation:
        return tf.random.stateless_normal(shape, seed)
    return tf.random.stateless_parameterized_truncated_normal(
        shape, seed, means=0.0, stddevs=1.0, minvals=-truncation, maxvals=truncation
    )


class Sampler:
    """Draws images from a generator, the same images for the same seed.

    Args:
      generator: a model of (noise, labels).
      num_classes: labels are 0 to num_classes - 1; samples take them in turn.
      noise_size: length of the noise vector.
      batch_size: images that each replica draws at once.
      truncation: truncation of the noise; 0 for none.
      seed: seed of the noise.
    """

    def __init__(
        self,
        generator: tf.keras.Model,
        *,
        num_classes: int,
        noise_size: int,
        batch_size: int,
        truncation: float = 0.0,
        seed: int = 0,
    ):
        """Keeps the settings, and the distribution strategy of the current scope."""
        self._generator = generator
        self._num_classes, self._noise_size = num_classes, noise_size
        self._batch_size, self._truncation, self._seed = batch_size, truncation, seed
        self._strategy = tf.distribute.get_strategy()

    def set_standing_statistics(self, batches: int) -> None:
        """Sets moving averages to the mean over batches of samples (Brock et al. 2019).

        The batch statistics of a generator depend on the truncation, and the moving averages of
        training belong to earlier weights. A generator without such layers stays unchanged.
        """
        layers = [
            layer
            for layer in layers_within(self._generator, parts.BatchStatistics)
            if layer.non_trainable_weights
        ]
        moving = [weight for layer in layers for weight in layer.non_trainable_weights]
        if not moving:
            return
        totals = [np.zeros(weight.shape, np.float64) for weight in moving]
        with _latest_batch_only(layers):
            run = tf.function(lambda number: self._drawn(number, True))
            for number in range(batches):
                run(tf.constant(-1 - number, tf.int64))
                for total, weight in zip(totals, moving, strict=True):
                    total += tf.convert_to_tensor(weight).numpy()
        for total, weight in zip(totals, moving, strict=True):
            weight.assign((total / batches).astype(np.float32))

    def batches(
        self, count: int, then: Callable[[tf.Tensor], Any] = lambda images: images
    ) -> Iterator[list[np.ndarray]]:
        """Draws `count` images in batches, and applies a function to each batch.

        Args:
          count: number of images.
          then: a function of a replica's images, which returns one tensor or several.
        """
        size = self._batch_size * self._strategy.num_replicas_in_sync

        def local(number: tf.Tensor) -> list[tf.Tensor]:
            return self._drawn(number, False, then)

        run = tf.function(local)
        for number in range(-(-count // size)):
            results = run(tf.constant(number, tf.int64))
            yield [part.numpy()[: count - number * size] for part in results]

    def images(self, count: int) -> np.ndarray:
        """`count` images with pixels from -1 to 1."""
        return np.concatenate([batch[0] for batch in self.batches(count)])

    def labels(self, count: int) -> np.ndarray:
        """The labels of the first `count` images."""
        return np.arange(count, dtype=np.int32) % self._num_classes

    def _drawn(
        self,
        number: tf.Tensor,
        training: bool,
        then: Callable[[tf.Tensor], Any] = lambda images: images,
    ) -> list[tf.Tensor]:
        """The results of all replicas, in order."""
        results = self._strategy.run(self._draw, args=(number, training, then))
        results = [self._strategy.experimental_local_results(part) for part in results]
        return [tf.concat(part, 0) for part in results]

    def _draw(
        self, number: tf.Tensor, training: bool, then: Callable[[tf.Tensor], Any]
    ) -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        batch = number * context.num_replicas_in_sync + replica
        drawn = noise(
            (self._batch_size, self._noise_size), tf.stack([self._seed, batch]), self._truncation
        )
        places = batch * self._batch_size + tf.range(self._batch_size, dtype=tf.int64)
        labels = tf.cast(places % self._num_classes, tf.int32)
        return tf.nest.flatten(then(self._generator([drawn, labels], training=training)))


@contextlib.contextmanager
def _latest_batch_only(layers: Sequence[parts.BatchStatistics]) -> Iterator[None]:
    """A context in which moving averages are the statistics of the last batch."""
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Images with pixels from -1 to 1 as one uint8 image, row by row, with grey lines between."""
    pixels = to_uint8(tf.constant(images)).numpy()
    rows = -(-len(pixels) // columns)
    height, width, channels = pixels.shape[1] + 1, pixels.shape[2] + 1, pixels.shape[3]
    canvas = np.full((rows * columns, height, width, channels), _LINE, np.uint8)
    canvas[: len(pixels), :-1, :-1] = pixels
    canvas = canvas.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return canvas.reshape(rows * height, columns * width, channels)[:-1, :-1]


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Pixels from -1 to 1 as whole numbers from 0 to 255."""
    return tf.cast(tf.clip_by_value(tf.round((images + 1.0) * 127.5), 0.0, 255.0), tf.uint8)
