"""Prints the scores that real digits would have, to compare the digits' GANs with.

    python -m trainers.gan.real_scores

The test images take the place of the samples: FID compares them with the training images, as
it does with the samples of `digits_biggan_*`. The accuracy is that of the feature network.
"""

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    flags.DEFINE_integer("upsampling", 2, "Side of the images over 8, as task.model.upsampling.")
    command.run_module("trainers.gan.real_scores", checks.at_least_one("upsampling"))

import numpy as np

from trainers.data import loading
from trainers.gan import data, features, metrics
from trainers.gan.config import GanModelConfig


def real_scores(upsampling: int) -> dict[str, float]:
    """Inception Score and FID of the test images, and the feature network's accuracy on them.

    Args:
      upsampling: side of the images over 8.
    """
    network = features.feature_network(features.DIGITS, upsampling=upsampling)
    model = GanModelConfig(upsampling=upsampling)
    splits = loading.load(features.DIGITS)
    train, _ = network(data.scaled(splits.train.images, model))
    test, probabilities = network(data.scaled(splits.test.images, model))
    right = np.argmax(probabilities, -1) == splits.test.labels
    return {
        "inception_score": metrics.inception_score(probabilities.numpy()),
        "fid": metrics.frechet_inception_distance(train.numpy(), test.numpy()),
        "accuracy": float(right.mean()),
    }


def main(_: list[str]) -> None:
    """Prints the scores."""
    for name, value in real_scores(flags.FLAGS.upsampling).items():
        print(f"{name:16} {value:.4g}")
