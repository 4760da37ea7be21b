"""Any classification data set of tensorflow-datasets, by name or by its prepared folder."""

import dataclasses
import functools
import os

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from trainers.data import augment
from trainers.data.config import DataConfig
from trainers.data.image_data import Split
from trainers.engine.sharding import Shard
from trainers.errors import TrainersError


@dataclasses.dataclass(frozen=True)
class TfdsSource:
    """A prepared data set and the names of its image and its label.

    Attributes:
      builder: of the data set.
      image, label: names of its features.
    """

    builder: tfds.core.DatasetBuilder
    image: str
    label: str

    @property
    def num_classes(self) -> int:
        """The number of classes, from the feature of the labels."""
        return self.builder.info.features[self.label].num_classes

    @property
    def class_names(self) -> list[str]:
        """The names of its classes, by label; TFDS uses numbers where there are none."""
        return self.builder.info.features[self.label].names

    def count(self, split: str) -> int:
        """The number of images in a split, such as "train[:90%]"."""
        return self._split(split).num_examples

    def in_memory(self, split: str) -> Split:
        """A split of equally large images as arrays."""
        self._split(split)
        try:
            arrays = tfds.as_numpy(self.builder.as_dataset(split=split, batch_size=-1))
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise TrainersError(
                f"`in_memory`: the images of {self.builder.info.full_name} cannot be one "
                f"array: {error}"
            ) from error
        return Split(arrays[self.image], arrays[self.label].astype(np.int32))

    def training_batches(
        self, config: DataConfig, size: list[int], shard: Shard, first_step: int
    ) -> tf.data.Dataset:
        """Endless batches (images, labels, weights) of this input pipeline.

        A resumed training has another order, a function of seed and step.
        """
        seed = config.seed + first_step
        policy = augment.policy_of(config)

        def parse(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, float]:
            image = augment.training_image(example[self.image], config, size, policy)
            return image, tf.cast(example[self.label], tf.int32), 1.0

        examples = self._examples(config, shard, seed)
        examples = examples.shuffle(config.shuffle_buffer, seed=seed).repeat()
        parsed = examples.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        return parsed.batch(shard.per_replica_batch, drop_remainder=True)

    def evaluation_batches(
        self, config: DataConfig, size: list[int], shard: Shard
    ) -> tf.data.Dataset:
        """Each image once, and images of weight 0 so that pipelines make equally many batches."""
        height, width, _ = size

        def parse(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, float]:
            image = augment.evaluation_image(example[self.image], config, size)
            if config.crop == "inception":
                image.set_shape([height, width, size[2]])
            return image, tf.cast(example[self.label], tf.int32), 1.0

        parsed = self._examples(config, shard, config.seed).map(
            parse, num_parallel_calls=tf.data.AUTOTUNE
        )
        filler = parsed.take(1).map(lambda image, label, _: (image, label, 0.0)).repeat()
        steps = -(-self.count(config.split) // (shard.num_replicas * shard.per_replica_batch))
        batches = parsed.concatenate(filler).batch(shard.per_replica_batch, drop_remainder=True)
        return batches.take(steps * shard.replicas_here)

    def _split(self, split: str) -> tfds.core.SplitInfo:
        try:
            return self.builder.info.splits[split]
        except (ValueError, KeyError, AssertionError) as error:
            splits = ", ".join(self.builder.info.splits)
            raise TrainersError(
                f"`split`: {self.builder.info.full_name} has {splits}. Received: split={split!r}"
            ) from error

    def _examples(self, config: DataConfig, shard: Shard, seed: int) -> tf.data.Dataset:
        """This pipeline's examples: its own files, or every n-th example where files are few."""
        by_file = len(self._split(config.split).file_instructions) >= shard.num_pipelines
        context = tf.distribute.InputContext(
            shard.num_pipelines, shard.pipeline, shard.num_replicas
        )
        read_config = tfds.ReadConfig(
            input_context=context if by_file else None,
            shuffle_seed=seed,
            skip_prefetch=True,
            try_autocache=False,
        )
        dataset = self.builder.as_dataset(
            split=config.split,
            shuffle_files=config.is_training,
            read_config=read_config,
            decoders=self._decoders(),
        )
        return dataset if by_file else dataset.shard(shard.num_pipelines, shard.pipeline)

    def _decoders(self) -> dict[str, tfds.decode.Decoder] | None:
        """Leaves JPEG encoded, so that only crops are decoded; other images are decoded whole."""
        encoding = self.builder.info.features[self.image].to_json_content().encoding_format
        return {self.image: tfds.decode.SkipDecoding()} if encoding == "jpeg" else None


@functools.lru_cache(maxsize=8)
def open_source(source: str, data_dir: str = "") -> TfdsSource:
    """Opens a data set of tensorflow-datasets.

    Args:
      source: its name, or the folder that holds its prepared files.
      data_dir: where TFDS keeps its data; empty for its default.

    Raises:
      TrainersError: when it is unknown, not prepared, or not for classification. Says how
        to prepare it.
    """
    builder = _from_folder(source) if os.path.isdir(source) else _from_name(source, data_dir)
    features = builder.info.features
    keys = builder.info.supervised_keys or ("image", "label")
    by_name = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    if not (
        isinstance(by_name.get(keys[0]), tfds.features.Image)
        and isinstance(by_name.get(keys[1]), tfds.features.ClassLabel)
    ):
        raise TrainersError(
            f"`source` must have an image and a class label. {source!r} has {features}"
        )
    return TfdsSource(builder, keys[0], keys[1])


def _from_folder(folder: str) -> tfds.core.DatasetBuilder:
    try:
        return tfds.builder_from_directory(folder)
    except (OSError, ValueError, tfds.core.dataset_info.DatasetInfoFileError) as error:
        raise TrainersError(
            f"`source`: the folder {folder} holds no prepared TFDS data set "
            "(dataset_info.json, features.json and TFRecord files)"
        ) from error


def _from_name(name: str, data_dir: str) -> tfds.core.DatasetBuilder:
    where = data_dir or "~/tensorflow_datasets"
    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
    except tfds.core.registered.DatasetNotFoundError as error:
        raise TrainersError(
            f"`source` must be 'digits', the name of a TFDS data set, or the folder of a "
            f"prepared one. Received: source={name!r}, which is none and has no data in {where}"
        ) from error
    if not builder.info.splits:
        manual = ""
        if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            manual = f" First, by hand: {builder.MANUAL_DOWNLOAD_INSTRUCTIONS.strip()}"
        raise TrainersError(
            f"the data set {name!r} is not prepared in {where}. Prepare it with: "
            f"tfds build {name} --data_dir={where}{manual}"
        )
    return builder
