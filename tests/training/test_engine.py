"""The plain engine: accumulation, precision, loss scaling. Oracles: one large batch; float64."""

import math
from dataclasses import replace

import pytest
import torch

from phi1_lib.model import Phi
from phi1_lib.training import engine as engine_module
from phi1_lib.training.engine import TorchEngine

CPU = torch.device("cpu")


def _engine(model_config, train_config, dtype=torch.float32) -> TorchEngine:
    torch.manual_seed(0)
    return TorchEngine(Phi(model_config).to(dtype), train_config, device=CPU)


def _one_batch(engine, dataset, config, start=0) -> float:
    total = 0.0
    for first in range(start, start + config.batch_size, config.micro_batch_size):
        loss = engine(torch.from_numpy(dataset.batch(first, config.micro_batch_size)))
        engine.backward(loss)
        engine.step()
        total += loss.item() * config.micro_batch_size / config.batch_size
    return total


def _gradients(model_config, train_config, dataset, dtype=torch.float32) -> torch.Tensor:
    """All gradients of the first batch as one vector, caught before the update clears them."""
    engine = _engine(model_config, train_config, dtype)
    caught = []
    engine.optimizer.register_step_pre_hook(
        lambda *_: caught.append(torch.cat([p.grad.flatten() for p in engine.model.parameters()]))
    )
    _one_batch(engine, dataset, train_config)
    assert len(caught) == 1
    return caught[0]


def test_accumulated_gradients_are_those_of_the_whole_batch(model_config, train_config, dataset):
    """2 x 4 against 1 x 8 against float64, by the rule: twice PyTorch's own error and 4 eps."""
    config = replace(train_config, gradient_clip=1e9)
    whole = replace(config, micro_batch_size=8)
    exact = _gradients(model_config, whole, dataset, torch.float64)
    reference = _gradients(model_config, whole, dataset).double()
    accumulated = _gradients(model_config, config, dataset).double()
    allowed = 2 * (reference - exact).abs().max() + 4 * 2**-23 * exact.abs().max()
    assert (accumulated - exact).abs().max() <= allowed


def test_weights_change_at_the_last_micro_batch_only(model_config, train_config, dataset):
    engine = _engine(model_config, train_config)
    before = engine.model.lm_head.weight.detach().clone()
    for first in (0, 4):
        assert torch.equal(engine.model.lm_head.weight, before)
        engine.backward(engine(torch.from_numpy(dataset.batch(first, 4))))
        engine.step()
    assert not torch.equal(engine.model.lm_head.weight, before)
    assert all(p.grad is None for p in engine.model.parameters())


def test_clipping_bounds_the_norm_of_all_gradients_together(model_config, train_config, dataset):
    free = _gradients(model_config, replace(train_config, gradient_clip=1e9), dataset)
    clipped = _gradients(model_config, replace(train_config, gradient_clip=0.25), dataset)
    torch.testing.assert_close(clipped, free * 0.25 / free.norm(), rtol=1e-4, atol=1e-8)


def test_bf16_autocast_learns_and_keeps_fp32_weights(model_config, train_config, dataset):
    config = replace(train_config, precision="bf16")
    engine = _engine(model_config, config)
    plain = _engine(model_config, train_config)
    losses = [_one_batch(engine, dataset, config, 8 * n) for n in range(8)]
    exact = [_one_batch(plain, dataset, train_config, 8 * n) for n in range(8)]
    assert {p.dtype for p in engine.model.parameters()} == {torch.float32}
    assert losses != exact
    assert losses == pytest.approx(exact, rel=0.02)  # bf16 keeps 8 bits
    assert losses[-1] < losses[0] - 0.15


def test_fp16_on_a_cpu_is_an_error_that_says_what_to_use(model_config, train_config):
    with pytest.raises(ValueError, match=r"fp16.*needs.*GPU.*cpu; use precision='bf16' or 'fp32'"):
        _engine(model_config, replace(train_config, precision="fp16"))


def test_an_engine_wants_a_settled_precision(model_config, train_config):
    with pytest.raises(ValueError, match=r"precision='auto' is for phi1_lib\.training\.train"):
        _engine(model_config, replace(train_config, precision="auto"))


def test_fp16_scales_the_loss_and_skips_overflows(model_config, train_config, dataset, monkeypatch):
    """The GPU's path with CPU kernels: 2^40 overflows float16; the scale halves until it fits."""
    monkeypatch.setattr(engine_module, "check_precision", lambda *_: None)
    config = replace(train_config, precision="fp16", initial_loss_scale_power=40)
    engine = _engine(model_config, config)
    before = engine.model.lm_head.weight.detach().clone()
    _one_batch(engine, dataset, config)
    assert torch.equal(engine.model.lm_head.weight, before)
    assert not math.isfinite(engine.get_global_grad_norm())
    assert engine.scaler.get_scale() == 2.0**39
    for _ in range(40):
        _one_batch(engine, dataset, config)
    assert engine.scaler.get_scale() < 2.0**39
    assert not torch.equal(engine.model.lm_head.weight, before)
    exact = _gradients(model_config, replace(train_config, gradient_clip=0.25), dataset)
    fits = replace(config, initial_loss_scale_power=8, gradient_clip=0.25)
    scaled = _gradients(model_config, fits, dataset)
    assert (scaled - exact).norm() / exact.norm() < 0.01  # unscaled again before clipping
