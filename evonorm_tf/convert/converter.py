"""`convert_model`: replaces the normalization and activation layers of a Keras model."""

from typing import Any

import tensorflow as tf

from evonorm_tf.convert import folding, model_graph, plan, rebuild, targets
from evonorm_tf.convert.calibration import distillation, fitting
from evonorm_tf.convert.calibration.examples import Examples
from evonorm_tf.convert.report import Report
from evonorm_tf.convert.sources import KINDS
from evonorm_tf.factory import NormAct
from evonorm_tf.layers.arguments import checks

_LINEAR = ("convert", "affine", "keep")


def convert_model(
    model: tf.keras.Model,
    to: NormAct,
    *,
    linear: str = "convert",
    sources: tuple[str, ...] = ("batch", "norm_act"),
    dry_run: bool = False,
    calibrate: Any = None,
    refit_kernels: bool = True,
    distill: int = 0,
    **kwargs: Any,
) -> tuple[tf.keras.Model, Report]:
    """Replaces the normalization and activation layers of a model.

    A normalization whose output goes only to an activation becomes the norm-act layer, with the
    name of the normalization; an identity layer keeps the name of the activation. A normalization
    without a following activation becomes the layer's linear form (`nonlinearity=False`).
    Activations that follow no normalization stay, and so do sigmoid and softmax, which are gates
    and distributions. Nested models are converted too, shared layers stay shared, all names stay,
    and the weights of all other layers are copied. The given model does not change; the new one
    is not compiled.

    Gamma and beta are copied where both layers apply them to the same thing: to the normalized
    input, or to the result of the nonlinearity. An EvoNorm applies them after its nonlinearity, so
    in place of batch normalization they start at 1 and 0. Where batch normalization becomes
    x * gamma + beta, the moving statistics are folded into gamma and beta, so that the layer
    computes the same function in inference. Moving statistics are copied where both layers have
    them.

    With `calibrate`, the new model computes nearly what the given one does, without labels or
    training. Places are fitted one after the other, from the inputs to the outputs, to what the
    old network computes there in inference. The convolution before a fused batch norm takes over
    the norm's scale and offset, and has a bias then; where no convolution comes before, an
    additional layer x * gamma + beta does. Moving averages are set from the examples, gamma and
    beta by least squares, and v by gradient descent on the correlation with the old output.

    Args:
      model: a built functional or sequential model, of any Keras generation.
      to: registered name, `LayerGraph`, class or callable, as for `norm_act_factory`; or "keras",
        which turns BN-ReLU, BN-SiLU, GN-ReLU and GN-SiLU layers back into Keras's own.
      linear: what happens to a normalization without a following activation. "convert" replaces
        it by the layer's linear form, except for group and layer normalization where that form is
        x * gamma + beta, which does not normalize; "affine" replaces these too; "keep" keeps all
        of them. `Report.lost_norms` counts the places that no longer have a normalization.
      sources: which layers to replace: any of "batch", "group", "layer" (Keras's normalization
        layers) and "norm_act" (this package's layers).
      dry_run: whether to return the given model itself, with the report of what would be done.
      calibrate: a few hundred inputs of the model, without labels: an array, a
        `tf.data.Dataset` or a generator of batches, of which the first 1,024 inputs are taken, and
        of (inputs, labels) the inputs. A fifth is left out, to measure the agreement.
      refit_kernels: with `calibrate`, whether convolutions and dense layers after a replaced place
        are refitted too, by ridge regression to their old outputs.
      distill: with `calibrate`, steps of a training of all trainable weights afterwards, on batches
        of 64 of the same inputs, for the old network's outputs and features.
      **kwargs: constructor arguments of the new layers, for a name or graph.

    Returns:
      The new model, and a `Report` of every place; `print(report)` lists them. After a
      calibration it has for each place the share of the variance that is kept, and the agreement
      of both models on inputs left out.

    Raises:
      ValueError: for a model that is not a graph of layers (subclassed or not built), for
        arguments out of their range, and for inputs to calibrate on that the model does not take,
        that are not finite, of another range than it was trained with, or too few.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> layers = [tf.keras.layers.BatchNormalization(), tf.keras.layers.ReLU()]
      >>> model = tf.keras.Sequential([tf.keras.Input((8, 8, 16)), *layers])
      >>> new_model, report = en.convert_model(model, "evonorm_s0")
      >>> [(place.source, place.action, place.target) for place in report.places]
      [('BatchNormalization', 'fused', 'EvoNormS0')]
    """
    _check_arguments(linear, sources, dry_run)
    _check_calibration(to, calibrate, refit_kernels, distill)
    target = targets.target_of(to, kwargs)
    check_model(model)
    planned = plan.make_plan(model, target, linear, tuple(sources))
    if calibrate is None:
        new_model = _rebuilt(planned, target).model
        return (model if dry_run else new_model), planned.report
    examples = Examples(calibrate, model)
    folding.plan_folding(planned, target)
    rebuilt = _rebuilt(planned, target)
    if dry_run:
        return model, planned.report
    fitting.fit_places(planned, rebuilt, examples.fitted, refit_kernels)
    if distill:
        distillation.distill(planned, rebuilt, examples.fitted, distill)
    planned.report.agreement = fitting.agreement(model, rebuilt.model, examples.held_out)
    return rebuilt.model, planned.report


def convert_to(
    model: tf.keras.Model, target: Any, linear: str, sources: tuple[str, ...]
) -> tuple[tf.keras.Model, Report]:
    """Converts a model to a target of `targets`; the other arguments are `convert_model`'s."""
    planned = plan.make_plan(model, target, linear, sources)
    return _rebuilt(planned, target).model, planned.report


def _rebuilt(planned: plan.Plan, target: Any) -> rebuild.Rebuilt:
    result = rebuild.rebuild(planned, target)
    _note_class_change(planned.report, planned.graphs[0].model, result.model)
    return result


def _note_class_change(report: Report, model: tf.keras.Model, new_model: tf.keras.Model) -> None:
    """Notes that a subclass of the functional model, such as a Sequential, has become one."""
    if type(new_model) is not type(model):
        report.notes.append(f"the new model is a functional one, not a {type(model).__name__}")


def _check_arguments(linear: Any, kinds: Any, dry_run: Any) -> None:
    checks.check_bool("dry_run", dry_run)
    if linear not in _LINEAR:
        raise ValueError(
            f"`linear` must be one of {', '.join(_LINEAR)}. Received: linear={linear!r}"
        )
    if isinstance(kinds, str) or not set(kinds) <= set(KINDS):
        raise ValueError(
            f"`sources` must be a list of some of {', '.join(KINDS)}. Received: sources={kinds!r}"
        )


def _check_calibration(to: Any, data: Any, refit_kernels: Any, steps: Any) -> None:
    checks.check_bool("refit_kernels", refit_kernels)
    if steps:
        checks.check_positive_int("distill", steps)
        if data is None:
            raise ValueError(f"`distill` needs `calibrate`. Received: distill={steps}")
    if data is not None and to == targets.KERAS:
        raise ValueError('`calibrate` is not for to="keras", which changes no function')


def check_model(model: Any) -> None:
    """Raises ValueError for anything but a model that is a graph of layers."""
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
        advice = "it is not a model of the Keras that `tf.keras` is"
    raise ValueError(
        "`model` must be a built functional or sequential Keras model. "
        f"Received: {type(model).__name__}; {advice}"
    )
