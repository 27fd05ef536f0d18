"""How sure a pass rate is: a confidence interval for a share of so many trials."""

from math import sqrt
from statistics import NormalDist


def wilson_interval(passed: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval (low, high) for the true rate behind `passed` of `total`.

    Unlike "rate +- 2 standard errors" it stays inside [0, 1] and is sound at 0 of n. It covers the
    chance of drawing these problems, not the chance of another training run.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    Checked against `scipy.stats.binomtest(...).proportion_ci(method="wilson")`.

    >>> low, high = wilson_interval(82, 164)
    >>> round(low, 3), round(high, 3)
    (0.424, 0.576)

    Raises:
        ValueError: `total` is below 1, `passed` not in 0..total, or `confidence` not in (0, 1).
    """
    if total < 1:
        raise ValueError(f"total={total}: an interval needs at least 1 trial")
    if not 0 <= passed <= total:
        raise ValueError(f"passed={passed}: must be between 0 and total={total}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: must be between 0 and 1, such as 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = passed / total
    scale = 1 + z * z / total
    centre = (rate + z * z / (2 * total)) / scale
    half = z / scale * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    # At the ends the interval touches 0 or 1 exactly; rounding must not miss it.
    low = 0.0 if passed == 0 else max(0.0, centre - half)
    high = 1.0 if passed == total else min(1.0, centre + half)
    return low, high
