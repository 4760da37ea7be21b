"""Order, sharding, crops and padding of data in memory."""

import numpy as np
import pytest
import tensorflow as tf

from trainers.data import augment, memory_pipeline
from trainers.data.config import DataConfig
from trainers.data.image_data import Split
from trainers.engine.sharding import Shard, shard_of
from trainers.errors import TrainersError

COUNT = 23


@pytest.fixture
def split():
    """Images that hold their own number, and whose label is it."""
    numbers = np.arange(COUNT)
    images = np.broadcast_to(numbers[:, None, None, None], (COUNT, 4, 4, 1)).astype(np.uint8)
    return Split(images, numbers.astype(np.int32))


def labels_of(split, config, shard, first_step, batches):
    dataset = memory_pipeline.training_batches(split, config, shard, first_step)
    return np.stack([labels for _, labels, _ in dataset.take(batches).as_numpy_iterator()])


def test_each_epoch_has_every_image_once_in_another_order(split):
    order = memory_pipeline.shuffled(tf.range(3 * COUNT, dtype=tf.int64), COUNT, 5).numpy()
    epochs = order.reshape(3, COUNT)
    for epoch in epochs:
        assert sorted(epoch) == list(range(COUNT))
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[1], epochs[2])


def test_seeds_give_different_orders():
    positions = tf.range(COUNT, dtype=tf.int64)
    first, second = (memory_pipeline.shuffled(positions, COUNT, seed).numpy() for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_images_go_with_their_labels(split):
    dataset = memory_pipeline.training_batches(split, DataConfig(seed=1), Shard(4), 0)
    for images, labels, weights in dataset.take(8).as_numpy_iterator():
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
        np.testing.assert_array_equal(weights, np.ones(4))


def test_a_later_step_needs_no_earlier_one(split):
    config = DataConfig(seed=3)
    whole = labels_of(split, config, Shard(4), 0, 12)
    np.testing.assert_array_equal(labels_of(split, config, Shard(4), 7, 5), whole[7:])


@pytest.mark.parametrize(("replicas", "pipelines"), [(2, 1), (2, 2), (4, 2), (8, 4)])
def test_replicas_share_the_batch_that_one_device_would_get(split, replicas, pipelines):
    config, steps, here = DataConfig(seed=2), 6, replicas // pipelines
    expected = labels_of(split, config, Shard(8), 0, steps)
    parts = [
        labels_of(
            split, config, Shard(8 // replicas, replicas, here, p, pipelines), 0, steps * here
        ).reshape(steps, here * 8 // replicas)
        for p in range(pipelines)
    ]
    np.testing.assert_array_equal(np.concatenate(parts, 1), expected)


def test_crops_do_not_depend_on_the_number_of_replicas():
    images = np.random.default_rng(0).integers(256, size=(16, 6, 6, 1)).astype(np.uint8)
    split = Split(images, np.arange(16, dtype=np.int32))
    config = DataConfig(crop="random", crop_size=3, flip=True)

    def cropped(shard, batches):
        dataset = memory_pipeline.training_batches(split, config, shard, 0)
        return np.concatenate([b[0] for b in dataset.take(batches).as_numpy_iterator()])

    one, two = cropped(Shard(4), 3), cropped(Shard(2, 2, 2), 6)
    assert one.shape == (12, 3, 3, 1)
    np.testing.assert_array_equal(one, two)


def test_crop_and_flip_agree_with_slicing():
    images = np.random.default_rng(0).integers(256, size=(5, 6, 7, 3)).astype(np.uint8)
    draws = np.random.default_rng(1).random((5, 3)).astype(np.float32)
    config = DataConfig(crop="random", crop_size=4, flip=True)
    found = augment.crop_and_flip(tf.constant(images), config, tf.constant(draws)).numpy()
    for image, (row, column, mirror), result in zip(images, draws, found, strict=True):
        first, left = int(row * 3), int(column * 4)
        expected = image[first : first + 4, left : left + 4]
        np.testing.assert_array_equal(result, expected[:, ::-1] if mirror < 0.5 else expected)


@pytest.mark.parametrize("shard", [Shard(5), Shard(4, 2, 2), Shard(2, 4, 2, 1, 2)])
def test_evaluation_has_each_image_once(split, shard):
    seen, batches = [], 0
    for pipeline in range(shard.num_pipelines):
        part = Shard(
            shard.per_replica_batch,
            shard.num_replicas,
            shard.replicas_here,
            pipeline,
            shard.num_pipelines,
        )
        dataset = memory_pipeline.evaluation_batches(split, DataConfig(is_training=False), part)
        for images, labels, weights in dataset.as_numpy_iterator():
            assert images.shape[0] == shard.per_replica_batch
            seen += list(labels[weights > 0])
            batches += 1
    assert sorted(seen) == list(range(COUNT))
    assert batches % shard.num_replicas == 0


def test_a_batch_must_divide_by_the_replicas():
    context = tf.distribute.InputContext(1, 0, num_replicas_in_sync=3)
    with pytest.raises(TrainersError, match=r"multiple of the 3 replicas.*global_batch_size=8"):
        shard_of(context, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": "centre"}, "task.train_data.crop.*crop='centre'"),
        ({"augment": "cutmix"}, "task.train_data.augment.*augment='cutmix'"),
        ({"crop": "random"}, "crop_size.*crop_size=0"),
        ({"crop_size": 4}, "crop_size.*crop='none'"),
        ({"in_memory": True, "augment": "randaugment"}, "in_memory.*augment='randaugment'"),
        ({"in_memory": True, "crop": "inception"}, "in_memory.*crop='inception'"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(TrainersError, match=message):
        augment.check(DataConfig(**settings), "task.train_data")
