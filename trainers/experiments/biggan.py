"""The paper's table 6, and the same six layers on the embedded digits.

What neither the paper's text nor BigGAN's (Brock et al. 2019, appendices B and C) says is
marked "ours".
"""

import functools

from trainers.configs.classification import DataConfig
from trainers.experiments.registry import Experiment, add
from trainers.gan.configs import GanConfig, GanExperimentConfig, GanModelConfig, adam

# Table 6: Inception Score and FID, medians of three seeds, and the best where it is given.
TABLE_6 = {
    "bn_relu": "IS 118.77 (best 124.01), FID 7.85 (best 7.29)",
    "evonorm_b0": "IS 101.13 (best 113.63), FID 6.91 (best 5.87)",
    "gn_relu": "IS 99.09, FID 8.14",
    "ln_relu": "IS 91.56, FID 8.35",
    "pixelnorm_relu": "IS 88.58, FID 10.41",
    "evonorm_s0": "IS 104.64 (best 113.96), FID 6.86 (best 6.26)",
}
_DIGITS_STEPS, _DIGITS_BATCH = 1200, 32


def imagenet(layer: str) -> GanExperimentConfig:
    """BigGAN-deep at 128x128: Adam, 5e-5 for the generator, 2e-4 for the discriminator.

    Batches of 2048, two steps of the discriminator for one of the generator, statistics
    over all replicas. Ours: 150,000 steps, crops and flips, FID against the validation
    images, the average's start.
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
    """A small BigGAN-deep on the digits, enlarged from 8x8 to 16x16 pixels. All ours."""
    params = GanExperimentConfig(
        task=GanConfig(
            model=GanModelConfig(
                norm_act=layer,
                groups=4,
                num_classes=10,
                input_size=[16, 16, 1],
                upsampling=2,
                pixel_max=16.0,
                width=16,
                noise_size=16,
                embedding_size=16,
                attention=8,
            ),
            train_data=DataConfig(source="digits", global_batch_size=_DIGITS_BATCH),
            # The training images, as usual for FID: all 1077 of them.
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


for _layer, _figure in TABLE_6.items():
    add(
        Experiment(
            f"imagenet_biggan_deep_{_layer}",
            functools.partial(imagenet, _layer),
            "table 6",
            _figure,
            "128 TPU v3 cores (16 images each)",
        )
    )
for _layer in TABLE_6:
    add(
        Experiment(
            f"digits_biggan_{_layer}",
            functools.partial(digits, _layer),
            hardware="one CPU core, minutes",
            status="see docs/gan.md",
        )
    )
