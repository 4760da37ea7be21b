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
from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from tpu_scripts import step_config
from trainers.classification import networks, weight_decay
from trainers.classification.config import ExperimentConfig
from trainers.models import norm_act
from trainers.platform import precision

_REPLICAS = "replicas"


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


def compile_step(
    params: ExperimentConfig, topology: compile_only.Topology, batch: int
) -> tuple[compile_only.Compiled, int]:
    """Compiles one training step: forward pass, backward pass, and optimizer.

    The batch is split between the replicas, as by `keras.distribution.DataParallel`: statistics of
    the batch are those of all replicas' images. Arguments and results are those of
    `training_step.compile_step`.

    Raises:
      CompilationError: for a step that cannot run on the TPU.
    """
    step = build(params)
    mesh = jax.sharding.Mesh(np.array(compile_only.devices(topology)), (_REPLICAS,))
    arguments = _abstract(step, params, batch * topology.replicas, mesh)
    lowered = jax.jit(step.run, donate_argnums=0, out_shardings=_whole(mesh)).lower(*arguments)
    compiled = compile_only.measured(lambda: lowered.compile().runtime_executable(), topology)
    return compiled, sum(value.size for value in step.state[0])


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
    keras.config.set_dtype_policy(precision.policy_of(params.runtime.mixed_precision_dtype))
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
    """Half the squared norm of the values of the variables that are decayed."""
    decayed = {id(variable) for variable in weight_decay.decayed_variables(model)}
    pairs = zip(model.trainable_variables, trainable, strict=True)
    values = [value for variable, value in pairs if id(variable) in decayed]
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
