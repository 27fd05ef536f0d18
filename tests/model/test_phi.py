"""The model against `transformers.PhiForCausalLM` with the same random weights."""

from dataclasses import replace

import pytest
import torch
from transformers import PhiForCausalLM

from phi1_lib import attention
from phi1_lib.attention import attend
from phi1_lib.config import PRESETS
from phi1_lib.model import Phi, rotary_table, rotate
from tests.error_rule import assert_close, largest, root_mean_square
from tests.model.conftest import (
    CPU_BACKENDS,
    SMALL,
    exact_of,
    ours_with,
    random_ids,
    their_config,
    their_model,
)


def logits_and_gradients(model, inputs: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Logits, and every parameter's gradient of a cross-entropy at all positions, by input."""
    runs = []
    for ids in inputs:
        out = model(ids)
        logits = out if isinstance(out, torch.Tensor) else out.logits
        targets = ids.roll(-1, dims=1)
        model.zero_grad()
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        torch.nn.functional.cross_entropy(wide.flatten(0, 1), targets.flatten()).backward()
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        runs.append({"logits": logits.detach()} | gradients)
    return {name: torch.stack([run[name] for run in runs]) for name in runs[0]}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", CPU_BACKENDS)
@pytest.mark.parametrize(
    ("batch", "tokens", "changes"),
    [
        (2, 17, {}),
        (3, 64, {}),
        (1, 2, {}),
        (2, 9, {"partial_rotary_factor": 1.0, "num_attention_heads": 8}),
        (2, 30, {"partial_rotary_factor": 0.25, "num_attention_heads": 2, "rope_theta": 500.0}),
        (1, 12, {"num_hidden_layers": 1, "layer_norm_eps": 0.1, "intermediate_size": 31}),
    ],
)
def test_logits_and_every_gradient_equal_transformers(backend, dtype, batch, tokens, changes):
    config = replace(SMALL, **changes)
    theirs = their_model(config).to(dtype)
    inputs = [random_ids(batch, tokens, seed=seed) for seed in range(4)]
    expected = logits_and_gradients(theirs, inputs)
    exact = logits_and_gradients(exact_of(theirs, config), inputs)
    found = logits_and_gradients(ours_with(theirs, config, attention_backend=backend), inputs)
    assert found.keys() == expected.keys()
    for name in found:
        measure = largest if name == "logits" else root_mean_square
        assert_close(found[name], expected[name], exact[name], measure)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_logits_and_every_gradient_in_float64_are_the_same_function(theirs, backend):
    """Number by number, with nothing to hide an error of the sixth digit behind."""
    inputs = [random_ids(2, 33)]
    expected = logits_and_gradients(exact_of(theirs), inputs)
    model = ours_with(theirs, attention_backend=backend).double()
    for name, found in logits_and_gradients(model, inputs).items():
        torch.testing.assert_close(found, expected[name], rtol=0, atol=1e-13, msg=name)


def test_float64_is_reached_after_half_precision_too(theirs):
    """Nothing but the weights is rounded by `.half()`: the rotary table is no buffer."""
    ids = random_ids(1, 40)
    model = ours_with(theirs).half().double()
    expected = exact_of(theirs.half())(ids).logits
    torch.testing.assert_close(model(ids), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_turned_by_float32_angles(theirs, dtype):
    seen = []

    def spy(q, k, v, **options):
        seen.append(q)
        return attend(q, k, v, **options)

    model = ours_with(theirs, attend=spy).to(dtype)
    ids = random_ids(1, 40)
    model(ids)
    h = model.model.layers[0].input_layernorm(model.model.embed_tokens(ids))
    q = model.model.layers[0].self_attn.q_proj(h).unflatten(-1, (4, 12))
    cos, sin = rotary_table(SMALL)
    assert torch.equal(seen[0], rotate(q, cos[:40], sin[:40]))


def test_dropout_falls_where_transformers_drops():
    """The same seed draws the same masks in the same order, so the logits must be equal."""
    config = replace(SMALL, attention_dropout=0.2, resid_pdrop=0.3, embd_pdrop=0.1)
    theirs = their_model(config, attn_implementation="eager")
    ours = ours_with(theirs, config, attention_backend="explicit")
    ids = random_ids(2, 20)
    torch.manual_seed(5)
    expected = theirs.train()(ids).logits
    torch.manual_seed(5)
    found = ours.train()(ids)
    assert (found - ours.eval()(ids)).abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_packed_documents_equal_each_document_alone(theirs):
    model = ours_with(theirs).double()
    ids = random_ids(1, 23)
    borders = [0, 5, 5, 6, 23]
    packed = model(ids, cu_seqlens=torch.tensor(borders, dtype=torch.int32))
    alone = [model(ids[:, a:b]) for a, b in ((0, 5), (5, 6), (6, 23))]
    torch.testing.assert_close(packed, torch.cat(alone, dim=1), rtol=0, atol=1e-13)


def test_a_packed_row_may_be_longer_than_the_context(theirs):
    model = ours_with(theirs)
    ids = random_ids(1, 100)
    packed = model(ids, cu_seqlens=torch.tensor([0, 60, 100], dtype=torch.int32))
    assert packed.shape == (1, 100, 97)


@pytest.mark.parametrize("batched", [False, True])
def test_positions_replace_the_count(theirs, batched):
    """Logits see differences of positions only: a shift changes nothing, a stretch does."""
    model = ours_with(theirs).double()
    ids = random_ids(2, 10)
    count = torch.arange(10).expand(2, 10) if batched else torch.arange(10)
    torch.testing.assert_close(model(ids, positions=count + 7), model(ids), rtol=0, atol=1e-13)
    stretched = model(ids, positions=2 * count)
    expected = exact_of(theirs)(ids, position_ids=(2 * torch.arange(10))[None]).logits
    torch.testing.assert_close(stretched, expected, rtol=0, atol=1e-13)


def test_your_own_attention_takes_the_place(theirs):
    calls = []

    def mine(q, k, v, **options):
        calls.append(options)
        return attend(q, k, v, backend="explicit", **options)

    ids = random_ids(1, 8)
    borders = torch.tensor([0, 3, 8], dtype=torch.int32)
    model = ours_with(theirs, attend=mine)
    torch.testing.assert_close(model(ids), ours_with(theirs)(ids))
    assert calls == [{"causal": True, "dropout": 0.0}] * 3
    model(ids, cu_seqlens=borders)
    assert calls[-1].keys() == {"causal", "dropout", "cu_seqlens", "max_seqlen"}
    assert calls[-1]["max_seqlen"] == 5


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), {}, r"shape \(3,\)"),
        (torch.zeros(1, 3), {}, "float32: must be"),
        ([[1, 2]], {}, r"ids are a list: must be a tensor \(B, T\)"),
        (torch.zeros(1, 0, dtype=torch.int64), {}, "not empty"),
        (torch.tensor([[3, 97]]), {}, "ids from 3 to 97: the model has 0 .. 96; encode"),
        (torch.tensor([[-1]]), {}, "ids from -1 to -1"),
        (random_ids(1, 65), {}, "65 tokens do not fit the context of 64 .*shorten"),
        (random_ids(2, 4), {"cu_seqlens": torch.tensor([0, 4]).int()}, "one row, not 2"),
        (random_ids(1, 4), {"cu_seqlens": torch.tensor([0, 3]).int()}, "must rise from 0 to the 4"),
        (random_ids(1, 4), {"cu_seqlens": [0, 4]}, "int64: must be .* of torch.int32"),
        (random_ids(1, 70), {"cu_seqlens": torch.tensor([0, 3, 70]).int()}, "67 tokens do not fit"),
        (random_ids(2, 4), {"positions": torch.arange(5)}, r"positions have shape \(5,\)"),
        (random_ids(2, 4), {"positions": torch.arange(4.0)}, "torch.float32: must be"),
        (
            random_ids(2, 4),
            {"positions": torch.arange(61, 65)},
            "from 61 to 64: must be in 0 .. 63",
        ),
        (random_ids(2, 4), {"positions": torch.arange(-1, 3)}, "from -1 to 2: must be in 0 .. 63"),
    ],
)
def test_bad_input_is_refused(ids, options, message):
    with pytest.raises(ValueError, match=message):
        Phi(SMALL)(ids, **options)


