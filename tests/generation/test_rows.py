"""Rows of different lengths in a cache: each as it would be alone."""

from dataclasses import replace

import pytest
import torch

from phi1_lib.model import KVCache, Phi
from tests.error_rule import assert_close
from tests.generation.models import CONFIG, random_model, their_model

LONG = replace(CONFIG, max_position_embeddings=96)
LENGTHS = [3, 20, 1, 20, 11]


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


def padded_rows(pieces: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts (5, 20), of which the first `LENGTHS` count, and the tokens that follow."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randint(0, 50, (5, 20), generator=generator),
        torch.randint(0, 50, (5, pieces), generator=generator),
    )


def read_padded(model: Phi, prompts: torch.Tensor, room: int) -> KVCache:
    cache = KVCache(LONG, batch=5, max_length=20 + room, dtype=model.lm_head.weight.dtype)
    model(prompts, cache=cache)
    cache.truncate(LENGTHS)
    return cache


@pytest.mark.parametrize("pieces", [[1] * 7, [7], [2, 1, 4]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tokens_read_after_padded_prompts_follow_the_error_rule(tmp_path, pieces, dtype):
    """Against transformers' model on every row alone and whole."""
    model = random_model(0, LONG).to(dtype)
    theirs = their_model(model, tmp_path).to(dtype)
    exact = Phi(LONG).double().eval()
    exact.load_state_dict(model.state_dict())
    prompts, more = padded_rows(7)
    cache = read_padded(model, prompts, room=7)
    found = torch.cat([model(ids, cache=cache) for ids in more.split(pieces, dim=1)], dim=1)
    assert cache.lengths == [length + 7 for length in LENGTHS]
    for row, length in enumerate(LENGTHS):
        ids = torch.cat([prompts[row, :length], more[row]])[None]
        assert_close(found[row], theirs(ids).logits[0, -7:], exact(ids)[0, -7:])


def test_what_the_padding_was_changes_no_bit():
    model = random_model(0, LONG)
    prompts, more = padded_rows(4)
    other = prompts.clone()
    for row, length in enumerate(LENGTHS):
        other[row, length:] = 49 - other[row, length:]
    found = [model(more, cache=read_padded(model, ids, room=4)) for ids in (prompts, other)]
    assert not torch.equal(prompts, other)
    assert torch.equal(*found)


def test_rows_kept_and_copied_keep_their_own_lengths():
    model = random_model(0, LONG)
    prompts, more = padded_rows(4)
    cache = read_padded(model, prompts, room=4)
    expected = model(more, cache=read_padded(model, prompts, room=4))
    rows = [4, 0, 0, 2]
    cache.keep(rows)
    assert cache.lengths == [11, 3, 3, 1] and cache.batch == 4 and cache.length == 11
    torch.testing.assert_close(model(more[rows], cache=cache), expected[rows])


def test_rows_of_one_length_go_to_the_models_own_attention():
    """After `keep` has left two rows of 20 tokens there is no mask any more."""
    model = random_model(0, LONG)
    prompts, more = padded_rows(4)
    cache = read_padded(model, prompts, room=4)
    model(more[:, :2], cache=cache)
    assert cache.visible_BTS.shape == (5, 2, 22)
    cache.keep([1, 3])
    found = model(more[[1, 3], 2:], cache=cache)
    assert cache.visible_BTS is None
    whole = torch.cat([prompts, more], dim=1)[[1, 3]]
    torch.testing.assert_close(found, model(whole)[:, -2:])


def test_the_longest_row_fills_the_cache():
    model = random_model(0, LONG)
    prompts, more = padded_rows(3)
    cache = read_padded(model, prompts, room=2)
    with pytest.raises(ValueError, match="holds 20 of 22 tokens: no room for 3"):
        model(more, cache=cache)
    with pytest.raises(ValueError, match="5 rows, the input has 4"):
        model(more[:4, :1], cache=cache)
    model(more[:, :2], cache=cache)
    assert cache.length == 22


@pytest.mark.parametrize(
    ("options", "mixes"),
    [
        ({}, True),
        ({"attention_backend": "sdpa"}, True),
        ({"attention_backend": "explicit"}, False),
        ({"attend": lambda q, k, v, **_: v}, False),
    ],
)
def test_only_pytorchs_kernel_may_be_taken_for_the_attention_asked_for(options, mixes):
    assert Phi(CONFIG, **options).mixes_lengths is mixes
