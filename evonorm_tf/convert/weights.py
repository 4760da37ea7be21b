"""Copies weights from a layer to the layer that replaces it."""

from typing import Any

import numpy as np

from evonorm_tf.convert import sources
from evonorm_tf.convert.folding import affine_of

_STATISTICS = ("moving_mean", "moving_variance", "moving_second_moment")


def carry(source: Any, target: Any) -> str:
    """Copies the weights that mean the same in both layers; returns their names.

    Gamma and beta are copied where both apply them to the same thing (`sources.form`).
    Where batch normalization becomes x * gamma + beta, they are folded with the moving
    statistics, which keeps the function that the layer computes in inference:

        gamma' = gamma / sqrt(moving_variance + epsilon),  beta' = beta - moving_mean * gamma'

    Moving statistics are copied where both layers have them. All other weights keep their
    initial values.
    """
    names = []
    source_form, target_form = sources.form(source), sources.form(target)
    if source_form is not None and source_form == target_form:
        names += ["gamma", "beta"]
        if type(source) is type(target):
            names += ["v"]
    elif sources.is_batch_norm(source) and target_form == "plain":
        return _fold(source, target)
    copied = [name for name in (*names, *_STATISTICS) if _copy(source, target, name)]
    return ", ".join(copied)


def _copy(source: Any, target: Any, name: str) -> bool:
    old, new = getattr(source, name, None), getattr(target, name, None)
    if old is None or new is None or tuple(old.shape) != tuple(new.shape):
        return False
    new.assign(np.asarray(old))
    return True


def _fold(source: Any, target: Any) -> str:
    scale, offset = affine_of(source)
    target.gamma.assign(scale)
    target.beta.assign(offset)
    return "gamma, beta (folded with the moving statistics)"
