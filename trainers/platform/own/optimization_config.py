"""`OptimizationConfig`: the optimizer, its learning rate, warm-up and moving averages.

The keys and their defaults are those of tf-models-official 2.20, so that a file of settings is read
with and without it. `trainers.platform.own.optimizers` refuses choices that it does not make.
"""

import dataclasses
from typing import Any

from trainers.platform.own.config import Config, OneOfConfig

_CLIPPING = {"clipnorm": None, "clipvalue": None, "global_clipnorm": None}
_SGD = {"name": "SGD", "nesterov": False, "momentum": 0.0}
_ADAM = {"name": "Adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}
_EXCLUDED = {
    "weight_decay_rate": 0.0,
    "exclude_from_weight_decay": None,
    "exclude_from_layer_adaptation": None,
}
_SLIDE = {
    "name": "SLIDE",
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-6,
    **_EXCLUDED,
    "weight_decay_type": "inner",
    "include_in_sparse_layer_adaptation": None,
    "sparse_layer_learning_rate": 0.1,
    "do_gradient_rescaling": True,
    "norm_type": "layer",
    "ratio_clip_norm": 1e5,
}
_ADAFACTOR = {
    "name": "Adafactor",
    "factored": True,
    "multiply_by_parameter_scale": True,
    "beta1": None,
    "decay_rate": 0.8,
    "step_offset": 0,
    "clipping_threshold": 1.0,
    "min_dim_size_to_factor": 128,
    "epsilon1": 1e-30,
    "epsilon2": 1e-3,
    "weight_decay": None,
    "include_in_weight_decay": None,
}
_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {**_SGD, "decay": 0.0},
    "sgd_experimental": {**_SGD, "jit_compile": False},
    "adam": _ADAM,
    "adam_experimental": {**_ADAM, "jit_compile": False},
    "adamw": {
        **_ADAM,
        "name": "AdamWeightDecay",
        "weight_decay_rate": 0.0,
        "include_in_weight_decay": None,
        "exclude_from_weight_decay": None,
        "gradient_clip_norm": 1.0,
    },
    "adamw_experimental": {
        **_ADAM,
        "name": "AdamWeightDecayExperimental",
        "weight_decay": 0.0,
        "global_clipnorm": 1.0,
        "jit_compile": False,
    },
    "lamb": {"name": "LAMB", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-6, **_EXCLUDED},
    "rmsprop": {
        "name": "RMSprop",
        "rho": 0.9,
        "momentum": 0.0,
        "epsilon": 1e-7,
        "centered": False,
    },
    "lars": {
        "name": "LARS",
        "momentum": 0.9,
        "eeta": 0.001,
        "nesterov": False,
        "classic_momentum": True,
        **_EXCLUDED,
    },
    "adagrad": {"name": "Adagrad", "initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "slide": _SLIDE,
    "adafactor": _ADAFACTOR,
    "adafactor_keras": {
        "name": "Adafactor",
        "learning_rate": 0.001,
        "beta_2_decay": -0.8,
        "epsilon_1": 1e-30,
        "epsilon_2": 1e-3,
        "clip_threshold": 1.0,
        "relative_step": True,
    },
}
_DECAY = {"initial_learning_rate": None, "decay_steps": None, "offset": 0}
_STEPS = {"boundaries": None, "values": None, "offset": 0}
_RATES: dict[str, dict[str, Any]] = {
    "constant": {"name": "Constant", "learning_rate": 0.1},
    "stepwise": {"name": "PiecewiseConstantDecay", **_STEPS},
    "exponential": {"name": "ExponentialDecay", **_DECAY, "decay_rate": None, "staircase": None},
    "polynomial": {
        "name": "PolynomialDecay",
        **_DECAY,
        "end_learning_rate": 0.0001,
        "power": 1.0,
        "cycle": False,
    },
    "cosine": {"name": "CosineDecay", **_DECAY, "alpha": 0.0},
    "power": {"name": "DirectPowerDecay", "initial_learning_rate": None, "power": -0.5},
    "power_linear": {
        "name": "PowerAndLinearDecay",
        "initial_learning_rate": None,
        "total_decay_steps": None,
        "power": -0.5,
        "linear_decay_fraction": 0.1,
        "offset": 0,
    },
    "power_with_offset": {
        "name": "PowerDecayWithOffset",
        "initial_learning_rate": None,
        "power": -0.5,
        "offset": 0,
        "pre_offset_learning_rate": 1e6,
    },
    "step_cosine_with_offset": {"name": "StepCosineDecayWithOffset", **_STEPS},
}
_WARMUPS: dict[str, dict[str, Any]] = {
    "linear": {"name": "linear", "warmup_learning_rate": 0, "warmup_steps": None},
    "polynomial": {"name": "polynomial", "power": 1, "warmup_steps": None},
}


def _config(name: str, defaults: dict[str, Any]) -> type[Config]:
    """A configuration class of values of any type."""
    fields = [(key, Any, dataclasses.field(default=value)) for key, value in defaults.items()]
    return dataclasses.make_dataclass(name, fields, bases=(Config,))


def _one_of(name: str, choices: dict[str, dict[str, Any]]) -> type[OneOfConfig]:
    """A choice among configurations, by the defaults of each."""
    fields = []
    for choice, defaults in choices.items():
        made = _config(f"{name}.{choice}", defaults)
        fields.append((choice, made, dataclasses.field(default_factory=made)))
    return dataclasses.make_dataclass(name, fields, bases=(OneOfConfig,))


@dataclasses.dataclass
class EMAConfig(Config):
    """Moving averages of the weights, with which evaluations run.

    Attributes:
      trainable_weights_only: whether statistics that layers collect are not averaged.
      average_decay: share of the old average.
      start_step: before this step the averages are the weights.
      dynamic_decay: whether the share is smaller at first.
    """

    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    name: str = "ExponentialMovingAverage"
    trainable_weights_only: bool = True
    average_decay: float = 0.99
    start_step: int = 0
    dynamic_decay: bool = True


OptimizerConfig: Any = _one_of(
    "OptimizerConfig", {name: {**_CLIPPING, **own} for name, own in _OPTIMIZERS.items()}
)
LrConfig: Any = _one_of("LrConfig", _RATES)
WarmupConfig: Any = _one_of("WarmupConfig", _WARMUPS)


@dataclasses.dataclass
class OptimizationConfig(Config):
    """The optimizer and its learning rate.

    Attributes:
      optimizer: its kind and settings.
      ema: moving averages of the weights, or None.
      learning_rate: its kind and settings.
      warmup: of the learning rate.
    """

    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    ema: EMAConfig | None = None
    learning_rate: LrConfig = dataclasses.field(default_factory=LrConfig)
    warmup: WarmupConfig = dataclasses.field(default_factory=WarmupConfig)
