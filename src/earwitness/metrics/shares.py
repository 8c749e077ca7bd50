"""The interval of a share, and the upper limit of a rate."""

from __future__ import annotations

import math


def wilson(share: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval of a share seen in ``count`` independent draws; (0, 1) for no draw.

    Unlike a bootstrap it has width where the share is exactly 0 or 1. Source: Wilson 1927.

    Examples
    --------
    >>> [round(v, 3) for v in wilson(0.0, 10)]
    [0.0, 0.278]
    """
    if not count:
        return 0.0, 1.0
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def upper_limit(count: int, hours: float) -> float:
    """The exact one-sided 95 % upper limit of a rate per hour, for a Poisson count.

    The rate at which so few would come in 5 of 100 cases, found by halving (Garwood 1936).

    Parameters
    ----------
    count:
        Events that were seen.
    hours:
        In how many hours.

    Examples
    --------
    >>> round(upper_limit(0, 1.0), 3)
    2.996
    """

    def few(mean: float) -> float:
        return sum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(count + 1))

    low, high = 1e-9, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if few(middle) > 0.05 else (low, middle)
    return high / hours
