"""Both passes of the fused layers as XLA programs, for training on CPUs.

`layers/fused_layer.py` is the only module that imports this folder, and uses these two names.
Without the folder and that import, every layer runs in plain operations.
"""

from evonorm_tf.xla_cpu.passes import PASSES
from evonorm_tf.xla_cpu.programs import use_xla_programs

__all__ = ["PASSES", "use_xla_programs"]
