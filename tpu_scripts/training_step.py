"""The real training step of any network and layer as StableHLO, without running it."""

import dataclasses
from typing import Any

import trainers  # noqa: F401  (chooses Keras 2 before anything imports TensorFlow)

# isort: split
import tensorflow as tf
from official.modeling import optimization

from evonorm_tf.numerics import devices
from tpu_scripts import compile_only, step_config
from tpu_scripts.replicas import TracedReplicas
from trainers.classification.config import ExperimentConfig
from trainers.classification.task import ClassificationTask
from trainers.engine import parameters
from trainers.platform import precision


def configure(network: str, layer: str, image_size: int | None = None) -> ExperimentConfig:
    """The checked configuration of a step; see `step_config.of_step`.

    Raises:
      TrainersError: for an unknown network or layer.
    """
    params = step_config.of_step(network, layer, image_size)
    parameters.check(params)
    return params


def compile_step(
    params: ExperimentConfig, topology: compile_only.Topology, batch: int
) -> tuple[compile_only.Compiled, int]:
    """Compiles one training step as the trainers run it.

    Args:
      params: the configuration of the experiment; see `configure`.
      topology: the TPU to compile for.
      batch: images on each replica.

    Returns:
      The compiler's figures, and the number of the network's trainable parameters.

    Raises:
      ValueError: for a step that XLA cannot compile, or that cannot run on the TPU
        (CompilationError).
      ModuleNotFoundError: without the group `tpu`.
    """
    step = lower(params, batch, topology.replicas)
    return compile_only.compile_for(step.stablehlo, topology), step.parameters


@dataclasses.dataclass(frozen=True)
class TrainingStep:
    """A step's program for one replica.

    Attributes:
      stablehlo: the serialized module.
      parameters: number of elements of the network's trainable variables.
    """

    stablehlo: bytes
    parameters: int


def lower(
    params: ExperimentConfig, batch: int, replicas: int = 1, task: ClassificationTask | None = None
) -> TrainingStep:
    """Traces the training step of one replica: forward pass, backward pass, and optimizer.

    Args:
      params: the configuration of the experiment; see `configure`.
      batch: images on each replica.
      replicas: number of replicas; their gradients are added up.
      task: builds and trains the network; None for the task of `params`.

    Raises:
      TrainersError: for an unknown network or layer.
      ValueError: for a step that XLA cannot compile, such as one that calls back to Python.
    """
    policy = precision.policy_of(params.runtime.mixed_precision_dtype)
    tf.keras.mixed_precision.set_global_policy(policy)
    strategy = TracedReplicas(replicas)
    with strategy.scope():
        task = task or ClassificationTask(params.task)
        model = task.build_model()
        optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)
        if isinstance(optimizer, optimization.ExponentialMovingAverage):
            optimizer.shadow_copy(model)

    @tf.function(jit_compile=True)
    def step(images: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        def on_replica(*batch: tf.Tensor) -> dict[str, tf.Tensor]:
            return task.train_step(batch, model=model, optimizer=optimizer)

        return strategy.run(on_replica, args=(images, labels, tf.ones([batch])))

    # As the input pipeline gives them: pixels from 0 to 255, and labels.
    images = tf.TensorSpec([batch, *params.task.model.input_size], tf.float32)
    module = _stablehlo(step, images, tf.TensorSpec([batch], tf.int32))
    count = sum(int(tf.size(variable)) for variable in model.trainable_variables)
    return TrainingStep(module, count)


def _stablehlo(step: Any, *inputs: tf.TensorSpec) -> bytes:
    """The program of a tf.function. Raises ValueError for one that XLA cannot compile."""
    with devices.for_accelerator("TPU"):
        generate = step.experimental_get_compiler_ir(*inputs)
    try:
        return generate(stage="stablehlo_serialized", platform_name="CPU")
    except (tf.errors.OpError, ValueError) as error:
        reason = str(error).partition("\nThe op is created at")[0]
        raise ValueError(f"XLA cannot compile this step: {reason}") from error
