"""Distribution strategies for the devices of this machine, and for TPUs."""

import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable

import tensorflow as tf

from trainers.engine.config import RuntimeConfig
from trainers.errors import TrainersError, reason
from trainers.platform import devices

_TPU_ADVICE = (
    "Is it READY, in that zone and project, and reachable from here? docs/tpu.md has the steps."
)
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker_mirrored", "tpu")


def build_strategy(runtime: RuntimeConfig) -> tf.distribute.Strategy:
    """The configured strategy. Must be called before the first operation.

    Raises:
      TrainersError: for an unknown strategy, or more GPUs than there are.
    """
    name = runtime.distribution_strategy
    if name not in STRATEGIES:
        raise TrainersError(
            f"`runtime.distribution_strategy` must be one of {', '.join(STRATEGIES)}. "
            f"Received: distribution_strategy={name!r}"
        )
    gpus = len(tf.config.list_physical_devices("GPU"))
    if runtime.num_gpus > gpus:
        raise TrainersError(
            f"`runtime.num_gpus` must be at most {gpus}. Received: num_gpus={runtime.num_gpus}"
        )
    if name == "tpu" or (name == "auto" and runtime.tpu is not None):
        return tpu_strategy(runtime)
    if runtime.worker_hosts:
        devices.configure_cluster(runtime.worker_hosts, runtime.task_index)
    gpus = runtime.num_gpus or gpus
    if name == "multi_worker_mirrored":
        return devices.get_distribution_strategy(
            name, num_gpus=gpus, all_reduce_alg=runtime.all_reduce_alg
        )
    if name == "mirrored" and not gpus:
        # Collective operations of two strategies in one process would mix up their values.
        return tf.distribute.MirroredStrategy(
            _cpus(runtime.cpu_replicas), tf.distribute.ReductionToOneDevice()
        )
    if name == "mirrored" or (name == "auto" and gpus > 1):
        return devices.get_distribution_strategy(
            "mirrored",
            num_gpus=gpus,
            all_reduce_alg=runtime.all_reduce_alg,
            num_packs=runtime.num_packs,
        )
    return devices.get_distribution_strategy("one_device", num_gpus=min(gpus, 1))


def tpu_strategy(runtime: RuntimeConfig) -> tf.distribute.Strategy:
    """Connects to a TPU, given by name, zone and project, by address, or as "local" on a TPU VM.

    The default is the environment variable TPU_NAME, which TPU VMs set, or else "local".

    Raises:
      TrainersError: when none answers within `runtime.tpu_timeout`.
    """
    address = runtime.tpu or os.environ.get("TPU_NAME") or "local"
    contact = functools.partial(_contact, address, runtime.tpu_zone, runtime.tpu_project)
    # In a thread, since TensorFlow's calls have no time limit and cannot be interrupted.
    answer: queue.Queue = queue.Queue()
    threading.Thread(target=lambda: answer.put(_outcome(contact)), daemon=True).start()
    try:
        strategy, error = answer.get(timeout=runtime.tpu_timeout)
    except queue.Empty:
        raise TrainersError(
            f"no TPU answered within `runtime.tpu_timeout`={runtime.tpu_timeout:g} s. "
            f"{_TPU_ADVICE} Received: tpu={address!r}"
        ) from None
    if error is not None:
        raise TrainersError(
            f"no TPU can be used: {reason(error)} {_TPU_ADVICE} Received: tpu={address!r}"
        ) from error
    return strategy


def _contact(address: str, zone: str, project: str) -> tf.distribute.Strategy:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
        tpu=address, zone=zone or None, project=project or None
    )
    if address != "local":
        tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def _outcome(contact: Callable) -> tuple[tf.distribute.Strategy | None, Exception | None]:
    try:
        return contact(), None
    except Exception as error:  # of the network, the TPU API, TensorFlow: all mean no TPU
        return None, error


def _cpus(count: int) -> list[str]:
    """Names of that many logical CPU devices."""
    if count > 1:
        with contextlib.suppress(RuntimeError):  # TensorFlow runs already, on what it has
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0],
                [tf.config.LogicalDeviceConfiguration()] * count,
            )
    available = len(tf.config.list_logical_devices("CPU"))
    if available < count:
        raise TrainersError(
            f"`runtime.cpu_replicas` must be at most {available}, the CPU devices of this process. "
            f"Received: cpu_replicas={count}"
        )
    return [f"CPU:{index}" for index in range(count)]
