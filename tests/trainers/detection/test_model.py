"""The layers of Mask R-CNN: how many of which kind, and that nothing else depends on them."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from official.vision.configs import backbones, maskrcnn
from official.vision.modeling import factory
from official.vision.modeling.backbones.spinenet import SPINENET_BLOCK_SPECS

from evonorm_tf.layers.base import NormAct
from tests.tiers import tiered
from trainers.detection.config import ModelConfig
from trainers.detection.model import build_maskrcnn
from trainers.detection.shapes import draw, example
from trainers.detection.task import MaskRCNNTask
from trainers.experiments import coco, shapes

# Of table 5: one with statistics of the batch, and EvoNorm-S0's rival.
OTHERS = ("evonorm_b0", "gn_relu")
LAYERS = tiered(["evonorm_s0", *OTHERS], slow=["evonorm_s0"])
PARTS = ("backbone", "decoder", "rpn_head", "detection_head", "mask_head")


@pytest.fixture(scope="module")
def small():
    """The small experiments' models by layer, built once."""
    models = {}

    def get(layer):
        if layer not in models:
            tf.keras.backend.clear_session()  # resets the counters in names
            models[layer] = MaskRCNNTask(shapes.config(layer).task).build_model()
        return models[layer]

    return get


def submodules(part):
    """All layers of a part, which may be a list of heads."""
    heads = part if isinstance(part, collections.abc.Sequence) else [part]
    return [layer for head in heads for layer in head.submodules]


def kinds(model):
    """Numbers of nonlinear and linear norm-act layers by part."""
    counts = {}
    for name in PARTS:
        part = getattr(model, name)
        if part is not None:
            layers = [layer for layer in submodules(part) if isinstance(layer, NormAct)]
            nonlinear = sum(layer.nonlinearity for layer in layers)
            counts[name] = (nonlinear, len(layers) - nonlinear)
    return counts


def batch_normalizations(model):
    found = [m for m in model.submodules if isinstance(m, tf.keras.layers.BatchNormalization)]
    return [layer for layer in found if not isinstance(layer, NormAct)]


def others(model):
    """The variables that belong to no norm-act layer."""
    own = {id(v) for m in model.submodules if isinstance(m, NormAct) for v in m.variables}
    return [variable for variable in model.variables if id(variable) not in own]


@pytest.mark.slow
def test_every_pair_of_norm_and_activation_is_the_layer(small):
    model = small("evonorm_s0")
    assert not batch_normalizations(model)
    assert kinds(model) == {
        # The stem; in 8 blocks one within and one at the end; a projection in each of 4 stages.
        "backbone": (1 + 8, 8 + 4),
        "decoder": (0, 4),  # four levels, and nothing follows
        "rpn_head": (4, 0),  # one convolution, with a layer for each level
        "detection_head": (1 + 1, 0),  # a convolution and a dense layer
        "mask_head": (2 + 1, 0),  # two convolutions and the upsampling
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_the_layer_changes_nothing_else(small, layer):
    first, second = others(small("bn_relu")), others(small(layer))
    assert [v.name for v in first] == [v.name for v in second]
    # Kernels of the backbone; kernels and biases of decoder, proposals, boxes, masks.
    assert len(first) == (1 + 16 + 4) + 2 * (4 + 4) + 2 * 3 + 2 * 4 + 2 * 4
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.name)


def test_an_activation_follows_no_nonlinear_layer(small):
    """A ReLU is only behind additions."""
    model = small("evonorm_s0")
    relus = [m for m in model.backbone.layers if isinstance(m, tf.keras.layers.ReLU)]
    assert len(relus) == 8
    for relu in relus:
        (node,) = relu.inbound_nodes
        assert isinstance(node.inbound_layers, tf.keras.layers.Add)
    for head in (model.rpn_head, model.detection_head[0], model.mask_head):
        x = tf.constant([-1.0, 1.0])
        np.testing.assert_array_equal(head._activation(x), x)


