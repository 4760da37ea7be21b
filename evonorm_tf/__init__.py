"""EvoNorm normalization-activation layers for Keras, and the graphs they come from.

Liu, Brock, Simonyan, Le: "Evolving Normalization-Activation Layers", NeurIPS 2020,
https://arxiv.org/abs/2004.02967.

`import evonorm_tf` imports neither TensorFlow nor Keras. Names that need them are imported at their
first use, and the layers as soon as Keras's backend is imported; see `keras_registration`. With
another backend than TensorFlow, the layers are those of `layers.portable`.
"""

# ruff: noqa: F403, F405
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from evonorm_tf import backend
from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.keras_registration import all_modules, follow_keras
from evonorm_tf.registry import get, names, register
from evonorm_tf.version import VERSION

__version__ = VERSION

__all__ = [
    "BatchNormReLU",
    "BatchNormSiLU",
    "EvoNormB0",
    "EvoNormB1",
    "EvoNormB2",
    "EvoNormS0",
    "EvoNormS1",
    "EvoNormS2",
    "FilterResponseNorm",
    "GraphLayer",
    "GroupNormReLU",
    "GroupNormSiLU",
    "LayerGraph",
    "LayerNormReLU",
    "Node",
    "PixelNormReLU",
    "PrimitiveLayer",
    "convert_model",
    "get",
    "names",
    "norm_act_factory",
    "ops",
    "quantizable",
    "register",
]

_MODULES = frozenset(module.name for module in pkgutil.iter_modules(__path__))

if TYPE_CHECKING:
    from evonorm_tf.convert import convert_model
    from evonorm_tf.factory import norm_act_factory
    from evonorm_tf.layers import *
    from evonorm_tf.numerics.quantization import quantizable
else:
    # Every other public name that needs Keras is a layer.
    _HOMES = {
        "convert_model": "convert",
        "norm_act_factory": "factory",
        "quantizable": "numerics.quantization",
    }
    _ON_TENSORFLOW_ALONE = {"convert", "convert_model", "quantizable"}

    def __getattr__(name: str) -> Any:
        if name in _ON_TENSORFLOW_ALONE:
            backend.check_is_tensorflow(f"evonorm_tf.{name}")
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'layers')}")
        return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


follow_keras(all_modules(__name__, __path__))
