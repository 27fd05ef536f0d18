"""Sampling against transformers' logits warpers."""

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from phi1_lib.generation import generate, keep_top_k, keep_top_p, next_token
from tests.generation.models import constant_model, random_model, their_model


def random_logits(rows=50, vocab=300, seed=0):
    return 3 * torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("top_p", [0.05, 0.3, 0.5, 0.9, 0.95, 0.999])
def test_top_p_keeps_what_transformers_keeps(top_p):
    logits = random_logits()
    warped = TopPLogitsWarper(top_p)(None, logits)
    kept = keep_top_p(logits.softmax(dim=-1), top_p)
    assert torch.equal(kept > 0, warped.isfinite())
    torch.testing.assert_close(kept, warped.softmax(dim=-1))


@pytest.mark.parametrize("top_k", [1, 2, 10, 299, 300, 5_000])
def test_top_k_keeps_what_transformers_keeps(top_k):
    logits = random_logits()
    warped = TopKLogitsWarper(top_k)(None, logits)
    kept = keep_top_k(logits.softmax(dim=-1), top_k)
    assert torch.equal(kept > 0, warped.isfinite())
    assert (kept > 0).sum(dim=-1).tolist() == [min(top_k, 300)] * 50
    torch.testing.assert_close(kept, warped.softmax(dim=-1))


def test_top_k_keeps_all_that_are_as_likely_as_the_last():
    logits = torch.tensor([[1.0, 3.0, 1.0, 0.0, 1.0]])
    kept = keep_top_k(logits.softmax(dim=-1), 2)
    assert torch.equal(kept > 0, TopKLogitsWarper(2)(None, logits).isfinite())
    assert (kept > 0).tolist() == [[True, True, True, False, True]]


def test_top_p_is_the_smallest_set_that_reaches_it():
    probabilities = torch.tensor([[0.125, 0.5, 0.25, 0.125]])
    for top_p, kept in ((0.4, [1]), (0.5, [1]), (0.6, [1, 2]), (0.75, [1, 2]), (1.0, [0, 1, 2, 3])):
        assert keep_top_p(probabilities, top_p)[0].nonzero().flatten().tolist() == kept


def test_at_least_one_id_is_kept():
    assert (keep_top_p(random_logits().softmax(dim=-1), 1e-9) > 0).sum(dim=-1).tolist() == [1] * 50


def test_zero_temperature_takes_the_largest():
    logits = random_logits()
    assert torch.equal(next_token(logits), logits.argmax(dim=-1))
    assert torch.equal(next_token(logits, top_k=5, top_p=0.1), logits.argmax(dim=-1))


SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.6, "top_p": 0.8},
    {"temperature": 2.0, "top_p": 0.95},
    {"temperature": 0.7, "top_k": 4},
    {"temperature": 1.5, "top_k": 6, "top_p": 0.9},
    {"temperature": 1.0, "top_k": 3, "top_p": 0.75},
]


def warp(logits_BV: torch.Tensor, temperature: float, top_k=None, top_p=1.0) -> torch.Tensor:
    """The exact probabilities, by transformers' filters in transformers' order."""
    warped_BV = TemperatureLogitsWarper(temperature)(None, logits_BV)
    if top_k is not None:
        warped_BV = TopKLogitsWarper(top_k)(None, warped_BV)
    return TopPLogitsWarper(top_p)(None, warped_BV).double().softmax(dim=-1)


def chi_squared(counts: torch.Tensor, probabilities: torch.Tensor) -> float:
    """Of counted draws; it grows with their distance from the probabilities. None impossible."""
    expected = counts.sum() * probabilities
    assert (counts[expected == 0] == 0).all()
    possible = expected > 0
    return ((counts - expected)[possible] ** 2 / expected[possible]).sum().item()


@pytest.mark.parametrize("options", SETTINGS)
def test_draws_follow_transformers_distribution(options):
    """At most 11 degrees of freedom: above 50 once in a million runs, and the seed is fixed."""
    logits = random_logits(1, 12)
    generator = torch.Generator().manual_seed(0)
    drawn = next_token(logits.expand(20_000, 12), **options, generator=generator)
    assert chi_squared(drawn.bincount(minlength=12).double(), warp(logits, **options)[0]) < 50


def test_top_p_counts_in_what_top_k_left():
    """Of 0.25, 0.15, 0.1 rescaled to 0.5, 0.3, 0.2 it keeps two; of all ids, more than three."""
    logits = torch.tensor([[0.25, 0.15, 0.1] + [0.05] * 10]).log().expand(2_000, 13)
    drawn = next_token(logits, 1.0, top_k=3, top_p=0.75, generator=torch.Generator().manual_seed(0))
    assert drawn.unique().tolist() == [0, 1]
    assert (warp(logits[:1], 1.0, top_k=3, top_p=0.75)[0] > 0).nonzero().flatten().tolist() == [
        0,
        1,
    ]


def test_half_precision_logits_are_drawn_from_in_float32():
    logits = random_logits(2_000).half()
    draws = [
        next_token(values, 0.7, top_p=0.9, generator=torch.Generator().manual_seed(0))
        for values in (logits, logits.float())
    ]
    assert torch.equal(*draws)


@pytest.mark.parametrize("options", SETTINGS)
def test_generate_draws_every_token_from_that_distribution(options):
    """12,800 draws, at most 7 degrees of freedom: above 40 once in a million runs."""
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, -2.0, 1.5, 0.2])
    model = constant_model(logits)
    drawn = generate(model, [[0]], 20, num_samples=640, seed=0, end_of_text_id=-1, **options)
    counts = torch.tensor(drawn).flatten().bincount(minlength=8).double()
    assert counts.sum() == 12_800
    assert chi_squared(counts, warp(logits[None], **options)[0]) < 40


def test_pairs_of_tokens_follow_each_prompt_under_transformers(tmp_path):
    """Prompts of three lengths, their samples in shared batches; two tokens each, 9 pairs.

    8 degrees of freedom: above 45 once in two million runs.
    """
    prompts, samples = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10]], 2_000
    options = {"temperature": 3.0, "top_k": 3, "top_p": 0.98}
    model = random_model(2)
    theirs = their_model(model, tmp_path)
    drawn = generate(model, prompts, 2, num_samples=samples, seed=1, end_of_text_id=-1, **options)
    for number, prompt in enumerate(prompts):
        pairs = torch.tensor(drawn[number * samples : (number + 1) * samples])
        counts = torch.zeros(51, 51).double()
        counts.index_put_((pairs[:, 0], pairs[:, 1]), torch.tensor(1.0).double(), accumulate=True)
        with torch.no_grad():
            first_V = warp(theirs(torch.tensor([prompt])).logits[:, -1, :51], **options)[0]
            then = torch.tensor([[*prompt, token] for token in range(51)])
            second_VV = warp(theirs(then).logits[:, -1, :51], **options)
        expected_VV = first_V[:, None] * second_VV
        assert (expected_VV > 0).sum() in range(4, 10)
        assert chi_squared(counts, expected_VV) < 45


def test_the_smallest_temperatures_take_the_likeliest():
    """A logit of 3 divided by 1e-39 is infinite in float32."""
    logits = random_logits()
    for temperature in (1e-37, 1e-39, 1e-45):
        assert torch.equal(next_token(logits, temperature), logits.argmax(dim=-1))