def batch(task, count=2):
    """Inputs of the task from drawn images, without files."""
    rng = np.random.default_rng(3)
    records = [example(n + 1, *draw(rng)).SerializeToString() for n in range(count)]
    data = task.task_config.train_data
    path = tf.io.gfile.join("ram://", "detection_batch.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return next(iter(task.build_inputs(data.replace(input_path=path, global_batch_size=count))))


@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_reaches_every_variable(small, layer):
    task = MaskRCNNTask(shapes.config(layer).task)
    model = small(layer)
    rng = np.random.default_rng(0)
    kept = model.get_weights()
    # Gammas at 0 hide the branches, and logits of almost 0 hide the rest.
    model.set_weights([w + rng.normal(0, 0.1, w.shape).astype(np.float32) for w in kept])
    with tf.GradientTape() as tape:
        loss = task._losses(batch(task), model)["total_loss"]
    gradients = tape.gradient(loss, model.trainable_variables)
    model.set_weights(kept)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient).all(), variable.name
        assert np.any(gradient), variable.name


def stock(config: ModelConfig):
    """tf-models-official's own Mask R-CNN of the same settings."""
    official = maskrcnn.MaskRCNN(
        num_classes=config.num_classes,
        input_size=config.input_size,
        min_level=config.min_level,
        max_level=config.max_level,
        decoder=config.decoder,
        norm_activation=config.norm_activation,
    )
    official.backbone.type = config.backbone.type
    if config.backbone.type == "spinenet":
        official.backbone.spinenet = backbones.SpineNet(
            model_id=config.backbone.spinenet.model_id, min_level=3, max_level=7
        )
    images = tf.keras.layers.InputSpec(shape=[None, *config.input_size])
    model = factory.build_maskrcnn(images, official)
    model(tf.keras.Input(config.input_size), image_shape=tf.keras.Input([2]), training=False)
    return model


def spinenet_kinds():
    """Nonlinear and linear layers of SpineNet-49, from its specification alone."""
    levels, blocks = [2, 2], ["bottleneck", "bottleneck"]
    nonlinear, linear = 1 + 2 * 2, 0 + 2  # stem; two blocks with two layers and an end each
    linear += 1  # the first block projects 64 to 256 channels; the second does not
    for level, block, parents, is_output in SPINENET_BLOCK_SPECS:
        if is_output and level < 3:  # no output is wanted there, and nothing else uses it
            continue
        for parent in parents:
            nonlinear += 2 if levels[parent] < level else 1
            linear += 1
        nonlinear += 2 if block == "bottleneck" else 1
        linear += 1  # all inputs have the block's channels already: no projection
        levels.append(level)
        blocks.append(block)
    return nonlinear + 5, linear  # five levels end in a layer


@pytest.mark.parametrize("backbone", tiered(["r50_fpn", "spinenet49"], slow=["r50_fpn"]))
def test_as_many_layers_and_parameters_as_norms_in_tf_models_official(backbone):
    config = coco.config(backbone.replace("49", "96"), "bn_relu").task.model
    config.input_size = [128, 128, 3]
    config.num_classes = 4  # of 91: both build a loop of non-maximum suppression for each
    config.backbone.spinenet.model_id = "49"
    ours, theirs = build_maskrcnn(config), stock(config)
    assert not batch_normalizations(ours)
    assert sum(map(sum, kinds(ours).values())) == len(batch_normalizations(theirs))
    shapes_of = [sorted(map(tuple, (w.shape for w in m.variables))) for m in (ours, theirs)]
    assert shapes_of[0] == shapes_of[1]
    if backbone == "spinenet49":
        assert kinds(ours)["backbone"] == spinenet_kinds()
    else:
        # 16 blocks with two within and one at the end, 4 projections.
        assert kinds(ours)["backbone"] == (1 + 2 * 16, 16 + 4)
