"""Wilson's interval against scipy, and what it promises: coverage."""

import pytest
from scipy.stats import binom, binomtest

from phi1_lib.evaluation import wilson_interval


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("total", [1, 7, 164, 1_000])
def test_equals_scipy(total, confidence):
    for passed in sorted({0, 1, total // 3, total - 1, total}):
        expected = binomtest(passed, total).proportion_ci(confidence, method="wilson")
        found = wilson_interval(passed, total, confidence)
        assert found == pytest.approx((expected.low, expected.high), abs=1e-12), (passed, total)


def test_covers_the_true_rate_about_as_often_as_it_says():
    rates = [step / 50 for step in range(1, 50)]
    chances = []
    for rate in rates:
        covered = [k for k in range(165) if wilson_interval(k, 164)[0] <= rate]
        covered = [k for k in covered if rate <= wilson_interval(k, 164)[1]]
        chances.append(sum(binom.pmf(covered, 164, rate)))
    assert 0.945 < sum(chances) / len(chances) < 0.96


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 0), "total=0"),
        ((3, 2), "passed=3"),
        ((-1, 2), "passed=-1"),
        ((1, 2, 95), "confidence=95"),
    ],
)
def test_bad_arguments(arguments, named):
    with pytest.raises(ValueError, match=named):
        wilson_interval(*arguments)
