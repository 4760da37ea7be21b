"""The real training step of any network and layer as StableHLO, without running it."""

import dataclasses
from typing import Any

import trainers  # noqa: F401  (chooses Keras 2 before anything imports TensorFlow)

# isort: split
import tensorflow as tf
from official.modeling import optimization, performance

from evonorm_tf.numerics import devices
from tpu_scripts.replicas import TracedReplicas
from trainers.classification.config import ExperimentConfig
from trainers.classification.task import ClassificationTask
from trainers.engine import parameters
from trainers.experiments import EXPERIMENTS
from trainers.models.efficientnet import VARIANTS

_PRECISION = "bfloat16"
_FALLBACK = "imagenet_resnet50_evonorm_b0"


def configure(network: str, layer: str, image_size: int | None = None) -> ExperimentConfig:
    """A configuration that trains a network with a layer, in bfloat16.

    Optimizer, loss and image size are those of the network's first experiment; a network
    without one gets ResNet-50's.

    Args:
      network: a name in `trainers.models.classifiers.CLASSIFIERS`.
      layer: a registered name, or the path of a layer graph's JSON file.
      image_size: side of the images; None for the network's own.

    Raises:
      TrainersError: for an unknown network or layer.
    """
    params = _experiment_of(network)
    model = params.task.model
    model.network, model.norm_act = network, layer
    variant = VARIANTS.get(network.removeprefix("efficientnet_"))
    side = image_size or (variant.resolution if variant else model.input_size[0])
    model.input_size = [side, side, model.input_size[2]]
    params.runtime.mixed_precision_dtype = _PRECISION
    parameters.check(params)
    return params


def _experiment_of(network: str) -> ExperimentConfig:
    for name, experiment in EXPERIMENTS.items():
        if f"_{network}_" not in name:
            continue
        params = experiment.build()
        if params.kind == "classification" and params.task.model.network == network:
            return params
    return EXPERIMENTS[_FALLBACK].build()


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
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype)
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
