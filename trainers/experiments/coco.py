"""COCO: the paper's table 5, Mask R-CNN with two backbones and five layers.

Settings that neither the paper's text nor its appendix states are marked "ours".
"""

from trainers.detection.config import (
    DataConfig,
    ExperimentConfig,
    Parser,
    TaskConfig,
    coco_model,
)
from trainers.engine.config import OptimizationConfig

VALIDATION_IMAGES, EVALUATED_AT_ONCE = 5000, 8
_STEPS, _DROPS = 135000, (120000, 125000)
_RATE, _WARMUP_STEPS, _WARMUP_RATE = 0.1, 500, 0.0067


def config(backbone: str, layer: str) -> ExperimentConfig:
    """Mask R-CNN from scratch: 64 images of 1024x1024 a step, 135,000 steps, SGD.

    Ours, as in tf-models-official: mirrored and scaled by 0.8 to 1.25; warm-up from 0.0067
    in 500 steps; anchors, samplers and heads; `coco/` as the folder of the TFRecords and of
    the annotations.

    Args:
      backbone: "r50_fpn" or "spinenet96".
      layer: registered name of the norm-act layer.
    """
    task = TaskConfig(
        model=coco_model(backbone, layer),
        annotation_file="coco/instances_val2017.json",
        train_data=DataConfig(
            input_path="coco/train*",
            is_training=True,
            global_batch_size=64,
            parser=Parser(aug_rand_hflip=True, aug_scale_min=0.8, aug_scale_max=1.25),
        ),
        validation_data=DataConfig(
            input_path="coco/val*",
            global_batch_size=EVALUATED_AT_ONCE,
            drop_remainder=False,
            num_examples=VALIDATION_IMAGES,
        ),
    )
    task.losses.l2_weight_decay = 4e-5
    params = ExperimentConfig(task=task)
    params.runtime.mixed_precision_dtype = "bfloat16"
    trainer = params.trainer
    trainer.train_steps = _STEPS
    trainer.steps_per_loop = trainer.summary_interval = 500
    trainer.checkpoint_interval = trainer.validation_interval = 5000
    trainer.validation_steps = -1
    trainer.optimizer_config = _optimizer()
    return params


def _optimizer() -> OptimizationConfig:
    return OptimizationConfig(
        {
            "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}},
            "learning_rate": {
                "type": "stepwise",
                "stepwise": {
                    "boundaries": list(_DROPS),
                    "values": [_RATE, _RATE / 10, _RATE / 100],
                },
            },
            "warmup": {
                "type": "linear",
                "linear": {
                    "warmup_steps": _WARMUP_STEPS,
                    "warmup_learning_rate": _WARMUP_RATE,
                },
            },
        }
    )
