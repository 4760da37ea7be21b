"""The task: evaluation of hand-made cases, steps, resuming, export."""

import os

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers import processes
from tests.trainers.detection import small
from trainers import train
from trainers.classification.task import ClassificationTask
from trainers.detection import export, shapes
from trainers.detection.task import MaskRCNNTask
from trainers.engine import parameters, restoring
from trainers.errors import TrainersError, TrainingDivergedError
from trainers.experiments import EXPERIMENTS, coco
from trainers.platform import configs

# ymin, xmin, ymax, xmax of a rectangle in each of two images.
BOXES = np.array([[10, 10, 30, 40], [20, 8, 50, 28]], np.float32)
LABELS = np.array([2, 1])
# By 7 of 30 pixels along the longer side: intersection over union is 23 / 37 = 0.62.
SHIFTED = BOXES + np.array([[0, 7, 0, 7], [7, 0, 7, 0]], np.float32)


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    """Scores of one detection an image, through the task's own input and metrics."""
    folder = tmp_path_factory.mktemp("handmade")
    with tf.io.TFRecordWriter(str(folder / "validation.tfrecord")) as writer:
        for number, (box, label) in enumerate(zip(BOXES.astype(int), LABELS, strict=True), 1):
            mask = np.zeros((64, 64), bool)
            mask[box[0] : box[2], box[1] : box[3]] = True
            image = np.zeros((64, 64, 3), np.uint8)
            record = shapes.example(number, image, np.array([label]), mask[None])
            writer.write(record.SerializeToString())
    params = small.config(str(folder))
    params.task.validation_data.num_examples = 2
    task = MaskRCNNTask(params.task, logging_dir=str(folder / "model"))
    _, labels = next(iter(task.build_inputs(params.task.validation_data)))

    def scores(boxes, classes, confidence=(0.9, 0.8)):
        task.build_metrics(training=False)
        predictions = {
            "detection_boxes": tf.constant(boxes[:, None], tf.float32),
            "detection_masks": tf.ones((2, 1, 14, 14)),
            "detection_classes": tf.constant(classes[:, None], tf.int32),
            "detection_scores": tf.constant(np.array(confidence)[:, None], tf.float32),
            "num_detections": tf.constant([1, 1]),
            "source_id": labels["groundtruths"]["source_id"],
            "image_info": labels["image_info"],
        }
        outputs = {task.coco_metric.name: (labels["groundtruths"], predictions)}
        return task.reduce_aggregated_logs(task.aggregate_logs(None, outputs))

    return scores


@pytest.mark.slow
@pytest.mark.parametrize(
    ("boxes", "classes", "box_ap", "mask_ap", "ap50"),
    [
        # A mask is pasted two pixels longer: 600 / 640 is right at nine thresholds of ten.
        (BOXES, LABELS, 1.0, 0.9, 1.0),
        (SHIFTED, LABELS, 0.3, 0.3, 1.0),  # right at 0.5, 0.55, 0.6
        (BOXES, LABELS[::-1], 0.0, 0.0, 0.0),
        (BOXES, np.array([2, 3]), 0.5, 0.45, 0.5),  # of two classes that there are, one is found
    ],
)
def test_average_precision_of_hand_made_detections(evaluate, boxes, classes, box_ap, mask_ap, ap50):
    scores = evaluate(boxes, classes)
    assert scores["AP"] == pytest.approx(box_ap, abs=1e-6)
    assert scores["mask_AP"] == pytest.approx(mask_ap, abs=1e-6)
    assert scores["AP50"] == pytest.approx(ap50, abs=1e-6)


@pytest.mark.slow
def test_the_order_of_images_depends_on_seed_and_first_step(tmp_path):
    params = small.config(small.write(tmp_path))
    task = MaskRCNNTask(params.task)

    def first(step):
        images, _ = next(iter(task.build_inputs(params.task.train_data, first_step=step)))
        return images.numpy().sum((1, 2, 3)).round().tolist()

    once = first(0)
    assert first(0) == once
    assert first(4) != once


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"norm_act": "batchnorm"}}, r"norm_act.*norm_act='batchnorm'"),
        ({"model": {"input_size": [60, 64, 3]}}, r"multiples of 2\^max_level = 32.*\[60, 64, 3\]"),
        ({"model": {"num_classes": 1}}, r"num_classes.*num_classes=1"),
        ({"model": {"backbone": {"resnet": {"depth": 49}}}}, r"backbone\.resnet.*Received: 49"),
        ({"model": {"norm_activation": {"norm_momentum": 0.5}}}, r"norm_activation.*not read"),
        ({"validation_data": {"num_examples": -1}}, r"num_examples.*num_examples=-1"),
        ({"freeze_backbone": True}, r"freeze_backbone.*not read"),
    ],
)
def test_wrong_values_are_errors(change, message):
    params = small.config("nowhere")
    params.override({"task": change})
    with pytest.raises(TrainersError, match=message):
        parameters.check(params)


