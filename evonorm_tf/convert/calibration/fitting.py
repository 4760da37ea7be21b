"""Calibration: fits every replaced place, from the inputs to the outputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf.convert import sources
from evonorm_tf.convert.calibration import layer_fit, range_check, ridge
from evonorm_tf.convert.calibration.examples import in_structure
from evonorm_tf.convert.calibration.moments import TINY, Batches, share_kept
from evonorm_tf.convert.calibration.walk import Pair, Visitor, Walk
from evonorm_tf.convert.plan import Plan
from evonorm_tf.convert.rebuild import Rebuilt
from evonorm_tf.convert.report import Agreement
from evonorm_tf.layers import base

_BATCH = 64
# So many values of a channel suffice, in a layer with more channels than that.
_ENOUGH = 256


def fit_places(
    plan: Plan, rebuilt: Rebuilt, arrays: Sequence[np.ndarray], refit_kernels: bool
) -> None:
    """Fits the new layers on examples, and reports the share of variance that each place keeps.

    Args:
      plan: of the conversion.
      rebuilt: the new network.
      arrays: examples, one array for each input.
      refit_kernels: whether kernels after a replaced place are fitted too.

    Raises:
      ValueError: for examples that are scaled differently from those of the network's training,
        or that are too few for the channels of a place.
    """
    Walk(plan, rebuilt, _Fitter(plan, refit_kernels)).run(list(map(_batches, arrays)))


def agreement(old: tf.keras.Model, new: tf.keras.Model, arrays: Sequence[np.ndarray]) -> Agreement:
    """How well two networks agree on examples: outputs, and predicted classes if there are any."""
    shares: list[float] = []
    equal: list[np.ndarray] = []
    for one, other in zip(_outputs(old, arrays), _outputs(new, arrays), strict=True):
        total = np.sum(np.square(one - one.mean(0)))
        shares.append(float(1.0 - np.sum(np.square(one - other)) / max(total, TINY)))
        if one.ndim == 2 and one.shape[1] > 1:
            equal.append(one.argmax(1) == other.argmax(1))
    classes = float(np.mean(equal)) if equal else None
    return Agreement(len(arrays[0]), float(np.mean(shares)), classes)


def _outputs(model: tf.keras.Model, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    parts = [
        [np.asarray(y, np.float64) for y in tf.nest.flatten(model(in_structure(model, batch)))]
        for batch in zip(*map(_batches, arrays), strict=True)
    ]
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def _batches(array: np.ndarray) -> Batches:
    return [tf.constant(array[i : i + _BATCH]) for i in range(0, len(array), _BATCH)]


class _Fitter(Visitor):
    def __init__(self, plan: Plan, refit_kernels: bool):
        self._plan, self._refits = plan, refit_kernels
        self._progress = tf.keras.utils.Progbar(len(plan.nonlinearity), unit_name="layer")
        self._has_checked = False

    def replaced(self, norm: Any, layers: Sequence[Any], x: Pair, target: Batches) -> None:
        place = self._plan.places[id(norm)]
        if not self._has_checked and sources.is_batch_norm(norm):
            self._has_checked = True
            range_check.check(norm, x.old, place.layer)
        *before, layer = layers
        new = x.new
        for affine in before:
            new = [affine(batch) for batch in new]
        if isinstance(layer, base.NormAct):
            _check_count(new, layer, place.layer)
            layer_fit.fit(layer, new, target)
        outputs = [layer(batch) for batch in new]
        place.kept = share_kept(outputs, target, sources.channel_axis(norm) or 0)
        self._progress.add(1)

    def kept(self, layer: Any, x: Pair, target: Callable[[], Batches]) -> None:
        if self._refits and not x.is_same and ridge.can_refit(layer):
            ridge.refit(layer, x.new, target())


def _check_count(x: Batches, layer: Any, name: str) -> None:
    channels = layer.channels
    count = sum(int(tf.size(batch)) for batch in x) // channels
    needed = min(channels, _ENOUGH)
    if count < needed:
        raise ValueError(
            f"`calibrate` must give at least {needed} values for each of the {channels} channels "
            f"of {name}. Received: {count}; give more or larger examples"
        )
