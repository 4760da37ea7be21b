"""`operations`: the C code of this folder as operations of TensorFlow, compiled when first used."""

import functools
import pathlib
import threading
from typing import Any

import tensorflow as tf

from evonorm_tf import c_code

_lock = threading.Lock()


def operations() -> Any:
    """The module of the operations; None without a compiler, or if EVONORM_CPU_KERNEL is 0."""
    if c_code.is_switched_off():
        return None
    with _lock:
        return _loaded()


def code() -> c_code.CCode:
    """The C code of the operations, which needs TensorFlow's headers and libraries."""
    libraries = pathlib.Path(tf.sysconfig.get_lib())
    return c_code.CCode(
        name="layers",
        folder=pathlib.Path(__file__).parent / "source",
        arguments=[
            f"-I{tf.sysconfig.get_include()}",
            *(str(path) for path in sorted(libraries.glob("libtensorflow_*.so.2"))),
        ],
        depends=[tf.__version__],
        without="layers run without compiled C code, which is slower",
    )


@functools.cache
def _loaded() -> Any:
    return code().load(_load)


def _load(path: str) -> Any:
    try:
        return tf.load_op_library(path)
    except tf.errors.OpError as error:
        raise RuntimeError(str(error)) from error
