"""How benchmarks write the values of several seeds."""

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float]) -> str:
    """The mean, and with several seeds the standard error."""
    mean = f"{statistics.fmean(values):.1f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(values) / len(values) ** 0.5:.1f}"
