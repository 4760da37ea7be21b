"""A made-up state of timm's resnetv2_50d_evos, and what timm computes with it."""

import zlib

import numpy as np

_BLOCKS, _FILTERS = (3, 4, 6, 3), (64, 128, 256, 512)


def _shapes(num_classes):
    """Every weight's shape by timm's name."""
    shapes = {}

    def conv(name, out_channels, in_channels, size):
        shapes[f"{name}.weight"] = (out_channels, in_channels, size, size)

    def norm(name, channels):
        shapes.update({f"{name}.{weight}": (channels,) for weight in ("weight", "bias", "v")})

    conv("stem.conv1", 32, 3, 3)
    norm("stem.norm1", 32)
    conv("stem.conv2", 32, 32, 3)
    norm("stem.norm2", 32)
    conv("stem.conv3", 64, 32, 3)
    channels = 64
    for stage, (blocks, filters) in enumerate(zip(_BLOCKS, _FILTERS, strict=True)):
        for block in range(blocks):
            prefix = f"stages.{stage}.blocks.{block}"
            if block == 0:
                conv(f"{prefix}.downsample.conv", 4 * filters, channels, 1)
            norm(f"{prefix}.norm1", channels)
            conv(f"{prefix}.conv1", filters, channels, 1)
            norm(f"{prefix}.norm2", filters)
            conv(f"{prefix}.conv2", filters, filters, 3)
            norm(f"{prefix}.norm3", filters)
            conv(f"{prefix}.conv3", 4 * filters, filters, 1)
            channels = 4 * filters
    norm("norm", channels)
    conv("head.fc", num_classes, channels, 1)
    shapes["head.fc.bias"] = (num_classes,)
    return shapes


def _values(name, shape):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) == 4:
        return rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    return rng.normal(0, 0.1, shape) if name.endswith("bias") else rng.uniform(0.5, 1.5, shape)


def resnetv2_50d_evos_state(num_classes):
    """The state: of each name its own, repeatable numbers."""
    shapes = _shapes(num_classes)
    return {name: _values(name, shape).astype("float32") for name, shape in shapes.items()}


def images():
    """Two images whose sizes are no multiples of 32."""
    return np.random.default_rng(0).uniform(-1, 1, (2, 75, 96, 3)).astype("float32")
