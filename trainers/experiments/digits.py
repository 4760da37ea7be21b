"""The embedded digits: a small version of the paper's table 4, in seconds on one core.

Thirteen layers, with 4, 16 and 128 images in a step, a linearly scaled learning rate and equally
many epochs, as in the paper's study of batch sizes.
"""

from trainers.classification.config import (
    ClassificationConfig,
    ExperimentConfig,
    LossConfig,
    ModelConfig,
)
from trainers.data.config import DataConfig
from trainers.experiments.catalogue import BATCH_SIZES, LAYERS
from trainers.experiments.optimizers import warmed_up

__all__ = ["BATCH_SIZES", "EPOCHS", "LAYERS", "TRAIN_IMAGES", "config"]

TRAIN_IMAGES, EPOCHS = 1077, 10
# Statistics of the training pixels, which go from 0 to 255.
_MEAN, _STDDEV = 77.694, 95.844
_RATE_PER_128 = 0.1
# The paper has 32 groups of 64 to 2048 channels. With the 8 to 64 channels here most of 32 groups
# would have one channel, which makes another layer.
_GROUPS = 4


def config(
    layer: str, batch_size: int, network: str = "resnet_small", split: str = "validation"
) -> ExperimentConfig:
    """A training on the digits: SGD with Nesterov momentum, warm-up and cosine decay.

    Args:
      layer: registered name of the norm-act layer.
      batch_size: images a step; the rate is scaled by it.
      network: name of the network.
      split: the images that evaluations score.
    """
    steps = EPOCHS * TRAIN_IMAGES // batch_size
    experiment = ExperimentConfig(
        task=ClassificationConfig(
            model=ModelConfig(
                network=network,
                norm_act=layer,
                groups=_GROUPS,
                num_classes=10,
                input_size=[8, 8, 1],
                mean=[_MEAN],
                stddev=[_STDDEV],
            ),
            losses=LossConfig(weight_decay=1e-4),
            train_data=DataConfig(source="digits", global_batch_size=batch_size),
            validation_data=DataConfig(
                source="digits", split=split, is_training=False, global_batch_size=128
            ),
        )
    )
    trainer = experiment.trainer
    trainer.train_steps = steps
    trainer.steps_per_loop = trainer.summary_interval = max(1, steps // EPOCHS)
    trainer.checkpoint_interval = trainer.validation_interval = steps
    trainer.max_to_keep = 1
    trainer.optimizer_config = warmed_up(_RATE_PER_128 * batch_size / 128, steps)
    return experiment
