"""What a backend refuses, and what it does with unusual inputs."""

import json

import keras
import numpy as np

import evonorm_tf as en
from tests.evonorm_tf.layer_values import data

BACKEND = keras.backend.backend()
X = data((2, 3, 3, 8))


def _registered_primitive():
    en.ops.register("PLUS_ONE", function=lambda x: x + 1.0)
    en.GraphLayer(en.LayerGraph((en.Node("PLUS_ONE", (0,)),)))


REFUSED = {
    "convert_model": lambda: en.convert_model,
    "quantizable": lambda: en.quantizable,
    "registered primitive": _registered_primitive,
    "primitive layer": lambda: en.PrimitiveLayer("PLUS_ONE"),
    "synchronized": lambda: en.EvoNormB0(synchronized=True)(X, training=True),
    "integers": lambda: en.EvoNormS0()(np.zeros((2, 3, 3, 8), np.int32)),
    "mask": lambda: en.EvoNormB0()(X, mask=np.ones((2, 3), bool)),
    "rank": lambda: en.EvoNormB0()(X[0, 0]),
    "groups": lambda: en.EvoNormS0(groups=0),
    "misspelt": lambda: en.EvoNormS0(num_groups=4),
}


def messages(folder):
    """Saves the error of each refused call; null where there is none."""
    found = {}
    for name, call in REFUSED.items():
        try:
            call()
            found[name] = None
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    (folder / f"messages.{BACKEND}.json").write_text(json.dumps(found))


def unusual(folder):
    """Saves outputs for empty batches, half precision, and layers that are frozen or made."""
    outputs = {}
    layer = en.EvoNormB0()
    layer(X, training=True)
    before = _array(layer.moving_variance)
    outputs["empty batch"] = layer(X[:0], training=True)
    outputs["kept average"] = _array(layer.moving_variance) - before
    frozen = en.BatchNormReLU(trainable=False)
    outputs["frozen"] = frozen(X, training=True)
    half = en.EvoNormS0(groups=4, dtype="mixed_float16")
    outputs["half"] = half((X * 10000).astype(np.float16))
    for name, made in _made().items():
        outputs[f"made {name}"] = made(X)
    np.savez(folder / f"unusual.{BACKEND}.npz", **{k: _array(v) for k, v in outputs.items()})


def _made():
    graph = en.LayerGraph((en.Node("SIGMOID", (0,)), en.Node("MUL", (0, 4))))
    return {
        "by name": en.norm_act_factory("evonorm_s0", groups=4)(),
        "from a graph": en.norm_act_factory(graph)(nonlinearity=False),
        "by a class": en.norm_act_factory(en.EvoNormS1)(gamma_initializer="zeros"),
        "by a callable": en.norm_act_factory(lambda nonlinearity, name: en.get("frn", name=name))(
            gamma_initializer="zeros"
        ),
    }


def _array(value):
    return keras.ops.convert_to_numpy(value)
