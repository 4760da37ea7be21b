"""What a benchmark runs on, which goes with its figures: ratios differ between processors."""

import pathlib
import platform

_CPUINFO = pathlib.Path("/proc/cpuinfo")
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}
_THREADS = 2


def prepare() -> None:
    """TensorFlow takes as many threads as the figures are for, and warns of no retracing."""
    import tensorflow as tf

    # Each contender is a tf.function of its own, made in a loop.
    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(_THREADS)


def describe() -> str:
    """Such as "AMD EPYC with AVX2, 2 threads, TensorFlow 2.20.0 with oneDNN".

    By itself TensorFlow takes oneDNN's kernels on processors with AVX-512 VNNI alone; elsewhere
    the environment variable TF_ENABLE_ONEDNN_OPTS=1 makes it do so. Keras's layers gain by them.
    """
    import tensorflow as tf
    from tensorflow.python.util import _pywrap_util_port

    library = " with oneDNN" if _pywrap_util_port.IsMklEnabled() else ""
    return f"{processor()}, {_THREADS} threads, TensorFlow {tf.__version__}{library}"


def processor(cpuinfo: pathlib.Path = _CPUINFO) -> str:
    """Its model and widest vector instructions, as far as the system reports them."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    fields = {key.strip(): value.strip() for key, _, value in (s.partition(":") for s in lines)}
    name = fields.get("model name") or platform.machine()
    flags = fields.get("flags", "").split()
    vectors = [title for flag, title in _VECTORS.items() if flag in flags]
    return f"{name} with {vectors[0]}" if vectors else name
