"""The training step of a network on Keras's JAX backend, compiled without running it.

Importing this module chooses JAX for Keras, so that a process is for one backend.
"""

import os

from tpu_scripts import compile_only

# Keras and libtpu read these when they are imported, and `trainers` would choose Keras 2.
os.environ.update(compile_only.ENVIRONMENT, KERAS_BACKEND="jax", TF_USE_LEGACY_KERAS="0")

# isort: split
import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from evonorm_tf.layers.portable.base import NormAct
from tpu_scripts import step_config
from tpu_scripts.aot_report import Report
from trainers.classification import networks
from trainers.classification.config import ExperimentConfig
from trainers.models import norm_act

_REPLICAS = "replicas"


def compile_step(
    network: str,
    layer: str,
    topology: compile_only.Topology,
    batch: int,
    image_size: int | None = None,
) -> Report:
    """Compiles one training step: forward pass, backward pass, and optimizer.

    The batch is split between the replicas, as by `keras.distribution.DataParallel`: statistics of
    the batch are those of all replicas' images.

    Args:
      network: a name in `trainers.models.classifiers.CLASSIFIERS`.
      layer: a registered name, or the path of a layer graph's JSON file.
      topology: see `compile_only.parse_topology`.
      batch: images on each replica.
      image_size: side of the images; None for the network's own.

    Raises:
      ValueError: for what `configure` refuses, or a step that cannot run on the TPU
        (CompilationError).
    """
    params = configure(network, layer, image_size)
    step = build(params)
    mesh = jax.sharding.Mesh(np.array(compile_only.devices(topology)), (_REPLICAS,))
    arguments = _abstract(step, params, batch * topology.replicas, mesh)
    lowered = jax.jit(step.run, donate_argnums=0, out_shardings=_whole(mesh)).lower(*arguments)
    started = time.monotonic()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        raise compile_only.CompilationError(f"{topology.name} cannot run it: {error}") from error
    seconds = time.monotonic() - started
    figures = compile_only.figures(compiled.memory_analysis(), compiled.cost_analysis(), seconds)
    side, parameters = params.task.model.input_size[0], sum(value.size for value in step.state[0])
    return Report(network, layer, topology, batch, side, parameters, figures, "jax")


def configure(network: str, layer: str, image_size: int | None = None) -> ExperimentConfig:
    """The checked configuration of a step; see `step_config.of_step`.

    Raises:
      ValueError: for an unknown layer (TrainersError), or a network that is not trained with SGD.
    """
    params = step_config.of_step(network, layer, image_size)
    norm_act.source_of(layer)
    optimizer = params.trainer.optimizer_config.optimizer.type
    if optimizer != "sgd":
        raise ValueError(
            "with the backend jax the network must be one that is trained with SGD. Received: "
            f"{network}, which is trained with {optimizer}"
        )
    return params


@dataclasses.dataclass(frozen=True)
class Step:
    """A training step without state of its own.

    Attributes:
      model: the network, from normalized images to logits.
      state: values of the trainable variables, the others, and the optimizer's.
      run: from a state, images with pixels from 0 to 255 and labels to the next state and the loss.
    """

    model: keras.Model
    state: tuple[list[Any], list[Any], list[Any]]
    run: Callable[..., tuple[Any, Any]]


def build(params: ExperimentConfig) -> Step:
    """Builds the network and its step, with the configured precision and loss, and SGD."""
    precision = params.runtime.mixed_precision_dtype
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    keras.utils.set_random_seed(params.task.seed)
    model = networks.build_network(params.task.model)
    optimizer = _optimizer(params)
    optimizer.build(model.trainable_variables)
    state = (
        _values(model.trainable_variables),
        _values(model.non_trainable_variables),
        _values(optimizer.variables),
    )
    return Step(model, state, functools.partial(_run, model, optimizer, params))


def _values(variables: list[Any]) -> list[Any]:
    return [variable.value for variable in variables]


def _run(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    params: ExperimentConfig,
    state: tuple[Any, Any, Any],
    images: Any,
    labels: Any,
) -> tuple[Any, Any]:
    trainable, others, slots = state
    differentiate = jax.value_and_grad(functools.partial(_loss, model, params), has_aux=True)
    (loss, others), gradients = differentiate(trainable, others, images, labels)
    trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
    return (trainable, others, slots), loss


def _loss(
    model: keras.Model,
    params: ExperimentConfig,
    trainable: list[Any],
    others: list[Any],
    images: Any,
    labels: Any,
) -> tuple[Any, list[Any]]:
    """The loss of the classification task, and the variables that training does not learn."""
    config, losses = params.task.model, params.task.losses
    mean, stddev = (np.asarray(each, np.float32) for each in (config.mean, config.stddev))
    normalized = (images - mean) / stddev
    logits, others = model.stateless_call(trainable, others, normalized, training=True)
    one_hot = keras.ops.one_hot(labels, config.num_classes)
    cross_entropy = keras.losses.categorical_crossentropy(
        one_hot, logits, from_logits=True, label_smoothing=losses.label_smoothing
    )
    decay = losses.weight_decay * _half_squared_norm(model, trainable)
    return keras.ops.mean(cross_entropy) + decay, others


def _half_squared_norm(model: keras.Model, trainable: list[Any]) -> Any:
    """Half the squared norm of all trainable variables, except those of norm-act layers."""
    layers = (layer for layer in model.layers if isinstance(layer, NormAct))
    left_out = {id(variable) for layer in layers for variable in layer.trainable_variables}
    pairs = zip(model.trainable_variables, trainable, strict=True)
    values = [value for variable, value in pairs if id(variable) not in left_out]
    return sum(keras.ops.sum(keras.ops.square(value)) for value in values) / 2


def _optimizer(params: ExperimentConfig) -> keras.optimizers.Optimizer:
    """The configured SGD at a constant rate, since a schedule adds nothing to a step's cost."""
    sgd = params.trainer.optimizer_config.optimizer.sgd
    return keras.optimizers.SGD(momentum=sgd.momentum, nesterov=sgd.nesterov)


def _abstract(
    step: Step, params: ExperimentConfig, images: int, mesh: jax.sharding.Mesh
) -> tuple[Any, Any, Any]:
    """The step's arguments on the mesh, without values."""
    split = NamedSharding(mesh, PartitionSpec(_REPLICAS))
    shape = (images, *params.task.model.input_size)
    state = jax.tree.map(
        lambda value: jax.ShapeDtypeStruct(value.shape, value.dtype, sharding=_whole(mesh)),
        step.state,
    )
    return (
        state,
        jax.ShapeDtypeStruct(shape, np.float32, sharding=split),
        jax.ShapeDtypeStruct(shape[:1], np.int32, sharding=split),
    )


def _whole(mesh: jax.sharding.Mesh) -> NamedSharding:
    """Every replica has all of it."""
    return NamedSharding(mesh, PartitionSpec())