def test_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend='fast': choose "):
        Phi(SMALL, attention_backend="fast")


def test_a_backend_that_is_missing_is_refused_before_weights_are_read(tmp_path, monkeypatch):
    monkeypatch.setitem(attention._INSTALLED, "flash_attn", False)
    Phi(SMALL).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ImportError, match="backend='flash_attn': .* not installed.*pip install"):
        Phi.from_pretrained(tmp_path, attention_backend="flash_attn")


@pytest.mark.gpu
def test_borders_on_a_gpu_are_looked_at_too():
    """`attend` does not, lest the host wait in every layer; the model waits once in any case."""
    model = Phi(SMALL).cuda()
    for borders, message in (([0, 3], "rise from 0 to the 4"), ([0, 3, 2, 4], "must rise")):
        with pytest.raises(ValueError, match=message):
            model(random_ids(1, 4).cuda(), cu_seqlens=torch.tensor(borders).int().cuda())


@pytest.mark.parametrize("whose", ["ours", "transformers'"])
def test_initialisation(whose):
    """Weights N(0, 0.02), biases 0, LayerNorms 1 and 0: in ours, and in what it is modelled on."""
    config = replace(PRESETS["nano"].model, vocab_size=1_024)  # ids 512 to 1,023 are never used
    model = Phi(config) if whose == "ours" else PhiForCausalLM(their_config(config))
    for name, parameter in model.named_parameters():
        if "layernorm.weight" in name:
            assert (parameter == 1).all(), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            # At least 16,384 values: the mean's standard error is 0.00016, the deviation's 0.00011.
            for rows in parameter.split([512, 512]) if len(parameter) == 1_024 else [parameter]:
                assert abs(rows.mean().item()) < 5 * 0.00016, name
                assert abs(rows.std().item() - 0.02) < 5 * 0.00011, name
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)


def test_the_same_seed_gives_the_same_weights():
    torch.manual_seed(3)
    model = Phi(SMALL)
    torch.manual_seed(3)
    again = Phi(SMALL)
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))


def test_hidden_states_are_what_the_head_reads(theirs):
    model = ours_with(theirs)
    ids = random_ids(2, 6)
    hidden = model.hidden_states(ids)
    assert hidden.shape == (2, 6, 48)
    assert torch.equal(model.lm_head(hidden), model(ids))
    torch.testing.assert_close(hidden, theirs.model(ids).last_hidden_state)
