"""`generate` against transformers' on models with random weights, and against itself uncached."""

from dataclasses import replace

import pytest
import torch

from phi1_lib.generation import generate
from phi1_lib.model import Phi
from tests.generation.models import (
    CONFIG,
    END,
    PROMPTS,
    characters,
    constant_model,
    random_model,
    their_model,
)


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_greedy_ids_equal_transformers(tmp_path, seed, use_cache):
    """Under transformers the folder's own generation_config ends texts and suppresses rows."""
    model = random_model(seed)
    theirs = their_model(model, tmp_path)
    found = generate(model, PROMPTS, 20, use_cache=use_cache)
    for prompt, new_ids in zip(PROMPTS, found, strict=True):
        out = theirs.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False)
        expected = out[0, len(prompt) :].tolist()
        assert new_ids == (expected[:-1] if expected[-1] == END else expected)


def test_those_texts_are_worth_comparing():
    """Over the seeds above some texts end early, some run on, and they are not all alike."""
    texts = [ids for seed in range(4) for ids in generate(random_model(seed), PROMPTS, 20)]
    assert {len(ids) < 20 for ids in texts} == {True, False}
    assert len({tuple(ids) for ids in texts}) > len(texts) // 2
    assert sum(len(set(ids)) for ids in texts) / len(texts) > 5


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "top_p": 0.9, "seed": 3}])
def test_a_prompt_alone_or_in_a_batch_with_a_cache_or_without(options):
    model = random_model(1)
    together = generate(model, [[1, 2, 3]] * 5, 20, **options)
    assert together == generate(model, [[1, 2, 3]] * 5, 20, use_cache=False, **options)
    if not options:  # draws depend on the company
        assert together == [generate(model, [[1, 2, 3]], 20)[0]] * 5


def test_more_prompts_than_one_batch_holds():
    model = random_model(2)
    prompts = [[i % 40, (i * 7) % 40] for i in range(150)]
    done = []
    found = generate(model, prompts, 4, progress=done.append)
    assert found == [generate(model, [prompt], 4)[0] for prompt in prompts]
    assert sum(done) == 150 and len(done) == 3


def test_end_of_text_ends_a_sequence_and_is_left_out():
    model = random_model(0)
    free = generate(model, PROMPTS, 20, end_of_text_id=-1)
    assert [len(ids) for ids in free] == [20] * len(PROMPTS)
    end = free[0][5]
    ended = generate(model, PROMPTS, 20, end_of_text_id=end)
    assert end not in sum(ended, [])
    for ids, full in zip(ended, free, strict=True):
        assert ids == full[: full.index(end) if end in full else 20]


def test_ids_beyond_the_used_vocabulary_are_never_generated():
    logits = torch.arange(64.0)
    model = constant_model(logits)
    assert generate(model, [[1]], 3) == [[63] * 3]
    assert generate(model, [[1]], 3, used_vocab_size=40) == [[39] * 3]
    model.config = replace(model.config, used_vocab_size=30)  # the model's own limit
    assert generate(model, [[1]], 3) == [[29] * 3]


@pytest.mark.parametrize("unused", [51, 63])
def test_an_unused_row_made_the_likeliest_is_not_generated_by_either_library(tmp_path, unused):
    """The first unused row and the last: greedy, and drawn with top-k, which must not count it."""
    model = random_model(3)
    expected = generate(model, PROMPTS, 10)
    with torch.no_grad():
        model.lm_head.bias[unused] = 1_000.0
    assert model(torch.tensor([PROMPTS[0]])).argmax(dim=-1).unique().tolist() == [unused]
    theirs = their_model(model, tmp_path)
    assert generate(model, PROMPTS, 10) == expected
    ids = torch.tensor([PROMPTS[0]])
    out = theirs.generate(ids, max_new_tokens=10, do_sample=False)[0, 3:].tolist()
    assert out[: len(expected[0])] == expected[0]

    ours = generate(model, [PROMPTS[0]], 10, num_samples=200, temperature=2.0, top_k=20, seed=0)
    torch.manual_seed(0)
    out = theirs.generate(
        ids, max_new_tokens=10, do_sample=True, temperature=2.0, top_k=20, num_return_sequences=200
    )
    for drawn in (sum(ours, []), out[:, 3:].flatten().tolist()):
        assert max(drawn) <= END
        assert len(set(drawn)) > 30


def test_generation_stops_when_the_context_is_full():
    model = random_model(0)
    for use_cache in (True, False):
        [ids] = generate(model, [[1] * 40], 100, end_of_text_id=-1, use_cache=use_cache)
        assert len(ids) == 8
        [ids] = generate(model, [[1] * 47], 100, end_of_text_id=-1, use_cache=use_cache)
        assert len(ids) == 1


def test_under_autocast_the_cache_holds_what_autocast_gives():
    model = random_model(0)
    with torch.autocast("cpu", torch.bfloat16):
        found = generate(model, PROMPTS, 10)
        assert found == generate(model, PROMPTS, 10, use_cache=False)


