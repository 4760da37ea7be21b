"""Strategies for CPUs and GPUs by name, and the cluster of several workers."""

import json
import os

import tensorflow as tf

from trainers.errors import TrainersError

_MIRRORED = {
    "nccl": tf.distribute.NcclAllReduce,
    "hierarchical_copy": tf.distribute.HierarchicalCopyAllReduce,
}
_COLLECTIVE = {
    None: tf.distribute.experimental.CommunicationImplementation.AUTO,
    "ring": tf.distribute.experimental.CommunicationImplementation.RING,
    "nccl": tf.distribute.experimental.CommunicationImplementation.NCCL,
}


def get_distribution_strategy(
    name: str, num_gpus: int, all_reduce_alg: str | None = None, num_packs: int = 1
) -> tf.distribute.Strategy:
    """The strategy of that name.

    Args:
      name: "one_device", "mirrored" or "multi_worker_mirrored".
      num_gpus: GPUs of this process; 0 for its CPU.
      all_reduce_alg: how replicas add their gradients; None for TensorFlow's choice.
      num_packs: of the all-reduce on several GPUs.

    Raises:
      TrainersError: for an unknown way to add gradients.
    """
    if name == "multi_worker_mirrored":
        _check(all_reduce_alg, [*filter(None, _COLLECTIVE)])
        options = tf.distribute.experimental.CommunicationOptions(
            implementation=_COLLECTIVE[all_reduce_alg]
        )
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    devices = [f"GPU:{index}" for index in range(num_gpus)] or ["CPU:0"]
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(devices[0])
    _check(all_reduce_alg, [*_MIRRORED])
    operations = _MIRRORED[all_reduce_alg](num_packs) if all_reduce_alg else None
    return tf.distribute.MirroredStrategy(devices, operations)


def configure_cluster(worker_hosts: str, task_index: int) -> None:
    """Tells TensorFlow the cluster, unless the environment variable TF_CONFIG does.

    Args:
      worker_hosts: HOST:PORT of each worker, separated by commas.
      task_index: this worker's place among them.

    Raises:
      TrainersError: for a place that is not among several workers.
    """
    if json.loads(os.environ.get("TF_CONFIG", "{}")):
        return
    workers = worker_hosts.split(",")
    index = 0 if len(workers) == 1 else task_index
    if not 0 <= index < len(workers):
        raise TrainersError(
            f"`runtime.task_index` must be from 0 to {len(workers) - 1}, one of the workers. "
            f"Received: task_index={task_index}"
        )
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    )


def _check(all_reduce_alg: str | None, known: list[str]) -> None:
    if all_reduce_alg is not None and all_reduce_alg not in known:
        raise TrainersError(
            f"`runtime.all_reduce_alg` must be one of {', '.join(known)} with this strategy. "
            f"Received: all_reduce_alg={all_reduce_alg!r}"
        )
