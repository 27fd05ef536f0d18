"""Reading token by token with a cache, beside transformers doing the same."""

import pytest
import torch

from phi1_lib.model import KVCache, Phi
from tests.error_rule import assert_close
from tests.model.conftest import CPU_BACKENDS, SMALL, exact_of, ours_with, random_ids


def read_in_pieces(model: Phi, ids: torch.Tensor, pieces: list[int]) -> torch.Tensor:
    cache = KVCache(SMALL, ids.shape[0], ids.shape[1], model.lm_head.weight.dtype)
    logits = [model(piece, cache=cache) for piece in ids.split(pieces, dim=1)]
    assert cache.length == ids.shape[1]
    return torch.cat(logits, dim=1)


def they_read_in_pieces(theirs, ids: torch.Tensor, pieces: list[int]) -> torch.Tensor:
    cache, logits = None, []
    for piece in ids.split(pieces, dim=1):
        out = theirs(piece, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        logits.append(out.logits)
    return torch.cat(logits, dim=1)


@pytest.mark.parametrize("pieces", [[20], [1] * 20, [7, 1, 5, 7]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_with_a_cache_pieces_equal_transformers_with_its_cache(theirs, backend, dtype, pieces):
    theirs = theirs.to(dtype)
    ids = random_ids(3, 20)
    with torch.no_grad():
        found = read_in_pieces(ours_with(theirs, attention_backend=backend), ids, pieces)
        expected = they_read_in_pieces(theirs, ids, pieces)
        assert_close(found, expected, exact_of(theirs)(ids).logits)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_greedy_tokens_equal_those_of_transformers(theirs, backend):
    ids = random_ids(8, 5)
    theirs.generation_config.eos_token_id = None
    theirs.generation_config.pad_token_id = 0
    expected = theirs.generate(ids, max_new_tokens=20, do_sample=False, use_cache=True)
    model = ours_with(theirs, attention_backend=backend)
    cache = KVCache(SMALL, batch=8, max_length=25)
    with torch.no_grad():
        written, new = ids, ids
        while written.shape[1] < 25:
            new = model(new, cache=cache)[:, -1].argmax(dim=-1, keepdim=True)
            written = torch.cat([written, new], dim=1)
    assert written.tolist() == expected.tolist()


def test_room_is_taken_once_and_written_in_place(theirs):
    """No step makes new tensors of keys and values: attention reads a part of the room itself."""
    model, cache = ours_with(theirs), KVCache(SMALL, batch=3, max_length=12)

    def places():
        return [tensor.untyped_storage().data_ptr() for tensor in (*cache._keys, *cache._values)]

    before = places()
    assert len(set(before)) == 2 * SMALL.num_hidden_layers
    with torch.no_grad():
        for tokens in (6, 1, 2):
            model(random_ids(3, tokens), cache=cache)
        cache.keep([2, 0])
        model(random_ids(2, 1), cache=cache)
        new = torch.zeros(2, 2, 4, 12)
        read = cache.update(1, new, new)
    assert places() == before
    assert [x.untyped_storage().data_ptr() for x in read] == [before[1], before[4]]
    assert [x.shape for x in read] == 2 * [(2, 12, 4, 12)]


def test_cache_keeps_the_rows_asked_for(theirs):
    model = ours_with(theirs)
    ids = random_ids(4, 12)
    with torch.no_grad():
        cache = KVCache(SMALL, batch=4, max_length=16)
        model(ids[:, :8], cache=cache)
        cache.keep([1, 3])
        found = model(ids[[1, 3], 8:], cache=cache)
        torch.testing.assert_close(found, model(ids[[1, 3]])[:, 8:])


def test_cache_refuses_what_does_not_fit(theirs):
    model = ours_with(theirs)
    with torch.no_grad():
        cache = KVCache(SMALL, batch=2, max_length=5)
        model(random_ids(2, 4), cache=cache)
        with pytest.raises(ValueError, match="holds 4 of 5 tokens: no room for 2"):
            model(random_ids(2, 2), cache=cache)
        with pytest.raises(ValueError, match="made for 2 rows, the input has 3"):
            model(random_ids(3, 1), cache=cache)
        with pytest.raises(ValueError, match="cannot be read into a cache"):
            model(random_ids(1, 4), cache=cache, cu_seqlens=torch.tensor([0, 4]).int())
        assert cache.length == 4
        model(random_ids(2, 1), cache=cache)


def test_the_context_ends_a_cache_with_room_to_spare(theirs):
    model = ours_with(theirs)
    with torch.no_grad():
        cache = KVCache(SMALL, batch=1, max_length=100)
        model(random_ids(1, 64), cache=cache)
        with pytest.raises(ValueError, match="65 tokens do not fit the context of 64"):
            model(random_ids(1, 1), cache=cache)