def test_the_models_mode_comes_back_and_dropout_stays_out():
    model = random_model(0)
    expected = generate(model, PROMPTS, 10)
    noisy = Phi(replace(CONFIG, resid_pdrop=0.5, attention_dropout=0.5))
    noisy.load_state_dict(model.state_dict())
    noisy.train()
    assert generate(noisy, PROMPTS, 10) == expected
    assert noisy.training and all(block.training for block in noisy.model.layers)
    with pytest.raises(RuntimeError, match="broken"):
        generate(noisy, PROMPTS, 10, stop="x", decode=broken)
    assert noisy.training
    assert not model.training


def broken(ids: list[int]) -> str:
    raise RuntimeError("broken")


def test_training_works_after_generating():
    model = random_model(0)
    generate(model, PROMPTS, 5)
    model(torch.tensor([[1, 2, 3]])).sum().backward()
    assert model.lm_head.weight.grad is not None


def test_nothing_to_do():
    model = random_model(0)
    assert generate(model, [], 5) == []
    assert generate(model, [[1], [2, 3]], 0) == [[], []]


def test_prompts_may_be_a_tensor():
    model = random_model(0)
    ids = [[1, 2, 3], [6, 7, 8]]
    assert generate(model, torch.tensor(ids), 5) == generate(model, ids, 5)


def test_a_seed_repeats_and_another_differs():
    model = random_model(0)
    draw = {seed: generate(model, PROMPTS, 20, temperature=1.0, seed=seed) for seed in (1, 2)}
    assert draw[1] == generate(model, PROMPTS, 20, temperature=1.0, seed=1)
    assert draw[1] != draw[2]
    torch.manual_seed(7)
    first = generate(model, PROMPTS, 20, temperature=1.0)
    torch.manual_seed(7)
    assert first == generate(model, PROMPTS, 20, temperature=1.0)


def test_a_seed_of_its_own_leaves_pytorchs_generator_alone():
    model = random_model(0)
    before = torch.get_rng_state()
    generate(model, PROMPTS, 20, temperature=1.0, seed=1)
    generate(model, PROMPTS, 20)  # greedy draws nothing
    assert torch.equal(torch.get_rng_state(), before)


def test_stop_strings_end_each_row_of_a_batch_where_it_holds_one():
    model = random_model(1)
    free = generate(model, PROMPTS, 20, end_of_text_id=-1)
    stop = characters(free[2][4:6])
    asked = []

    def decode(ids):
        asked.append(len(ids))
        return characters(ids)

    found = generate(model, PROMPTS, 20, end_of_text_id=-1, stop=[stop], decode=decode)
    for ids, full in zip(found, free, strict=True):
        begin = characters(full).find(stop)
        assert ids == (full if begin < 0 else full[:begin])
    assert 0 < len(found[2]) < 5 and sum(len(ids) == 20 for ids in found) >= 2
    assert generate(model, PROMPTS, 20, end_of_text_id=-1, stop=stop, decode=characters) == found
    # Only the tail is decoded at every step; the whole text where a stop string was found.
    assert sum(count > len(stop.encode()) for count in asked) <= 5 * len(PROMPTS)


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        ([[1], [2] * 48], {}, "prompt 1 has 48 tokens: no room .* context of 48"),
        ([[1], [2], [3] * 60], {}, "prompt 2 has 60 tokens"),
        ([[1], []], {}, "prompt 1 is empty"),
        ([[1], [64]], {}, "prompt 1 holds ids outside 0 to 63"),
        ([[-1]], {}, "prompt 0 holds ids outside"),
        ([1, 2, 3], {}, "a list of prompts, each a list of ids"),
        (["ab"], {}, "prompt 0 is 'ab': must be a list of ids; encode text first"),
        ([[1.5]], {}, r"prompt 0 is \[1.5\]: must be a list of ids"),
        ([[1]], {"max_new_tokens": -1}, "max_new_tokens=-1: must be an integer, at least 0"),
        ([[1]], {"max_new_tokens": 2.5}, "max_new_tokens=2.5: must be an integer"),
        ([[1]], {"num_samples": 0, "temperature": 1.0}, "num_samples=0: must be an integer, at"),
        ([[1]], {"num_samples": 3}, "num_samples=3 with temperature=0: all samples would be"),
        ([[1]], {"top_k": 0}, "top_k=0: must be an integer, at least 1"),
        ([[1]], {"seed": -1}, "seed=-1"),
        ([[1]], {"end_of_text_id": 64}, "end_of_text_id=64: must be an id below 64, or -1"),
        ([[1]], {"temperature": -0.1}, "temperature=-0.1"),
        ([[1]], {"temperature": float("nan")}, "temperature=nan: must be 0 or above, and finite"),
        ([[1]], {"temperature": float("inf")}, "temperature=inf"),
        ([[1]], {"top_p": 0.0}, "top_p=0.0"),
        ([[1]], {"top_p": 1.5}, "top_p=1.5"),
        ([[1]], {"used_vocab_size": 65}, "used_vocab_size=65: must be from 1 to 64"),
        ([[1]], {"used_vocab_size": 0}, "used_vocab_size=0"),
        ([[1]], {"stop": ["x"]}, "stop strings need decode"),
        ([[1]], {"stop": ["x", ""], "decode": characters}, "empty string"),
        ([[1]], {"stop": [b"x"], "decode": characters}, "must be strings"),
    ],
)
def test_bad_arguments_are_refused(ids, options, message):
    options = {"max_new_tokens": 5} | options
    with pytest.raises(ValueError, match=message):
        generate(random_model(), ids, **options)
