"""Mask R-CNN (He et al. 2017) of tf-models-official with any norm-act layer."""

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf
from official.vision.modeling import factory, maskrcnn_model
from official.vision.modeling.decoders import factory as decoder_factory

from evonorm_tf.factory import norm_act_factory
from trainers.backbones import BackboneModel
from trainers.detection.config import ModelConfig
from trainers.detection.heads import DetectionHead, MaskHead, RPNHead
from trainers.detection.spinenet import SpineNet
from trainers.models import norm_act
from trainers.models.resnet import resnet_features, resnet_network, resnet_spec

MaskRCNN: TypeAlias = maskrcnn_model.MaskRCNNModel
_MakeLayer = Callable[..., tf.keras.layers.Layer]


def build_maskrcnn(
    config: ModelConfig, regularizer: tf.keras.regularizers.Regularizer | None = None
) -> MaskRCNN:
    """A Mask R-CNN with the configured layer in place of every norm and activation.

    Norms that no activation follows become its linear form: at the ends of residual branches,
    in projections and the feature pyramid, and at the end of SpineNet's resamplings.

    Args:
      config: the model's configuration; its `norm_activation` is not read.
      regularizer: regularizer of the kernels of convolutions and dense layers.

    Returns:
      The model with its variables.

    Raises:
      ValueError: for an unknown layer, depth or size.
    """
    layer, arguments = norm_act.resolve(config.norm_act, config.norm_act_args.given())
    make_layer = norm_act_factory(layer, **arguments)
    backbone = build_backbone(config, regularizer)
    decoder = _decoder(config, backbone, make_layer, regularizer)
    images = tf.keras.layers.InputSpec(shape=[None, *config.input_size])
    stock = factory.build_maskrcnn(images, config, regularizer, backbone, decoder)
    parts = dict(stock.get_config())
    parts["rpn_head"] = RPNHead(make_layer, **stock.rpn_head.get_config(), name="rpn_head")
    parts["detection_head"] = [
        DetectionHead(make_layer, **head.get_config(), name=head.name)
        for head in stock.detection_head
    ]
    if config.include_mask:
        parts["mask_head"] = MaskHead(make_layer, **stock.mask_head.get_config(), name="mask_head")
    model = MaskRCNN(**parts)
    # The first call creates the variables of the heads.
    model(tf.keras.Input(config.input_size), image_shape=tf.keras.Input([2]), training=False)
    return model


def build_backbone(
    config: ModelConfig, regularizer: tf.keras.regularizers.Regularizer | None = None
) -> tf.keras.Model:
    """The configured backbone, from images to feature maps by level."""
    layer, arguments = norm_act.resolve(config.norm_act, config.norm_act_args.given())
    chosen = config.backbone.get()
    if config.backbone.type == "spinenet":
        return SpineNet(
            str(chosen.model_id),
            norm_act_factory(layer, **arguments),
            input_specs=tf.keras.layers.InputSpec(shape=[None, *config.input_size]),
            min_level=config.min_level,
            max_level=config.max_level,
            kernel_regularizer=regularizer,
        )
    net = resnet_network(layer, norm_act_args=arguments, kernel_regularizer=regularizer)
    images = tf.keras.Input(config.input_size)
    features = resnet_features(net, images, resnet_spec(chosen.depth), 1, chosen.width)
    return BackboneModel(images, {str(level): map_ for level, map_ in features.items()})


def _decoder(
    config: ModelConfig,
    backbone: tf.keras.Model,
    make_layer: _MakeLayer,
    regularizer: tf.keras.regularizers.Regularizer | None,
) -> tf.keras.Model | None:
    """The decoder, with the layer's linear form as its norms; None where there is no decoder."""
    stock = decoder_factory.build_decoder(backbone.output_specs, config, regularizer)
    if stock is None:
        return None

    def clone(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            return make_layer(nonlinearity=False, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    return tf.keras.models.clone_model(stock, clone_function=clone)
