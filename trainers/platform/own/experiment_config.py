"""The configurations of devices, of the training loop and of a task.

They have the fields of tf-models-official, so that a params.yaml is read with and without it. The
engine refuses those that it does not read.
"""

import dataclasses

from trainers.platform.own.config import Config
from trainers.platform.own.optimization_config import OptimizationConfig

# Fields that only tf-models-official reads.
UNREAD = (
    "trainer.allow_tpu_summary",
    "trainer.train_tf_while_loop",
    "trainer.train_tf_function",
    "trainer.eval_tf_function",
    "trainer.eval_tf_while_loop",
)


@dataclasses.dataclass
class RuntimeConfig(Config):
    """The devices and the precision of a training.

    Attributes:
      distribution_strategy: name of the strategy.
      enable_xla: whether steps are compiled by XLA on GPUs.
      tpu: name or address of a TPU.
      num_gpus: GPUs to use; 0 for all.
      worker_hosts: HOST:PORT of each worker, separated by commas.
      task_index: this worker's place among them.
      all_reduce_alg: "nccl", "hierarchical_copy" or "ring"; None for TensorFlow's choice.
      num_packs: of the all-reduce on several GPUs.
      mixed_precision_dtype: "float32", "bfloat16" or "float16"; None is float32.
      loss_scale: None or "dynamic", or a fixed number, with float16.
      tpu_enable_xla_dynamic_padder: of XLA on TPUs.
    """

    distribution_strategy: str = "mirrored"
    enable_xla: bool = False
    gpu_thread_mode: str | None = None
    dataset_num_private_threads: int | None = None
    per_gpu_thread_count: int = 0
    tpu: str | None = None
    num_gpus: int = 0
    worker_hosts: str | None = None
    task_index: int = -1
    all_reduce_alg: str | None = None
    num_packs: int = 1
    mixed_precision_dtype: str | None = None
    loss_scale: str | float | None = None
    run_eagerly: bool = False
    batchnorm_spatial_persistent: bool = False
    tpu_enable_xla_dynamic_padder: bool | None = None
    num_cores_per_replica: int = 1
    default_shard_dim: int = -1
    use_tpu_mp_strategy: bool = False


@dataclasses.dataclass
class TrainerConfig(Config):
    """The loop of training and evaluation.

    Attributes:
      optimizer_config: optimizer, learning rate and moving averages.
      steps_per_loop: steps between two outputs.
      summary_interval: a multiple of it.
      checkpoint_interval: steps between two checkpoints.
      max_to_keep: checkpoints that are kept.
      continuous_eval_timeout: seconds that "continuous_eval" waits for a checkpoint.
      train_steps: all steps.
      validation_steps: batches of an evaluation; -1 for all.
      validation_interval: steps between two evaluations.
      best_checkpoint_export_subdir: where the best checkpoint is kept; empty for nowhere.
      best_checkpoint_eval_metric: the metric that decides.
      best_checkpoint_metric_comp: "higher" or "lower" is better.
      validation_summary_subdir: folder of the evaluation's events.
    """

    optimizer_config: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    train_tf_while_loop: bool = True
    train_tf_function: bool = True
    eval_tf_function: bool = True
    eval_tf_while_loop: bool = False
    allow_tpu_summary: bool = False
    steps_per_loop: int = 1000
    summary_interval: int = 1000
    checkpoint_interval: int = 1000
    max_to_keep: int = 5
    continuous_eval_timeout: int = 3600
    train_steps: int = 0
    validation_steps: int = -1
    validation_interval: int = 1000
    best_checkpoint_export_subdir: str = ""
    best_checkpoint_eval_metric: str = ""
    best_checkpoint_metric_comp: str = "higher"
    loss_upper_bound: float = 1e6
    recovery_begin_steps: int = 0
    recovery_max_trials: int = 0
    validation_summary_subdir: str = "validation"
    preemption_on_demand_checkpoint: bool = True


@dataclasses.dataclass
class TaskConfig(Config):
    """What all tasks share; a subclass adds `model`, `train_data` and `validation_data`.

    Attributes:
      init_checkpoint: checkpoint, or folder of checkpoints, that the model begins with.
    """

    init_checkpoint: str = ""
    name: str | None = None
    differential_privacy_config: None = None
    allow_image_summary: bool = False


@dataclasses.dataclass
class ExperimentConfig(Config):
    """A whole experiment.

    Attributes:
      task, trainer, runtime: its parts.
    """

    task: TaskConfig = dataclasses.field(default_factory=TaskConfig)
    trainer: TrainerConfig = dataclasses.field(default_factory=TrainerConfig)
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)
