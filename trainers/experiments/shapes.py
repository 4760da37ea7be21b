"""A small Mask R-CNN for drawn shapes: 64x64 pixels, two images in a step, one CPU core.

`python -m trainers.detection.shapes` draws the data.
"""

from trainers.detection import files, shapes
from trainers.detection.config import DataConfig, ExperimentConfig, ModelConfig, TaskConfig
from trainers.engine.config import OptimizationConfig

STEPS = 2500
_BATCH_SIZE, _RATE = 2, 0.02
# As for the digits: with few channels the paper's 32 groups would have one channel each.
_GROUPS = 4


def config(layer: str, split: str = "validation") -> ExperimentConfig:
    """SGD with momentum, warm-up and cosine decay; evaluation at the end.

    Args:
      layer: registered name of the norm-act layer.
      split: the images that the evaluation scores, "validation" or "test".
    """
    model = _model()
    model.norm_act = layer
    if layer in ("gn_relu", "evonorm_s0"):
        model.norm_act_args.groups = _GROUPS
    task = TaskConfig(
        model=model,
        train_data=DataConfig(
            input_path=f"{files.FOLDER}/train.tfrecord",
            is_training=True,
            global_batch_size=_BATCH_SIZE,
            dtype="float32",
            shuffle_buffer_size=shapes.IMAGES["train"],
            seed=0,
        ),
        validation_data=DataConfig(
            input_path=f"{files.FOLDER}/{split}.tfrecord",
            global_batch_size=8,
            dtype="float32",
            drop_remainder=False,
            num_examples=shapes.IMAGES[split],
        ),
    )
    for data in (task.train_data, task.validation_data):
        data.parser.max_num_instances = shapes.MOST_OBJECTS
        data.parser.rpn_batch_size_per_im = 64
    task.train_data.parser.aug_rand_hflip = True
    task.losses.l2_weight_decay = 4e-5
    params = ExperimentConfig(task=task)
    trainer = params.trainer
    trainer.train_steps = trainer.validation_interval = trainer.checkpoint_interval = STEPS
    trainer.steps_per_loop = trainer.summary_interval = 100
    trainer.validation_steps = -1
    trainer.optimizer_config = _optimizer()
    return params


def _model() -> ModelConfig:
    """ResNet-18 of a quarter of the width, a pyramid of four levels, small heads."""
    model = ModelConfig(
        num_classes=len(shapes.CLASSES) + 1,
        input_size=[shapes.SIDE, shapes.SIDE, 3],
        min_level=2,
        max_level=5,
    )
    model.backbone.resnet.depth, model.backbone.resnet.width = 18, 0.25
    model.anchor.anchor_size = 4.0
    model.decoder.fpn.num_filters = model.rpn_head.num_filters = 32
    generator = model.roi_generator
    generator.pre_nms_top_k = generator.test_pre_nms_top_k = 128
    generator.num_proposals = generator.test_num_proposals = 32
    model.roi_sampler.num_sampled_rois, model.mask_sampler.num_sampled_masks = 32, 8
    model.roi_sampler.foreground_fraction = 0.25
    model.detection_head.num_convs, model.detection_head.num_filters = 1, 32
    model.detection_head.fc_dims = 64
    model.mask_head.num_convs, model.mask_head.num_filters = 2, 32
    model.mask_roi_aligner.crop_size = 7
    model.detection_generator.max_num_detections = 10
    return model


def _optimizer() -> OptimizationConfig:
    return OptimizationConfig(
        {
            "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "global_clipnorm": 10.0}},
            "learning_rate": {
                "type": "cosine",
                "cosine": {"initial_learning_rate": _RATE, "decay_steps": STEPS},
            },
            "warmup": {"type": "linear", "linear": {"warmup_steps": 100}},
        }
    )
