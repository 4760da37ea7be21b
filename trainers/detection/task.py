"""The Mask R-CNN task of tf-models-official, for the engine and with any norm-act layer."""

import hashlib
import os
from typing import Any

import tensorflow as tf
from official.vision.evaluation import coco_evaluator, coco_utils
from official.vision.tasks import maskrcnn

from trainers.detection import records
from trainers.detection.config import DataConfig, ExperimentConfig
from trainers.detection.model import MaskRCNN, build_maskrcnn
from trainers.detection.spinenet import SIZES
from trainers.engine import kinds, steps
from trainers.engine.base import EngineTask, Named
from trainers.errors import TrainersError, reason
from trainers.models import norm_act
from trainers.models.resnet import SPECS


@kinds.register(ExperimentConfig)
class MaskRCNNTask(EngineTask, maskrcnn.MaskRCNNTask):
    """Trains Mask R-CNN on TFRecords of images with boxes and masks, as of COCO.

    Data, losses and evaluation by pycocotools are tf-models-official's. The order of the
    training images is a function of `task.train_data.seed` and the step at which training
    begins or resumes.
    """

    unread = ("task.model.norm_activation", "task.freeze_backbone", "task.use_wod_metrics")

    @classmethod
    def check(cls, params: ExperimentConfig) -> None:
        """Checks backbone, layer, image size and validation data. Raises TrainersError."""
        model, data = params.task.model, params.task.validation_data
        norm_act.source_of(model.norm_act)
        chosen = model.backbone.get()
        allowed, value = (
            (SIZES, chosen.model_id)
            if model.backbone.type == "spinenet"
            else (tuple(depth for depth in SPECS if isinstance(depth, int)), chosen.depth)
        )
        if value not in allowed:
            raise TrainersError(
                f"`task.model.backbone.{model.backbone.type}` must be one of "
                f"{', '.join(map(str, allowed))}. Received: {value!r}"
            )
        multiple = 2**model.max_level
        if len(model.input_size) != 3 or any(side % multiple for side in model.input_size[:2]):
            raise TrainersError(
                "`task.model.input_size` must be height, width, channels, with sides that are "
                f"multiples of 2^max_level = {multiple}. "
                f"Received: input_size={list(model.input_size)}"
            )
        if model.num_classes < 2:
            raise TrainersError(
                "`task.model.num_classes` must be at least 2: class 0 is the background. "
                f"Received: num_classes={model.num_classes}"
            )
        if not params.task.annotation_file and data.num_examples < 1:
            raise TrainersError(
                "`task.validation_data.num_examples` must say how many images are evaluated, or "
                "`task.annotation_file` where their COCO annotations are. "
                f"Received: num_examples={data.num_examples}"
            )

    @classmethod
    def check_data(cls, config: DataConfig, params: ExperimentConfig, path: str) -> None:
        """Opens the files and reads some records. Raises TrainersError."""
        model = params.task.model
        records.check(config.input_path, model.num_classes, model.include_mask, path)
        annotations = params.task.annotation_file
        if not config.is_training and annotations and not tf.io.gfile.exists(annotations):
            raise TrainersError(f"`task.annotation_file`: there is no file {annotations}")

    @classmethod
    def data_name(cls, config: DataConfig) -> str:
        """The patterns of the data set's files."""
        return ", ".join(records.patterns(config.input_path))

    def build_model(self) -> MaskRCNN:
        """The model, with the same initial weights for the same `task.seed`."""
        tf.keras.utils.set_random_seed(self.task_config.seed)
        decay = self.task_config.losses.l2_weight_decay
        # Weight decay is of half the squared norm, the regularizer of the whole.
        regularizer = tf.keras.regularizers.l2(decay / 2) if decay else None
        return build_maskrcnn(self.task_config.model, regularizer)

    def build_inputs(
        self,
        params: Any,
        input_context: tf.distribute.InputContext | None = None,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """Batches (images, labels); see tf-models-official.

        Raises:
          TrainersError: for evaluation on several replicas with a last batch that is not
            full: TensorFlow's convolutions fail on a replica's empty batch.
        """
        replicas = input_context.num_replicas_in_sync if input_context else 1
        if params.is_training:
            params = params.replace(seed=(params.seed or 0) + first_step)
        elif replicas > 1 and (
            params.num_examples < 1 or params.num_examples % params.global_batch_size
        ):
            raise TrainersError(
                "`task.validation_data.num_examples` must be a multiple of its "
                f"global_batch_size on {replicas} replicas. Received: num_examples="
                f"{params.num_examples}, global_batch_size={params.global_batch_size}"
            )
        return maskrcnn.MaskRCNNTask.build_inputs(self, params, input_context)

    def train_step(
        self,
        inputs: Any,
        model: tf.keras.Model,
        optimizer: Any,
        metrics: list[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """One step on this replica."""
        with tf.GradientTape() as tape:
            losses = self._losses(inputs, model)
            scaled = steps.scaled(losses["total_loss"], optimizer)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, variables)
        loss = losses["total_loss"]
        finite = steps.apply_if_finite(gradients, variables, optimizer, loss)
        for metric in metrics or ():
            metric.update_state(losses[metric.name])
        return {self.loss: loss, "finite": finite}

    def validation_step(
        self,
        inputs: Any,
        model: tf.keras.Model,
        metrics: list[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, Any]:
        """Detections and ground truth, for pycocotools."""
        logs = super().validation_step(inputs, model, metrics)
        del logs[self.loss]  # always 0
        return logs

    def probe(self, inputs: Any, model: tf.keras.Model) -> tuple[list[Named], list[Named]]:
        """Outputs of the backbone's layers, and all gradients."""
        images, _ = inputs
        backbone = model.backbone
        all_layers = tf.keras.Model(backbone.inputs, [layer.output for layer in backbone.layers])
        outputs = all_layers(images, training=True)
        with tf.GradientTape() as tape:
            loss = self._losses(inputs, model)["total_loss"]
        gradients = tape.gradient(loss, model.trainable_variables)
        return (
            [(layer.name, output) for layer, output in zip(backbone.layers, outputs, strict=True)],
            [(v.name, g) for v, g in zip(model.trainable_variables, gradients, strict=True)],
        )

    def _losses(self, inputs: Any, model: tf.keras.Model) -> dict[str, tf.Tensor]:
        """All losses of tf-models-official by name, in float32."""
        images, labels = inputs
        arguments = {name: labels[name] for name in ("anchor_boxes", "gt_boxes", "gt_classes")}
        if self.task_config.model.include_mask:
            arguments["gt_masks"] = labels["gt_masks"]
        if self.task_config.model.outer_boxes_scale > 1:
            arguments["gt_outer_boxes"] = labels["gt_outer_boxes"]
        sizes = labels["image_info"][:, 1, :]
        outputs = model(images, image_shape=sizes, training=True, **arguments)
        outputs = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), outputs)
        return self.build_losses(outputs, labels, model.losses)

    def _build_coco_metrics(self) -> None:
        """Creates pycocotools' metrics, with annotations of the records where no file has them."""
        config = self.task_config
        annotations = config.annotation_file
        if not annotations and config.model.include_mask:
            annotations = self._annotations_of_records()
        self.coco_metric = coco_evaluator.COCOEvaluator(
            annotation_file=annotations,
            include_mask=config.model.include_mask,
            per_category_metrics=config.per_category_metrics,
        )

    def _annotations_of_records(self) -> str:
        """Path of a COCO annotation file in the model folder, which is written if it is missing."""
        data = self.task_config.validation_data
        identity = f"{data.input_path} {data.num_examples}".encode()
        name = f"annotations_{hashlib.sha256(identity).hexdigest()[:8]}.json"
        path = os.path.join(self.logging_dir, name)
        if not tf.io.gfile.exists(path):
            tf.io.gfile.makedirs(self.logging_dir)
            try:
                coco_utils.scan_and_generator_annotation_file(
                    records.patterns(data.input_path),
                    data.file_type,
                    data.num_examples,
                    True,
                    path,
                )
            except tf.errors.DataLossError as error:
                raise TrainersError(
                    f"a record of {data.input_path!r} is corrupt; make the files again. "
                    f"TensorFlow says: {reason(error)}"
                ) from error
        return path
