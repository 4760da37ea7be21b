"""One training step's output and gradients, with each backend's own differentiation."""

import keras


def outputs_and_gradients(layer, inputs, mask, upstream):
    """Output and gradients of sum(output * upstream) for the inputs and the trainable weights.

    Moving averages are updated. All results are NumPy arrays.
    """
    run = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    inputs = [keras.ops.convert_to_tensor(x) for x in inputs]
    options = {"training": True} if mask is None else {"training": True, "mask": mask}
    y, gradients = run(layer, inputs, options, keras.ops.convert_to_tensor(upstream))
    return [keras.ops.convert_to_numpy(value) for value in (y, *gradients)]


def _argument(inputs):
    return inputs if len(inputs) > 1 else inputs[0]


def _tensorflow(layer, inputs, options, upstream):
    import tensorflow as tf

    trainable = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(_argument(inputs), **options)
        loss = tf.reduce_sum(y * upstream)
    return y, tape.gradient(loss, [*inputs, *trainable], unconnected_gradients="zero")


def _jax(layer, inputs, options, upstream):
    import jax

    fixed = [weight.value for weight in layer.non_trainable_variables]

    def loss(inputs, trainable):
        y, moved = layer.stateless_call(trainable, fixed, _argument(inputs), **options)
        return (y * upstream).sum(), (y, moved)

    trainable = [weight.value for weight in layer.trainable_variables]
    gradients, (y, moved) = jax.grad(loss, argnums=(0, 1), has_aux=True)(inputs, trainable)
    for weight, value in zip(layer.non_trainable_variables, moved, strict=True):
        weight.assign(value)
    return y, [*gradients[0], *gradients[1]]


def _torch(layer, inputs, options, upstream):
    import torch

    inputs = [x.requires_grad_() for x in inputs]
    trainable = [weight.value for weight in layer.trainable_weights]
    y = layer(_argument(inputs), **options)
    sources = [*inputs, *trainable]
    found = torch.autograd.grad((y * upstream).sum(), sources, allow_unused=True)
    zeros = [torch.zeros_like(source) for source in sources]
    return y, [zero if one is None else one for one, zero in zip(found, zeros, strict=True)]
