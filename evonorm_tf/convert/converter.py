"""`convert_model`: another norm-act layer in a Keras model, in one line."""

from typing import Any

import tensorflow as tf

from evonorm_tf.convert import model_graph, plan, rebuild, targets
from evonorm_tf.convert.report import Report
from evonorm_tf.convert.sources import KINDS
from evonorm_tf.factory import NormAct
from evonorm_tf.layers import base

_LINEAR = ("convert", "affine", "keep")


def convert_model(
    model: tf.keras.Model,
    to: NormAct,
    *,
    linear: str = "convert",
    sources: tuple[str, ...] = ("batch", "norm_act"),
    dry_run: bool = False,
    **kwargs: Any,
) -> tuple[tf.keras.Model, Report]:
    """Replaces the normalization and activation layers of a model.

    A normalization that only an activation follows becomes the norm-act layer, under its
    own name; the activation's name stays as that of an identity. A normalization that no
    activation follows becomes the layer's linear form (`nonlinearity=False`). Activations
    that follow no normalization stay, and so do sigmoid and softmax, which are gates and
    distributions. Nested models are entered, shared layers stay shared, names stay, and all
    other weights are carried over. The given model is not changed; the new one is not
    compiled.

    Gamma and beta are carried over where they mean the same: between layers that normalize
    first and between layers of the same form. An EvoNorm applies them after its
    nonlinearity, so there they start at 1 and 0. Where batch normalization becomes
    x * gamma + beta they take in its moving statistics, which keeps the function it computes
    in inference. Moving statistics are carried where both layers have them.

    Args:
      model: a built functional or sequential model, of any Keras generation.
      to: registered name, `LayerGraph`, class or callable, as for `norm_act_factory`; or "keras",
        which turns BN-ReLU, BN-SiLU, GN-ReLU and GN-SiLU layers back into Keras's own.
      linear: what becomes of a normalization that no activation follows: "convert" makes it
        the layer's linear form, but keeps group and layer normalization where that form is
        x * gamma + beta, which normalizes nothing; "affine" takes these away too; "keep" keeps
        all. `Report.lost_norms` counts the places without a normalization.
      sources: what to replace: any of "batch", "group", "layer" (Keras's normalization
        layers) and "norm_act" (this package's layers).
      dry_run: return the given model itself, with the report of what would be done.
      **kwargs: constructor arguments of the new layers, for a name or graph.

    Returns:
      The new model, and a `Report` of every place; `print(report)` lists them.

    Raises:
      ValueError: for a model that is no graph of layers (subclassed or not built), and for
        arguments out of their range.
    """
    _check_arguments(linear, sources, dry_run)
    if to == targets.KERAS and kwargs:
        raise ValueError(f'arguments are not for to="keras". Received: {sorted(kwargs)}')
    target = targets.KerasTarget() if to == targets.KERAS else targets.NormActTarget(to, kwargs)
    _check_model(model)
    planned = plan.make_plan(model, target, linear, tuple(sources))
    new_model = rebuild.rebuild(planned, target)
    if type(new_model) is not type(model):
        planned.report.notes.append(
            f"the new model is a plain functional one, no {type(model).__name__}"
        )
    return (model if dry_run else new_model), planned.report


def _check_arguments(linear: Any, kinds: Any, dry_run: Any) -> None:
    base.check_bool("dry_run", dry_run)
    if linear not in _LINEAR:
        raise ValueError(
            f"`linear` must be one of {', '.join(_LINEAR)}. Received: linear={linear!r}"
        )
    if isinstance(kinds, str) or not set(kinds) <= set(KINDS):
        raise ValueError(
            f"`sources` must be a list of some of {', '.join(KINDS)}. Received: sources={kinds!r}"
        )


def _check_model(model: Any) -> None:
    if model_graph.is_rewritable(model):
        return
    if isinstance(model, tf.keras.Sequential):
        advice = "it is not built yet: give it an `Input` first, or call `build`"
    elif isinstance(model, tf.keras.Model):
        advice = (
            "its `call` is Python code, which cannot be rewritten: make its layers with "
            "`evonorm_tf.norm_act_factory`, or convert the functional models inside it"
        )
    else:
        advice = "it is no Keras model of the Keras that `tf.keras` is"
    raise ValueError(
        "`model` must be a built functional or sequential Keras model. "
        f"Received: {type(model).__name__}; {advice}"
    )
