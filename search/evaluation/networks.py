"""The networks in which layers are scored: the known anchors, or a user's own functions."""

from collections.abc import Iterator

import tensorflow as tf

from evonorm_tf import norm_act_factory
from evonorm_tf.factory import NormAct
from search.config import Evaluation
from search.errors import SearchError
from search.evaluation.exchangeable_layer import ExchangeableLayer
from trainers import named_function
from trainers.data import ImageData
from trainers.errors import TrainersError, reason
from trainers.models.anchors import ANCHORS

_EXAMPLES = 2


def build(
    anchor: str,
    images: ImageData,
    settings: Evaluation,
    seed: int,
    norm_act: NormAct | None = None,
    width: float = 1.0,
) -> tf.keras.Model:
    """A new network from images to logits.

    Args:
      anchor: a name in `trainers.models.anchors.ANCHORS`, or the `module:function` of a user.
      images: the data, whose shape and number of classes the network has.
      settings: the configuration's `evaluation`.
      seed: seed of the kernels.
      norm_act: the layer; None for an `ExchangeableLayer` in each place.
      width: factor on the anchor's width; a user's own network has no other width.

    Raises:
      TrainersError: in one line, if a user's function cannot be called.
    """

    def searched(nonlinearity: bool, name: str) -> ExchangeableLayer:
        return ExchangeableLayer(settings.groups, nonlinearity, name=name)

    tf.keras.utils.set_random_seed(seed)
    layer = norm_act or searched
    shape = images.train.images.shape[1:]
    input_shape = shape if settings.crop is None else (None, None, shape[-1])
    given = {"num_classes": images.num_classes, "input_shape": input_shape}
    if named_function.is_function_name(anchor):
        return named_function.call(anchor, norm_act=norm_act_factory(layer), **given)
    spec = ANCHORS[anchor]
    arguments = {**spec.arguments, "width": width * spec.arguments.get("width", 1.0)}
    return spec.build(norm_act=layer, name=anchor, **given, **arguments)


def searched_layers(model: tf.keras.Model) -> list[ExchangeableLayer]:
    """The layers of a network, and of networks in it, that a search exchanges."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, ExchangeableLayer)]


def check_own(anchor: str, images: ImageData, settings: Evaluation) -> None:
    """Builds a user's network and calls it once. Raises SearchError, in one line, if it is wrong.

    The images are of the sizes of training and of evaluation, which a crop makes different.
    """
    try:
        model = build(anchor, images, settings, seed=0)
        if not isinstance(model, tf.keras.Model):
            raise TrainersError(
                f"the function must return a tf.keras.Model. Received: {type(model).__name__} of "
                f"{type(model).__module__}"
            )
        for shape in _shapes(images, settings):
            _check_outputs(model, shape, images.num_classes)
        if not searched_layers(model):
            raise TrainersError(
                "the network must have a searched layer, which "
                "norm_act(nonlinearity=True, name=...) makes. Received: a network without one"
            )
    except TrainersError as error:
        raise SearchError(f"evaluation.anchors cannot be {anchor!r}: {error}") from error


def _shapes(images: ImageData, settings: Evaluation) -> Iterator[tuple[int, ...]]:
    height, width, channels = images.train.images.shape[1:]
    yield height, width, channels
    if settings.crop is not None:
        yield settings.crop, settings.crop, channels


def _check_outputs(model: tf.keras.Model, shape: tuple[int, ...], num_classes: int) -> None:
    try:
        logits = model(tf.zeros((_EXAMPLES, *shape)), training=False)
    except Exception as error:
        raise TrainersError(
            f"the network must take images of shape {shape}. Calling it raised "
            f"{type(error).__name__}: {reason(error)}"
        ) from error
    if not isinstance(logits, tf.Tensor) or logits.shape != (_EXAMPLES, num_classes):
        received = logits.shape if isinstance(logits, tf.Tensor) else type(logits).__name__
        raise TrainersError(
            f"the network must have {num_classes} logits for each image, one for each class, so "
            f"({_EXAMPLES}, {num_classes}) for {_EXAMPLES} images. Received: {received}"
        )
    if logits.dtype != tf.float32:
        raise TrainersError(f"the logits must be float32. Received: {logits.dtype.name}")
