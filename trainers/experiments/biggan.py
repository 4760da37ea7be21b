"""The paper's table 6, and the same six layers on the embedded digits.

Settings that neither the paper nor BigGAN's (Brock et al. 2019, appendices B and C) states are
marked "ours".
"""

from trainers.data.config import DataConfig
from trainers.experiments.catalogue import TABLE_6
from trainers.gan.config import GanConfig, GanExperimentConfig, GanModelConfig, adam

__all__ = ["TABLE_6", "digits", "imagenet"]

_DIGITS_STEPS, _DIGITS_BATCH = 1200, 32


def imagenet(layer: str) -> GanExperimentConfig:
    """BigGAN-deep at 128x128: Adam, 5e-5 for the generator, 2e-4 for the discriminator.

    Batches of 2048, two steps of the discriminator for each of the generator, statistics over
    all replicas. Ours: 150,000 steps, crops and flips, FID of the validation images, and the
    step at which the average starts.
    """
    params = GanExperimentConfig(
        task=GanConfig(
            model=GanModelConfig(norm_act=layer),
            train_data=DataConfig(global_batch_size=2048, crop="inception", flip=True),
            validation_data=DataConfig(
                split="validation",
                is_training=False,
                global_batch_size=1024,
                crop="inception",
                center_fraction=1.0,
            ),
            average_start=20000,
        )
    )
    trainer = params.trainer
    trainer.optimizer_config = adam(5e-5)
    trainer.train_steps = 150000
    trainer.steps_per_loop = trainer.summary_interval = 500
    trainer.checkpoint_interval = trainer.validation_interval = 2500
    return params


def digits(layer: str) -> GanExperimentConfig:
    """A small BigGAN-deep on the digits, enlarged from 8x8 to 16x16 pixels. All of it is ours."""
    params = GanExperimentConfig(
        task=GanConfig(
            model=GanModelConfig(
                norm_act=layer,
                groups=4,
                num_classes=10,
                input_size=[16, 16, 1],
                upsampling=2,
                width=16,
                noise_size=16,
                embedding_size=16,
                attention=8,
            ),
            train_data=DataConfig(source="digits", global_batch_size=_DIGITS_BATCH),
            # FID is usually that of the training images, here all 1077.
            validation_data=DataConfig(
                source="digits", split="train", is_training=False, global_batch_size=128
            ),
            discriminator_optimizer=adam(4e-4),
            discriminator_steps=1,
            average_decay=0.99,
            average_start=100,
            features="digits",
            samples=1000,
            standing_batches=20,
        )
    )
    trainer = params.trainer
    trainer.optimizer_config = adam(2e-4)
    trainer.train_steps = _DIGITS_STEPS
    trainer.steps_per_loop = trainer.summary_interval = 100
    trainer.checkpoint_interval = trainer.validation_interval = 400
    trainer.max_to_keep = 1
    return params
