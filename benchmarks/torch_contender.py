"""A process with one layer of timm: times a pass for each line that it reads.

python -m benchmarks.torch_contender evonorm_s0 timm [compiled] 32x56x56x128 float32
"""

import sys
import time

import torch
from timm.layers import EvoNorm2dB0, EvoNorm2dS0

_CLASSES = {"evonorm_b0": EvoNorm2dB0, "evonorm_s0": EvoNorm2dS0}
_THREADS = 2


def main() -> None:
    """Answers "forward" and "training" with seconds until its input ends."""
    name, _, *compiled, size, dtype = sys.argv[1:]
    torch.set_num_threads(_THREADS)
    batch, height, width, channels = map(int, size.split("x"))
    x = torch.randn(batch, channels, height, width, dtype=getattr(torch, dtype))
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    upstream = torch.randn_like(x)
    layer = _CLASSES[name](channels).to(memory_format=torch.channels_last).train()
    layer = layer.to(getattr(torch, dtype))
    run = torch.compile(layer) if compiled else layer
    for kind in sys.stdin:
        start = time.perf_counter()
        y = run(x)
        if kind.strip() == "training":
            torch.autograd.grad(y, [x, *layer.parameters()], upstream)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
