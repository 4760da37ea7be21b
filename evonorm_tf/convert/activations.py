"""Finds and names the activations among the calls of a model."""

import math
from typing import Any

import tensorflow as tf

from evonorm_tf.convert.model_graph import Call, ModelGraph

# Gates and distributions, which are not activations of features: the model needs them.
GATES = ("sigmoid", "hard_sigmoid", "softmax", "log_softmax")
_LAYERS = {
    tf.keras.layers.LeakyReLU: "leaky_relu",
    tf.keras.layers.PReLU: "prelu",
    tf.keras.layers.ELU: "elu",
}
_OPERATIONS = {
    *("relu", "relu6", "silu", "swish", "hard_swish", "hard_silu", "hardswish", "hardsilu"),
    *("elu", "selu", "gelu", "leaky_relu", "leakyrelu", "tanh", "softplus", "mish"),
}
_HARD_SIGMOID = [("add", 3.0), ("relu6", None), ("multiply", 1 / 6)]
_LONGEST_GATE = len(_HARD_SIGMOID)


def activation_name(layer: Any) -> str | None:
    """The activation that a layer or operation computes; None if it computes another function."""
    if isinstance(layer, tf.keras.layers.ReLU):
        limit = layer.max_value
        return "relu" if limit is None else f"relu{limit:g}"
    if isinstance(layer, tf.keras.layers.Activation):
        function = layer.activation
        name = getattr(function, "__name__", type(function).__name__.lower())
        return None if name == "linear" else name.removesuffix("_v2")  # tf.nn.softmax is softmax_v2
    for layer_class, name in _LAYERS.items():
        if isinstance(layer, layer_class):
            return name
    name = _operation_name(layer)
    return name if name in _OPERATIONS else None


def is_activation_layer(layer: Any) -> bool:
    """Whether a layer is only an activation, so that an identity can replace it."""
    kinds = (tf.keras.layers.ReLU, tf.keras.layers.Activation, *_LAYERS)
    return isinstance(layer, kinds)


def gated_product(graph: ModelGraph, tensor: Any) -> tuple[str, list[Call]] | None:
    """The activation x * gate(x) that follows a tensor as separate calls, with these calls.

    Finds swish and, as in Keras 2's MobileNetV3, hard swish as x * (relu6(x + 3) / 6).
    """
    calls = graph.consumers(tensor)
    products = [call for call in calls if _is_product_with(graph, call, tensor)]
    if len(calls) != 2 or len(products) != 1:
        return None
    product = products[0]
    (call,) = (call for call in calls if call is not product)
    gate: list[Call] = []
    while call is not product and len(gate) < _LONGEST_GATE:
        gate.append(call)
        followers = graph.consumers(call.outputs[0])
        if len(call.outputs) != 1 or len(followers) != 1 or graph.is_output(call.outputs[0]):
            return None
        call = followers[0]
    if call is not product:
        return None
    steps = [_step(graph, call) for call in gate]
    if len(steps) == len(_HARD_SIGMOID) and all(map(_same_step, steps, _HARD_SIGMOID)):
        return "hard_swish", [*gate, product]
    if steps in ([("hard_sigmoid", None)], [("sigmoid", None)]):
        return steps[0][0].replace("sigmoid", "swish"), [*gate, product]
    return None


def _is_product_with(graph: ModelGraph, call: Call, tensor: Any) -> bool:
    factors = graph.inputs(call)
    return (
        _operation_name(call.layer) in ("multiply", "mul")
        and len(factors) == 2
        and sum(factor is tensor for factor in factors) == 1
    )


def _step(graph: ModelGraph, call: Call) -> tuple[str, float | None]:
    """The operation of a call, and its numeric argument if it has one."""
    name = activation_name(call.layer) or _operation_name(call.layer)
    values = tf.nest.flatten((call.args, call.kwargs))
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    number = float(numbers[0]) if len(numbers) == 1 and len(graph.inputs(call)) == 1 else None
    if name in ("truediv", "divide", "div") and number:
        name, number = "multiply", 1 / number
    return ("multiply" if name == "mul" else name), number


def _same_step(step: tuple[str, float | None], expected: tuple[str, float | None]) -> bool:
    (name, number), (expected_name, expected_number) = step, expected
    if number is None or expected_number is None:
        return step == expected
    return name == expected_name and math.isclose(number, expected_number, rel_tol=1e-6)


def _operation_name(layer: Any) -> str:
    # Keras 2 wraps TensorFlow functions, as "nn.relu" or "math.multiply"; Keras 3's
    # operations are classes, and so are layers such as Multiply in both.
    symbol = getattr(layer, "symbol", None) or type(layer).__name__
    return str(symbol).rsplit(".", 1)[-1].lower()
