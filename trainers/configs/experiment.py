"""What the configurations of all experiments have in common, whatever their task."""

import dataclasses

from official.core import config_definitions


@dataclasses.dataclass
class RuntimeConfig(config_definitions.RuntimeConfig):
    """Where it runs.

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
class ExperimentConfig(config_definitions.ExperimentConfig):
    """A whole experiment; each kind of task has a subclass.

    Attributes:
      kind: which, a name in `trainers.engine.kinds.KINDS`; it tells how `params.yaml` is
        read again, and is not to be changed.
    """

    kind: str = ""
    trainer: config_definitions.TrainerConfig = dataclasses.field(
        default_factory=config_definitions.TrainerConfig
    )
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)
