"""Curves from the TensorBoard events of a model folder."""

import os

import tensorflow as tf

Curve = dict[int, float]


def read_curve(folder: str, tag: str) -> Curve:
    """A scalar's values by step; later events of a resumed training replace earlier ones."""
    values: Curve = {}
    for path in sorted(tf.io.gfile.glob(os.path.join(folder, "events.out.tfevents.*"))):
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag == tag:
                    values[event.step] = float(tf.make_ndarray(value.tensor))
    return values