def test_table_5_has_its_schedule_and_survives_yaml(tmp_path):
    names = [name for name, e in EXPERIMENTS.items() if e.table == "table 5"]
    assert len(names) == 10
    assert EXPERIMENTS["coco_maskrcnn_spinenet96_evonorm_b0"].figure.startswith("48.0 / 42.4")
    for name in names:
        params = EXPERIMENTS[name].build()
        parameters.check(params)
        path = str(tmp_path / f"{name}.yaml")
        configs.save(params, path)
        assert parameters.load(path).as_dict() == params.as_dict()
        assert params.task.model.norm_act in name
    settings = coco.config("r50_fpn", "evonorm_b0").trainer
    optimizer = MaskRCNNTask.create_optimizer(settings.optimizer_config)
    rates = {0: 0.0067, 500: 0.1, 120000: 0.1, 120001: 0.01, 125001: 0.001, 134999: 0.001}
    for step, rate in rates.items():
        assert float(optimizer.learning_rate(step)) == pytest.approx(rate), step
    assert settings.train_steps == 135000
    assert optimizer.momentum == 0.9
    assert params.task.losses.l2_weight_decay == 4e-5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model folder after two steps, its configuration, and its evaluation."""
    data = small.write(tmp_path_factory.mktemp("data"))
    folder = str(tmp_path_factory.mktemp("model"))
    params = small.config(data, train_steps=2, validation_interval=2)
    params.task.allow_image_summary = True
    return folder, params, train.run(params, "train_and_eval", folder)


@pytest.mark.slow
def test_a_training_evaluates_all_images_and_writes_pictures(trained):
    folder, params, metrics = trained
    assert -1 <= metrics["mask_AP"] <= 1
    assert {"AP", "AP50", "mask_AP", "mask_AP75"} <= metrics.keys()
    tags = {}
    for path in tf.io.gfile.glob(os.path.join(folder, "validation", "events*")):
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            for value in tf.compat.v1.Event.FromString(record).summary.value:
                tags[value.tag] = value.metadata.plugin_data.plugin_name
    assert tags["mask_AP"] == "scalars"
    assert "images" in tags.values()
    assert tf.train.latest_checkpoint(folder).endswith("ckpt-2")
    assert parameters.load(os.path.join(folder, "params.yaml")).as_dict() == params.as_dict()
    other = params.replace(task={"model": {"norm_act": "gn_relu"}})
    with pytest.raises(TrainersError, match=r"another model: norm_act='evonorm_s0'"):
        train.run(other, "eval", folder)


@pytest.mark.slow
def test_the_export_computes_what_the_model_does(trained, tmp_path, capsys):
    folder, _, _ = trained
    export.export(folder, str(tmp_path))
    assert "detection_masks" in capsys.readouterr().out
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    found = loaded.signatures["serving_default"](inputs=tf.zeros((1, 50, 80, 3), tf.uint8))
    assert found["detection_boxes"].shape == (1, 10, 4)
    with pytest.raises(TrainersError, match=r"experiment of classification, not of maskrcnn"):
        restoring.restore(folder, ClassificationTask)


@pytest.mark.nightly
def test_divergence_names_step_and_layer(trained, tmp_path):
    _, params, _ = trained
    wild = params.replace(trainer={"train_steps": 4})
    rate = wild.trainer.optimizer_config
    rate.warmup.type = None
    rate.learning_rate.cosine.initial_learning_rate = 1e38
    with pytest.raises(TrainingDivergedError, match=r"not finite at step 2.*ckpt-1") as caught:
        train.run(wild, "train", str(tmp_path))
    assert caught.value.layer is not None


@pytest.mark.nightly
def test_two_replicas_train_and_evaluate(trained, tmp_path):
    _, params, _ = trained
    runtime = {"distribution_strategy": "mirrored", "cpu_replicas": 2}
    two = params.replace(runtime=runtime, trainer={"train_steps": 1, "validation_interval": 1})
    with pytest.raises(TrainersError, match=r"num_examples=3, global_batch_size=2"):
        train.run(two, "train_and_eval", str(tmp_path))
    two = two.replace(task={"validation_data": {"num_examples": 2}})
    two.task.validation_data.input_path = two_images(params, tmp_path)
    metrics = train.run(two, "train_and_eval", str(tmp_path))
    assert metrics["mask_AP"] >= 0
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-1")


def two_images(params, folder):
    """Path of the first two validation records."""
    path = str(folder / "two.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for record in tf.data.TFRecordDataset(params.task.validation_data.input_path).take(2):
            writer.write(record.numpy())
    return path


def command(folder, steps):
    settings = {"trainer.train_steps": steps, "trainer.validation_interval": 1000}
    return processes.command("tests.trainers.detection.small", "tiny_maskrcnn", folder, **settings)


@pytest.mark.nightly
def test_a_killed_training_goes_on(tmp_path):
    data, folder, steps = small.write(tmp_path / "data"), str(tmp_path / "model"), 12
    stopped_at = processes.killed_at(command(folder, steps), folder, 1, SHAPES=data)
    assert processes.step_of(stopped_at) < steps
    printed = processes.finished(command(folder, steps), SHAPES=data)
    assert f"restored from checkpoint: {stopped_at}" in printed
    assert tf.train.latest_checkpoint(folder).endswith(f"ckpt-{steps}")
