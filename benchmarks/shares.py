"""A share as the reports of benchmarks write it."""


def percent(count: int, total: int) -> str:
    """A share in percent with Wilson's 95 % interval, such as "23 % (12 to 41)"."""
    from scipy import stats

    interval = stats.binomtest(count, total).proportion_ci(method="wilson")
    share, low, high = (100 * value for value in (count / total, interval.low, interval.high))
    return f"{share:.0f} % ({low:.0f} to {high:.0f})"
