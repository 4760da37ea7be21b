"""The generator of BigGAN-deep (Brock et al. 2019, appendix B): from noise and label to image."""

import itertools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.factory import NormAct
from trainers.gan import parts
from trainers.gan.conditional import ConditionalNormAct
from trainers.gan.spectral import SpectralConv2D, SpectralDense

SMALLEST = 4  # pixels of the first feature map's side


def generator(
    resolution: int,
    norm_act: NormAct,
    norm_act_args: dict[str, Any] | None = None,
    *,
    num_classes: int = 1000,
    image_channels: int = 3,
    width: int = 128,
    noise_size: int = 128,
    embedding_size: int = 128,
    attention: int = 64,
    name: str = "generator",
) -> tf.keras.Model:
    """A model of (noise, labels) that returns images with pixels from -1 to 1.

    The first layer and every conditional norm-act layer see noise and the label's embedding.

    Args:
      resolution: side of the images, 8 to 512.
      norm_act: a registered name, a `LayerGraph` or a callable; see `en.norm_act_factory`.
      norm_act_args: constructor arguments of every layer of a name or graph.
      num_classes: labels are 0 to num_classes - 1.
      image_channels: channels of the images.
      width: channels of the feature map at the images' resolution, "ch" in the paper.
      noise_size: length of the noise vector.
      embedding_size: length of a label's vector.
      attention: the resolution with self-attention; 0 for none.
      name: name of the model.

    Raises:
      TrainersError: for a resolution that there is no network for.
    """
    make_layer = en.norm_act_factory(norm_act, **(norm_act_args or {}))
    widths = parts.stage_widths(resolution, width)
    noise = tf.keras.Input((noise_size,), name="noise")
    labels = tf.keras.Input((), dtype=tf.int32, name="labels")
    condition = tf.concat([noise, _embedded(labels, num_classes, embedding_size)], -1)
    x = _feature_map(condition, widths, attention, make_layer, name)
    images = tf.tanh(SpectralConv2D(image_channels, 3, name="last_conv")(x))
    return tf.keras.Model([noise, labels], images, name=name)


def _embedded(labels: tf.Tensor, num_classes: int, size: int) -> tf.Tensor:
    """A vector for each label."""
    # Spectral normalization of this kernel is known to cripple the generator.
    embedding = tf.keras.layers.Embedding(
        num_classes, size, tf.keras.initializers.Orthogonal(), name="label_embedding"
    )
    return embedding(labels)


def _feature_map(
    condition: tf.Tensor,
    widths: list[int],
    attention: int,
    make_layer: Callable[..., tf.keras.layers.Layer],
    name: str,
) -> tf.Tensor:
    """The activated map at the images' resolution.

    Each resolution has two residual blocks, the second of which doubles it.
    """
    x = SpectralDense(SMALLEST * SMALLEST * widths[0], name="first_dense")(condition)
    x = tf.keras.layers.Reshape((SMALLEST, SMALLEST, widths[0]), name="first_map")(x)
    for stage, (before, after) in enumerate(itertools.pairwise(widths)):
        block = f"up{stage}_block"
        x = _block(x, condition, before, False, make_layer, f"{block}0")
        x = _block(x, condition, after, True, make_layer, f"{block}1")
        if x.shape[1] == attention:
            x = parts.SelfAttention(name=f"{name}_attention")(x)
    return make_layer(name="last_norm_act")(x)


def _block(
    x: tf.Tensor,
    condition: tf.Tensor,
    filters: int,
    upsample: bool,
    make_layer: Callable[..., tf.keras.layers.Layer],
    name: str,
) -> tf.Tensor:
    """1x1, 3x3, 3x3 and 1x1 convolutions, each after a conditional norm-act layer.

    The shortcut drops the channels that the block's output does not have.
    """
    inner = x.shape[-1] // parts.BOTTLENECK
    plan = ((inner, 1), (inner, 3), (inner, 3), (filters, 1))
    h = x
    for number, (channels, size) in enumerate(plan):
        h = ConditionalNormAct(make_layer, name=f"{name}_norm_act{number}")([h, condition])
        if number == 1 and upsample:
            h = tf.keras.layers.UpSampling2D(name=f"{name}_up")(h)
        h = SpectralConv2D(channels, size, name=f"{name}_conv{number}")(h)
    shortcut = x[..., :filters]
    if upsample:
        shortcut = tf.keras.layers.UpSampling2D(name=f"{name}_up_shortcut")(shortcut)
    return h + shortcut
