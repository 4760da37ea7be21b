"""The examples of a calibration: from an array, a `tf.data.Dataset` or a generator."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf.convert import model_graph

# At most so many examples are read from a dataset or a generator, which may be infinite.
MOST = 1024
_LEAST = 10
_HELD_OUT = 0.2


class Examples:
    """Examples for a network, split into those to fit it on and those to compare outputs on.

    Attributes:
      fitted: the first four fifths, one array for each input of the network.
      held_out: the last fifth, in the same form.
    """

    def __init__(self, data: Any, model: tf.keras.Model):
        """Reads and checks the data.

        Raises:
          ValueError: in one line, for examples that the model does not take, that are not finite,
            or of which there are too few.
        """
        arrays = _read(data, model)
        _check_count([len(array) for array in arrays])
        for array, tensor in zip(arrays, tf.nest.flatten(model_graph.inputs(model)), strict=True):
            _check(array, tensor)
        count = len(arrays[0])
        first = count - round(_HELD_OUT * count)
        self.fitted = [array[:first] for array in arrays]
        self.held_out = [array[first:] for array in arrays]


def in_structure(model: tf.keras.Model, arrays: Iterable[Any]) -> Any:
    """One array for each input, in the structure that the model takes."""
    return tf.nest.pack_sequence_as(model_graph.inputs(model), list(arrays))


def _read(data: Any, model: tf.keras.Model) -> list[np.ndarray]:
    count = len(tf.nest.flatten(model_graph.inputs(model)))
    if isinstance(data, (np.ndarray, tf.Tensor, list, tuple, dict)):
        arrays = [np.asarray(array) for array in tf.nest.flatten(_as_arrays(data, count))]
        if len(arrays) != count:
            raise ValueError(
                f"`calibrate` must have an array for each of the model's {count} inputs. "
                f"Received: {len(arrays)}"
            )
        return arrays
    if not isinstance(data, Iterable):
        raise ValueError(
            "`calibrate` must be an array, a tf.data.Dataset or a generator of batches. "
            f"Received: {type(data).__name__}"
        )
    batches = list(_batches(data, count))
    if not batches:
        raise ValueError("`calibrate` has no examples")
    return [np.concatenate(parts)[:MOST] for parts in zip(*batches, strict=True)]


def _as_arrays(data: Any, count: int) -> Any:
    """Stacks a list of examples; the arrays of several inputs stay as they are."""
    is_list = isinstance(data, (list, tuple)) and count == 1 and len(data) != 1
    return np.array([np.asarray(example) for example in data]) if is_list else data


def _batches(data: Iterable[Any], count: int) -> Iterator[list[np.ndarray]]:
    """The inputs of each batch, without labels, until there are enough examples."""
    total = 0
    for batch in data:
        parts = tf.nest.flatten(batch)
        if len(parts) != count and isinstance(batch, (tuple, list)):
            parts = tf.nest.flatten(batch[0])  # (inputs, labels) or (inputs, labels, weights)
        if len(parts) != count:
            raise ValueError(
                f"each batch of `calibrate` must have the model's {count} inputs. "
                f"Received: {len(parts)} arrays"
            )
        yield [np.asarray(part) for part in parts]
        total += len(parts[0])
        if total >= MOST:
            return


def _check_count(counts: list[int]) -> None:
    if min(counts) < _LEAST or len(set(counts)) > 1:
        raise ValueError(
            f"`calibrate` must have at least {_LEAST} examples, as many for each input. "
            f"Received: {', '.join(map(str, counts))}"
        )


def _check(array: np.ndarray, tensor: Any) -> None:
    expected = tuple(tensor.shape)
    if array.ndim != len(expected) or any(
        size is not None and size != own
        for size, own in zip(expected[1:], array.shape[1:], strict=True)
    ):
        raise ValueError(
            f"`calibrate` must have batches of the input's shape {expected}. "
            f"Received: {array.shape}"
        )
    if array.dtype.kind not in "fiub":
        raise ValueError(f"`calibrate` must have numbers. Received: dtype {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("`calibrate` must be finite. Received: an array with NaN or infinity")
