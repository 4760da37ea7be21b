"""The hinge loss of both networks, and orthogonal regularization."""

from collections.abc import Sequence

import tensorflow as tf


def discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """mean(max(0, 1 - real)) + mean(max(0, 1 + fake)), of the discriminator's logits."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))


def generator_loss(fake: tf.Tensor) -> tf.Tensor:
    """-mean(fake), of the discriminator's logits."""
    return -tf.reduce_mean(fake)


def orthogonal_penalty(kernels: Sequence[tf.Variable], strength: float) -> tf.Tensor:
    """Orthogonal regularization (Brock et al. 2019, equation 3).

    strength * sum over kernels of |W^T W without its diagonal|^2

    Args:
      kernels: each with its outputs along the last axis, which are the columns of W.
      strength: beta in the paper; 0 for no penalty.
    """
    if not strength or not kernels:
        return tf.constant(0.0)
    total = tf.constant(0.0)
    for kernel in kernels:
        matrix = tf.reshape(kernel, [-1, kernel.shape[-1]])
        products = tf.matmul(matrix, matrix, transpose_a=True)
        products = tf.linalg.set_diag(products, tf.zeros(kernel.shape[-1:]))
        total += tf.reduce_sum(tf.square(products))
    return strength * total
