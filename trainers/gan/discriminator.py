"""The discriminator of BigGAN-deep (Brock et al. 2019, appendix B): whether an image is real."""

import tensorflow as tf

from trainers.gan import parts
from trainers.gan.spectral import SpectralConv2D, SpectralDense, SpectralEmbedding


def discriminator(
    resolution: int,
    *,
    num_classes: int = 1000,
    image_channels: int = 3,
    width: int = 128,
    attention: int = 64,
    name: str = "discriminator",
) -> tf.keras.Model:
    """A model of (images, labels) that returns one logit for each image, larger for real images.

    It has no normalization layer: a ReLU comes before each convolution. The label enters by
    projection: the inner product of its vector with the image's features.

    Args:
      resolution: side of the images, 8 to 512.
      num_classes: labels are 0 to num_classes - 1.
      image_channels: channels of the images, whose pixels go from -1 to 1.
      width: channels of the feature map at the images' resolution, "ch" in the paper.
      attention: the resolution with self-attention; 0 for none.
      name: name of the model.

    Raises:
      TrainersError: for a resolution that there is no network for.
    """
    widths = parts.stage_widths(resolution, width)[::-1]
    images = tf.keras.Input((resolution, resolution, image_channels), name="images")
    labels = tf.keras.Input((), dtype=tf.int32, name="labels")
    x = SpectralConv2D(widths[0], 3, name="first_conv")(images)
    for stage, filters in enumerate(widths[1:]):
        x = _block(x, filters, True, f"down{stage}_block0")
        x = _block(x, filters, False, f"down{stage}_block1")
        if x.shape[1] == attention:
            x = parts.SelfAttention(name=f"{name}_attention")(x)
    features = tf.reduce_sum(tf.nn.relu(x), [1, 2])
    logits = SpectralDense(1, name="logit")(features)
    projection = SpectralEmbedding(num_classes, widths[-1], name="label_projection")(labels)
    logits += tf.reduce_sum(projection * features, -1, keepdims=True)
    return tf.keras.Model([images, labels], logits[:, 0], name=name)


def _block(x: tf.Tensor, filters: int, downsample: bool, name: str) -> tf.Tensor:
    """1x1, 3x3, 3x3 and 1x1 convolutions, each after a ReLU.

    A 1x1 convolution gives the channels that the shortcut lacks.
    """
    inner = filters // parts.BOTTLENECK
    h = x
    for number, (channels, size) in enumerate(((inner, 1), (inner, 3), (inner, 3))):
        h = SpectralConv2D(channels, size, name=f"{name}_conv{number}")(tf.nn.relu(h))
    h, shortcut = tf.nn.relu(h), x
    if downsample:
        h = tf.keras.layers.AveragePooling2D(name=f"{name}_down")(h)
        shortcut = tf.keras.layers.AveragePooling2D(name=f"{name}_down_shortcut")(shortcut)
    missing = filters - x.shape[-1]
    if missing:
        added = SpectralConv2D(missing, 1, name=f"{name}_conv_shortcut")(shortcut)
        shortcut = tf.concat([shortcut, added], -1)
    return SpectralConv2D(filters, 1, name=f"{name}_conv3")(h) + shortcut
