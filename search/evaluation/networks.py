"""The networks in which layers are scored: the known anchors, or a user's own."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from evonorm_tf import norm_act_factory, registry
from evonorm_tf.convert.report import Report
from evonorm_tf.factory import NormAct
from search.config import Evaluation
from search.errors import SearchError
from search.evaluation import converted
from search.evaluation.exchangeable_layer import ExchangeableLayer
from trainers import named_function
from trainers.data import ImageData
from trainers.errors import TrainersError, reason
from trainers.models.anchor_sources import Kind, kind_of
from trainers.models.anchors import ANCHORS
from trainers.platform.model_parts import layers_within

_EXAMPLES = 2
# Names of layers under "searched", "affine" (x * gamma + beta), and "kept" with a reason each.
Places: TypeAlias = dict[str, list[str]]


def build(
    anchor: str,
    images: ImageData,
    settings: Evaluation,
    seed: int,
    norm_act: NormAct | None = None,
    width: float | None = 1.0,
) -> tf.keras.Model:
    """A new network from images to logits.

    Args:
      anchor: any of `trainers.models.anchor_sources`.
      images: the data, whose shape and number of classes the network has.
      settings: the configuration's `evaluation`.
      seed: seed of the kernels.
      norm_act: the layer; None for an `ExchangeableLayer` in each place.
      width: factor on the anchor's width; None for the full width of the network that it is a
        narrow one of. A user's own network has one width.

    Raises:
      TrainersError: in one line, if a user's network cannot be made.
    """
    return _build(anchor, images, settings, seed, norm_act, width)[0]


def _build(
    anchor: str,
    images: ImageData,
    settings: Evaluation,
    seed: int,
    norm_act: NormAct | None,
    width: float | None,
) -> tuple[tf.keras.Model, Report | None]:
    """The network of `build`, and the report on the places of one that was converted."""
    tf.keras.utils.set_random_seed(seed)
    make, kind = _maker(norm_act, settings.groups), kind_of(anchor)
    if kind is Kind.FILE:
        return converted.from_file(anchor, make)
    shape = images.train.images.shape[1:]
    input_shape = shape if settings.crop is None else (None, None, shape[-1])
    given: dict[str, Any] = {"num_classes": images.num_classes, "input_shape": input_shape}
    if kind is Kind.APPLICATION:
        return converted.application(anchor, norm_act=make, **given)
    if kind is Kind.FUNCTION:
        return named_function.call(anchor, norm_act=make, **given), None
    spec = ANCHORS[anchor]
    own_width = spec.arguments.get("width", 1.0)
    arguments = {**spec.arguments, "width": 1.0 if width is None else width * own_width}
    return spec.build(name=anchor, norm_act=make, **given, **arguments), None


def _maker(norm_act: NormAct | None, groups: int) -> Callable[..., tf.keras.layers.Layer]:
    """What makes a network's layers; a registered layer has the groups that candidates have."""
    if norm_act is None:
        return norm_act_factory(
            lambda nonlinearity, name: ExchangeableLayer(groups, nonlinearity, name=name)
        )
    if isinstance(norm_act, str) and hasattr(registry.get(norm_act), "groups"):
        return norm_act_factory(norm_act, groups=groups)
    return norm_act_factory(norm_act)


def searched_layers(model: tf.keras.Model) -> list[ExchangeableLayer]:
    """The layers of a network, and of networks in it, that a search exchanges."""
    return layers_within(model, ExchangeableLayer)


def check_own(anchor: str, images: ImageData, settings: Evaluation) -> Places | None:
    """Builds a user's network and calls it once.

    The network is called with images of both sizes if a crop makes those of training smaller.

    Returns:
      The places of a network that was converted; None for a function's.

    Raises:
      SearchError: in one line, for a network that cannot be used.
    """
    try:
        model, report = _build(anchor, images, settings, 0, None, 1.0)
        if not isinstance(model, tf.keras.Model):
            raise TrainersError(
                f"the function must return a tf.keras.Model. Received: {type(model).__name__} of "
                f"{type(model).__module__}"
            )
        kind = tf.int32 if images.train.images.dtype == np.int32 else tf.float32
        for shape in _shapes(images, settings):
            examples = tf.zeros((_EXAMPLES, *shape), kind)
            _check_outputs(model, examples, images.num_classes, settings.inputs)
        if not any(layer.nonlinearity for layer in searched_layers(model)):
            what = (
                "which norm_act(nonlinearity=True, name=...) makes"
                if report is None
                else "in place of a normalization and an activation"
            )
            raise TrainersError(
                f"the network must have a searched layer, {what}. Received: a network without one"
            )
        return None if report is None else _places(model, report)
    except TrainersError as error:
        raise SearchError(f"evaluation.anchors cannot be {anchor!r}: {error}") from error


def _places(model: tf.keras.Model, report: Report) -> Places:
    layers = searched_layers(model)
    kept = [place for place in report.places if place.action == "kept"]
    return {
        "searched": [layer.name for layer in layers if layer.nonlinearity],
        "affine": [layer.name for layer in layers if not layer.nonlinearity],
        "kept": [f"{place.layer.partition('/')[2]} ({place.reason})" for place in kept],
    }


def _shapes(images: ImageData, settings: Evaluation) -> Iterator[tuple[int, ...]]:
    shape = images.train.images.shape[1:]
    yield shape
    if settings.crop is not None:
        yield settings.crop, settings.crop, shape[-1]


def _check_outputs(
    model: tf.keras.Model, examples: tf.Tensor, num_classes: int, inputs: str
) -> None:
    try:
        logits = model(examples, training=False)
    except Exception as error:
        raise TrainersError(
            f"the network must take {inputs} of shape {tuple(examples.shape[1:])}. Calling it "
            f"raised {type(error).__name__}: {reason(error)}"
        ) from error
    if not isinstance(logits, tf.Tensor) or logits.shape != (_EXAMPLES, num_classes):
        received = logits.shape if isinstance(logits, tf.Tensor) else type(logits).__name__
        raise TrainersError(
            f"the network must have {num_classes} logits for each example, one for each class, so "
            f"({_EXAMPLES}, {num_classes}) for {_EXAMPLES} {inputs}. Received: {received}"
        )
    if logits.dtype != tf.float32:
        raise TrainersError(f"the logits must be float32. Received: {logits.dtype.name}")
