"""The drawn data set, and what is said about data that does not fit."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder

from tests.trainers.detection import small
from trainers.detection import records, shapes
from trainers.detection.task import MaskRCNNTask
from trainers.errors import TrainersError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.write(tmp_path_factory.mktemp("shapes"))


def decoded(path):
    decode = TfExampleDecoder(include_mask=True).decode
    return list(tf.data.TFRecordDataset(path).map(decode).as_numpy_iterator())


def test_boxes_are_those_of_the_masks(folder):
    images = decoded(f"{folder}/train.tfrecord")
    assert [int(image["source_id"]) for image in images] == list(range(1, 9))
    assert {image["image"].shape for image in images} == {(64, 64, 3)}
    for image in images:
        masks = image["groundtruth_instance_masks"]
        assert 1 <= len(masks) <= shapes.MOST_OBJECTS
        assert set(image["groundtruth_classes"]) <= {1, 2, 3}
        assert (masks.sum(0) <= 1).all()  # what is covered belongs to the upper one
        for mask, box, area in zip(
            masks, image["groundtruth_boxes"], image["groundtruth_area"], strict=True
        ):
            y, x = np.nonzero(mask)
            expected = [y.min(), x.min(), y.max() + 1, x.max() + 1]
            np.testing.assert_allclose(box * 64, expected, atol=1e-4)
            assert area == mask.sum() >= 60


def test_shapes_have_the_areas_of_their_formulas():
    rng = np.random.default_rng(0)
    for label, share in ((1, np.pi / 4), (2, 1), (3, 1 / 2)):
        for _ in range(20):
            mask = shapes._shape(rng, label)
            box = np.ptp(np.nonzero(mask)[0]) + 1, np.ptp(np.nonzero(mask)[1]) + 1
            assert mask.sum() / np.prod(box) == pytest.approx(share, abs=0.1)
            assert not (label == 1 and abs(box[0] - box[1]) > 1)


def test_the_same_files_every_time(folder, tmp_path):
    small.write(tmp_path)
    for name in ("train.tfrecord", "validation.tfrecord"):
        assert (tmp_path / name).read_bytes() == pathlib.Path(folder, name).read_bytes()
    with pytest.raises(TrainersError, match=r"output_dir.*train\.tfrecord"):
        small.write(tmp_path)


def check(params, name="train_data"):
    MaskRCNNTask.check_data(getattr(params.task, name), params, f"task.{name}")


def test_data_that_fits_passes(folder):
    check(small.config(folder))
    check(small.config(folder), "validation_data")


def test_missing_files_are_an_error(tmp_path):
    with pytest.raises(TrainersError, match=r"task\.train_data\.input_path.*must match files"):
        check(small.config(str(tmp_path)))
    params = small.config(small.write(tmp_path))
    params.task.annotation_file = str(tmp_path / "none.json")
    check(params)  # not for training
    with pytest.raises(TrainersError, match=r"task\.annotation_file.*none\.json"):
        check(params, "validation_data")


def test_labels_beyond_the_classes_are_an_error(folder):
    params = small.config(folder)
    params.task.model.num_classes = 3
    with pytest.raises(TrainersError, match=r"num_classes.*num_classes=3, label=3"):
        check(params)


def test_a_corrupt_record_is_an_error(folder, tmp_path):
    whole = pathlib.Path(folder, "train.tfrecord").read_bytes()
    path = tmp_path / "train.tfrecord"
    path.write_bytes(whole[:5000] + b"\0\0\0\0" + whole[5004:])
    with pytest.raises(TrainersError, match=r"record 1 of .*train\.tfrecord is corrupt"):
        check(small.config(str(tmp_path)))
    path.write_bytes(whole[:-100])
    with pytest.raises(TrainersError, match=r"record 8 of .*train\.tfrecord is corrupt"):
        check(small.config(str(tmp_path)))
    path.write_bytes(b"")
    with pytest.raises(TrainersError, match=r"must have records"):
        check(small.config(str(tmp_path)))


def test_examples_without_masks_are_an_error(tmp_path):
    path = str(tmp_path / "train.tfrecord")
    record = shapes.example(1, *shapes.draw(np.random.default_rng(0)))
    del record.features.feature["image/object/mask"]
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(record.SerializeToString())
    with pytest.raises(TrainersError, match=r"'image/object/mask': 0"):
        records.check(path, 4, True, "task.train_data")
    records.check(path, 4, False, "task.train_data")
