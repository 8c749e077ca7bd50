"""The interval of a share."""

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
