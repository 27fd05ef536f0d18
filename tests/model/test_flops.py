"""Costs against counters we did not write: PyTorch's FLOP counter, the ZeRO paper, real tensors."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from phi1_lib.config import PRESETS, PhiConfig
from phi1_lib.model import (
    KVCache,
    Phi,
    cache_bytes,
    count_parameters,
    flops_per_token,
    training_memory_bytes,
)
from phi1_lib.model.flops import activation_bytes
from tests.model.conftest import SMALL

PRETRAIN = PRESETS["full"].pretrain
NANO = PRESETS["nano"]


@pytest.mark.parametrize(("preset", "exact"), [("full", 1_418_270_720), ("small", 356_794_368)])
def test_exact_number_of_parameters(preset, exact):
    config = PRESETS[preset].model
    with torch.device("meta"):
        model = Phi(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == exact
    assert count_parameters(config) == exact


@pytest.mark.parametrize(
    "config", [SMALL, PRESETS["smoke"].model, NANO.model, PRESETS["mini"].model]
)
def test_formula_counts_the_model(config):
    with torch.device("meta"):
        model = Phi(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == count_parameters(config)


@pytest.mark.parametrize("tokens", [7, 64])
def test_formula_a_equals_pytorchs_flop_counter(tokens):
    """The explicit backend computes attention whole, as the formula counts it."""
    model = Phi(SMALL, attention_backend="explicit")
    ids = torch.zeros(2, tokens, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        model(ids).sum().backward()
    assert counter.get_total_flops() == 2 * tokens * flops_per_token(SMALL, tokens)


@pytest.mark.parametrize("preset", ["full", "small"])
def test_formula_a_of_phi1_at_its_own_size(preset):
    """On the meta device: shapes without values. Backward costs twice forward."""
    config = PRESETS[preset].model
    context = config.max_position_embeddings
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        Phi(config, attention_backend="explicit")(torch.zeros(1, context, dtype=torch.int64))
    assert 3 * counter.get_total_flops() == context * flops_per_token(config, context)


def test_formula_a_of_phi1():
    assert flops_per_token(PhiConfig(), 2_048) == 9_084_862_464


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_cache_bytes_are_those_of_the_cache(dtype):
    cache = KVCache(PhiConfig(), batch=3, max_length=100, dtype=dtype, device="meta")
    held = sum(tensor.nbytes for tensor in (*cache._keys, *cache._values))
    assert held == cache_bytes(PhiConfig(), 3, 100, dtype.itemsize)
    assert cache_bytes(PhiConfig(), 1, 2_048, 2) == 402_653_184


@pytest.mark.parametrize(("stage", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.88)])
def test_model_states_equal_figure_1_of_the_zero_paper(stage, gigabytes):
    """The figure: 7.5B parameters, 64 ranks, half precision."""
    memory = training_memory_bytes(PhiConfig(), replace(PRETRAIN, zero_stage=stage), ranks=64)
    per_parameter = (memory.weights + memory.gradients + memory.optimizer) / 1_418_270_720
    assert per_parameter * 7.5 == pytest.approx(gigabytes, rel=0.005)
    assert memory.total == (
        memory.weights + memory.gradients + memory.optimizer + memory.activations
    )


def test_auto_counts_as_the_half_precision_of_a_gpu():
    auto, bf16 = (replace(NANO.pretrain, precision=precision) for precision in ("auto", "bf16"))
    assert training_memory_bytes(SMALL, auto) == training_memory_bytes(SMALL, bf16)


def test_one_rank_saves_nothing_by_zero():
    totals = {
        training_memory_bytes(PhiConfig(), replace(PRETRAIN, zero_stage=stage)).total
        for stage in range(4)
    }
    assert len(totals) == 1
    with pytest.raises(ValueError, match="ranks=0"):
        training_memory_bytes(PhiConfig(), PRETRAIN, ranks=0)


def test_fp32_model_states_equal_the_tensors_of_a_real_step():
    model = Phi(SMALL)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 4, dtype=torch.int64)).sum().backward()
    optimizer.step()
    moments = [
        state[name] for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")
    ]
    memory = training_memory_bytes(SMALL, replace(NANO.pretrain, precision="fp32"))
    assert memory.weights == sum(p.nbytes for p in model.parameters())
    assert memory.gradients == sum(p.grad.nbytes for p in model.parameters())
    assert memory.optimizer == sum(moment.nbytes for moment in moments)


@pytest.mark.parametrize("vocab", [16, 2_048], ids=["mostly blocks", "mostly logits"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_activations_are_within_1_percent_of_the_tensors_that_pytorch_saves(
    precision, dtype, dropout, vocab
):
    ends = {"bos_token_id": 0, "eos_token_id": 0, "used_vocab_size": vocab}
    config = replace(NANO.model, vocab_size=vocab, resid_pdrop=dropout, **ends)
    stage = replace(NANO.pretrain, precision=precision, micro_batch_size=2, dropout=dropout)
    model = Phi(config).to(dtype)
    parameters = {parameter.data_ptr() for parameter in model.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in parameters and tensor.is_floating_point():
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.zeros(stage.micro_batch_size, stage.context_length, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(ids)
        torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), ids.flatten())
    kept = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
    # The CPU keeps a mask in whole values, a GPU in bytes.
    masks = config.num_hidden_layers * 2 * config.hidden_size * (dropout > 0)
    kept -= ids.numel() * masks * (dtype.itemsize - 1)
    # Beside what is kept the formula counts the logits, and in half precision their float32 copy.
    kept += sum({x.data_ptr(): x.nbytes for x in (logits, logits.float())}.values())
    assert activation_bytes(config, stage) == pytest.approx(kept, rel=0.01)
