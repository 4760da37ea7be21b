"""The names of a trained model's classes, kept in its folder."""

import os

import tensorflow as tf

FILE = "classes.txt"


def write(folder: str, names: list[str]) -> None:
    """Writes one name a line, in the order of the labels."""
    with tf.io.gfile.GFile(os.path.join(folder, FILE), "w") as file:
        file.write("".join(f"{name}\n" for name in names))


def read(folder: str, num_classes: int) -> list[str]:
    """The names in a model folder; the labels themselves if it has none or another number."""
    path = os.path.join(folder, FILE)
    names: list[str] = []
    if tf.io.gfile.exists(path):
        with tf.io.gfile.GFile(path) as file:
            names = file.read().splitlines()
    return names if len(names) == num_classes else [str(label) for label in range(num_classes)]
