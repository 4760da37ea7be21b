"""CIFAR-10 in minutes on one core: short trainings of the anchors, the paper's and the small ones.

Random 24x24 crops and flips, 64 images a step, warm-up and cosine decay; scored on whole images.
TFDS looks for the data in the folder that the environment variable TFDS_DATA_DIR names.
"""

from trainers.classification.config import (
    ClassificationConfig,
    ExperimentConfig,
    LossConfig,
    ModelConfig,
)
from trainers.data.config import DataConfig
from trainers.experiments.cifar10 import MEAN, STDDEV
from trainers.experiments.optimizers import warmed_up

_CROP, _RATE_PER_64 = 24, 0.1
# Of 16 to 512 channels. With the paper's 32 most groups of the thin stages had one channel.
_GROUPS = 8


def config(
    layer: str,
    network: str,
    images: int,
    batch_size: int = 64,
    width: float = 1.0,
    warmup: float = 0.1,
) -> ExperimentConfig:
    """A training that sees `images` images; the learning rate is scaled linearly.

    The rate rises in the share `warmup` of the steps.
    """
    data = DataConfig(source="cifar10", in_memory=True, global_batch_size=batch_size)
    experiment = ExperimentConfig(
        task=ClassificationConfig(
            model=ModelConfig(
                network=network,
                norm_act=layer,
                groups=_GROUPS,
                num_classes=10,
                input_size=[_CROP, _CROP, 3],
                mean=MEAN,
                stddev=STDDEV,
                width=width,
            ),
            losses=LossConfig(weight_decay=1e-4),
            train_data=data.replace(crop="random", crop_size=_CROP, flip=True),
            validation_data=data.replace(split="test", is_training=False, global_batch_size=250),
        )
    )
    steps = images // batch_size
    trainer = experiment.trainer
    trainer.train_steps = trainer.checkpoint_interval = trainer.validation_interval = steps
    trainer.steps_per_loop = trainer.summary_interval = max(1, steps // 10)
    trainer.max_to_keep = 1
    trainer.optimizer_config = warmed_up(_RATE_PER_64 * batch_size / 64, steps, warmup)
    return experiment
