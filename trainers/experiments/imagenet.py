"""ImageNet: the training of each network of the paper (section 5.1, appendix C).

Settings that neither the paper's text nor the authors' code states are marked "ours".
"""

from typing import Any

from trainers.classification.config import (
    ClassificationConfig,
    ExperimentConfig,
    LossConfig,
    ModelConfig,
)
from trainers.data.config import DataConfig
from trainers.engine.config import OptimizationConfig

TRAIN_IMAGES = 1281167
_WARMUP_EPOCHS_PER_90 = 5


def resnet50(layer: str, batch_size: int = 1024, setting: str = "") -> ExperimentConfig:
    """ResNet-50 v2: 0.1 per 256 images, 90 epochs, divided by 10 at 30, 60 and 80.

    Args:
      layer: registered name of the norm-act layer.
      batch_size: images a step; the rate is scaled by it.
      setting: "" for the original; parts of "aug_2x_cos": RandAugment, 180 epochs, cosine.
    """
    parts = setting.split("_")
    epochs = 180 if "2x" in parts else 90
    params = _base("resnet50", layer, batch_size, epochs, ModelConfig())
    if "aug" in parts:
        params.task.train_data.augment = "randaugment"
    warmup = _WARMUP_EPOCHS_PER_90 * epochs // 90
    rate = 0.1 * batch_size / 256
    if "cos" in parts:
        schedule = _cosine(rate, params.trainer.train_steps)
    else:
        per_epoch = TRAIN_IMAGES // batch_size
        schedule = {
            "type": "stepwise",
            "stepwise": {
                "boundaries": [per_epoch * (epochs * part // 90) for part in (30, 60, 80)],
                "values": [rate, rate * 0.1, rate * 0.01, rate * 0.001],
            },
        }
    _optimize(params, _sgd(), schedule, warmup)
    return params


def mobile(
    network: str, layer: str, batch_size: int = 4096, rate_per_256: float = 0.1
) -> ExperimentConfig:
    """MobileNetV2 or MnasNet-B1: SGD with cosine decay.

    Ours: 350 epochs, weight decay 4e-5, 5 epochs of warm-up.
    """
    params = _base(network, layer, batch_size, 350, ModelConfig())
    params.task.losses.weight_decay = 4e-5
    rate = rate_per_256 * batch_size / 256
    _optimize(params, _sgd(), _cosine(rate, params.trainer.train_steps), _WARMUP_EPOCHS_PER_90)
    return params


def reranking(network: str, layer: str) -> ExperimentConfig:
    """A network on 90 % of the training images, scored on the other 10 % (appendix C).

    Ours: the original setting of ResNet-50, and as many steps as with all images, which are 100
    epochs of 90 % of them in place of 90.

    Args:
      network: "resnet50", "mobilenet_v2" or "efficientnet_b0".
      layer: registered name of the norm-act layer.
    """
    if network == "resnet50":
        params = resnet50(layer)
    elif network == "mobilenet_v2":
        params = mobile(network, layer)
    else:
        params = efficientnet(network, layer, 224, 4096)
    params.task.train_data.split = "train[:90%]"
    params.task.validation_data.split = "train[90%:]"
    return params


def efficientnet(network: str, layer: str, size: int, batch_size: int) -> ExperimentConfig:
    """EfficientNet as its authors train it: RMSprop, 0.016 per 256, exponential decay, EMA.

    350 epochs, times 0.97 each 2.4 epochs, weight decay 1e-5, label smoothing 0.1, moving
    average of the weights 0.9999, AutoAugment (the EvoNorm paper does not name the last).
    """
    model = ModelConfig(input_size=[size, size, 3])
    params = _base(network, layer, batch_size, 350, model)
    params.task.losses = LossConfig(label_smoothing=0.1, weight_decay=1e-5)
    params.task.train_data.augment = "autoaugment"
    schedule = {
        "type": "exponential",
        "exponential": {
            "initial_learning_rate": 0.016 * batch_size / 256,
            "decay_steps": int(2.4 * TRAIN_IMAGES / batch_size),
            "decay_rate": 0.97,
            "staircase": True,
        },
    }
    optimizer = {
        "type": "rmsprop",
        "rmsprop": {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-3},
    }
    ema = {"average_decay": 0.9999, "trainable_weights_only": False}
    _optimize(params, optimizer, schedule, _WARMUP_EPOCHS_PER_90, ema)
    return params


def _base(
    network: str, layer: str, batch_size: int, epochs: int, model: ModelConfig
) -> ExperimentConfig:
    """Inception crops and flips; a checkpoint each epoch; evaluation on all 50,000 images."""
    model.network, model.norm_act = network, layer
    per_epoch = TRAIN_IMAGES // batch_size
    params = ExperimentConfig(
        task=ClassificationConfig(
            model=model,
            train_data=DataConfig(global_batch_size=batch_size, crop="inception", flip=True),
            validation_data=DataConfig(
                split="validation", is_training=False, global_batch_size=1024, crop="inception"
            ),
        )
    )
    params.runtime.mixed_precision_dtype = "bfloat16"
    params.trainer.train_steps = epochs * per_epoch
    params.trainer.checkpoint_interval = per_epoch
    params.trainer.validation_interval = per_epoch
    params.trainer.steps_per_loop = params.trainer.summary_interval = min(per_epoch, 1000)
    return params


def _sgd() -> dict:
    return {"type": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}}


def _cosine(rate: float, steps: int) -> dict:
    return {"type": "cosine", "cosine": {"initial_learning_rate": rate, "decay_steps": steps}}


def _optimize(
    params: ExperimentConfig,
    optimizer: dict,
    schedule: dict,
    warmup_epochs: int,
    ema: dict[str, Any] | None = None,
) -> None:
    per_epoch = params.trainer.checkpoint_interval
    settings = {
        "optimizer": optimizer,
        "learning_rate": schedule,
        "warmup": {"type": "linear", "linear": {"warmup_steps": warmup_epochs * per_epoch}},
    }
    if ema:
        settings["ema"] = ema
    params.trainer.optimizer_config = OptimizationConfig(settings)
