"""CIFAR-10 proxies: the paper's anchors, trained as in its search (appendices B and C)."""

import evonorm_tf as en
from evonorm_tf.layers.parts import BatchStatistics
from trainers.classification.config import (
    ClassificationConfig,
    ExperimentConfig,
    LossConfig,
    ModelConfig,
)
from trainers.data.config import DataConfig
from trainers.engine.config import OptimizationConfig

MEAN = [125.3, 123.0, 113.9]
STDDEV = [63.0, 62.1, 66.7]
_BATCH_SIZE, _CROP = 128, 24


def config(anchor: str, layer: str) -> ExperimentConfig:
    """Random 24x24 crops, 128 images a step; scored on whole images held out of training.

    Layers with statistics of the batch: 2000 steps at rate 0.1. Others: 5000 steps, cosine.
    """
    batch_dependent = uses_batch(layer)
    steps = 2000 if batch_dependent else 5000
    data = DataConfig(source="cifar10", in_memory=True, global_batch_size=_BATCH_SIZE)
    validation = {"split": "train[90%:]", "is_training": False}
    params = ExperimentConfig(
        task=ClassificationConfig(
            model=ModelConfig(
                network=anchor,
                norm_act=layer,
                num_classes=10,
                input_size=[_CROP, _CROP, 3],
                mean=MEAN,
                stddev=STDDEV,
            ),
            losses=LossConfig(weight_decay=1e-4),
            train_data=data.replace(split="train[:90%]", crop="random", crop_size=_CROP),
            validation_data=data.replace(**validation),
        )
    )
    trainer = params.trainer
    trainer.train_steps = steps
    trainer.steps_per_loop = trainer.summary_interval = 100
    trainer.checkpoint_interval = trainer.validation_interval = 500
    cosine = {"initial_learning_rate": 0.1, "decay_steps": steps}
    trainer.optimizer_config = OptimizationConfig(
        {
            "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}},
            "learning_rate": {"type": "constant", "constant": {"learning_rate": 0.1}}
            if batch_dependent
            else {"type": "cosine", "cosine": cosine},
        }
    )
    return params


def uses_batch(layer: str) -> bool:
    """Whether a layer has statistics of the batch.

    The layer is not built: a strategy cannot be created after the first operation.
    """
    return isinstance(en.get(layer), BatchStatistics)
