"""The small data sets by name."""

from trainers.data.image_data import ImageData

DATA_SETS = ("digits", "inverted_digits", "cifar10")


def load(name: str, data_dir: str | None = None) -> ImageData:
    """Loads a data set.

    Args:
      name: "digits", scikit-learn's embedded 8x8 digits; "inverted_digits", the same with half
        of the images inverted; or "cifar10", by TFDS.
      data_dir: where TFDS keeps its data; None for its default.

    Raises:
      ValueError: for an unknown name.
    """
    if name in ("digits", "inverted_digits"):
        from trainers.data import digits

        return digits.load(inverted=name == "inverted_digits")
    if name == "cifar10":
        from trainers.data import cifar10

        return cifar10.load(data_dir)
    raise ValueError(f"`name` must be one of {', '.join(DATA_SETS)}. Received: name={name!r}")
