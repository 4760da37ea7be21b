"""Small data sets in the TFDS format of CIFAR-10 and ImageNet, from generated images."""

import numpy as np
import tensorflow_datasets as tfds


def images(count, side, seed):
    """Smooth images of two sines each, (count, side, side, 3), and labels."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 2 * np.pi, side)
    waves = rng.uniform(0.5, 3, size=(count, 2, 1, 1, 3))
    grid = np.sin(waves[:, 0] * x[:, None, None]) + np.cos(waves[:, 1] * x[None, :, None])
    pixels = np.clip(127 + 60 * grid, 0, 255).astype(np.uint8)
    return pixels


def prepare_cifar10(data_dir, train=50, test=13):
    """Prepares "cifar10" in a TFDS data folder."""
    features = tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(32, 32, 3)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
    )

    def split(count, seed):
        return [
            {"id": f"{seed}_{i}", "image": image, "label": i % 10}
            for i, image in enumerate(images(count, 32, seed))
        ]

    _store(
        "cifar10", "3.0.2", features, {"train": split(train, 0), "test": split(test, 1)}, data_dir
    )


def prepare_imagenet(data_dir, train=24, validation=11):
    """Prepares "imagenet2012" in a TFDS data folder; images of several sizes."""
    features = tfds.features.FeaturesDict(
        {
            "file_name": tfds.features.Text(),
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(num_classes=1000),
        }
    )

    def example(i, seed):
        side = 60 + 7 * (i % 5)
        pixels = images(1, side, seed + i)[0][:, : side - 11]
        return {"file_name": f"{i}.JPEG", "image": pixels, "label": (37 * i) % 1000}

    splits = {
        "train": [example(i, 0) for i in range(train)],
        "validation": [example(i, 1000) for i in range(validation)],
    }
    _store("imagenet2012", "5.1.0", features, splits, data_dir)


def _store(name, version, features, splits, data_dir):
    (data_dir / name / version).mkdir(parents=True)
    identity = tfds.core.dataset_info.DatasetIdentity(
        name, tfds.core.Version(version), str(data_dir / name / version), __name__
    )
    info = tfds.core.DatasetInfo(
        builder=identity, features=features, supervised_keys=("image", "label")
    )
    writer = tfds.core.SequentialWriter(info, max_examples_per_shard=1000)
    writer.initialize_splits(list(splits))
    writer.add_examples(splits)
    writer.close_all()
