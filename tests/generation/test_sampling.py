"""Sampling against transformers' logits warpers."""

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from phi1_lib.generation import keep_top_p, next_token


def random_logits(rows=50, vocab=300, seed=0):
    return 3 * torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("top_p", [0.05, 0.3, 0.5, 0.9, 0.95, 0.999])
def test_top_p_keeps_what_transformers_keeps(top_p):
    logits = random_logits()
    warped = TopPLogitsWarper(top_p)(None, logits)
    kept = keep_top_p(logits.softmax(dim=-1), top_p)
    assert torch.equal(kept > 0, warped.isfinite())
    torch.testing.assert_close(kept / kept.sum(dim=-1, keepdim=True), warped.softmax(dim=-1))


def test_top_p_is_the_smallest_set_that_reaches_it():
    probabilities = torch.tensor([[0.125, 0.5, 0.25, 0.125]])
    for top_p, kept in ((0.4, [1]), (0.5, [1]), (0.6, [1, 2]), (0.75, [1, 2]), (1.0, [0, 1, 2, 3])):
        assert keep_top_p(probabilities, top_p)[0].nonzero().flatten().tolist() == kept


def test_at_least_one_id_is_kept():
    assert (keep_top_p(random_logits().softmax(dim=-1), 1e-9) > 0).sum(dim=-1).tolist() == [1] * 50


def test_zero_temperature_takes_the_largest():
    logits = random_logits()
    assert torch.equal(next_token(logits), logits.argmax(dim=-1))
    assert torch.equal(next_token(logits, top_p=0.1), logits.argmax(dim=-1))


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 0.8), (2.0, 0.95)])
def test_draws_follow_transformers_distribution(temperature, top_p):
    """Chi-squared with at most 11 degrees of freedom: above 50 once in a million runs."""
    logits = random_logits(1, 12)
    warped = TopPLogitsWarper(top_p)(None, TemperatureLogitsWarper(temperature)(None, logits))
    expected = 20_000 * warped.softmax(dim=-1)[0].double()
    generator = torch.Generator().manual_seed(0)
    drawn = next_token(logits.expand(20_000, 12), temperature, top_p, generator)
    counts = drawn.bincount(minlength=12).double()
    assert (counts[expected == 0] == 0).all()
    possible = expected > 0
    assert ((counts - expected)[possible] ** 2 / expected[possible]).sum() < 50


def test_half_precision_logits_are_drawn_from_in_float32():
    logits = random_logits(2_000).half()
    draws = [
        next_token(values, 0.7, 0.9, torch.Generator().manual_seed(0))
        for values in (logits, logits.float())
    ]
    assert torch.equal(*draws)
