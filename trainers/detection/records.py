"""Checks of TFRecords of images with boxes and masks, before training."""

from collections.abc import Sequence

import tensorflow as tf

from trainers.errors import TrainersError, reason

_CHECKED = 32
_BOX = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
_LABEL, _MASK, _IMAGE = "image/object/class/label", "image/object/mask", "image/encoded"


def patterns(input_path: str | Sequence[str]) -> list[str]:
    """The patterns of files in a configuration, which has a sequence or a text with commas."""
    parts = input_path.split(",") if isinstance(input_path, str) else input_path
    return [part.strip() for part in parts if part.strip()]


def check(input_path: str | Sequence[str], num_classes: int, masks: bool, path: str) -> None:
    """Reads the first records of a data set.

    Args:
      input_path: patterns of the files.
      num_classes: labels are 1 to num_classes - 1.
      masks: whether each object must have a mask.
      path: name of the data set in the configuration, for messages.

    Raises:
      TrainersError: when there are no files or no records, one is corrupt, or one does not
        fit.
    """
    files = [file for pattern in patterns(input_path) for file in tf.io.gfile.glob(pattern)]
    if not files:
        raise TrainersError(
            f"`{path}.input_path` must match files. Received: input_path={input_path!r}"
        )
    count = 0
    try:
        for record in tf.data.TFRecordDataset(files).take(_CHECKED).as_numpy_iterator():
            count += 1
            _check_record(record, num_classes, masks, path)
    except tf.errors.DataLossError as error:
        raise TrainersError(
            f"`{path}.input_path`: record {count + 1} of {files[0]} is corrupt; make the files "
            f"again. TensorFlow says: {reason(error)}"
        ) from error
    if not count:
        raise TrainersError(
            f"`{path}.input_path` must have records. Received: input_path={input_path!r}"
        )


def _check_record(record: bytes, num_classes: int, masks: bool, path: str) -> None:
    try:
        features = tf.train.Example.FromString(record).features.feature
    except ValueError as error:  # protobuf's DecodeError is one
        raise TrainersError(f"`{path}.input_path` holds records that are no examples") from error
    labels = list(features[_LABEL].int64_list.value)
    counts = {name: len(features[name].float_list.value) for name in _BOX}
    if masks:
        counts[_MASK] = len(features[_MASK].bytes_list.value)
    wrong = {name: count for name, count in counts.items() if count != len(labels)}
    if wrong or not features[_IMAGE].bytes_list.value:
        raise TrainersError(
            f"`{path}.input_path`: an example has {len(labels)} labels and {wrong or 'no image'}"
        )
    outside = [label for label in labels if not 0 < label < num_classes]
    if outside:
        raise TrainersError(
            f"`task.model.num_classes` must be more than every label of `{path}`, which begin "
            f"at 1. Received: num_classes={num_classes}, label={outside[0]}"
        )
