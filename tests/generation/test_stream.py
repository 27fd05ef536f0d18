"""Streaming: the pieces are those of `generate`'s text, given out as soon as they are sure."""

import pytest
import torch

from phi1_lib.generation import PRINT_PRIME, generate, stream
from phi1_lib.model import Phi
from phi1_lib.shipped import NANO
from phi1_lib.tokenizer import Tokenizer
from tests.generation.models import characters, random_model

# Bytes of an id: letters, newlines, and parts of characters of two and four bytes.
PARTS = [b"a", b"b", b"\n", b"ab", b"b\n", b"\xc3", b"\xa9", *(bytes([x]) for x in "😀".encode())]


def parts(ids: list[int]) -> str:
    return b"".join(PARTS[i % len(PARTS)] for i in ids).decode("utf-8", errors="replace")


@pytest.mark.parametrize("stop", [(), "a\nb", ("\nab", "é", "bb")])
@pytest.mark.parametrize("use_cache", [True, False])
def test_pieces_joined_are_the_text_of_generate(stop, use_cache):
    model = random_model(1)
    options = {"stop": stop, "decode": parts, "use_cache": use_cache, "temperature": 2.0}
    stopped = 0
    for seed in range(12):
        pieces = list(stream(model, [1, 2, 3], 40, seed=seed, **options))
        [ids] = generate(model, [[1, 2, 3]], 40, seed=seed, **options)
        assert "".join(pieces) == parts(ids)
        assert all(pieces)
        stopped += len(ids) < 40
    assert not stop or stopped


def test_pieces_come_as_soon_as_they_are_sure():
    """One token a piece, each before the next is computed; a possible stop string waits."""
    model = random_model(1)
    [ids] = generate(model, [[1, 2, 3]], 12, end_of_text_id=-1)
    steps = []
    model.lm_head.register_forward_hook(lambda *_: steps.append(1))
    options = {"decode": characters, "end_of_text_id": -1}
    seen = [(piece, len(steps)) for piece in stream(model, [1, 2, 3], 12, **options)]
    assert seen == [(characters([token]), n) for n, token in enumerate(ids, start=1)]

    text = characters(ids)
    k = next(k for k in range(1, 9) if text[k] not in text[:k] + text[k + 1 : k + 3])
    stop = text[k : k + 2] + "#"  # it begins at k and never comes
    steps.clear()
    seen = [(piece, len(steps)) for piece in stream(model, [1, 2, 3], 12, stop=stop, **options)]
    before = [(character, n) for n, character in enumerate(text[:k], start=1)]
    assert seen[: k + 1] == [*before, (text[k : k + 3], k + 3)]


def test_a_stop_string_is_not_shown_nor_any_of_it():
    model = random_model(1)
    [ids] = generate(model, [[1, 2, 3]], 12, end_of_text_id=-1)
    text = characters(ids)
    options = {"decode": characters, "end_of_text_id": -1, "stop": text[4:8]}
    assert "".join(stream(model, [1, 2, 3], 12, **options)) == text[:4]


def test_between_pieces_the_learner_may_do_anything():
    """Nothing of inference mode leaks out, and the model's own mode comes back on leaving."""
    model = random_model(0).train()
    modes = []
    hook = model.lm_head.register_forward_hook(
        lambda *_: modes.append(torch.is_inference_mode_enabled())
    )
    pieces = stream(model, [1, 2, 3], 10, decode=characters, end_of_text_id=-1)
    assert model.training  # nothing runs before the first piece is asked for
    next(pieces)
    hook.remove()
    assert modes == [True]
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    model(torch.tensor([[1, 2]])).sum().backward()
    next(pieces)
    pieces.close()
    assert model.training
    assert model.lm_head.weight.grad is not None
    list(stream(model, [1, 2, 3], 3, decode=characters))
    assert model.training


def test_nothing_to_stream():
    assert list(stream(random_model(), [1], 0, decode=characters)) == []


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ([], {}, "prompt 0 is empty"),
        ("text", {}, "prompt 0 is 'text': must be a list of ids; encode text first"),
        ([1], {"top_k": 0}, "top_k=0"),
        ([1], {"max_new_tokens": -1}, "max_new_tokens=-1"),
        ([1], {"stop": ""}, "empty string"),
        ([1], {"stop": [""]}, "empty string"),
        ([1], {"decode": None}, "decode=None: must be a function"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(prompt, options, message):
    options = {"max_new_tokens": 3, "decode": characters} | options
    with pytest.raises(ValueError, match=message):
        stream(random_model(), prompt, **options)


def test_the_shipped_model_streams_what_it_generates():
    folder = NANO / "finetuned"
    model, tokenizer = Phi.from_pretrained(folder), Tokenizer.load(folder / "tokenizer.json")
    ids = tokenizer.encode(PRINT_PRIME)
    options = {"stop": ["\ndef", "\nprint"], "decode": tokenizer.decode}
    pieces = list(stream(model, ids, 60, **options))
    [new_ids] = generate(model, [ids], 60, **options)
    assert "".join(pieces) == tokenizer.decode(new_ids)
    assert len(pieces) > 5
