"""The real loaders on small prepared data sets, and clear errors where something is wrong."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.tiers import tiered
from tests.trainers import tfds_data, tiny
from trainers import train
from trainers.classification.config import ModelConfig
from trainers.data import augment, inputs, policies, tfds_source
from trainers.data.config import DataConfig
from trainers.engine import parameters
from trainers.engine.sharding import Shard
from trainers.errors import TrainersError
from trainers.experiments import EXPERIMENTS


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    tfds_data.prepare_cifar10(folder)
    tfds_data.prepare_imagenet(folder)
    return str(folder)


IMAGENET = ModelConfig(input_size=[32, 32, 3])
CIFAR10 = ModelConfig(input_size=[24, 24, 3], num_classes=10)


def imagenet_data(data_dir, **settings):
    defaults = {"global_batch_size": 4, "crop": "inception", "flip": True, "shuffle_buffer": 8}
    return DataConfig(data_dir=data_dir, **{**defaults, **settings})


def test_cifar10_in_memory_has_the_images_of_its_split(data_dir):
    config = DataConfig(
        source="cifar10",
        data_dir=data_dir,
        split="train[90%:]",
        in_memory=True,
        is_training=False,
        global_batch_size=4,
    )
    inputs.check(config, CIFAR10, "task.validation_data")
    assert inputs.count(config) == 5
    batches = list(inputs.build_inputs(config, CIFAR10).as_numpy_iterator())
    weights = np.concatenate([batch[2] for batch in batches])
    found = np.concatenate([batch[0] for batch in batches])[weights > 0]
    np.testing.assert_array_equal(found, tfds_data.images(50, 32, 0)[45:])
    assert weights.sum() == 5


@pytest.mark.parametrize("in_memory", [True, False])
def test_cifar10_crops_are_parts_of_its_images(data_dir, in_memory):
    config = DataConfig(
        source="cifar10",
        data_dir=data_dir,
        split="train[:1]",
        in_memory=in_memory,
        crop="random",
        crop_size=24,
        global_batch_size=6,
    )
    whole = tfds_data.images(50, 32, 0)[0].astype(np.float32)
    parts = [whole[i : i + 24, j : j + 24] for i in range(9) for j in range(9)]
    found, labels, _ = next(inputs.build_inputs(config, CIFAR10).as_numpy_iterator())
    assert found.shape == (6, 24, 24, 3)
    np.testing.assert_array_equal(labels, np.zeros(6))
    for image in found:
        assert any(np.array_equal(image, part) for part in parts)
    assert len({image.tobytes() for image in found}) > 1


@pytest.mark.parametrize("shard", [Shard(4), Shard(2, 2, 2), Shard(3, 2, 1, 1, 2)])
def test_imagenet_evaluation_counts_every_image(data_dir, shard):
    config = imagenet_data(data_dir, split="validation", is_training=False, flip=False)
    source = tfds_source.open_source("imagenet2012", data_dir)
    labels, steps = [], set()
    for pipeline in range(shard.num_pipelines):
        part = Shard(*list(vars(shard).values())[:3], pipeline, shard.num_pipelines)
        batches = list(source.evaluation_batches(config, [32, 32, 3], part).as_numpy_iterator())
        steps.add(len(batches))
        for images, batch_labels, weights in batches:
            assert images.shape == (shard.per_replica_batch, 32, 32, 3)
            labels += list(batch_labels[weights > 0])
    assert sorted(labels) == sorted((37 * i) % 1000 for i in range(11))
    assert len(steps) == 1, "workers must make as many batches"


def test_the_centre_crop_is_seven_eighths_of_the_shorter_side(data_dir):
    config = imagenet_data(data_dir, split="validation", is_training=False, flip=False)
    source = tfds_source.open_source("imagenet2012", data_dir)
    found = next(source.evaluation_batches(config, [32, 32, 3], Shard(1)).as_numpy_iterator())[0]
    raw = next(iter(source.builder.as_dataset(split="validation")))["image"].numpy()
    assert raw.shape == (60, 49, 3)
    # 0.875 * 49 = 42.875 pixels of both sides, from the middle, rounded down.
    top, left, side = int((60 - 42.875) / 2), int((49 - 42.875) / 2), 42
    expected = tf.image.resize(raw[top : top + side, left : left + side], (32, 32), "bicubic")
    np.testing.assert_allclose(found[0], expected, atol=0.01)


@pytest.mark.parametrize(
    "policy", tiered(["", "randaugment", "autoaugment"], [""], slow=["randaugment"])
)
def test_imagenet_training_images(data_dir, policy):
    config = imagenet_data(data_dir, augment=policy, seed=3)
    dataset = inputs.build_inputs(config, IMAGENET)
    (first, labels, weights), (second, _, _) = dataset.take(2).as_numpy_iterator()
    assert first.shape == (4, 32, 32, 3) and first.dtype == np.float32
    assert np.isfinite(first).all() and first.min() > -64 and first.max() < 320
    assert set(labels) <= {(37 * i) % 1000 for i in range(24)}
    np.testing.assert_array_equal(weights, np.ones(4))
    assert not np.array_equal(first, second)


def test_randaugment_has_the_authors_two_layers_of_magnitude_nine(monkeypatch):
    made = []
    monkeypatch.setattr(policies, "rand_augment", lambda *arguments: made.append(arguments))
    augment.policy_of(DataConfig(augment="randaugment"))
    assert made == [(2, 9, 40, 100)]


def test_pipelines_share_the_images(data_dir):
    config = imagenet_data(data_dir, split="train", is_training=False, flip=False)
    source = tfds_source.open_source("imagenet2012", data_dir)
    parts = [
        {
            int(label)
            for batch in source.evaluation_batches(config, [8, 8, 3], Shard(4, 2, 1, p, 2))
            for label, weight in zip(batch[1], batch[2], strict=True)
            if weight
        }
        for p in (0, 1)
    ]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 24


def test_a_prepared_folder_is_a_source(data_dir):
    folder = f"{data_dir}/cifar10/3.0.2"
    config = DataConfig(source=folder, split="test", is_training=False, global_batch_size=4)
    assert inputs.count(config) == 13
    images, _, _ = next(inputs.build_inputs(config, CIFAR10).as_numpy_iterator())
    np.testing.assert_array_equal(images, tfds_data.images(13, 32, 1)[:4])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "cifar10", "data_dir": "{empty}"}, r"not prepared.*tfds build cifar10"),
        ({"source": "imagenet2012", "data_dir": "{empty}"}, r"First, by hand:"),
        ({"source": "no_such_data"}, r"`source`.*no_such_data"),
        ({"source": "{empty}"}, r"holds no prepared TFDS data set"),
        ({"source": "digits", "split": "all"}, r"train, validation or test.*split='all'"),
        ({"source": "cifar10", "split": "dev"}, r"has train, test.*split='dev'"),
        ({"source": "imagenet2012"}, r"num_classes` must be 1000.*num_classes=10"),
        ({"source": "cifar10", "split": "test", "in_memory": True}, r"input_size.*32, 32, 3"),
    ],
)
def test_wrong_data_is_a_clear_error(settings, message, data_dir, tmp_path):
    settings = {
        name: value.format(empty=tmp_path) if isinstance(value, str) else value
        for name, value in {"data_dir": data_dir, **settings}.items()
    }
    with pytest.raises(TrainersError, match=message):
        inputs.check(DataConfig(**settings), CIFAR10, "task.train_data")


def cifar10_params(data_dir, **trainer):
    params = tiny.config("evonorm_s0", 4, **trainer)
    template = EXPERIMENTS["cifar10_resnet50_cifar_evonorm_s0"].build()
    params.task = template.task
    params.task.model.network = "tiny"
    for data in (params.task.train_data, params.task.validation_data):
        data.data_dir, data.global_batch_size = data_dir, 4
    return params


@pytest.mark.slow
def test_the_cifar10_experiment_trains_on_prepared_data(data_dir, tmp_path):
    metrics = train.run(cifar10_params(data_dir), "train_and_eval", str(tmp_path))
    assert metrics["images"] == 5
    assert np.isfinite(metrics["validation_loss"])


@pytest.mark.slow
def test_a_corrupt_record_stops_with_a_clear_error(data_dir, tmp_path):
    copy = tmp_path / "data"
    tf.io.gfile.makedirs(str(copy / "cifar10/3.0.2"))
    for path in pathlib.Path(data_dir, "cifar10/3.0.2").iterdir():
        (copy / "cifar10/3.0.2" / path.name).write_bytes(path.read_bytes())
    (file,) = (copy / "cifar10/3.0.2").glob("*train*tfrecord*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    params = cifar10_params(str(copy), train_steps=30)
    params.task.train_data.in_memory = False
    params.task.train_data.shuffle_buffer = 4
    params.task.train_data.split = "train"
    parameters.check(params)
    with pytest.raises(TrainersError, match=r"corrupt; prepare the data set again.*ckpt-"):
        train.run(params, "train", str(tmp_path / "model"))
    assert tf.train.latest_checkpoint(str(tmp_path / "model"))


@pytest.mark.parametrize(
    ("name", "size"),
    tiered(
        [
            ("cifar10_mobilenet_v2_cifar_evonorm_b0", 24),
            ("imagenet_resnet50_aug_2x_cos_evonorm_s0_batch32", 32),
        ],
        slow=[],  # another test trains CIFAR-10
    ),
)
def test_experiments_run_a_few_steps_on_prepared_data(name, size, data_dir, tmp_path):
    params = EXPERIMENTS[name].build()
    params.task.model.input_size = [size, size, 3]
    for data in (params.task.train_data, params.task.validation_data):
        data.data_dir, data.global_batch_size = data_dir, 4
    for field in ("train_steps", "validation_interval", "checkpoint_interval"):
        setattr(params.trainer, field, 2)
    params.trainer.steps_per_loop = params.trainer.summary_interval = 1
    parameters.check(params)
    params.lock()
    metrics = train.run(params, "train_and_eval", str(tmp_path))
    assert metrics["images"] == inputs.count(params.task.validation_data)
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-2")
