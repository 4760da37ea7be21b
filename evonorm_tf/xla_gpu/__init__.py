"""Both passes of the fused layers as XLA programs, for training on GPUs.

`layers/fused_layer.py` is the only module that imports this folder, and uses these two names.
Without the folder and that import, every layer runs in plain operations on GPUs.
"""

from evonorm_tf.xla_gpu.passes import PASSES, use_xla_programs

__all__ = ["PASSES", "use_xla_programs"]
