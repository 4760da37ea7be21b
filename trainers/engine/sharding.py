"""The part of each global batch that an input pipeline makes."""

import dataclasses

import tensorflow as tf

from trainers.errors import TrainersError


@dataclasses.dataclass(frozen=True)
class Shard:
    """An input pipeline's part of each global batch.

    Attributes:
      per_replica_batch: images a replica gets at each step.
      num_replicas: replicas on all workers.
      replicas_here: replicas that this pipeline feeds.
      pipeline: number of this pipeline, from 0.
      num_pipelines: pipelines on all workers.
    """

    per_replica_batch: int
    num_replicas: int = 1
    replicas_here: int = 1
    pipeline: int = 0
    num_pipelines: int = 1

    @property
    def first_replica(self) -> int:
        """Number of the first replica that this pipeline feeds."""
        return self.pipeline * self.replicas_here


def shard_of(context: tf.distribute.InputContext | None, global_batch_size: int) -> Shard:
    """This pipeline's part of global batches.

    Raises:
      TrainersError: when the replicas cannot share the batch evenly.
    """
    if context is None:
        return Shard(global_batch_size)
    replicas = context.num_replicas_in_sync
    check_divides(global_batch_size, replicas)
    return Shard(
        global_batch_size // replicas,
        replicas,
        replicas // context.num_input_pipelines,
        context.input_pipeline_id,
        context.num_input_pipelines,
    )


def check_divides(global_batch_size: int, replicas: int) -> None:
    """Raises TrainersError for a batch that the replicas cannot share evenly."""
    if global_batch_size < 1 or global_batch_size % replicas:
        raise TrainersError(
            f"`global_batch_size` must be a positive multiple of the {replicas} replicas. "
            f"Received: global_batch_size={global_batch_size}"
        )
