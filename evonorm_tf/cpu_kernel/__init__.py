"""Both passes of some layers in compiled C code, for training on CPUs.

They are EvoNorm-S0, EvoNorm-B0, GN-ReLU, and every EvoNorm with `nonlinearity=False`.
`layers/fused_layer.py` is the only module that imports this folder, and uses this name. Without
the folder and that import, every layer runs as where no C compiler is found.
"""

from evonorm_tf.cpu_kernel.passes import passes_of

__all__ = ["passes_of"]
