"""The interval of a share."""

import math

import pytest

from benchmarks import shares


@pytest.mark.parametrize(("count", "total"), [(1, 4), (7, 30), (0, 15), (15, 15)])
def test_the_interval_is_wilsons(count, total):
    # Wilson, 1927: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4 n^2)) / (1 + z^2 / n)
    n, p, z = total, count / total, 1.959964
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = (100 * value for value in (middle - half, middle + half))
    assert shares.percent(count, total) == f"{100 * p:.0f} % ({abs(low):.0f} to {high:.0f})"
