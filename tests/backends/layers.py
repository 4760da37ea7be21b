"""The results of all cases on one backend, and from the files of others."""

import json

import keras
import numpy as np

from tests.backends import cases, gradients
from tests.evonorm_tf.layer_values import randomize, weights_by_name

BACKEND = keras.backend.backend()


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def results(layer, case):
    """All results of a case by name; the layer keeps its moving averages."""
    inputs = case.inputs()
    before = {name: array(weight) for name, weight in weights_by_name(layer).items()}
    inference = layer(inputs if len(inputs) > 1 else inputs[0])
    y, *found = gradients.outputs_and_gradients(layer, inputs, case.mask(), case.upstream())
    sources = [f"x{i}" for i in range(len(inputs))]
    sources += [name for name, weight in weights_by_name(layer).items() if weight.trainable]
    after = {name: array(weight) for name, weight in weights_by_name(layer).items()}
    for name, weight in weights_by_name(layer).items():
        weight.assign(before[name])
    return {
        "inference": array(inference),
        "training": y,
        **{f"gradient {name}": value for name, value in zip(sources, found, strict=True)},
        **{f"before {name}": value for name, value in before.items()},
        **{f"after {name}": value for name, value in after.items()},
    }


def model_of(case):
    """A functional model of one layer, for any batch and image size."""
    shape = [None] * (len(case.shape()) - 1)
    shape[case.axis if case.axis < 0 else case.axis - 1] = cases.SHAPE[-1]
    inputs = [keras.Input(shape, dtype=case.dtype) for _ in case.inputs()]
    layer = case.layer()
    return keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0])), layer


def compute(folder):
    """Results of all cases, and files of some."""
    for case in cases.ALL:
        if case in cases.IN_FILES:
            model, layer = model_of(case)
        else:
            layer = case.layer()
            shapes = [x.shape for x in case.inputs()]
            layer.build(shapes if len(shapes) > 1 else shapes[0])
        randomize(layer)
        if case in cases.IN_FILES:
            model.save(folder / f"{case.label()}.{BACKEND}.keras")
            config = json.dumps(layer.get_config(), default=str, sort_keys=True)
            (folder / f"{case.label()}.{BACKEND}.json").write_text(config)
        np.savez(folder / f"{case.label()}.{BACKEND}.npz", **results(layer, case))


def load(folder):
    """Results with the models that the other backends have saved."""
    for other in cases.BACKENDS:
        for case in cases.IN_FILES if other != BACKEND else ():
            model = keras.models.load_model(folder / f"{case.label()}.{other}.keras")
            found = results(model.layers[-1], case)
            np.savez(folder / f"{case.label()}.{other}-{BACKEND}.npz", **found)
