"""Image classification data that fits in memory, by name."""

from trainers.data.image_data import ImageData, Split, load

__all__ = ["ImageData", "Split", "load"]
