"""Prompts of different lengths in one batch, several samples of each: against one at a time."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phi1_lib.attention import attend
from phi1_lib.generation import StopStrings, generate
from phi1_lib.generation.batch import Row, Rules, grow
from phi1_lib.model import Phi
from tests.error_rule import assert_close
from tests.generation.models import CONFIG, END, PROMPTS, characters, random_model, their_model

LONG = replace(CONFIG, max_position_embeddings=96)
LENGTHS = [1, 40, 2, 17, 17, 3, 64, 5, 33]


def prompts_of(lengths, seed=0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 50, (n,), generator=generator).tolist() for n in lengths]


def watch(monkeypatch) -> list[tuple[int, int]]:
    """Keep the shape (B, T) of whatever the model reads."""
    shapes = []
    read = Phi.hidden_states

    def hidden_states(self, ids_BT, **options):
        shapes.append(tuple(ids_BT.shape))
        return read(self, ids_BT, **options)

    monkeypatch.setattr(Phi, "hidden_states", hidden_states)
    return shapes


@pytest.mark.parametrize("seed", range(3))
def test_greedy_ids_are_those_of_transformers_with_left_padding(tmp_path, seed):
    model = random_model(seed, LONG)
    theirs = their_model(model, tmp_path)
    prompts = prompts_of(LENGTHS, seed)
    longest = max(LENGTHS)
    padded = torch.tensor([[END] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    out = theirs.generate(padded, attention_mask=mask, max_new_tokens=30, do_sample=False)
    for new_ids, row in zip(generate(model, prompts, 30), out[:, longest:].tolist(), strict=True):
        assert new_ids == (row[: row.index(END)] if END in row else row)


@pytest.mark.parametrize("options", [{}, {"use_cache": False}, {"end_of_text_id": -1}])
def test_greedy_ids_are_those_of_each_prompt_alone(monkeypatch, options):
    """Rows end at different steps: some at end-of-text, the longest when the context is full."""
    model = random_model(1, LONG)
    prompts = prompts_of(LENGTHS)
    alone = [generate(model, [prompt], 40, **options)[0] for prompt in prompts]
    shapes = watch(monkeypatch)
    assert generate(model, prompts, 40, **options) == alone
    assert shapes[0] == (len(prompts), 64)  # one batch of them all
    if options.get("use_cache", True):
        assert {length for _, length in shapes[1:]} == {1}
    assert len({len(ids) for ids in alone}) > 1
    assert len(alone[6]) <= 96 - 64


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=6),
    st.integers(0, 30),
    st.integers(0, 50),
    st.sampled_from([None, "ab", "c"]),
)
@settings(max_examples=40, deadline=None)
def test_whatever_the_lengths_and_whenever_rows_end(lengths, steps, end, stop):
    model = random_model(2, LONG)
    options = {"end_of_text_id": end}
    if stop:
        options |= {"stop": stop, "decode": characters}
    prompts = prompts_of(lengths, steps)
    alone = [generate(model, [prompt], steps, **options)[0] for prompt in prompts]
    assert generate(model, prompts, steps, **options) == alone


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_logits_of_a_batch_follow_the_error_rule(tmp_path, dtype):
    """Of every step; the measure is the error of transformers' model on each text alone."""
    model = random_model(4, LONG).to(dtype)
    theirs = their_model(model, tmp_path).to(dtype)
    exact = Phi(LONG).double()
    exact.load_state_dict(model.state_dict())
    steps, logits = [], 12

    def choose(logits_BV):
        steps.append(logits_BV)
        return logits_BV[:, :END].argmax(dim=-1)

    rows = [Row(prompt, room=logits) for prompt in prompts_of(LENGTHS)]
    with torch.inference_mode():
        for _ in grow(model, rows, Rules(choose, -1, StopStrings([], None)), use_cache=True):
            pass
        ours_BTV = torch.stack(steps, dim=1)
        assert ours_BTV.shape == (len(rows), logits, CONFIG.vocab_size)
        for row, ours_TV in zip(rows, ours_BTV, strict=True):
            ids = torch.tensor([[*row.prompt, *row.new_ids[:-1]]])
            assert_close(ours_TV, theirs(ids).logits[0, -logits:], exact.eval()(ids)[0, -logits:])


def test_no_memory_of_before_comes_into_a_short_row():
    """In this mode PyTorch fills memory that nothing wrote with NaN."""
    model = random_model(1, LONG)
    prompts = prompts_of([3, 40])
    expected = generate(model, prompts, 30)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(3).isnan().all()
        assert generate(model, prompts, 30) == expected
    finally:
        torch.use_deterministic_algorithms(False)


def test_an_attention_of_ones_own_is_the_one_that_runs():
    """Attention to the last four keys only: rows of a cache come to it one length at a time."""

    def last_four(q, k, v, *, causal, dropout):
        lengths.add(k.shape[1])
        first = q.shape[1] > 1
        if first:
            seen = torch.ones(k.shape[1], k.shape[1]).tril().triu(-3).bool()
            out = torch.nn.functional.scaled_dot_product_attention(
                *(x.transpose(1, 2) for x in (q, k, v)), attn_mask=seen
            )
            return out.transpose(1, 2)
        return attend(q, k[:, -4:], v[:, -4:], causal=causal, dropout=dropout)

    model = random_model(1, LONG, attend=last_four)
    prompts = prompts_of(LENGTHS)
    lengths = set()
    found = generate(model, prompts, 10)
    assert found == [generate(model, [prompt], 10)[0] for prompt in prompts]
    assert found == generate(model, prompts, 10, use_cache=False)
    assert found != generate(random_model(1, LONG), prompts, 10)
    assert lengths


@pytest.mark.parametrize("backend", ["auto", "explicit", "sdpa"])
def test_backends_agree(backend):
    model = random_model(1, LONG, attention_backend=backend)
    prompts = prompts_of(LENGTHS)
    assert generate(model, prompts, 20) == generate(random_model(1, LONG), prompts, 20)


def test_samples_of_a_prompt_stand_together_and_read_it_once(monkeypatch):
    """Almost at temperature 0 every sample is the greedy text: it must be of the right prompt."""
    model = random_model(1, LONG)
    prompts = prompts_of(LENGTHS)
    greedy = generate(model, prompts, 20)
    shapes = watch(monkeypatch)
    found = generate(model, prompts, 20, num_samples=3, temperature=1e-4, seed=0)
    assert found == [ids for ids in greedy for _ in range(3)]
    assert shapes[0] == (9, 64) and shapes[1][1] == 1 and 9 < shapes[1][0] <= 27


def test_more_samples_than_one_batch_holds():
    model = random_model(1)
    done = []
    found = generate(
        model, PROMPTS, 5, num_samples=50, temperature=1e-4, seed=0, progress=done.append
    )
    assert found == [ids for ids in generate(model, PROMPTS, 5) for _ in range(50)]
    assert sum(done) == 300 and len(done) == 5


def test_samples_differ_and_repeat_with_the_seed():
    model = random_model(1)
    draw = [generate(model, PROMPTS, 10, num_samples=4, temperature=1.0, seed=5) for _ in range(2)]
    assert draw[0] == draw[1]
    assert len({tuple(ids) for ids in draw[0]}) > 12
