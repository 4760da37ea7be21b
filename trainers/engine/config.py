"""What the configurations of all experiments share, whatever their task.

They are dataclasses of `trainers.platform.configs`: YAML files and `--params_override` change
them, where an unknown key is an error, and `params.yaml` in the model folder holds them. Every
field is read; inherited fields that nothing reads are listed in `trainers.engine.parameters`
and in each task.
"""

import dataclasses

from trainers.platform import configs

OptimizationConfig = configs.OptimizationConfig


@dataclasses.dataclass
class RuntimeConfig(configs.RuntimeConfig):
    """The devices of a training or an evaluation.

    Attributes:
      distribution_strategy: "auto" (TPU if one is named, else all GPUs, else the CPU),
        "one_device", "mirrored", "multi_worker_mirrored" or "tpu".
      cpu_replicas: CPU devices that "mirrored" trains on where there is no GPU.
      tpu_zone, tpu_project: of the TPU; empty for those of the machine that asks.
      tpu_timeout: seconds within which the TPU must have answered.
    """

    distribution_strategy: str = "auto"
    cpu_replicas: int = 1
    tpu_zone: str = ""
    tpu_project: str = ""
    tpu_timeout: float = 300.0


@dataclasses.dataclass
class ExperimentConfig(configs.ExperimentConfig):
    """A whole experiment; each kind of task has a subclass.

    Attributes:
      kind: name under which `trainers.engine.kinds` has the task. `params.yaml` is read as a
        configuration of this kind, so that an experiment must not change it.
    """

    kind: str = ""
    trainer: configs.TrainerConfig = dataclasses.field(default_factory=configs.TrainerConfig)
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)
