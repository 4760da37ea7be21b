"""A stranger's data for tests: two classes of small images, in each form that a search takes."""

import sys

import numpy as np
import tensorflow as tf

# The upper or the lower half is bright, with noise: a network learns it in a few steps.
MODULE = """
import numpy as np

def load():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = rng.normal(size=(120, 6, 9, 2))
    images[labels == 0, :3] += 2
    return images, labels, images[:20], labels[:20]

def build(norm_act, num_classes, input_shape):
    import tensorflow as tf

    block = tf.keras.Sequential([tf.keras.layers.Conv2D(8, 3, strides=2, use_bias=False)])
    block.add(norm_act(nonlinearity=True, name="searched"))
    inputs = tf.keras.Input(input_shape)
    x = tf.keras.layers.GlobalAveragePooling2D()(block(inputs))
    return tf.keras.Model(inputs, tf.keras.layers.Dense(num_classes)(x))

def _load_badly():
    raise ValueError("no disk")

def three():
    return 1, 2, 3
"""


def arrays(count=60, size=(6, 9, 3), classes=2, seed=0):
    """Images as uint8, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 120, (count, *size), dtype=np.uint8)
    for label in range(classes):
        images[labels == label, label % size[0]] += 130
    return images, labels


def write_npz(path, **changes):
    """Writes a file; arrays that are None are left out."""
    images, labels = arrays()
    given = {"x_train": images, "y_train": labels, **changes}
    np.savez(path, **{name: array for name, array in given.items() if array is not None})
    return str(path)


def write_folder(folder, classes=("cat", "dog"), count=10, size=(6, 9, 3), suffix=".png"):
    """Writes a folder of images for each class."""
    encode = tf.io.encode_png if suffix == ".png" else tf.io.encode_jpeg
    for seed, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(arrays(count, size, seed=seed)[0]):
            (folder / name / f"{number}{suffix}").write_bytes(encode(image).numpy())
    return str(folder)


def write_module(folder, monkeypatch, text=MODULE, name="stranger_module"):
    """Writes a module, and makes its folder the current directory."""
    (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return name
